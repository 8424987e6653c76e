"""Integral range: how much of a medium is one independent sample of it, from its covariance."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.statistics.pairs import overlaps, pair_sums, pairs_that_exist, spectrum
from idml_jax.statistics.phases import check_phase, real_dtype
from idml_jax.statistics.rings import Rings, radial_average, rings_of
from idml_jax.typing import Array, Phase

TOO_SMALL = 0.25
"""Degrees of freedom where an image is too small to show its range."""


def integral_range(
    phase: Phase, *, periodic: bool = True, reach: int | None = None
) -> Float[Array, ""]:
    r"""Integral range: the area, or volume, of a medium that is one independent sample of it.

    .. math:: A = \frac{1}{\phi (1 - \phi)} \int \left( S_2(\mathbf{r}) - \phi^2 \right) d\mathbf{r}

    The volume fraction of images of volume :math:`V \gg A` has the variance
    :math:`\phi (1 - \phi) A / V` [1]_ [2]_.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    periodic : bool
        Whether the image tiles space. If False, it is a window of a larger medium.
    reach : int, optional
        Distance in pixels up to which the covariance is summed, rounded to whole pixels. By
        default it is found; give it where the medium is known. Then nothing is done about order.

    Returns
    -------
    range : float
        In pixels to the power of the dimension. NaN if the phase is uniform, or if the image is
        too small: less than about four ranges wide.

    Raises
    ------
    ValueError
        If `reach` is negative or at least half of the shortest side; and as
        `two_point_correlation` does.
    TypeError
        As `two_point_correlation` does.

    Notes
    -----
    The sum of the covariance over whole pixels, as it is pixels that are averaged. Deviations
    are those from the image's own mean, and over the whole of a periodic image their covariance
    sums to exactly 0, whatever the medium. So the sum is cut off, and corrected:

    - Cut: at a ball, of the first radius that exceeds twice :math:`A^{1/d}` and twice the sum of
      the covariance along each axis, as estimated up to that radius. This is Sokal's
      automatic window for time series [3]_ in d dimensions. Of a covariance :math:`\exp(-r / a)`
      in 2-D it loses 4 %. Structures that are 8 times longer than wide, or more, and lie along
      no axis need a `reach`.
    - Bias: the mean that is subtracted varies itself, by :math:`v = \phi (1 - \phi) A / V`, and
      each value of the covariance is too small by v on average. As v is the sum in question
      over V, both are solved for.
    - Order: a ball that ends amid the oscillations of an ordered medium can give anything, even
      a negative sum. The result is at least the one from the variance of local averages [4]_
      over boxes of about the diameter of the ball, which is never negative, and below that of
      the whole medium only by its surface. For media that are nearly periodic it is too large,
      by a factor of 1.3 to 2.5 as measured, where a sum up to the first zero of the covariance
      is by 3 to 10.

    The standard error of the result, relative to it, is near :math:`\sqrt{2 n / V}` with n the
    pixels of the ball: for an image of V pixels less than 100 ranges in size it is a rough guide.

    Differentiable but for the place of the cut. Cost and memory are those of
    `two_point_correlation`.

    References
    ----------
    .. [1] C. Lantuejoul, J. Microsc. 161, 387 (1991).
    .. [2] T. Kanit, S. Forest, I. Galliet, V. Mounoury, D. Jeulin, Int. J. Solids Struct. 40,
       3647 (2003).
    .. [3] N. Madras, A. D. Sokal, J. Stat. Phys. 50, 109 (1988), appendix C.
    .. [4] B. Lu, S. Torquato, J. Chem. Phys. 93, 3452 (1990).

    Examples
    --------
    >>> import jax
    >>> squares = jax.random.bernoulli(jax.random.key(0), 0.3, (64, 64)).repeat(4, 0).repeat(4, 1)
    >>> 10 < float(integral_range(squares)) < 22  # squares of 4 x 4 pixels that are equal
    True
    """
    phase = check_phase(phase)
    check_reach(reach, phase.shape)
    return _integral_range(phase, periodic=periodic, reach=reach)


class Spread(NamedTuple):
    """How much the mean of a field over images like the given ones varies."""

    variance: Float[Array, ""]
    """Of the mean over all given images; NaN for a uniform field."""
    range: Float[Array, ""]
    """Integral range of the field."""
    degrees_of_freedom: Float[Array, ""]
    """How well the variance is known: that of a chi-squared variable with as many."""


def spread_of_mean(
    deviations: Float[Array, "images *space"], *, periodic: bool, reach: int | None
) -> Spread:
    r"""Variance of the mean of a field over one image, or over several together.

    Parameters
    ----------
    deviations : array of shape (images, M, N) or (images, P, M, N)
        From the mean over all of the images: they sum to 0.
    periodic, reach
        As in `integral_range`.

    Returns
    -------
    spread : Spread

    Notes
    -----
    With n(r) pairs of pixels in all images, V pixels, and the covariance C within the reach,
    :math:`v = \sum n C / V^2`, where on average C is too small by v: :math:`v = \sum n C /
    (V^2 - \sum n)`. Its relative variance is about :math:`2 \sum n / V^2`, as of an estimate of
    the spectral density at zero from the density near to it; hence the degrees of freedom.
    """
    count, shape, dtype = len(deviations), deviations.shape[1:], deviations.dtype
    middle = tuple(side // 2 for side in shape)

    def add(sums: Float[Array, "*space"], field: Float[Array, "*space"]):
        waves = spectrum(field, periodic)
        return sums + pair_sums(waves, waves, shape, periodic), None

    sums = jax.lax.scan(add, jnp.zeros(shape, dtype), deviations)[0]
    covariance = sums / (count * pairs_that_exist(shape, periodic, dtype))
    at_zero = covariance[middle]
    rings = rings_of(shape)
    sizes = rings.sizes.astype(dtype)
    within = count * np.cumsum(_pairs_at(rings, shape, periodic))
    total = float(count * math.prod(shape)) ** 2
    # The pairs of a tiny periodic image can be all that there are: it has no such variance.
    left = np.where(within < total, total - within, np.nan)
    by_ring = radial_average(sums)[1] * sizes
    covariances = by_ring / (count * math.prod(shape))
    if not periodic:
        covariances = radial_average(covariance)[1] * sizes
    curves = jnp.stack([by_ring, covariances, *_lines(covariance)])
    within_reach, integrals, *along = jnp.cumsum(curves, axis=1)
    variances = within_reach / left.astype(dtype)
    ranges = (integrals + np.cumsum(sizes) * variances) / (at_zero + variances)
    if reach is None:
        both_ways = 2 * jnp.stack(along).max(axis=0) - at_zero
        both_ways += np.arange(1, 2 * len(sizes), 2).astype(dtype) * variances
        lengths = jnp.maximum(ranges, 0) ** (1 / len(shape))
        lengths = jnp.maximum(lengths, both_ways / (at_zero + variances))
        place, enough = _first_beyond(lengths)
        variance, extent = variances[place], ranges[place]
        floor, least_extent = _spread_of_boxes(sums, covariance, place, total, count, periodic)
        variance, extent = (
            jnp.where(variance >= floor, *pair)
            for pair in ((variance, floor), (extent, least_extent))
        )
    else:
        place, enough = jnp.asarray(reach), jnp.asarray(True)
        variance, extent = variances[place], ranges[place]
    # Rounding of a mean leaves a uniform field with deviations of about that size.
    uniform = at_zero <= (8 * jnp.finfo(dtype).eps) ** 2
    degrees = total / jnp.asarray(within, dtype)[place] - 1
    return Spread(
        jnp.where(uniform, jnp.nan, variance),
        jnp.where(uniform | ~enough, jnp.nan, extent),
        jnp.where(enough, jnp.maximum(degrees, TOO_SMALL), TOO_SMALL),
    )


def check_reach(reach: int | None, shape: tuple[int, ...]) -> None:
    """Refuse a distance that does not fit in the image in every direction."""
    longest = (min(shape) - 1) // 2
    if reach is not None and not 0 <= reach <= longest:
        raise ValueError(
            f"`reach` (={reach}) must lie between 0 and {longest}, less than half of the shortest "
            f"side of {shape}."
        )


@functools.partial(jax.jit, static_argnames=("periodic", "reach"))
def _integral_range(phase: Phase, *, periodic: bool, reach: int | None) -> Float[Array, ""]:
    weights = phase.astype(real_dtype(phase))[None]
    return spread_of_mean(weights - weights.mean(), periodic=periodic, reach=reach).range


def _pairs_at(rings: Rings, shape: tuple[int, ...], periodic: bool) -> Float[np.ndarray, " rings"]:
    """Pairs of pixels whose displacement lies in each ring."""
    steps = np.arange(rings.count)
    along = [np.full(rings.count, n) if periodic else n - steps for n in shape]
    return rings.sums(rings.mirrors * functools.reduce(np.multiply.outer, along))


def _lines(covariance: Float[Array, "*space"]) -> list[Float[Array, " rings"]]:
    """Covariance along each axis, from zero displacement on, as far as the rings go."""
    middle, count = [side // 2 for side in covariance.shape], (min(covariance.shape) + 1) // 2
    return [
        covariance[(*middle[:axis], slice(start, start + count), *middle[axis + 1 :])]
        for axis, start in enumerate(middle)
    ]


def _first_beyond(lengths: Float[jax.Array, " rings"]) -> tuple[Array, Array]:
    """First ring beyond twice the length as estimated from those up to it, and if there is one."""
    longest = jax.lax.cummax(jax.lax.stop_gradient(lengths))
    beyond = np.arange(1, 2 * len(lengths), 2).astype(lengths.dtype) >= 4 * longest
    enough = jnp.any(beyond)
    return jnp.where(enough, jnp.argmax(beyond), len(lengths) - 1), enough


def _spread_of_boxes(
    sums: Float[Array, "*space"],
    covariance: Float[Array, "*space"],
    place: Array,
    total: float,
    count: int,
    periodic: bool,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Variance of the mean, and range, from local averages over boxes: never negative."""
    shape, dtype = sums.shape, sums.dtype
    width = (2 * place + 1).astype(dtype)
    weights, pairs = [], float(count)
    for side, existing in zip(shape, overlaps(shape, periodic), strict=True):
        away = np.abs(np.arange(side) - side // 2).astype(dtype)
        # What an average over a box weighs the covariance by: the overlap of two boxes.
        weights.append(jnp.maximum(1 - away / jnp.minimum(width, side / 2), 0))
        pairs = pairs * (weights[-1] * existing.astype(dtype)).sum()
    weight = functools.reduce(jnp.multiply.outer, weights)
    variance = (weight * sums).sum() / (total - pairs)
    at_zero = covariance[tuple(side // 2 for side in shape)]
    return variance, (weight * (covariance + variance)).sum() / (at_zero + variance)
