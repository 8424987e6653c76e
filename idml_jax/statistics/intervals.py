"""Confidence intervals of the volume fraction, S2 and other statistics of a material."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float

from idml_jax.statistics.correlation import two_point_correlation
from idml_jax.statistics.integral_range import check_reach, spread_of_mean
from idml_jax.statistics.pairs import pair_sums, pairs_that_exist, spectrum
from idml_jax.statistics.phases import check_phase, real_dtype, volume_fraction
from idml_jax.statistics.rings import radial_average, rings_of
from idml_jax.typing import Array, Phase


class ConfidenceInterval(NamedTuple):
    """A mean over the material as estimated, and where it lies at the stated confidence."""

    value: Float[Array, "*shape"]
    """The estimate."""
    low: Float[Array, "*shape"]
    high: Float[Array, "*shape"]
    """The interval, for each value by itself: that all of a curve lie within is less likely."""
    standard_error: Float[Array, "*shape"]
    """Standard deviation of the estimate over images like the given."""
    degrees_of_freedom: Float[Array, "*shape"]
    """Of Student's t, by how well the standard error itself is known: to about one part in the
    root of twice as many. 1/4 for an image that is too small to tell."""


def volume_fraction_interval(
    phase: Phase | Sequence[Array],
    *,
    periodic: bool = True,
    confidence: float = 0.95,
    reach: int | None = None,
    pooled: bool = False,
) -> ConfidenceInterval:
    r"""Confidence interval of a material's volume fraction, from one image or several.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N), or a list of such
        Membership of the phase: boolean, or a probability in [0, 1]. A list holds independent
        images of one material.
    periodic, reach
        As in `integral_range`.
    confidence : float
        Share of the intervals that hold the material's fraction.
    pooled : bool
        Of several images, whether the standard error comes from the covariance within them,
        as if they were one. By default it comes from the differences between them, weighed by
        their volumes: no model, and what differs from specimen to specimen is in it, but with
        two or three images it is hardly known. Pooled images must be of one shape.

    Returns
    -------
    interval : ConfidenceInterval
        The bounds and the standard error are NaN for a uniform phase, which says nothing.

    Raises
    ------
    ValueError
        If `confidence` does not lie within (0, 1), `phase` is an empty list, pooled images
        differ in shape; and as `integral_range` does.
    TypeError
        As `integral_range` does.

    Notes
    -----
    From the covariance the squared standard error is :math:`v = \phi (1 - \phi) A / V`; of a
    window that is not periodic, :math:`\sum_r n(r) C(r) / V^2` with the n pairs that lie in it.
    Its relative variance is near 2 n / V for n pixels in the ball that the covariance is summed
    over, as of any spectral estimate, so that Student's t has V / n - 1 degrees of freedom.
    Pixels that are independent give the textbook's values. From k images there are k - 1.

    The interval holds those fractions :math:`\phi` from which the estimate is at most t standard
    errors away, the error taken as proportional to :math:`\sqrt{\phi (1 - \phi)}`: Wilson's score
    interval, of V / A independent samples. It lies within [0, 1] and is longer towards 1/2,
    as the estimate's distribution is. Where there are fewer than :math:`t^2` samples it is
    Student's, cut off at 0 and 1.

    Compiles, and is differentiable but for t, which SciPy computes on the host. Memory is that
    of `two_point_correlation`, pooled with all images at once.

    Examples
    --------
    >>> import jax
    >>> phase = jax.random.bernoulli(jax.random.key(0), 0.3, (100, 100))
    >>> interval = volume_fraction_interval(phase)  # 0.3 +- 1.96 * sqrt(0.3 * 0.7 / 10000)
    >>> 0.008 < float(interval.high - interval.value) < 0.011
    True
    """
    phases = check_images(phase, reach, confidence, pooled)
    together = len(phases) == 1 or pooled
    return _volume_fraction_interval(
        phases, periodic=periodic, confidence=confidence, reach=reach, together=together
    )


def two_point_interval(
    phase: Phase | Sequence[Array],
    *,
    longest: int | None = None,
    periodic: bool = True,
    confidence: float = 0.95,
    reach: int | None = None,
    pooled: bool = False,
) -> tuple[Float[np.ndarray, " bins"], ConfidenceInterval]:
    r"""Radial average of :math:`S_2` with its confidence band, from one image or several.

    Parameters
    ----------
    phase, periodic, confidence, reach, pooled
        As in `volume_fraction_interval`.
    longest : int, optional
        Longest distance in pixels; by default a quarter of the shortest side.

    Returns
    -------
    distances : array of shape (longest + 1,)
        As those of `radial_average`.
    interval : ConfidenceInterval
        Of arrays of that shape; its value is ``radial_average(two_point_correlation(phase))``.

    Raises
    ------
    ValueError
        If `longest` is negative or more than half of the shortest side; and as
        `volume_fraction_interval` does.
    TypeError
        As `volume_fraction_interval` does.

    Notes
    -----
    :math:`S_2(r)` is the mean over the image of a field: of each pixel times the mean of those
    at the distance r from it, in one half of the ring, as the other half holds the same pairs
    again. The integral range of that field gives the error, as it does for the volume fraction.
    This takes the place of blocks, or subwindows, whose borders cut pairs and which are few. Of
    the product of two pixels' deviations and the mean, each term that holds one pixel only is put
    at that pixel, which keeps the range of the field short and its mean as it is.

    As S2 is a probability, its interval is Wilson's, as that of the volume fraction. Cost: four
    Fourier transforms for each distance and image (two more for windows), in the memory of seven
    images; for windows, whose transforms are padded, of 24 in 3-D. Compiles.

    Examples
    --------
    >>> import jax
    >>> phase = jax.random.bernoulli(jax.random.key(0), 0.3, (64, 64))
    >>> distances, s2 = two_point_interval(phase, longest=2)
    >>> bool((s2.low < s2.value).all()), abs(float(s2.value[2]) - 0.3**2) < 0.03
    (True, True)
    """
    phases = check_images(phase, reach, confidence, pooled)
    shortest = min(min(each.shape) for each in phases)
    longest = shortest // 4 if longest is None else longest
    if not 0 <= longest <= (shortest - 1) // 2:
        raise ValueError(
            f"`longest` (={longest}) must lie between 0 and {(shortest - 1) // 2}, half of the "
            "shortest side."
        )
    interval = _two_point_interval(
        phases,
        longest=longest,
        periodic=periodic,
        confidence=confidence,
        reach=reach,
        together=len(phases) == 1 or pooled,
    )
    return rings_of((2 * longest + 1,) * phases[0].ndim).distances, interval


def statistic_interval(
    statistics: Float[Array, "images *any"], *, confidence: float = 0.95
) -> ConfidenceInterval:
    """Mean of any statistic over independent images, with its confidence band.

    Parameters
    ----------
    statistics : array of shape (images, ...)
        One statistic for each image of a material, all of one size:
        ``jax.vmap(two_point_correlation)(phases)``, lineal paths, ...
    confidence : float
        As in `volume_fraction_interval`.

    Returns
    -------
    interval : ConfidenceInterval
        Of arrays of the shape of one statistic; NaN where that of an image is.

    Raises
    ------
    ValueError
        If there are fewer than two images, or `confidence` does not lie within (0, 1).

    Notes
    -----
    Student's t over the images. For crops of few specimens use
    `idml_jax.evaluation.bootstrap_mean`: they are not independent.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> interval = statistic_interval(jnp.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    >>> [round(float(bound[0]), 3) for bound in (interval.low, interval.high)]
    [-0.484, 4.484]
    """
    _check_confidence(confidence)
    statistics = jnp.asarray(statistics)
    if statistics.ndim == 0 or len(statistics) < 2:
        raise ValueError(
            f"`statistics` has the shape {statistics.shape}; the first axis holds two images or "
            "more. Of one image `volume_fraction_interval` and `two_point_interval` have them."
        )
    return _statistic_interval(statistics, confidence=confidence)


@functools.partial(jax.jit, static_argnames=("periodic", "confidence", "reach", "together"))
def _volume_fraction_interval(
    phases: list[Array], *, periodic: bool, confidence: float, reach: int | None, together: bool
) -> ConfidenceInterval:
    fractions = jnp.stack([volume_fraction(each) for each in phases])
    value, variance, degrees = _over_images(fractions, phases)
    if together:
        images = _stacked(phases)
        spread = spread_of_mean(images - images.mean(), periodic=periodic, reach=reach)
        variance, degrees = spread.variance, spread.degrees_of_freedom
    variance = jnp.where((value > 0) & (value < 1), variance, jnp.nan)
    return _score_interval(value, variance, degrees, confidence)


@functools.partial(
    jax.jit, static_argnames=("longest", "periodic", "confidence", "reach", "together")
)
def _two_point_interval(
    phases: list[Array],
    *,
    longest: int,
    periodic: bool,
    confidence: float,
    reach: int | None,
    together: bool,
) -> ConfidenceInterval:
    curves = [
        radial_average(two_point_correlation(each, periodic=periodic))[1][: longest + 1]
        for each in phases
    ]
    value, variance, degrees = _over_images(jnp.stack(curves), phases)
    if together:
        variance, degrees = _spread_of_rings(_stacked(phases), longest, periodic, reach)
    return _score_interval(value, variance, degrees, confidence)


@functools.partial(jax.jit, static_argnames="confidence")
def _statistic_interval(
    statistics: Float[Array, "images *any"], *, confidence: float
) -> ConfidenceInterval:
    return _student_interval(*_over_images(statistics, statistics), confidence)


def _stacked(phases: list[Array]) -> Float[Array, "images *space"]:
    """Images of one shape, as floats."""
    return jnp.stack([each.astype(real_dtype(each)) for each in phases])


def _spread_of_rings(
    phases: Float[Array, "images *space"], longest: int, periodic: bool, reach: int | None
) -> tuple[Array, Array]:
    """Variance of the radial average of S2, and degrees of freedom, at each distance."""
    shape, dtype = phases.shape[1:], phases.dtype
    fraction = phases.mean()
    deviations = phases - fraction
    waves = jax.vmap(lambda field: spectrum(field, periodic))(deviations)
    inside = jnp.ones(shape, dtype)
    pairs = pairs_that_exist(shape, periodic, dtype)
    steps = [jnp.arange(side, dtype=jnp.int32) - side // 2 for side in shape]
    squares = sum(step**2 for step in jnp.meshgrid(*steps, indexing="ij"))
    ring = jnp.rint(jnp.sqrt(jnp.asarray(squares, dtype))).astype(jnp.int32)
    # Displacements r and -r hold the same pairs: the half from the middle of the array on.
    middle = int(np.ravel_multi_index([side // 2 for side in shape], shape))
    half = jnp.arange(inside.size).reshape(shape) >= middle

    def at_distance(distance: Array) -> tuple[Array, Array]:
        chosen = half & (ring == distance)
        # So that the mean over the image is the mean over the ring, each displacement alike.
        kernel = jnp.where(chosen, inside.size / pairs, 0) / chosen.sum().astype(dtype)
        kernel = spectrum(kernel, periodic)
        around = jax.vmap(lambda field: pair_sums(kernel, field, shape, periodic))(waves)
        seen = inside
        if not periodic:
            seen = pair_sums(kernel, spectrum(inside, periodic), shape, periodic)
        products = deviations * around
        # Of (phi + a)(phi + b), the terms phi a and phi b, put at the pixel that they come from.
        first_order = fraction * deviations * (seen + jnp.flip(seen))[None]
        field = first_order - first_order.mean() + products - products.mean() * seen[None]
        spread = spread_of_mean(field, periodic=periodic, reach=reach)
        return spread.variance, spread.degrees_of_freedom

    return jax.lax.map(at_distance, jnp.arange(longest + 1, dtype=jnp.int32))


def _over_images(
    values: Float[Array, "images *any"], images: Sequence[Array] | Array
) -> tuple[Array, Array, Array]:
    """Mean over images, its variance from their differences, and its degrees of freedom."""
    sizes = np.array([each.size for each in images], float)
    weights = jnp.asarray(sizes / sizes.sum(), values.dtype)
    weights = weights.reshape(-1, *(1,) * (values.ndim - 1))
    mean = (weights * values).sum(axis=0)
    # The variance of an image is taken as one over its volume.
    variance = (weights * (values - mean[None]) ** 2).sum(axis=0) / max(len(values) - 1, 1)
    return mean, variance, jnp.full_like(mean, len(values) - 1)


def _score_interval(
    value: Array, variance: Array, degrees: Array, confidence: float
) -> ConfidenceInterval:
    """Wilson's interval of a share in [0, 1]; Student's, cut off, where there is little data."""
    plain = _student_interval(value, variance, degrees, confidence)
    unit = value * (1 - value)
    ratio = student_quantile(degrees, confidence) ** 2 * variance / unit
    middle = (value + ratio / 2) / (1 + ratio)
    half = jnp.sqrt(ratio * unit + ratio**2 / 4) / (1 + ratio)
    return plain._replace(
        low=jnp.where(ratio < 1, middle - half, jnp.maximum(plain.low, 0)),
        high=jnp.where(ratio < 1, middle + half, jnp.minimum(plain.high, 1)),
    )


def _student_interval(
    value: Array, variance: Array, degrees: Array, confidence: float
) -> ConfidenceInterval:
    """The interval that is as long to both sides."""
    error = jnp.sqrt(variance)
    half = student_quantile(degrees, confidence) * error
    return ConfidenceInterval(value, value - half, value + half, error, degrees)


def student_quantile(degrees: Array, confidence: float) -> Array:
    """How many standard errors to each side, by SciPy on the host."""
    return jax.pure_callback(
        lambda each: scipy.special.stdtrit(each, (1 + confidence) / 2).astype(each.dtype),
        jax.ShapeDtypeStruct(degrees.shape, degrees.dtype),
        jax.lax.stop_gradient(degrees),
        vmap_method="broadcast_all",
    )


def check_images(
    phase: Phase | Sequence[Array], reach: int | None, confidence: float, pooled: bool
) -> list[Array]:
    """The images, if they can be images of one material."""
    _check_confidence(confidence)
    phases = [check_phase(each) for each in (phase if isinstance(phase, Sequence) else [phase])]
    shapes = {each.shape for each in phases}
    if len({len(shape) for shape in shapes}) != 1 or (pooled and len(shapes) > 1):
        raise ValueError(
            f"`phase` is a list of {len(phases)} images of the shapes {sorted(shapes)}: give one "
            "or more, all of 2 or all of 3 dimensions, and to be pooled of one shape."
        )
    for shape in shapes:
        check_reach(reach, shape)
    return phases


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` (={confidence}) must lie between 0 and 1, as 0.95 does.")
