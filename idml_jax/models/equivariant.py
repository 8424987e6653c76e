"""Convolutions that commute with quarter turns and mirrors, by their kernels' eight ways to lie.

Features of these layers are told for each of the eight symmetries of a square, its *orientations*,
on an axis before that of the channels. If an image is turned, its features are turned, and their
orientations change places: `turned` does both. What is normalized over all axes but the channels is
normalized for all orientations by the same numbers, so that layers of `nnx` commute as well.

T. S. Cohen and M. Welling, "Group equivariant convolutional networks", ICML 2016; the group is
their p4m.
"""

import itertools
import math
from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, Int, Shaped

from idml_jax.models.layers import drawn_normal, leaky
from idml_jax.models.normalization import Normalization, normalization_of
from idml_jax.models.resampling import (
    convolution,
    convolution_of_upsampled,
    depth_to_space,
    downsample,
    space_to_depth,
)
from idml_jax.typing import Array

ORIENTATIONS = 8
"""Symmetries of a square, numbered as those of crops: as it is, half a turn, mirrored, both, and
the same after a quarter turn."""


def turned(
    x: Float[Array, "batch rows cols *features"], symmetry: int
) -> Float[Array, "batch _ _ *features"]:
    """Images, or features with orientations, turned by one of the symmetries of a square.

    Parameters
    ----------
    x : array of shape (batch, rows, cols, channels) or (batch, rows, cols, 8, channels)
        Of images the pixels change place; of features with orientations these as well.
    symmetry : int
        From 0, which leaves all as it is, to 7.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> turned(jnp.arange(4.0).reshape(1, 2, 2, 1), 4)[0, ..., 0].tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    x = _turned_in_plane(x, symmetry)
    return x[..., _BEFORE[symmetry], :] if x.ndim == 5 else x


class GroupConv(nnx.Module):
    """A convolution of 3 x 3 pixels and eight orientations that commutes with turns and mirrors.

    Each of the orientations that come out is what the one kernel, turned and mirrored that way,
    makes of the features. Kernels are equalized as those of `EqualizedConv`. Turned ones are
    picked from them by constant indices, and all are one convolution.

    Parameters
    ----------
    in_features, out_features : int
        Channels before and after; each that comes out has eight orientations.
    lifts : bool
        Whether what comes in are images, or features without orientations.
    patch : int
        Pixels along each side of an image that are one of what comes out, where it lifts: the
        kernel has 3 x 3 times as many, so that the pixels of a patch are turned as well.
    resample : {"up"}, optional
        Convolve the features upsampled by two, as one convolution on the coarse grid.
    gain, periodic, dtype, rngs
        As for `EqualizedConv`. Images that are not periodic are continued by zeros.

    Notes
    -----
    ``layer(turned(x, symmetry))`` is ``turned(layer(x), symmetry)`` for all eight: sections 4 to
    6 of Cohen and Welling 2016. Of n channels it takes the work of an `EqualizedConv` of 8 n, and
    has an eighth of its parameters.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> first = GroupConv(1, 4, lifts=True, rngs=nnx.Rngs(0))
    >>> second = GroupConv(4, 2, rngs=nnx.Rngs(1))
    >>> second(first(jnp.zeros((2, 6, 9, 1), jnp.float32))).shape
    (2, 6, 9, 8, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        lifts: bool = False,
        patch: int = 1,
        resample: Literal["up"] | None = None,
        gain: float = math.sqrt(2),
        periodic: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        orientations = () if lifts else (ORIENTATIONS,)
        shape = (3 * patch, 3 * patch, *orientations, in_features, out_features)
        self.kernel = nnx.Param(drawn_normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))
        self.scale = gain / math.sqrt(math.prod(shape[:-1]))
        self.patch, self.resample = patch, resample
        self.padding = "wrap" if periodic else "constant"
        self.dtype = jnp.dtype(dtype or jnp.float32)

    def __call__(
        self, x: Float[Array, "batch rows cols *orientations in"]
    ) -> Float[Array, "batch _ _ 8 out"]:
        x = jnp.asarray(x, self.dtype)
        # Orientations that come in are channels to the convolution, and so are those that go out.
        x = space_to_depth(x.reshape(*x.shape[:3], -1), self.patch)
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=self.padding)
        convolved = convolution if self.resample is None else convolution_of_upsampled
        x = convolved(x, self.scale * _all_ways(self.kernel[...], self.patch))
        bias = self.bias[...].astype(x.dtype)
        return x.reshape(*x.shape[:3], ORIENTATIONS, -1) + bias.reshape(1, 1, 1, 1, -1)


class GroupConvolutions(nnx.Module):
    """Group convolutions one after another, each normalized and rectified.

    Of channels `features`, the first of which come in: without orientations if it `lifts` them, and
    then from patches of so many pixels along each side.
    """

    def __init__(
        self,
        *features: int,
        lifts: bool = False,
        patch: int = 1,
        resample: Literal["up"] | None = None,
        normalization: Normalization,
        periodic: bool,
        dtype: DTypeLike | None,
        rngs: nnx.Rngs,
    ):
        options = {"resample": resample, "periodic": periodic, "dtype": dtype, "rngs": rngs}
        first = {"lifts": lifts, "patch": patch}
        self.convs = nnx.List(
            GroupConv(before, after, **(options if number else options | first))
            for number, (before, after) in enumerate(itertools.pairwise(features))
        )
        self.norms = nnx.List(normalization_of(normalization, of, rngs) for of in features[1:])

    def __call__(
        self, x: Float[Array, "batch rows cols *orientations in"]
    ) -> Float[Array, "batch _ _ 8 out"]:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = leaky(norm(conv(x)))
        return x


def halved(
    x: Float[Array, "batch rows cols 8 features"], *, periodic: bool = False
) -> Float[Array, "batch _ _ 8 features"]:
    """Halve both sides by averaging, in a way that commutes with turns and mirrors.

    An even side by pairs of pixels. Of an odd side every second pixel, the first and the last one
    too, is averaged with half of each neighbour; beyond the border lies the last pixel again, or
    the opposite one.
    """
    flat = x.reshape(*x.shape[:3], -1)
    # Two shifts of the pairs of an odd side, one pixel apart, are each other's mirror image.
    rows, cols = ([(0, 1), (1, 0)] if side % 2 else [(0, 0)] for side in x.shape[1:3])
    mode = "wrap" if periodic else "edge"
    found = [
        downsample(jnp.pad(flat, ((0, 0), of_rows, of_cols, (0, 0)), mode=mode))
        for of_rows in rows
        for of_cols in cols
    ]
    mean = sum(found[1:], found[0]) / len(found)
    return mean.reshape(*mean.shape[:3], *x.shape[3:])


def patches_of_orientations(
    x: Float[Array, "batch rows cols 8 channels"], patch: int
) -> Float[Array, "batch _ _ classes"]:
    """What all orientations say together of the pixels of patches, as an image.

    Each says it of a patch that lies as it does itself, `patch` by `patch` pixels of all classes
    among its channels; theirs are turned to lie as the image, and the mean is taken.
    """
    batch, rows, cols, _, channels = x.shape
    told = x.reshape(-1, ORIENTATIONS, patch, patch, channels // patch**2)
    turned_back = [_turned_in_plane(told[:, way], way) for way in range(ORIENTATIONS)]
    mean = sum(turned_back[1:], turned_back[0]) / ORIENTATIONS
    return depth_to_space(mean.reshape(batch, rows, cols, channels), patch)


def _turned_in_plane(
    x: Shaped[Array, "batch rows cols *features"], symmetry: int
) -> Shaped[Array, "batch _ _ *features"]:
    """Pixels in their new places."""
    if symmetry >= 4:
        x = x.swapaxes(1, 2)[:, ::-1]
    rows, cols = ((1, 1), (-1, -1), (1, -1), (-1, 1))[symmetry % 4]
    return x[:, ::rows, ::cols]


def _all_ways(
    kernel: Float[Array, "side side *orientations in out"], patch: int
) -> Float[Array, "3 3 all_in all_out"]:
    """A kernel turned and mirrored all eight ways, beside each other as channels that come out.

    Of one that lifts patches the pixels of each are channels that come in.
    """
    *taps, in_features, out_features = kernel.shape
    index = _TURNED_KERNEL if len(taps) == 3 else _turned_taps(taps[0])
    ways = kernel.reshape(-1, in_features, out_features)[index]
    ways = space_to_depth(ways.reshape(ORIENTATIONS, *taps[:2], -1), patch)
    ways = ways.reshape(ORIENTATIONS, 9, -1, out_features)
    return ways.transpose(1, 2, 0, 3).reshape(3, 3, -1, ORIENTATIONS * out_features)


def _turned_taps(side: int) -> Int[np.ndarray, "8 taps"]:
    """Where each tap of a square kernel that is turned by each symmetry comes from."""
    taps = np.arange(side**2).reshape(1, side, side)
    return np.stack([_turned_in_plane(taps, way).ravel() for way in range(ORIENTATIONS)])


_TURNED_TAPS: Int[np.ndarray, "8 9"] = _turned_taps(3)

_BEFORE: Int[np.ndarray, "8 8"] = np.array(
    [
        [
            next(
                before
                for before in range(ORIENTATIONS)
                if np.array_equal(_TURNED_TAPS[before][of_turn], of_after)
            )
            for of_after in _TURNED_TAPS
        ]
        for of_turn in _TURNED_TAPS
    ]
)
"""``_BEFORE[turn, after]``: the symmetry that `turn` makes `after` of, told by what they make of
the taps of a kernel."""

_TURNED_KERNEL: Int[np.ndarray, "8 72"] = (
    ORIENTATIONS * _TURNED_TAPS[:, :, None] + _BEFORE[:, None, :]
).reshape(ORIENTATIONS, -1)
"""The same as `_TURNED_TAPS`, of kernels of taps and orientations."""
