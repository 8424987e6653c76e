"""A classifier to which an image is the same however it is turned and mirrored."""

from collections.abc import Sequence

from flax import nnx
from jaxtyping import Float

from idml_jax.models.classifiers import FromFeatures
from idml_jax.models.equivariant import GroupConvolutions, halved
from idml_jax.models.layers import EqualizedLinear, leaky
from idml_jax.models.normalization import Normalization
from idml_jax.models.stages import mean_over_space
from idml_jax.typing import Array, Images


class EquivariantClassifier(FromFeatures):
    """Which class an image belongs to, by a `Classifier` of group convolutions.

    An image that is turned by a quarter or mirrored has the same features and the same class,
    after any training and whatever its sides [1]_: the mean over space is one over orientations
    too. It is for materials, and shots of them, without a direction.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    features : sequence of int
        Channels at each resolution, the finest first; each has eight orientations. A third of a
        `Classifier`'s are as many parameters and eight times the work.
    embedding, periodic, normalization, dropout, rngs
        As for `Classifier`; all orientations of a channel are normalized together.

    References
    ----------
    .. [1] T. S. Cohen and M. Welling, "Group equivariant convolutional networks", ICML 2016,
       section 6.3: pooling over the group.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = EquivariantClassifier(1, 3, features=(2, 4), embedding=6, rngs=nnx.Rngs(0))
    >>> images = jnp.zeros((2, 9, 12, 1), jnp.float32)
    >>> network(images).shape, network.features(images).shape
    ((2, 3), (2, 6))
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        features: Sequence[int] = (4, 8, 16, 16),
        embedding: int = 64,
        periodic: bool = False,
        normalization: Normalization = "none",
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        options = {
            "normalization": normalization,
            "periodic": periodic,
            "dtype": None,
            "rngs": rngs,
        }
        self.in_features = in_features
        before = (in_features, *features[:-1])
        self.first = nnx.List(
            GroupConvolutions(channels, after, lifts=number == 0, **options)
            for number, (channels, after) in enumerate(zip(before, features, strict=True))
        )
        self.second = nnx.List(GroupConvolutions(after, after, **options) for after in features)
        self.periodic = periodic
        self.dense = EqualizedLinear(features[-1], embedding, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.last = EqualizedLinear(embedding, classes, gain=1.0, rngs=rngs)

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The embedding of each image, the same for all eight ways that it can lie."""
        x = images
        for number, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            x = first(halved(x, periodic=self.periodic) if number else x)
            x = (x + second(x)) * 0.5**0.5
        return leaky(self.dense(mean_over_space(x)))
