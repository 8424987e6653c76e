"""A classifier that is a residual network, which others may have trained."""

import jax
from flax import nnx
from jaxtyping import Float

from idml_jax.models.classifiers import FromFeatures
from idml_jax.models.layers import EqualizedLinear
from idml_jax.models.resnet import Depth, ResNet
from idml_jax.models.stages import mean_over_space
from idml_jax.typing import Array, Images


class ResNetClassifier(FromFeatures):
    """Which class an image belongs to, by the mean of what a residual network finds in it.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    depth : {18, 34, 50}
        Of the residual network, `encoder`: give it weights by `load_pytorch_weights`.
    frozen : bool
        Whether the residual network stays as it is, its moments too, while the last layer is
        trained.
    dropout : float
        Share of the features that is left out at random while it is trained.
    rngs : nnx.Rngs
        Source of the initial values.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = ResNetClassifier(1, 3, 18, rngs=nnx.Rngs(0))
    >>> images = jnp.zeros((1, 40, 64, 1), jnp.float32)
    >>> network(images).shape, network.features(images).shape
    ((1, 3), (1, 512))
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        depth: Depth,
        *,
        frozen: bool = False,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.in_features, self.frozen = in_features, frozen
        self.encoder = ResNet(in_features, depth, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.last = EqualizedLinear(self.encoder.features[-1], classes, gain=1.0, rngs=rngs)

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The mean over space of what the residual network finds on its coarsest grid."""
        if self.frozen:
            # By its running moments, which then stay as they are, in a training too.
            self.encoder.eval()
        found = mean_over_space(self.encoder(images)[-1])
        return jax.lax.stop_gradient(found) if self.frozen else found
