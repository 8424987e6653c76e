"""Two-point statistics of a microstructure, in 2 and 3 dimensions."""

import functools
import math
from typing import cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len

from idml_jax.statistics.phases import real_dtype
from idml_jax.typing import Array, Phase


def two_point_correlation(
    phase: Phase,
    other: Phase | None = None,
    *,
    periodic: bool = True,
    mask: Phase | None = None,
) -> Float[Array, "*space"]:
    r"""Two-point correlation :math:`S_2(\mathbf{r})` of one phase, or of two.

    The probability that a point lies in `phase` while the point displaced from it
    by :math:`\mathbf{r}` lies in `other`, estimated over every pair of pixels
    that far apart.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    other : array of the same shape, optional
        The second phase. By default `phase`, which gives the autocorrelation.
    periodic : bool
        Whether the image tiles space. If False, pairs that would cross the border
        are left out rather than wrapped.
    mask : array of the same shape, optional
        Pixels that are known: only pairs with both ends in it count. Or how far
        each is trusted, in [0, 1]: a pair weighs the product of its ends.
        Whatever the phase holds where the mask is 0 is not looked at.

    Returns
    -------
    s2 : float array of the shape of `phase`
        ``s2[..., i, j]`` is the value at the displacement ``(i - M // 2, j - N //
        2)``, in pixels: the zero displacement is at index ``n // 2`` of each axis.
        NaN where no pair of known pixels is that far apart.

    Raises
    ------
    ValueError
        If the shapes differ, or have other than 2 or 3 axes.
    TypeError
        If an array is neither boolean nor float.

    Notes
    -----
    Computed by the Wiener-Khinchin theorem in :math:`O(n \log n)` for :math:`n`
    pixels; exact for boolean phases, whose pairs are whole numbers. For a phase
    of volume fraction :math:`\phi`, :math:`S_2(0) = \phi`, and in a medium without
    long-range order :math:`S_2(\mathbf{r}) \to \phi^2` at large distance [1]_.
    Differentiable in soft phases, also where the result is NaN at other
    displacements.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 2.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([[True], [False]]), (4, 8))
    >>> s2 = two_point_correlation(stripes)
    >>> s2[4:7, 4].round(6).tolist()
    [0.5, 0.0, 0.5]
    """
    phase = jnp.asarray(phase)
    shape = phase.shape
    if phase.ndim not in (2, 3):
        raise ValueError(
            f"`phase` has {phase.ndim} axes; a microstructure has 2 or 3 (no channels, no batch: "
            "use `jax.vmap`)."
        )
    for name, array in (("other", other), ("mask", mask)):
        if array is not None and array.shape != shape:
            raise ValueError(
                f"`{name}` has the shape {array.shape} and `phase` {shape}: give equal."
            )
    dtype = real_dtype(phase)
    given = [phase, *(jnp.asarray(array) for array in (other, mask) if array is not None)]
    for array in given:
        real_dtype(array)
    # Pairs of pixels that are in or out are counted, not weighed.
    whole = all(array.dtype == bool for array in given)

    first = phase.astype(dtype)
    second = first if other is None else jnp.asarray(other).astype(dtype)
    known = None if mask is None else jnp.asarray(mask).astype(dtype)
    if known is not None:
        first, second = (jnp.where(known > 0, field, 0) * known for field in (first, second))

    pairs = _pairs(first, None if other is None else second, periodic=periodic)
    if known is None:
        tried = jnp.asarray(_places(shape, periodic=periodic), dtype)
        return (jnp.rint(pairs) if whole else pairs) / tried
    tried = _pairs(known, periodic=periodic)
    if whole:
        pairs, tried = jnp.rint(pairs), jnp.rint(tried)
    # What the transforms leave of nothing, by rounding, is no pair.
    rounding = 8 * jnp.finfo(dtype).eps * jnp.sum(known**2)
    exists = tried > jnp.maximum(rounding, jnp.finfo(dtype).tiny)
    # The division is safe on both branches, or its derivative would be NaN on both.
    return jnp.where(exists, pairs / jnp.where(exists, tried, 1), jnp.nan)


def _pairs(
    first: Float[Array, "*space"],
    second: Float[Array, "*space"] | None = None,
    *,
    periodic: bool,
) -> Float[Array, "*space"]:
    """Sum of the products of all pairs of pixels at each displacement, centred."""
    shape = first.shape
    # Zeros as wide as the longest displacement kept, half a side, stop it from wrapping.
    wide = tuple(cast(int, next_fast_len(n + n // 2, real=True)) for n in shape)
    grid = shape if periodic else wide
    forward = jnp.fft.rfftn(first, grid)
    backward = forward if second is None else jnp.fft.rfftn(second, grid)
    pairs = jnp.fft.fftshift(jnp.fft.irfftn(forward.conj() * backward, grid))
    return pairs[
        tuple(
            slice(side // 2 - n // 2, side // 2 - n // 2 + n)
            for side, n in zip(grid, shape, strict=True)
        )
    ]


def _places(shape: tuple[int, ...], *, periodic: bool) -> Float[np.ndarray, "..."]:
    """Number of pairs of pixels at each displacement, centred, where all are known."""
    if periodic:
        return np.asarray(float(math.prod(shape)))
    overlaps = [n - np.abs(np.arange(n) - n // 2).astype(float) for n in shape]
    return functools.reduce(np.multiply.outer, overlaps)


def radial_average(
    field: Float[Array, "*space"],
) -> tuple[Float[np.ndarray, " bins"], Float[Array, " bins"]]:
    """Average of a centred field over rings, or shells, one pixel wide.

    Parameters
    ----------
    field : array of shape (M, N) or (P, M, N)
        Zero displacement at index ``n // 2`` of each axis, as
        `two_point_correlation` returns it.

    Returns
    -------
    distances : array of shape (bins,)
        Mean distance, in pixels, of the pixels in each ring: exactly 0 for the
        first, near 1, 2, ... for the next. Every ring that is whole, which for a
        shorter side of N are ``(N + 1) // 2``.
    values : array of shape (bins,)
        Mean of the field over each ring; NaN if the field has a NaN in it.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> distances, values = radial_average(jnp.ones((9, 9)))
    >>> distances.round(2).tolist(), values.tolist()
    ([0.0, 1.21, 2.16, 3.04, 4.08], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    # All of the geometry is known from the shape: numpy, once, at trace time.
    centred = [np.arange(side) - side // 2 for side in field.shape]
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(*centred, indexing="ij", sparse=True)))
    ring = np.rint(distance).astype(np.int32).ravel()
    bins = (min(field.shape) + 1) // 2
    counts = np.bincount(ring)[:bins]
    distances = np.bincount(ring, weights=distance.ravel())[:bins] / counts
    sums = jnp.zeros(int(ring.max()) + 1, field.dtype).at[ring].add(field.ravel())[:bins]
    return distances, sums / counts.astype(field.dtype)
