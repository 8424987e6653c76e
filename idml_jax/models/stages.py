"""Convolutions on coarser and coarser grids: what networks of whole images begin with."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

from idml_jax.models.layers import EqualizedConv, leaky
from idml_jax.models.normalization import Normalization, normalization_of
from idml_jax.models.resampling import downsample
from idml_jax.typing import Array


class ConvolutionStages(nnx.Module):
    """Two convolutions at each resolution, the second one around a shortcut.

    Parameters
    ----------
    in_features : int
        Channels of an image.
    features : sequence of int
        Channels at each resolution, the finest first; each is half as fine as the
        one before.
    dimensions : int
        2 or 3, of an image.
    periodic : bool
        Continue a cell by its opposite side.
    normalization : {"batch", "group", "none"}
        After each convolution; "group" takes its moments from the whole of an image.
    rngs : nnx.Rngs
        Source of the initial values.

    Notes
    -----
    An odd side is continued by one pixel before it is halved, by the opposite one where
    the cell is periodic and else by the last one again.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> stages = ConvolutionStages(1, features=(4, 8), rngs=nnx.Rngs(0))
    >>> [x.shape for x in stages(jnp.zeros((2, 9, 12, 1), jnp.float32))]
    [(2, 9, 12, 4), (2, 5, 6, 8)]
    """

    def __init__(
        self,
        in_features: int,
        *,
        features: Sequence[int],
        dimensions: int = 2,
        periodic: bool = False,
        normalization: Normalization = "none",
        rngs: nnx.Rngs,
    ):
        three, options = (3,) * dimensions, {"periodic": periodic, "rngs": rngs}
        before = (in_features, *features[:-1])
        self.pairs = nnx.List(
            nnx.List(
                EqualizedConv(channels, after, three, **options) for channels in (first, after)
            )
            for first, after in zip(before, features, strict=True)
        )
        self.norms = nnx.List(
            nnx.List(normalization_of(normalization, after, rngs) for _ in range(2))
            for after in features
        )
        self.padding = "wrap" if periodic else "edge"

    def __call__(
        self, x: Float[Array, "batch *space in"]
    ) -> tuple[Float[Array, "batch *coarse features"], ...]:
        """What each resolution makes of a batch of images, the finest first."""
        found = []
        for number, (convs, norms) in enumerate(zip(self.pairs, self.norms, strict=True)):
            x = leaky(norms[0](convs[0](self._halved(x) if number else x)))
            x = (x + leaky(norms[1](convs[1](x)))) * 0.5**0.5
            found.append(x)
        return tuple(found)

    def _halved(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch *coarse in"]:
        odd = [(0, side % 2) for side in x.shape[1:-1]]
        return downsample(jnp.pad(x, ((0, 0), *odd, (0, 0)), mode=self.padding))


def mean_over_space(x: Float[Array, "batch *space features"]) -> Float[Array, "batch features"]:
    """Mean of each channel of each image, whatever the size of the images."""
    return jnp.mean(x, axis=tuple(range(1, x.ndim - 1)))
