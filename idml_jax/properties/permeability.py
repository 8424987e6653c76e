"""Permeability of a pore space, by Stokes flow from face to face."""

import functools
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Bool, Float

from idml_jax.properties.checks import check_converged
from idml_jax.properties.conjugate_gradient import Solution, Tolerance
from idml_jax.properties.face_to_face import leads_through, turned_back, upright
from idml_jax.properties.minres import minimal_residual
from idml_jax.properties.multigrid import shifted
from idml_jax.properties.stokes import Channel, Flow, channel
from idml_jax.typing import Array

Sides: TypeAlias = Literal["walls", "mirrors"]
"""What bounds the flow beside the two open faces."""


class FlowFields(NamedTuple):
    """Creeping flow from the first to the last face of an axis, of viscosity 1.

    By a mean gradient of pressure of 1 a voxel, so that the mean velocity is the permeability.
    """

    velocity: Float[Array, "dim *space"]
    """Along each axis the mean of a voxel's two faces; voxels squared."""
    pressure: Float[Array, "*space"]
    """In the voxels' centres, from about their number along the axis down to 0; 0 in the solid."""


def permeability(
    pore: Bool[Array, "*space"],
    *,
    axis: int,
    sides: Sides = "walls",
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
) -> Float[Array, ""]:
    r"""Permeability of a pore space along an axis, in voxels squared.

    Solves Stokes' equations :math:`\nabla p = \nabla^2 \mathbf{u}`, :math:`\nabla \cdot
    \mathbf{u} = 0` with no slip on the walls and a pressure on the outer sides of two faces.
    Times the squared side of a voxel it is in square metres; a darcy is 9.87e-13.

    Parameters
    ----------
    pore : boolean array of shape (M, N) or (P, M, N)
        Where the fluid is.
    axis : int
        The axis along which it flows, from the first face to the last.
    sides : "walls" or "mirrors"
        What the other faces of the image are: walls, as a sample in a sleeve has them, or planes
        of symmetry, along which the flow slips.
    tolerance : float
        The residual, in the norm of the preconditioner and relative to the load, at which the
        iteration stops. The relative error of the result is about of that size.
    max_iterations : int
        Limit of the iteration.

    Returns
    -------
    permeability : float
        0 if no path of voxels leads from face to face, which is looked at first. In a compiled
        function NaN if the iteration did not converge.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, or `axis` is out of range.
    TypeError
        If the array is not boolean.
    ConvergenceError
        Outside of jit, if the iteration did not converge within the limit.

    Notes
    -----
    Finite differences on the staggered grid of Harlow and Welch [1]_, in place of a lattice
    Boltzmann method: the answer is that of Stokes' equations themselves, does not depend on a
    viscosity, and is solved for and not waited for. Walls are the faces of voxels. Friction at a
    wall is such that slits of any width are exact, :math:`h^2 / 12` times their share of the
    section. The pressure is given half a voxel outside of the first and the last layer, whose
    flow goes straight on.

    Minimal residuals, preconditioned by multigrid: tens of iterations, growing slowly with the
    size. Memory: about 50 fields in 2-D and 70 in 3-D. A batch is `jax.vmap`. No derivative: a
    voxel is a pore or not.

    References
    ----------
    .. [1] F. H. Harlow, J. E. Welch, Phys. Fluids 8, 2182 (1965).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slit = jnp.zeros((8, 9), bool).at[:, 2:8].set(True)
    >>> round(float(permeability(slit, axis=0)), 3)  # 6**2 / 12 * 6 / 9
    2.0
    """
    flow = _checked_flow(pore, axis, sides)
    if flow is None:
        return jnp.zeros(())
    pore, through = flow
    found, solution = _permeability(pore, through, sides, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations)
    return found


def flow_fields(
    pore: Bool[Array, "*space"],
    *,
    axis: int,
    sides: Sides = "walls",
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
) -> FlowFields:
    """Velocity and pressure of creeping flow from the first to the last face of an axis.

    Parameters
    ----------
    pore, axis, sides, tolerance, max_iterations
        As in `permeability`.

    Returns
    -------
    fields : FlowFields

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `permeability` does; ValueError also if no path leads from face to face.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> fields = flow_fields(jnp.ones((4, 6), bool), axis=0)
    >>> [round(float(u), 2) for u in fields.velocity[0, 0, :3]]  # a parabola, less 1/24
    [1.33, 3.33, 4.33]
    """
    flow = _checked_flow(pore, axis, sides)
    if flow is None:
        raise ValueError(
            f"no path leads from face to face along axis {axis}: nothing flows through it."
        )
    pore, _ = flow
    fields, solution = _fields(pore, sides, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations)
    return FlowFields(turned_back(fields.velocity, axis), jnp.moveaxis(fields.pressure, 0, axis))


def _checked_flow(
    pore: Bool[Array, "*space"], axis: int, sides: str
) -> tuple[Array, Bool[Array, ""]] | None:
    """The pores upright, and whether they lead through; None if they are seen not to."""
    pore = jnp.asarray(pore)
    if pore.ndim not in (2, 3) or pore.size == 0:
        raise ValueError(
            f"`pore` has the shape {pore.shape}; a pore space has 2 or 3 axes with voxels along "
            "each (no batch: use `jax.vmap`)."
        )
    if pore.dtype != bool:
        raise TypeError(
            f"`pore` is of {pore.dtype}; fluid flows in a boolean phase, as in `image > 0.5`."
        )
    pore = upright(pore, axis)
    if sides not in ("walls", "mirrors"):
        raise ValueError(f"`sides` (={sides!r}) are 'walls' or 'mirrors'.")
    through = leads_through(pore)
    if not isinstance(through, Tracer) and not bool(through):
        return None
    return pore, through


def _flow(
    pore: Bool[Array, "*space"], sides: str, tolerance: Tolerance, max_iterations: int
) -> tuple[Channel, Flow, Solution]:
    """Velocities and pressures for a difference of pressure of 1; how far the iteration came."""
    here = channel(pore, jnp.zeros(()).dtype, mirrored=sides == "mirrors")
    solution = minimal_residual(
        here.apply,
        here.drive(),
        here.preconditioner(),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return here, solution.x, solution._replace(x=jnp.zeros(()))


@functools.partial(jax.jit, static_argnames=("sides", "max_iterations"))
def _permeability(
    pore: Bool[Array, "*space"],
    through: Bool[Array, ""],
    sides: str,
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, ""], Solution]:
    _, (velocities, _), solution = _flow(pore, sides, tolerance, max_iterations)
    # The layers of given pressure lie a side and one voxel apart, and so do as many faces.
    mean = velocities[0].sum() / pore.size * len(pore)
    found = jnp.where(solution.converged, mean, jnp.nan)
    return jnp.where(through, found, 0), solution


@functools.partial(jax.jit, static_argnames=("sides", "max_iterations"))
def _fields(
    pore: Bool[Array, "*space"], sides: str, tolerance: Tolerance, max_iterations: int
) -> tuple[FlowFields, Solution]:
    _, (velocities, pressure), solution = _flow(pore, sides, tolerance, max_iterations)
    layers = len(pore) + 1
    centred = [(each + shifted(each, 1, k)) / 2 for k, each in enumerate(velocities)]
    fields = [
        jnp.where(
            solution.converged,
            layers * each[1:layers],
            jnp.nan,
        )
        for each in (*centred, pressure)
    ]
    return FlowFields(jnp.stack(fields[:-1]), fields[-1]), solution
