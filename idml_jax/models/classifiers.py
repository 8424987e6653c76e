"""Convolutional networks from an image to its class."""

import abc
from collections.abc import Sequence

from flax import nnx
from jaxtyping import Float

from idml_jax.models.layers import EqualizedConv, EqualizedLinear, leaky
from idml_jax.models.normalization import Normalization, normalization_of
from idml_jax.models.stages import ConvolutionStages, mean_over_space
from idml_jax.typing import Array, Images


class FromFeatures(nnx.Module):
    """What tells the class of an image from its features: by a last layer that is linear."""

    dropout: nnx.Dropout
    last: EqualizedLinear

    def __call__(
        self, images: Images, *, rngs: nnx.Rngs | None = None
    ) -> Float[Array, "batch classes"]:
        """Logits: logarithms of the classes' probabilities, but for a constant.

        The random numbers are for `dropout`, while the network is trained.
        """
        return self.last(self.dropout(self.features(images), rngs=rngs))

    @abc.abstractmethod
    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The embedding of each image, which the last layer is linear in."""


class Classifier(FromFeatures):
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
    normalization : {"batch", "group", "none"}
        After each convolution.
    dropout : float
        Share of the embedding that is left out at random while it is trained.
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
        normalization: Normalization = "none",
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.stages = ConvolutionStages(
            in_features,
            features=features,
            periodic=periodic,
            normalization=normalization,
            rngs=rngs,
        )
        self.dense = EqualizedLinear(features[-1], embedding, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.last = EqualizedLinear(embedding, classes, gain=1.0, rngs=rngs)

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The embedding of each image, which the last layer is linear in."""
        return leaky(self.dense(mean_over_space(self.stages(images)[-1])))


class MaxPoolingClassifier(FromFeatures):
    """Few convolutions, the largest of two by two pixels after each, and one dense layer.

    With three of them it is after a network for micrographs of titanium alloys [1]_, but for the
    mean over space before the dense layer, so that images may be of any size.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    features : sequence of int
        Channels of each convolution; the last are the embedding.
    periodic, normalization, dropout, rngs
        As for `Classifier`.

    References
    ----------
    .. [1] A. Baskaran et al., "Adaptive characterization of microstructure dataset using a two
       stage machine learning approach", Computational Materials Science 177, 109593 (2020).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = MaxPoolingClassifier(1, 3, features=(4, 6, 8), rngs=nnx.Rngs(0))
    >>> images = jnp.zeros((2, 9, 12, 1), jnp.float32)
    >>> network(images).shape, network.features(images).shape
    ((2, 3), (2, 8))
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        features: Sequence[int] = (16, 32, 64),
        periodic: bool = False,
        normalization: Normalization = "none",
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        before = (in_features, *features[:-1])
        self.convs = nnx.List(
            EqualizedConv(channels, after, periodic=periodic, rngs=rngs)
            for channels, after in zip(before, features, strict=True)
        )
        self.norms = nnx.List(normalization_of(normalization, after, rngs) for after in features)
        self.dropout = nnx.Dropout(dropout)
        self.last = EqualizedLinear(features[-1], classes, gain=1.0, rngs=rngs)

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The mean over space of what the last convolution finds."""
        x = images
        for conv, norm in zip(self.convs, self.norms, strict=True):
            # Of an odd side the last pixel is pooled by itself.
            x = nnx.max_pool(leaky(norm(conv(x))), (2, 2), strides=(2, 2), padding="SAME")
        return mean_over_space(x)
