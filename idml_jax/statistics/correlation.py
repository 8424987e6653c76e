"""Two-point statistics of a microstructure, in 2 and 3 dimensions."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

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
        Pixels that are known: only pairs with both ends in it count.

    Returns
    -------
    s2 : float array of the shape of `phase`
        ``s2[..., i, j]`` is the value at the displacement ``(i - M // 2, j - N //
        2)``, in pixels: the zero displacement is at index ``n // 2`` of each axis.
        NaN where no pair of known pixels is that far apart.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Computed by the Wiener-Khinchin theorem in :math:`O(n \log n)` for :math:`n`
    pixels. For a phase of volume fraction :math:`\phi`, :math:`S_2(0) = \phi`,
    and in a medium without long-range order :math:`S_2(\mathbf{r}) \to \phi^2` at
    large distance [1]_. Differentiable in soft phases.

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
    for name, array in (("other", other), ("mask", mask)):
        if array is not None and array.shape != shape:
            raise ValueError(
                f"`{name}` has the shape {array.shape} and `phase` {shape}: give equal."
            )
    dtype = real_dtype(phase)
    grid = shape if periodic else tuple(2 * side for side in shape)
    first = phase.astype(dtype)
    second = first if other is None else jnp.asarray(other).astype(dtype)
    known = jnp.ones(shape, dtype) if mask is None else jnp.asarray(mask).astype(dtype)
    if mask is not None:
        first, second = first * known, second * known

    forward = jnp.fft.rfftn(first, grid)
    backward = forward if other is None else jnp.fft.rfftn(second, grid)
    pairs = jnp.fft.irfftn(forward.conj() * backward, grid)
    if periodic and mask is None:
        tried = jnp.asarray(math.prod(shape), dtype)
    else:
        tried = jnp.fft.irfftn(jnp.abs(jnp.fft.rfftn(known, grid)) ** 2, grid)
        # Rounding of the transforms: a hundredth of a pair is none.
        tried = jnp.where(tried > 0.01, tried, jnp.nan)

    s2 = jnp.fft.fftshift(pairs / tried)
    centre = tuple(
        slice(side // 2 - n // 2, side // 2 - n // 2 + n)
        for side, n in zip(grid, shape, strict=True)
    )
    return s2[centre]


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
        first, near 1, 2, ... for the next. Up to half the shorter side, so that
        every ring is whole.
    values : array of shape (bins,)
        Mean of the field over each ring.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> distances, values = radial_average(jnp.ones((9, 9)))
    >>> distances.round(2).tolist(), values.tolist()
    ([0.0, 1.21, 2.24, 3.04], [1.0, 1.0, 1.0, 1.0])
    """
    # All of the geometry is known from the shape: numpy, once, at trace time.
    centred = [np.arange(side) - side // 2 for side in field.shape]
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(*centred, indexing="ij", copy=False)))
    ring = np.rint(distance).astype(np.int32).ravel()
    bins = (min(field.shape) - 1) // 2 + (1 if min(field.shape) % 2 == 0 else 0)
    bins = max(bins, 1)
    counts = np.bincount(ring)[:bins]
    distances = np.bincount(ring, weights=distance.ravel())[:bins] / counts
    sums = jnp.zeros(int(ring.max()) + 1, field.dtype).at[ring].add(field.ravel())[:bins]
    return distances, sums / counts.astype(field.dtype)
