"""A centred field along one direction, its spectrum, and the length that it stands for."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.statistics.pairs import correlate_fields
from idml_jax.statistics.phases import check_grid, check_phase, real_dtype
from idml_jax.statistics.rings import radial_average
from idml_jax.typing import Array, Phase


def directional_profile(
    field: Float[Array, "*space"], direction: Sequence[int]
) -> tuple[Float[np.ndarray, " steps"], Float[Array, " steps"]]:
    """A centred field along one direction of the grid, from zero displacement outwards.

    Parameters
    ----------
    field : array of shape (M, N) or (P, M, N)
        Zero displacement at index ``n // 2`` of each axis.
    direction : sequence of int
        One step in pixels along each axis: ``(0, 1)`` along the columns, ``(1, 1)``
        along a diagonal, ``(0, 1, 2)`` in a plane of a volume.

    Returns
    -------
    distances : array of shape (steps,)
        Length in pixels of 0, 1, 2, ... steps, up to the border.
    values : array of shape (steps,)
        The field's own values there: nothing is interpolated.

    Raises
    ------
    ValueError
        If `direction` has another number of entries than the field has axes, or is zero.
    TypeError
        If an entry is not a whole number.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> field = jnp.arange(25.0).reshape(5, 5)
    >>> distances, values = directional_profile(field, (1, -1))
    >>> distances.round(2).tolist(), values.tolist()
    ([0.0, 1.41, 2.83], [12.0, 16.0, 20.0])
    """
    check_grid(field, "field")
    step = np.asarray(direction)
    if not np.issubdtype(step.dtype, np.integer):
        raise TypeError(f"`direction` (={direction}) is a step in whole pixels along each axis.")
    if step.shape != (field.ndim,) or not step.any():
        raise ValueError(
            f"`direction` (={tuple(direction)}) needs one entry for each of the {field.ndim} axes, "
            "and one of them not zero."
        )
    middle = np.array(field.shape) // 2
    room = np.where(step > 0, np.array(field.shape) - 1 - middle, middle)
    count = 1 + int(min(r // abs(s) for r, s in zip(room, step, strict=True) if s))
    places = middle + np.arange(count)[:, None] * step
    return np.arange(count) * math.hypot(*step), field[tuple(places.T)]


def spectral_density(phase: Phase, *, periodic: bool = True) -> Float[Array, "*space"]:
    r"""Spectral density :math:`\tilde\chi(\mathbf{k})` of a phase: what scattering measures.

    The Fourier transform of the autocovariance :math:`\chi(\mathbf{r}) = S_2(\mathbf{r})
    - \phi^2` [1]_, in pixels to the power of the dimension.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    periodic : bool
        Whether the image tiles space. If False, the transform is that of the
        autocovariance without wrapping; by its finite window it may be a little
        negative.

    Returns
    -------
    density : float array of the shape of `phase`
        At the wave vectors ``2 * pi * (i - n // 2) / n`` radians per pixel of each axis:
        zero is at index ``n // 2``, and for a periodic image is 0.

    Raises
    ------
    ValueError, TypeError
        As `two_point_correlation` does.

    Notes
    -----
    Its mean over all wave vectors is :math:`\phi (1 - \phi)` for a boolean phase. A
    medium is hyperuniform if it goes to zero with the wave vector. Differentiable. Memory:
    5 images.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 2.2.5.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([[True], [False]]), (4, 8))
    >>> spectral_density(stripes).max().round(4).item(), float(spectral_density(stripes)[4, 4])
    (16.0, 0.0)
    """
    return _transform(check_phase(phase), periodic=periodic)


def correlation_length(phase: Phase, *, periodic: bool = True) -> Float[Array, ""]:
    r"""Integral scale of a phase: how far, in pixels, one point says something of another.

    .. math:: \ell = \frac{1}{\chi(0)} \int_0^{r_0} \bar\chi(r) \, dr

    with the radial average of the autocovariance, up to its first zero :math:`r_0`.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    periodic : bool
        Whether the image tiles space.

    Returns
    -------
    length : float
        In pixels. NaN for a uniform phase, which has no covariance.

    Raises
    ------
    ValueError, TypeError
        As `two_point_correlation` does.

    Notes
    -----
    The trapezoidal rule over the rings of `radial_average`; it stops at the first zero
    because beyond it a finite window shows mostly noise, and a medium with a period
    oscillates. For :math:`\chi \propto \exp(-r / a)` it is :math:`a`; for a Gaussian
    :math:`\exp(-r^2 / 2 a^2)` it is :math:`a \sqrt{\pi / 2}`. Differentiable, but for
    the place of the zero. Memory is that of `two_point_correlation`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.arange(64).reshape(1, 64) // 8 % 2 == 0
    >>> round(float(correlation_length(jnp.tile(stripes, (64, 1)))), 2)
    3.17
    """
    return _integral_scale(check_phase(phase), periodic=periodic)


@functools.partial(jax.jit, static_argnames="periodic")
def _transform(phase: Phase, *, periodic: bool) -> Float[Array, "*space"]:
    covariance = _autocovariance(phase, periodic)
    return jnp.fft.fftshift(jnp.fft.fftn(jnp.fft.ifftshift(covariance))).real


@functools.partial(jax.jit, static_argnames="periodic")
def _integral_scale(phase: Phase, *, periodic: bool) -> Float[Array, ""]:
    distances, values = radial_average(_autocovariance(phase, periodic))
    steps = jnp.asarray(np.diff(distances), values.dtype)
    positive = jnp.cumprod(values > 0)
    # The last step ends where the straight line between its rings meets zero.
    share = values[:-1] / jnp.where(values[1:] > 0, 1, values[:-1] - values[1:])
    whole = (values[:-1] + values[1:]) / 2
    pieces = jnp.where(positive[1:], whole, jnp.where(positive[:-1], values[:-1] / 2 * share, 0))
    uniform = values[0] <= 8 * jnp.finfo(values.dtype).eps
    return jnp.where(uniform, jnp.nan, (pieces * steps).sum() / jnp.where(uniform, 1, values[0]))


def _autocovariance(phase: Phase, periodic: bool) -> Float[Array, "*space"]:
    """Two-point correlation of the deviations from the mean."""
    weights = phase.astype(real_dtype(phase))
    return correlate_fields(weights - weights.mean(), periodic=periodic)
