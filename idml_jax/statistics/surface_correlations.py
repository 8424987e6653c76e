"""How the interface of a phase is correlated, with itself and with the void beside it."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.statistics.gaussian import gaussian_gradient
from idml_jax.statistics.pairs import correlate_fields
from idml_jax.statistics.phases import check_phase, real_dtype
from idml_jax.statistics.surfaces import magnitude
from idml_jax.typing import Array, Phase


def surface_surface_correlation(
    phase: Phase, *, periodic: bool = True, width: float | int = 1.0
) -> Float[Array, "*space"]:
    r"""Surface-surface correlation :math:`F_{ss}(\mathbf{r})` of the interface of a phase.

    The density of pairs of interface elements a displacement apart: the mean of
    the product of the interface's area per volume at both ends.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1]. The other
        phase has the same interface.
    periodic : bool
        Whether the image tiles space. If False, pairs that would cross the border
        are left out, and the phase is mirrored at the border to find the interface.
    width : float
        Pixels; the standard deviation of the Gaussian that smooths the phase. At
        least about 0.7, which the grid resolves.

    Returns
    -------
    correlation : float array of the shape of `phase`
        Per pixel squared; zero displacement at index ``n // 2`` of each axis.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, no pixels, or values outside
        [0, 1]; if `width` is not positive.
    TypeError
        If it is neither boolean nor float.

    Notes
    -----
    The interface is the magnitude of the gradient of the smoothed phase, whose
    mean is the specific surface s. In a medium without long-range order the
    correlation tends to :math:`s^2`, and near zero it rises as :math:`s / (\pi
    r)` in 2-D and :math:`s / (2 r)` in 3-D [1]_. The smoothing keeps it finite:
    trust it from a distance of about 4 `width` on. Beyond, its error is of second
    order in `width` over the radius of curvature, about 4 times the square of that
    for a disk; only about a distance at which the correlation itself has a kink,
    as at the disk's diameter, is it of lower order. The Gaussian's variance is
    less by a pixel's, 1/12, where the phase is sharp, and its staircases scatter
    the values at single displacements by some per cent: average over rings, or
    give each pixel the share of it that is in the phase. Interfaces that face each
    other closer than about 3 `width` blur into one and lose area.

    By fast Fourier transforms, in O(n log n) for n pixels and the memory of about
    ten copies. Differentiable; where the smoothed phase is flat to rounding there
    is no interface, and no derivative.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 2.3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.arange(16)[:, None] < 8, (1, 16))
    >>> surface = surface_surface_correlation(layers)  # two interfaces in 16 rows
    >>> round(float(surface.mean()), 3), round((2 / 16) ** 2, 3)
    (0.016, 0.016)
    """
    phase = check_phase(phase)
    _check_width(width)
    interface = _interface(phase, width, periodic=periodic)
    return _correlated(interface, None, periodic=periodic)


def surface_void_correlation(
    phase: Phase, *, periodic: bool = True, width: float | int = 1.0
) -> Float[Array, "*space"]:
    r"""Surface-void correlation :math:`F_{sv}(\mathbf{r})` of the interface of a phase.

    The interface's area per volume at a point, times whether the point displaced
    from it by :math:`\mathbf{r}` lies in the void, in the mean. The void is all
    that is not `phase`; give the complement to have the phase at the far end.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the solid phase: boolean, or a probability in [0, 1].
    periodic, width
        As in `surface_surface_correlation`.

    Returns
    -------
    correlation : float array of the shape of `phase`
        Per pixel; ``[..., i, j]`` is the value at the displacement ``(i - M // 2,
        j - N // 2)`` from interface to void.

    Raises
    ------
    ValueError, TypeError
        As `surface_surface_correlation`, whose estimate of the interface, cost and
        derivative it shares.

    Notes
    -----
    At zero it is s / 2, half of the specific surface; in a medium without
    long-range order it tends to :math:`s (1 - \phi)`. With the same of the
    complement it adds up to s everywhere. The void is not smoothed. Errors as of
    `surface_surface_correlation`, but about ten times smaller.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 2.3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.arange(16)[:, None] < 8, (1, 16))
    >>> surface_void = surface_void_correlation(layers)  # two interfaces in 16 rows
    >>> round(float(surface_void[8, 8]) * 16, 3)
    1.0
    """
    phase = check_phase(phase)
    _check_width(width)
    interface = _interface(phase, width, periodic=periodic)
    return _correlated(interface, 1 - phase.astype(interface.dtype), periodic=periodic)


_correlated = functools.partial(jax.jit, static_argnames="periodic")(correlate_fields)


def _check_width(width: float | int) -> None:
    """Refuse a standard deviation that is none."""
    if not 0 < width < math.inf:
        raise ValueError(f"`width` (={width}) must be a positive number of pixels.")


@functools.partial(jax.jit, static_argnames=("width", "periodic"))
def _interface(phase: Phase, width: float | int, *, periodic: bool) -> Float[Array, "*space"]:
    """Magnitude of the gradient of the smoothed phase."""
    dtype = real_dtype(phase)
    gradient = gaussian_gradient(phase.astype(dtype), width=width, periodic=periodic)
    # The transforms leave about this much where there is nothing.
    return magnitude(gradient, floor=64 * float(jnp.finfo(dtype).eps) / width)
