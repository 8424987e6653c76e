"""Convolutional networks from an image to its class."""

from collections.abc import Sequence

from flax import nnx
from jaxtyping import Float

from idml_jax.models.layers import EqualizedLinear, leaky
from idml_jax.models.stages import ConvolutionStages, mean_over_space
from idml_jax.typing import Array, Images


class Classifier(nnx.Module):
    """Which class an image belongs to, and the features that tell.

    Convolutions on coarser and coarser grids, the mean over the coarsest, and two
    dense layers; images of any size.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    features : sequence of int
        Channels at each resolution, the finest first; each is half as fine as the
        one before.
    embedding : int
        Numbers that an image is turned into before its class is told from them.
    periodic : bool
        Continue an image by its opposite side.
    rngs : nnx.Rngs
        Source of the initial values.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = Classifier(1, 3, features=(4, 8), embedding=6, rngs=nnx.Rngs(0))
    >>> images = jnp.zeros((2, 9, 12, 1), jnp.float32)
    >>> network(images).shape, network.features(images).shape
    ((2, 3), (2, 6))
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        features: Sequence[int] = (16, 32, 64, 64),
        embedding: int = 64,
        periodic: bool = False,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.stages = ConvolutionStages(
            in_features, features=features, periodic=periodic, rngs=rngs
        )
        self.dense = EqualizedLinear(features[-1], embedding, rngs=rngs)
        self.last = EqualizedLinear(embedding, classes, gain=1.0, rngs=rngs)

    def __call__(self, images: Images) -> Float[Array, "batch classes"]:
        """Logits: logarithms of the classes' probabilities, but for a constant."""
        return self.last(self.features(images))

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The embedding of each image, which the last layer is linear in."""
        return leaky(self.dense(mean_over_space(self.stages(images)[-1])))
