"""Gaussian random fields of a given spectrum, their level cuts, and what is known of both."""

import functools
import math
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax.core import Tracer
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import (
    check_fraction,
    check_positive,
    one_of,
    squared_frequencies,
)
from idml_jax.typing import Array

Curve: TypeAlias = Callable[[Float[Array, "..."]], Float[Array, "..."]]
"""A function of wavenumbers, or of distances, each for itself."""


def gaussian_random_field(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    length: float | None = None,
    spectrum: Curve | None = None,
    correlation: Curve | None = None,
) -> Float[Array, "*space"]:
    r"""Periodic Gaussian random field of zero mean and unit variance.

    Given by exactly one of `length`, `spectrum` and `correlation`. With `length`
    its correlation is :math:`g(r) = \exp(-r^2 / (2 l^2))` where the cell is much
    longer than `length`. The phase ``field > 0`` then has the volume fraction 1/2
    on average and :math:`S_2(r) = 1/4 + \arcsin(g(r)) / (2 \pi)` [1]_.

    Parameters
    ----------
    key : key
        Source of the noise.
    shape : tuple of int
        Pixels along each axis.
    length : float, optional
        The correlation length l, in pixels; at least about 1.5, below which the
        grid does not resolve it.
    spectrum : callable, optional
        The power at an array of wavenumbers k, in radians a pixel, from 0 to
        :math:`\pi \sqrt d`; in any unit, as the field is scaled to unit variance.
        A power law is infinite at 0, where the field's own mean lives: leave that
        out by ``lambda k: jnp.where(k > 0, jnp.maximum(k, 1e-6) ** -3, 0)``.
    correlation : callable, optional
        The correlation g at an array of distances, in pixels; g(0) = 1.

    Returns
    -------
    field : float array of the shape `shape`
        Of the default float type.

    Raises
    ------
    ValueError
        If not exactly one of the three is given; if the power is negative, not
        finite, or zero everywhere; if g(0) is not 1, or g is not the correlation
        of any field on this cell.

    Notes
    -----
    The correlation on the grid is that of `gaussian_field_correlation`, exactly.
    White noise is filtered by the root of the power, by two transforms: cost
    :math:`O(n \log n)`, memory about six times the field. Compiles, and is
    differentiable in whatever the callables close over.

    A correlation need not fit on a periodic cell: half a side away it meets its
    own image. Where that makes the power of some waves negative, together by up to
    1e-3 of the total, those waves are left out, which changes the correlation by
    at most twice as much; by more it is an error.

    For three points, at the level 0, :math:`S_3 = 1/8 + (\arcsin g_{12} + \arcsin
    g_{13} + \arcsin g_{23}) / (4 \pi)`. `level_cut_two_point` has :math:`S_2` at
    any other level. The surface of the cut at the level t is :math:`s = c
    \sqrt{-g''(0)} \exp(-t^2 / 2)` with c = 1/2 in 2-D and :math:`2 / \pi` in 3-D
    (Rice's formula for the crossings of a line); with `length`, :math:`-g''(0) =
    1 / l^2`. Its lineal path has no closed form.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 8.2.

    Examples
    --------
    >>> import jax
    >>> field = gaussian_random_field(jax.random.key(0), (64, 48), length=4.0)
    >>> field.shape, abs(float(field.mean())) < 0.5
    ((64, 48), True)
    """
    power = _power(shape, length=length, spectrum=spectrum, correlation=correlation)
    return _coloured(key, power, shape)


def gaussian_field_correlation(
    shape: tuple[int, ...],
    *,
    length: float | None = None,
    spectrum: Curve | None = None,
    correlation: Curve | None = None,
) -> Float[Array, "*space"]:
    """Correlation, at every displacement, of what `gaussian_random_field` makes.

    Parameters
    ----------
    shape, length, spectrum, correlation
        As there.

    Returns
    -------
    correlation : float array of the shape `shape`
        In [-1, 1], and 1 at zero displacement, which is at index ``n // 2`` of
        each axis, as in every statistic of two points.

    Examples
    --------
    >>> centred = gaussian_field_correlation((64, 64), length=4.0)
    >>> [round(float(g), 3) for g in centred[32, 32:41:4]]  # exp(0), exp(-1/2), exp(-2)
    [1.0, 0.607, 0.135]
    """
    power = _power(shape, length=length, spectrum=spectrum, correlation=correlation)
    covariance = jnp.fft.fftshift(jnp.fft.irfftn(power, shape))
    return covariance / covariance[tuple(side // 2 for side in shape)]


def level_cut(field: Float[Array, "*space"], volume_fraction: float) -> Bool[Array, "*space"]:
    r"""The highest pixels of a field, as many as make up the volume fraction, exactly.

    Parameters
    ----------
    field : float array of shape (M, N) or (P, M, N)
        Such as that of `gaussian_random_field`.
    volume_fraction : float
        :math:`\phi` in [0, 1].

    Returns
    -------
    phase : boolean array of the shape of `field`
        True in round(:math:`\phi` n) of its n pixels. Of pixels of equal value the
        first are taken.

    Raises
    ------
    ValueError
        If the fraction lies outside [0, 1], or the field has NaN in it.

    Notes
    -----
    The level is found by bisection, to the last bit: one pass over the field for each
    bit of its type, which on a CPU is ten times faster than XLA sorts it. Compiles; has no
    gradient.

    It is the level of this one field, so that the fraction does not fluctuate from field
    to field, and neither does the part of :math:`S_2` that comes from its fluctuation: on
    average :math:`S_2(r)` lies below the law of `level_cut_two_point` by about the variance
    that the fraction would have had at the fixed level t, with :math:`\phi = 1 -
    \Phi(t)` and :math:`\Phi` the normal distribution. ``field > t`` has the fraction
    on average only, and follows that law exactly.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> level_cut(jnp.array([[0.1, 3.0], [0.2, -1.0]]), 0.5).tolist()
    [[False, True], [True, False]]
    """
    check_fraction(volume_fraction)
    field = jnp.asarray(field)
    if not isinstance(field, Tracer) and bool(jnp.isnan(field).any()):
        raise ValueError("`field` has NaN in it, which is neither high nor low.")
    count = math.floor(volume_fraction * field.size + 0.5)
    return _highest(field, count)


def level_cut_two_point(
    correlation: Float[Array, "*any"], volume_fraction: float
) -> Float[Array, "*any"]:
    r"""Two-point correlation of the level cut of a Gaussian field.

    .. math:: S_2 = \phi^2 + \frac{1}{2 \pi} \int_0^{\arcsin g}
        \exp\left(-\frac{t^2}{1 + \sin\theta}\right) d\theta,
        \qquad \phi = 1 - \Phi(t)

    the probability that two normal variables of correlation g both exceed t. At
    :math:`\phi = 1/2` the level t is 0, and this is the arcsine law :math:`1/4 +
    \arcsin(g) / (2 \pi)`.

    Parameters
    ----------
    correlation : float array of any shape
        The correlation g of the field, in [-1, 1].
    volume_fraction : float
        :math:`\phi` in [0, 1], the fraction on average of the phase ``field > t``.

    Returns
    -------
    s2 : float array of that shape
        :math:`\phi` where g = 1, :math:`\phi^2` where g = 0.

    Notes
    -----
    By Gauss-Legendre quadrature with 32 nodes. In float64 the error is below 1e-13 for
    :math:`g \ge -0.99`, below 1e-8 down to -0.999, and at most 2e-4 at -1.
    Differentiable for :math:`|g| < 1`; the slope at 1 is infinite.

    References
    ----------
    .. [1] N. F. Berk, Phys. Rev. A 44, 5069 (1991).
    .. [2] M. Teubner, Europhys. Lett. 14, 403 (1991).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> [round(float(s2), 4) for s2 in level_cut_two_point(jnp.array([1.0, 0.5, 0.0]), 0.5)]
    [0.5, 0.3333, 0.25]
    """
    check_fraction(volume_fraction)
    g = jnp.clip(jnp.asarray(correlation), -1, 1)
    squared_level = float(scipy.special.ndtri(1 - volume_fraction) ** 2)
    return volume_fraction**2 + _from_independence(g, squared_level) / (2 * math.pi)


@jax.jit
def _from_independence(
    g: Float[Array, "*any"], squared_level: Float[Array, ""] | float
) -> Float[Array, "*any"]:
    """The integral over the angle, from 0 to the arcsine of the correlation."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    end = jnp.arcsin(g)

    def add(total, node_and_weight):
        node, weight = node_and_weight
        # Only where g is -1 does rounding bring a node to where the sine is -1.
        above = jnp.maximum(1 + jnp.sin(end * node), jnp.finfo(g.dtype).tiny)
        return total + weight * jnp.exp(-squared_level / above), None

    steps = jnp.asarray((nodes + 1) / 2, g.dtype), jnp.asarray(weights / 2, g.dtype)
    return end * jax.lax.scan(add, jnp.zeros_like(g), steps)[0]


@functools.partial(jax.jit, static_argnames="shape")
def _coloured(
    key: PRNGKeyArray, power: Float[Array, "*half"], shape: tuple[int, ...]
) -> Float[Array, "*space"]:
    """White noise filtered to a spectrum and to unit variance."""
    variance = jnp.fft.irfftn(power, shape).ravel()[0]
    amplitude = jnp.sqrt(power / variance).astype(complex)
    return jnp.fft.irfftn(amplitude * jnp.fft.rfftn(jax.random.normal(key, shape)), shape)


@jax.jit
def _highest(field: Float[Array, "*space"], count: Int[Array, ""] | int) -> Bool[Array, "*space"]:
    """So many of the highest pixels; of equal ones the first."""
    order = _as_ordered_integers(field.ravel())
    lowest, highest = jnp.iinfo(order.dtype).min, jnp.iinfo(order.dtype).max

    def halve(_, bounds):
        low, high = bounds
        # Their mean, rounded up, without the overflow of their sum.
        middle = (low | high) - ((low ^ high) >> 1)
        enough = jnp.sum(order >= middle) >= count
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle - 1)

    start = jnp.asarray(lowest, order.dtype), jnp.asarray(highest, order.dtype)
    level, _ = jax.lax.fori_loop(0, jnp.iinfo(order.dtype).bits, halve, start)
    above, at_level = order > level, order == level
    missing = count - jnp.sum(above)
    return (above | (at_level & (jnp.cumsum(at_level) <= missing))).reshape(field.shape)


def _as_ordered_integers(values: Float[Array, " pixels"]) -> Int[Array, " pixels"]:
    """Integers in the order of the values: their bits, turned around below zero."""
    wide = values.dtype if values.dtype.itemsize >= 4 else jnp.float32
    # The two zeros are equal, and their bits are not.
    values = jnp.where(values == 0, 0, values).astype(wide)
    integer = {4: jnp.int32, 8: jnp.int64}[values.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(values, integer)
    return jnp.where(bits < 0, bits ^ jnp.iinfo(integer).max, bits)


def _power(
    shape: tuple[int, ...],
    *,
    length: float | None,
    spectrum: Curve | None,
    correlation: Curve | None,
) -> Float[Array, "*half"]:
    """Power of each wave on the grid of `jnp.fft.rfftn`, in any unit."""
    one_of(length=length, spectrum=spectrum, correlation=correlation)
    if length is not None:
        check_positive(length=length)
        # The transform of a Gaussian is a Gaussian.
        return jnp.exp(-squared_frequencies(shape) * length**2 / 2)
    if spectrum is not None:
        power = jnp.asarray(spectrum(jnp.sqrt(squared_frequencies(shape))))
        if not isinstance(power, Tracer):
            low, high = float(power.min()), float(power.max())
            # Not-a-number fails every comparison.
            if not (low >= 0 and 0 < high < math.inf):
                raise ValueError(
                    f"`spectrum` gives powers from {low:g} to {high:g}; a power is finite and not "
                    "negative, at k = 0 as well, and somewhere positive."
                )
        return power
    assert correlation is not None
    steps = [np.minimum(np.arange(side), side - np.arange(side)) for side in shape]
    distance = np.sqrt(sum(step**2 for step in np.meshgrid(*steps, indexing="ij", sparse=True)))
    covariance = jnp.asarray(correlation(jnp.asarray(distance, float)))
    power = jnp.fft.rfftn(covariance).real
    if not isinstance(covariance, Tracer):
        _check_correlation(np.asarray(covariance, float))
    return jnp.maximum(power, 0)


def _check_correlation(covariance: Float[np.ndarray, "*space"]) -> None:
    """Refuse what no field on the cell has as its correlation."""
    if not np.isfinite(covariance).all():
        raise ValueError("`correlation` has values that are not finite.")
    at_zero = float(covariance.ravel()[0])
    if not abs(at_zero - 1) < 1e-6:
        raise ValueError(f"`correlation` is {at_zero:g} at the distance 0, where it must be 1.")
    power = np.fft.fftn(covariance).real
    missing = -power[power < 0].sum() / covariance.size
    if not missing <= 1e-3:
        raise ValueError(
            f"`correlation`: waves of negative power, {missing:.2g} of the total, on the cell "
            f"{covariance.shape}: no field has it; take a larger cell or a shorter correlation."
        )
