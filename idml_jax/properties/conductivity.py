"""Effective conductivity of a periodic cell, by conjugate gradients with an FFT preconditioner."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from idml_jax.properties.conjugate_gradient import Tolerance, conjugate_gradient
from idml_jax.typing import Array, Phase

AXES = ("planes", "rows", "cols")


def effective_conductivity(
    conductivity: Float[Array, "*space"],
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> Float[Array, "dim dim"]:
    r"""Effective conductivity tensor of a periodic cell of isotropic phases.

    Solves :math:`\nabla \cdot k (\mathbf{E} + \nabla u) = 0` for a unit mean
    gradient :math:`\mathbf{E}` along each axis; heat conduction, electrical
    conduction, diffusion and permittivity are the same equation.

    Parameters
    ----------
    conductivity : float array of shape (M, N) or (P, M, N)
        Conductivity of each pixel, positive.
    tolerance : float
        The residual, in the norm of the preconditioner and relative to the
        applied load, at which the iteration stops. The tensor's error is of its
        square.
    max_iterations : int
        Limit of the iteration.

    Returns
    -------
    tensor : float array of shape (d, d)
        Symmetric; axes in the order of the array's. All NaN where the iteration
        did not converge within the limit.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, or, outside of jit, if a
        conductivity is not positive and finite.
    TypeError
        If the array is not of floats.

    Notes
    -----
    The potential lives on the corners of the pixels and its gradient in their
    centres: the rotated finite-difference scheme of [1]_. The discrete operator
    is inverted for a homogeneous medium by FFT, which preconditions conjugate
    gradients [2]_; their number depends on the contrast, not on the size.

    The tensor is the energy of the solutions, which is stationary in them: its
    first derivative is that of the energy at fixed fields, exact at convergence,
    with no adjoint solve and no memory of the iterations. Derivatives of second
    order are not available this way.

    Limits: layers conduct by the arithmetic mean along and the harmonic mean
    across, exactly.

    References
    ----------
    .. [1] F. Willot, "Fourier-based schemes for computing the mechanical response
       of composites with accurate local fields", C. R. Mecanique 343, 232-245
       (2015).
    .. [2] J. Zeman et al., "Accelerating a FFT-based solver for numerical
       homogenization of periodic media by conjugate gradients", J. Comput. Phys.
       229, 8065-8071 (2010).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [4.0]]), (8, 16))
    >>> effective_conductivity(layers).round(3).tolist()
    [[1.6, 0.0], [0.0, 2.5]]
    """
    conductivity = jnp.asarray(conductivity)
    if conductivity.ndim not in (2, 3):
        raise ValueError(
            f"`conductivity` has {conductivity.ndim} axes; a cell has 2 or 3 (no channels, no "
            "batch: use `jax.vmap`)."
        )
    if not jnp.issubdtype(conductivity.dtype, jnp.floating):
        raise TypeError(
            f"`conductivity` is of {conductivity.dtype}; give float values, one a pixel."
        )
    if not isinstance(conductivity, Tracer):
        values = np.asarray(conductivity)
        if not (np.isfinite(values).all() and values.min() > 0):
            raise ValueError(
                f"`conductivity` must be positive and finite, and its smallest value is "
                f"{values.min()}; give an insulator a small conductivity instead."
            )
    return _tensor(conductivity, tolerance, max_iterations)


# Compiled as a whole: outside of a jit the solver would be compiled anew at each call.
@functools.partial(jax.jit, static_argnames="max_iterations")
def _tensor(
    conductivity: Float[Array, "*space"], tolerance: Tolerance, max_iterations: int
) -> Float[Array, "dim dim"]:
    """Energy of the fields under unit mean gradients, as `effective_conductivity` says."""
    # Fields are found for the values and not for their derivatives: see the notes.
    gradients = jax.lax.stop_gradient(
        _fields(jax.lax.stop_gradient(conductivity), tolerance, max_iterations)
    )
    # By default a GPU multiplies float32 in a shorter format, good to three digits.
    energy = jnp.einsum(
        "ia...,...,ja...->ij",
        gradients,
        conductivity,
        gradients,
        precision=jax.lax.Precision.HIGHEST,
    )
    return energy / math.prod(conductivity.shape)


def _fields(
    conductivity: Float[Array, "*space"], tolerance: Tolerance, max_iterations: int
) -> Float[Array, "dim dim *space"]:
    """Total gradient field under a unit mean gradient along each axis."""
    dimensions = conductivity.ndim
    shape = conductivity.shape
    inverse = _inverse_symbol(shape, conductivity.dtype)
    unit = jnp.eye(dimensions, dtype=conductivity.dtype)

    def operator(potential):
        return _divergence(conductivity[None] * _gradient(potential))

    def precondition(residual):
        spectrum = jnp.fft.rfftn(residual)
        return jnp.fft.irfftn(inverse.astype(spectrum.dtype) * spectrum, shape)

    def solve(mean):
        mean = mean.reshape(dimensions, *(1,) * dimensions)
        load = -_divergence(conductivity[None] * mean)
        potential, converged = conjugate_gradient(
            operator, load, precondition, tolerance=tolerance, max_iterations=max_iterations
        )
        return jnp.where(converged, mean + _gradient(potential), jnp.nan)

    return jax.vmap(solve)(unit)


def _gradient(potential: Float[Array, "*space"]) -> Float[Array, "dim *space"]:
    """Gradient in the pixels' centres of a potential on their corners."""
    components = []
    for axis in range(potential.ndim):
        component = potential
        for other in range(potential.ndim):
            ahead = jnp.roll(component, -1, other)
            component = ahead - component if other == axis else (ahead + component) / 2
        components.append(component)
    return jnp.stack(components)


def _divergence(flux: Float[Array, "dim *space"]) -> Float[Array, "*space"]:
    """The adjoint of `_gradient`: minus the divergence, on the corners."""
    total = jnp.zeros(flux.shape[1:], flux.dtype)
    for axis, component in enumerate(flux):
        for other in range(component.ndim):
            behind = jnp.roll(component, 1, other)
            component = behind - component if other == axis else (behind + component) / 2
        total = total + component
    return total


def _inverse_symbol(shape: tuple[int, ...], dtype: np.dtype) -> Float[Array, "*half"]:
    """Inverse of ``_divergence(_gradient(.))`` in Fourier space; 0 where that vanishes.

    It vanishes at zero frequency and wherever two axes alternate from pixel to
    pixel, as on a checkerboard, which the rotated scheme does not see.
    """
    axes = [2 * np.pi * np.fft.fftfreq(side) for side in shape[:-1]]
    axes.append(2 * np.pi * np.fft.rfftfreq(shape[-1]))
    grid = np.meshgrid(*axes, indexing="ij")
    difference = [2 - 2 * np.cos(angle) for angle in grid]
    average = [(2 + 2 * np.cos(angle)) / 4 for angle in grid]
    symbol = np.zeros(grid[0].shape)
    for axis in range(len(shape)):
        others = [average[other] for other in range(len(shape)) if other != axis]
        symbol += difference[axis] * math.prod(others)
    inverse = np.divide(1, symbol, out=np.zeros_like(symbol), where=symbol > 1e-12)
    return jnp.asarray(inverse, dtype)


@dataclasses.dataclass(frozen=True)
class Conductivity:
    """The effective conductivity of a medium of two phases, as a property of a phase field.

    Parameters
    ----------
    phases : pair of float
        Conductivities outside and inside the phase.
    unit : str
        Of these numbers.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[False], [True]]), (8, 16))
    >>> round(float(Conductivity(phases=(1.0, 4.0)).along("cols")(layers)), 3)
    2.5
    """

    phases: tuple[float, float]
    unit: str = "W/(m K)"

    def __post_init__(self):
        if not all(math.isfinite(value) and value > 0 for value in self.phases):
            raise ValueError(f"`phases` must be positive and finite, got {self.phases}.")

    def tensor(self, phase: Phase) -> Float[Array, "dim dim"]:
        """Effective tensor; a soft phase mixes the two conductivities linearly."""
        outside, inside = self.phases
        phase = jnp.asarray(phase)
        dtype = phase.dtype if jnp.issubdtype(phase.dtype, jnp.floating) else jnp.zeros(()).dtype
        if phase.dtype not in (bool, dtype):
            raise TypeError(
                f"a phase is a boolean array, or a float one of memberships in [0, 1], got "
                f"{phase.dtype}; compare first, as in `labels == 1` or `image > threshold`."
            )
        return effective_conductivity(outside + (inside - outside) * phase.astype(dtype))

    def bounds(self, fraction: float) -> tuple[float, float]:
        """Reuss and Voigt bounds at a volume fraction of the phase: series and parallel."""
        outside, inside = self.phases
        return (
            1 / ((1 - fraction) / outside + fraction / inside),
            (1 - fraction) * outside + fraction * inside,
        )

    def along(self, axis: Literal["planes", "rows", "cols"]) -> Callable[[Phase], Float[Array, ""]]:
        """The diagonal component along an axis, as a function of a phase field."""
        if axis not in AXES:
            raise ValueError(f"`axis` is {axis!r}; the axes are {', '.join(AXES)}.")
        place = AXES.index(axis) - len(AXES)

        def conductivity_along(phase: Phase) -> Float[Array, ""]:
            if phase.ndim < -place:
                raise ValueError(f"`phase` has {phase.ndim} axes, rows and cols: it has no {axis}.")
            return self.tensor(phase)[place, place]

        return conductivity_along
