"""Convolutional networks from a microstructure to numbers: a field of them, or a few."""

from collections.abc import Sequence

from flax import nnx
from jaxtyping import Float

from idml_jax.models.layers import EqualizedConv, EqualizedLinear, leaky
from idml_jax.models.stages import ConvolutionStages, mean_over_space
from idml_jax.typing import Array


class FieldRegressor(nnx.Module):
    """Numbers at each pixel from what is around it: a stress, a strain, a flux.

    Residual convolutions that keep the size; dilated ones [1]_ look far without
    losing it. Whatever the size of a cell, the same network reads it.

    Parameters
    ----------
    in_features, out_features : int
        Channels of a microstructure, and numbers at each pixel.
    features : int
        Channels between the convolutions.
    dilations : sequence of int
        Pixels between the taps of each 3 x 3 (x 3) convolution; their sum is how
        many pixels around it a number depends on.
    dimensions : int
        2 or 3, of a microstructure.
    periodic : bool
        Continue a cell by its opposite side: the network then commutes with
        `jax.numpy.roll`, as a periodic cell's fields do.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] F. Yu, V. Koltun, "Multi-scale context aggregation by dilated
       convolutions", ICLR 2016.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = FieldRegressor(1, 3, features=4, dilations=(1, 2), rngs=nnx.Rngs(0))
    >>> network(jnp.zeros((2, 9, 7, 1), jnp.float32)).shape
    (2, 9, 7, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        features: int = 24,
        dilations: Sequence[int] = (1, 2, 4, 2, 1),
        dimensions: int = 2,
        periodic: bool = True,
        rngs: nnx.Rngs,
    ):
        one, three = (1,) * dimensions, (3,) * dimensions
        options = {"periodic": periodic, "rngs": rngs}
        self.first = EqualizedConv(in_features, features, three, **options)
        self.middle = nnx.List(
            EqualizedConv(features, features, three, dilation=dilation, **options)
            for dilation in dilations[1:]
        )
        self.last = EqualizedConv(features, out_features, one, gain=1.0, **options)

    def __call__(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch *space out"]:
        x = leaky(self.first(x))
        for layer in self.middle:
            x = (x + leaky(layer(x))) * 0.5**0.5
        return self.last(x)


class PropertyRegressor(nnx.Module):
    """A few numbers from a whole microstructure: its effective properties.

    Convolutions on coarser and coarser grids, the mean over the coarsest, and a
    dense layer: any size will do. Only a periodic cell whose sides the coarsening divides is
    the same wherever it begins.

    Parameters
    ----------
    in_features, out_features : int
        Channels of a microstructure, and numbers that it is turned into.
    features : sequence of int
        Channels at each resolution, the finest first; each is half as fine as the
        one before.
    dimensions : int
        2 or 3, of a microstructure.
    periodic : bool
        Continue a cell by its opposite side.
    rngs : nnx.Rngs
        Source of the initial values.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = PropertyRegressor(1, 3, features=(4, 8), rngs=nnx.Rngs(0))
    >>> network(jnp.zeros((2, 8, 12, 1), jnp.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        features: Sequence[int] = (16, 32, 64, 64),
        dimensions: int = 2,
        periodic: bool = False,
        rngs: nnx.Rngs,
    ):
        self.stages = ConvolutionStages(
            in_features, features=features, dimensions=dimensions, periodic=periodic, rngs=rngs
        )
        self.dense = EqualizedLinear(features[-1], features[-1], rngs=rngs)
        self.last = EqualizedLinear(features[-1], out_features, gain=1.0, rngs=rngs)

    def __call__(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch out"]:
        return self.last(leaky(self.dense(mean_over_space(self.stages(x)[-1]))))
