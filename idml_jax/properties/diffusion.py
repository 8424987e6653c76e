"""Diffusion between two faces of an image: effective diffusivity, tortuosity, and the fields."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Bool, Float

from idml_jax.properties.checks import check_coefficients, check_converged
from idml_jax.properties.conjugate_gradient import (
    Solution,
    Tolerance,
    conjugate_gradient,
    differentiable_solution,
)
from idml_jax.properties.face_to_face import (
    leads_through,
    network_between,
    of_outer_layers,
    turned_back,
    upright,
    values_of_open_space,
)
from idml_jax.properties.multigrid import Network, beside, multigrid
from idml_jax.typing import Array, Phase


class DiffusionFields(NamedTuple):
    """Local fields of diffusion from the first to the last face of an axis."""

    concentration: Float[Array, "*space"]
    """In the voxels' centres: 1 on the outer side of the first layer, 0 on that of the last; 0
    where nothing gets."""
    flux: Float[Array, "dim *space"]
    """Along each axis, the mean of what passes a voxel's two faces; in diffusivity over voxels."""


def tortuosity(
    pore: Phase,
    *,
    axis: int,
    tolerance: float = 1e-3,
    max_iterations: int = 500,
) -> Float[Array, ""]:
    r"""Tortuosity factor of a pore space, or of any phase that conducts: :math:`\tau`.

    By how much the way that diffusion has to take, and what narrows it, slow it down:
    :math:`D_\mathrm{eff} = D \, \epsilon / \tau` with the porosity :math:`\epsilon` [1]_.

    Parameters
    ----------
    pore : array of shape (M, N) or (P, M, N)
        The phase that conducts: boolean; or float, the diffusivity of each voxel in any unit, as
        of a soft phase or of several phases.
    axis : int
        The axis along which the flux goes, from the first face to the last.
    tolerance, max_iterations
        As in `effective_diffusivity`.

    Returns
    -------
    tau : float
        At least 1. Infinite if no path leads from face to face.

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `effective_diffusivity` does.

    Notes
    -----
    The mean of the diffusivity over all voxels, pores without a way out included, divided by the
    effective one, whose conventions, cost and derivative it has. Some authors call its root
    tortuosity.

    References
    ----------
    .. [1] S. J. Cooper, A. Bertei, P. R. Shearing, J. A. Kilner, N. P. Brandon, SoftwareX 5,
       203 (2016).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> strip = jnp.zeros((8, 8), bool).at[:, 3].set(True)
    >>> float(tortuosity(strip, axis=0)), float(tortuosity(strip, axis=1))
    (1.0, inf)
    """
    diffusivity = _as_diffusivity(pore)
    effective = effective_diffusivity(
        diffusivity, axis=axis, tolerance=tolerance, max_iterations=max_iterations
    )
    return tortuosity_factor(diffusivity.mean(), effective)


def tortuosity_factor(mean: Float[Array, ""], effective: Float[Array, ""]) -> Float[Array, ""]:
    """Mean diffusivity over the effective one; infinite where that is 0."""
    safe = jnp.where(effective > 0, effective, 1)
    return jnp.where(effective > 0, mean / safe, jnp.inf)


def effective_diffusivity(
    diffusivity: Float[Array, "*space"],
    *,
    axis: int,
    tolerance: float = 1e-3,
    max_iterations: int = 500,
) -> Float[Array, ""]:
    r"""Effective diffusivity from face to face: what a body conducts between two electrodes.

    Solves :math:`\nabla \cdot D \nabla c = 0` with c fixed on two outer faces; conduction of
    heat and of current are the same equation.

    Parameters
    ----------
    diffusivity : float array of shape (M, N) or (P, M, N)
        Of each voxel; 0 where nothing passes.
    axis : int
        The axis along which the flux goes, from the first face to the last.
    tolerance : float
        At which the iteration stops: the residual in the norm of the preconditioner, relative to
        that of the load, which is about the relative error of the energy's root. The error of the
        result is of the tolerance's square.
    max_iterations : int
        Limit of the iteration.

    Returns
    -------
    effective : float
        In the unit of `diffusivity`; 0 if no path of voxels leads from face to face, which is
        looked at first. In a compiled function NaN if the iteration did not converge.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, `axis` is out of range, or, outside of jit, a
        value is negative or not finite.
    TypeError
        If the array is not of floats.
    ConvergenceError
        Outside of jit, if the iteration did not converge within the limit.

    Notes
    -----
    Finite volumes: values in the voxels' centres, the harmonic mean of the diffusivities on the
    face between two. The fixed values are on the outer sides of the first and last layer, half a
    voxel from their centres, so that open space conducts as it is; the other faces are walls.
    Voxels that touch by edges or corners alone are not connected. It is at most the bound of
    parallel lines and at least that of layers in series.

    Conjugate gradients, preconditioned by a multigrid cycle: some tens of iterations, whatever
    the size. Memory: 12 fields in all. The result is the energy of the solution, which is
    stationary in it, so that its first derivative needs no adjoint solve and nothing of the
    iterations; at a diffusivity of 0 the derivative is that of the harmonic mean, 0.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [3.0]]), (4, 8))
    >>> [round(float(effective_diffusivity(layers, axis=axis)), 4) for axis in (0, 1)]
    [1.5, 2.0]
    """
    diffusivity = upright(check_coefficients(diffusivity, "diffusivity"), axis)
    through = leads_through(diffusivity > 0)
    if not isinstance(through, Tracer) and not bool(through):
        return jnp.zeros((), diffusivity.dtype)
    network = _network(diffusivity)
    effective, solution = _effective(diffusivity, network, through, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, diffusivity=diffusivity)
    return effective


def diffusion_fields(
    diffusivity: Float[Array, "*space"],
    *,
    axis: int,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> DiffusionFields:
    """Concentration and flux of diffusion from the first to the last face of an axis.

    Parameters
    ----------
    diffusivity, axis, tolerance, max_iterations
        As in `effective_diffusivity`. The error of the fields is of first order in the tolerance.

    Returns
    -------
    fields : DiffusionFields

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `effective_diffusivity` does; ValueError also if no path leads from face to face.

    Notes
    -----
    The mean of the flux along `axis`, over all voxels and times their number along it, is the
    effective diffusivity. Differentiable to any order, by implicit differentiation.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> fields = diffusion_fields(jnp.ones((4, 4)), axis=0)
    >>> [round(float(c), 3) for c in fields.concentration[:, 0]]
    [0.875, 0.625, 0.375, 0.125]
    >>> round(float(fields.flux[0].mean()), 3)
    0.25
    """
    diffusivity = upright(check_coefficients(diffusivity, "diffusivity"), axis)
    through = leads_through(diffusivity > 0)
    if not isinstance(through, Tracer) and not bool(through):
        raise ValueError(
            f"no path leads from face to face along axis {axis}: nothing diffuses through it."
        )
    fields, solution = _fields(diffusivity, _network(diffusivity), tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, diffusivity=diffusivity)
    concentration = jnp.moveaxis(fields.concentration, 0, axis)
    return DiffusionFields(concentration, turned_back(fields.flux, axis))


def local_tortuosity(
    pore: Phase,
    *,
    axis: int,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
) -> Float[Array, "*space"]:
    """Local tortuosity of the flow lines: how much longer than straight the way is at each voxel.

    Parameters
    ----------
    pore, axis, tolerance, max_iterations
        As in `tortuosity`.

    Returns
    -------
    tau : float array of the shape of `pore`
        Magnitude of the flux over its mean component along the axis, the mean over those voxels
        that conduct: large in bottlenecks, small in dead ends, 0 outside of the phase. Its mean
        over the phase is the mean length of the flow lines over the straight one, each voxel
        weighed by the flux along the axis.

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `diffusion_fields` does.

    Notes
    -----
    The flux-weighed length of flow lines of A. Duda, Z. Koza, M. Matyka, Phys. Rev. E 84, 036319
    (2011), equation 19, of diffusion in place of flow.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> local_tortuosity(jnp.ones((4, 4), bool), axis=0).round(3).max().item()
    1.0
    """
    diffusivity = _as_diffusivity(pore)
    flux = diffusion_fields(
        diffusivity, axis=axis, tolerance=tolerance, max_iterations=max_iterations
    ).flux
    squared = (flux**2).sum(axis=0)
    length = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1)), 0)
    along = flux[axis].sum() / (diffusivity > 0).sum().astype(flux.dtype)
    return length / along


def _as_diffusivity(pore: Phase) -> Float[Array, "*space"]:
    """A boolean phase as ones and zeros."""
    pore = jnp.asarray(pore)
    return pore.astype(float) if pore.dtype == bool else pore


# Compiled by itself, so that it is computed once: XLA would else compute the conductances anew in
# each of the places that they are read from.
_network = jax.jit(network_between)


def _concentration(
    diffusivity: Float[Array, "*space"],
    network: Network,
    tolerance: Tolerance,
    max_iterations: int,
    solve=conjugate_gradient,
) -> Solution:
    """Values that nothing piles up at, from those of open space on."""
    start = values_of_open_space(diffusivity)
    inlet = 2 * of_outer_layers(diffusivity, first=True)
    found = solve(
        network.apply,
        inlet - network.apply(start),
        multigrid(jax.lax.stop_gradient(network)),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return found._replace(x=start + found.x)


@functools.partial(jax.jit, static_argnames="max_iterations")
def _effective(
    diffusivity: Float[Array, "*space"],
    network: Network,
    through: Bool[Array, ""],
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, ""], Solution]:
    frozen = jax.lax.stop_gradient((diffusivity, network))
    solution = jax.lax.stop_gradient(_concentration(*frozen, tolerance, max_iterations))
    values = solution.x
    # From 1 outside of the first layer, and to 0 outside of the last.
    at_faces = diffusivity[0] * (1 - values[0]) ** 2 + diffusivity[-1] * values[-1] ** 2
    energy = network.energy_between(values) + 2 * at_faces.sum()
    effective = energy * len(diffusivity) ** 2 / diffusivity.size
    effective = jnp.where(solution.converged, effective, jnp.nan)
    return jnp.where(through, effective, 0), solution._replace(x=jnp.zeros((), values.dtype))


@functools.partial(jax.jit, static_argnames="max_iterations")
def _fields(
    diffusivity: Float[Array, "*space"],
    network: Network,
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[DiffusionFields, Solution]:
    solution = _concentration(
        diffusivity, network, tolerance, max_iterations, solve=differentiable_solution
    )
    values = jnp.where(solution.converged, solution.x, jnp.nan)
    flux = []
    for along, conductance in enumerate(network.between):
        entering, leaving = beside(-conductance * jnp.diff(values, axis=along), along)
        if along == 0:
            entering = entering + 2 * of_outer_layers(diffusivity * (1 - values), first=True)
            leaving = leaving + 2 * of_outer_layers(diffusivity * values, last=True)
        flux.append((leaving + entering) / 2)
    told = solution._replace(x=jnp.zeros((), values.dtype))
    return DiffusionFields(values, jnp.stack(flux)), told
