"""A U-Net: from an image or a volume to the class of each of its pixels."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float

from idml_jax.models.layers import EqualizedConv, EqualizedLinear, leaky
from idml_jax.models.normalization import Normalization, normalization_of
from idml_jax.models.resampling import depth_to_space, downsample, space_to_depth
from idml_jax.typing import Array


class UNet(nnx.Module):
    """Class scores of each pixel: convolutions down to coarse grids and up again, with shortcuts.

    At each resolution two convolutions on the way down and two on the way up, the latter of what
    comes from below beside what was there on the way down [1]_. Images of any size: sides are
    continued by their mirror image to the next multiple of what the coarsest pixel is wide.

    Most of its time goes to the finest grid. With a `patch` of more than one pixel there is none so
    fine: the pixels of a square are the channels of one, and its answer has a channel for each of
    them [3]_, so that nothing of image or labels is lost.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    features : sequence of int
        Channels at each resolution, the finest first; each is half as fine as the one before.
    dimensions : int
        2 or 3, of an image.
    normalization : {"batch", "group", "none"}
        After each convolution. "group" takes its moments from the whole image, so that a tile of
        it is judged otherwise than the same pixels in their image.
    residual : bool
        Whether each pair of convolutions has a shortcut around it.
    attention : bool
        Whether what is kept from the way down is weighted, pixel by pixel, by a gate that looks at
        what comes from below [2]_.
    dropout : float
        Share of the coarsest channels that is left out at random while it is trained.
    patch : int
        Pixels along each side of what is one on the finest grid.
    periodic : bool
        Continue a cell by its opposite side in convolutions.
    dtype : dtype, optional
        Type that the convolutions compute in; the parameters stay float32.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
       segmentation", MICCAI 2015.
    .. [2] O. Oktay et al., "Attention U-Net: learning where to look for the pancreas", 2018, arXiv
       1804.03999.
    .. [3] W. Shi et al., "Real-time single image and video super-resolution using an efficient
       sub-pixel convolutional neural network", CVPR 2016, equation 4.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = UNet(1, 3, features=(4, 8), rngs=nnx.Rngs(0))
    >>> network(jnp.zeros((2, 9, 12, 1), jnp.float32)).shape
    (2, 9, 12, 3)
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        features: Sequence[int] = (16, 32, 64, 128),
        dimensions: int = 2,
        normalization: Normalization = "batch",
        residual: bool = False,
        attention: bool = False,
        dropout: float = 0.0,
        patch: int = 1,
        periodic: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        if patch < 1:
            raise ValueError(f"`patch` (={patch}) must be at least 1.")
        options = {
            "dimensions": dimensions,
            "normalization": normalization,
            "periodic": periodic,
            "dtype": dtype,
            "rngs": rngs,
        }
        self.in_features, self.classes, self.patch = in_features, classes, patch
        self.multiple = patch * 2 ** (len(features) - 1)
        before = (in_features * patch**dimensions, *features[:-1])
        self.down = nnx.List(
            ConvolutionPair(first, after, residual=residual, **options)
            for first, after in zip(before, features, strict=True)
        )
        steps = list(zip(features[:0:-1], features[-2::-1], strict=True))
        self.lift = nnx.List(Upsampled(coarse, fine, **options) for coarse, fine in steps)
        gates = [AttentionGate(fine, rngs=rngs) for _, fine in steps] if attention else []
        self.gates = nnx.List(gates)
        self.up = nnx.List(
            ConvolutionPair(2 * fine, fine, residual=residual, **options) for _, fine in steps
        )
        self.dropout = nnx.Dropout(dropout, broadcast_dims=tuple(range(1, dimensions + 1)))
        self.last = EqualizedLinear(features[0], classes * patch**dimensions, gain=1.0, rngs=rngs)

    @property
    def reach(self) -> int:
        """Pixels up to which others matter to a pixel, but for what groups are normalized by."""
        return reach_of(len(self.down), self.patch)

    def __call__(
        self, images: Float[Array, "batch *space in"], *, rngs: nnx.Rngs | None = None
    ) -> Float[Array, "batch *space classes"]:
        """Logits: logarithms of the classes' probabilities, but for a constant.

        The random numbers are for `dropout`, while the network is trained.
        """
        x, extent = continued(images, self.multiple)
        x, kept = space_to_depth(x, self.patch), []
        for number, pair in enumerate(self.down):
            x = pair(downsample(x) if number else x)
            kept.append(x)
        x = self.dropout(x, rngs=rngs)
        for number, (lift, pair) in enumerate(zip(self.lift, self.up, strict=True)):
            x, beside = lift(x), kept[-2 - number]
            if self.gates:
                beside = self.gates[number](beside, x)
            x = pair(jnp.concatenate([beside, x], axis=-1))
        told = depth_to_space(self.last(x.astype(jnp.float32)), self.patch)
        return told[(slice(None), *extent)]


def reach_of(levels: int, patch: int = 1) -> int:
    """Pixels up to which others matter to a pixel of a U-Net.

    Two convolutions at each resolution down and up, one of what comes from below, and the
    pixels of the coarsest grid; all of them patches of so many pixels along each side.
    """
    pairs = 2 * sum(2**level for level in range(levels))
    pairs += 2 * sum(2**level for level in range(levels - 1))
    patches = pairs + sum(2**level for level in range(1, levels)) + 2 ** (levels - 1)
    # From the one side of its own patch to the far side of the last.
    return patch * (patches + 1) - 1


def continued(
    images: Float[Array, "batch *space in"], multiple: int
) -> tuple[Float[Array, "batch *more in"], tuple[slice, ...]]:
    """Images continued by their mirror image to sides of a multiple, and where they lie in it."""
    space = images.shape[1:-1]
    margins = [(0, -side % multiple) for side in space]
    x = jnp.pad(jnp.asarray(images), ((0, 0), *margins, (0, 0)), mode="symmetric")
    return x, tuple(slice(side) for side in space)


class ConvolutionPair(nnx.Module):
    """Two convolutions, each normalized and rectified; with a shortcut around both if wanted."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        dimensions: int,
        normalization: Normalization,
        residual: bool,
        periodic: bool,
        dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ):
        three = (3,) * dimensions
        options = {"periodic": periodic, "dtype": dtype, "rngs": rngs}
        self.first = EqualizedConv(in_features, out_features, three, **options)
        self.second = EqualizedConv(out_features, out_features, three, **options)
        self.norms = nnx.List(normalization_of(normalization, out_features, rngs) for _ in range(2))
        self.around = (
            EqualizedLinear(in_features, out_features, gain=1.0, dtype=dtype, rngs=rngs)
            if residual
            else None
        )

    def __call__(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch *space out"]:
        first, second = self.norms
        found = second(self.second(leaky(first(self.first(x)))))
        return leaky(found if self.around is None else (found + self.around(x)) * 0.5**0.5)


class Upsampled(nnx.Module):
    """What a coarse grid found, on one twice as fine."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        dimensions: int,
        normalization: Normalization,
        periodic: bool,
        dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ):
        # In two dimensions as one convolution of the coarse grid, which takes less than half.
        self.conv = EqualizedConv(
            in_features,
            out_features,
            (3,) * dimensions,
            resample="up" if dimensions == 2 else None,
            periodic=periodic,
            dtype=dtype,
            rngs=rngs,
        )
        self.dimensions = dimensions
        self.norm = normalization_of(normalization, out_features, rngs)

    def __call__(self, x: Float[Array, "batch *coarse in"]) -> Float[Array, "batch *fine out"]:
        if self.dimensions != 2:
            for axis in range(1, self.dimensions + 1):
                x = jnp.repeat(x, 2, axis=axis)
        return leaky(self.norm(self.conv(x)))


class AttentionGate(nnx.Module):
    """Weights features by how much what comes from below asks for them, pixel by pixel.

    Source: Oktay et al. 2018, equations 1 and 2, with both on the fine grid.
    """

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        inner = max(1, features // 2)
        self.of_kept = EqualizedLinear(features, inner, gain=1.0, rngs=rngs)
        self.of_below = EqualizedLinear(features, inner, gain=1.0, rngs=rngs)
        self.weight = EqualizedLinear(inner, 1, gain=1.0, rngs=rngs)

    def __call__(
        self, kept: Float[Array, "batch *space features"], below: Float[Array, "batch *space f"]
    ) -> Float[Array, "batch *space features"]:
        both = self.of_kept(kept) + self.of_below(below)
        return kept * nnx.sigmoid(self.weight(leaky(both))).astype(kept.dtype)
