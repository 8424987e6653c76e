"""Local strain and stress in a periodic cell."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.properties.checks import check_converged
from idml_jax.properties.conjugate_gradient import Solution, Tolerance, differentiable_solution
from idml_jax.properties.elastic_cell import (
    Plane,
    checked_moduli,
    force_of,
    green,
    hooke,
    planar_bulk,
    strain_of,
    uniform_field,
)
from idml_jax.properties.mandel import to_vector
from idml_jax.typing import Array


class ElasticFields(NamedTuple):
    """Local fields of a cell under a mean strain, in Mandel's notation."""

    strain: Float[Array, "n *space"]
    """In the pixels' centres; its mean is the mean strain."""
    stress: Float[Array, "n *space"]
    """Its mean is the effective stiffness times the mean strain. In plane strain there is a stress
    out of the plane as well, which `von_mises_stress` takes into account."""


def elastic_fields(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    mean_strain: Float[Array, "dim dim"],
    *,
    plane: Plane = "strain",
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> ElasticFields:
    r"""Local strain and stress in a periodic cell under a mean strain.

    Parameters
    ----------
    bulk, shear, plane, tolerance, max_iterations
        As in `effective_stiffness`.
    mean_strain : float array of shape (d, d)
        Symmetric. For a given mean stress S, the strain of which ``effective_stiffness`` times
        it, as a vector, is S.

    Returns
    -------
    fields : ElasticFields

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `effective_stiffness` does; and if the mean strain is not d by d.

    Notes
    -----
    The error of the fields is of first order in the tolerance, that of their mean energy of
    second (Hill-Mandel: the mean of stress times strain is the product of their means). In pores
    the strain is one of many and the stress 0. Differentiable to any order in the moduli and
    the mean strain, by implicit differentiation: one more solve of the same kind.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [3.0]]), (4, 8))
    >>> fields = elastic_fields(layers, layers / 2, jnp.diag(jnp.array([1.0, 0.0])))
    >>> [round(float(field[0, row, 0]), 3) for field in fields for row in (0, 1)]
    [1.5, 0.5, 2.5, 2.5]
    """
    bulk, shear = checked_moduli(bulk, shear)
    mean = jnp.asarray(mean_strain, bulk.dtype)
    if mean.shape != (bulk.ndim, bulk.ndim):
        raise ValueError(
            f"`mean_strain` has the shape {mean.shape}; in {bulk.ndim} dimensions it is a tensor "
            f"of shape {(bulk.ndim, bulk.ndim)}, symmetric."
        )
    in_plane = planar_bulk(bulk, shear, plane)
    fields, solution = _local_fields(in_plane, shear, mean, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, bulk=bulk, shear=shear)
    return fields


def von_mises_stress(
    fields: ElasticFields,
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    *,
    plane: Plane = "strain",
) -> Float[Array, "*space"]:
    r"""Von Mises stress of each pixel, :math:`\sqrt{3/2 \, s : s}` with the deviator s.

    Parameters
    ----------
    fields : ElasticFields
        Of `elastic_fields`.
    bulk, shear, plane
        What they were computed from: in plane strain there is a stress out of the plane.

    Returns
    -------
    stress : float array of the shape of `bulk`

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> one = jnp.ones((4, 4, 4))
    >>> shear = jnp.zeros((3, 3)).at[0, 1].set(0.5).at[1, 0].set(0.5)
    >>> stress = von_mises_stress(elastic_fields(one, one, shear), one, one)
    >>> round(float(stress[0, 0, 0]), 4)  # the root of 3 times the shear stress
    1.7321
    """
    dimensions = fields.stress.ndim - 1
    normal = [fields.stress[axis] for axis in range(dimensions)]
    if dimensions == 2:
        lame = jnp.asarray(bulk) - 2 * jnp.asarray(shear) / 3
        held = lame * (fields.strain[0] + fields.strain[1])
        normal.append(held if plane == "strain" else jnp.zeros_like(held))
    mean = sum(normal) / 3
    squares = sum((part - mean) ** 2 for part in normal)
    return jnp.sqrt(1.5 * (squares + (fields.stress[dimensions:] ** 2).sum(axis=0)))


@functools.partial(jax.jit, static_argnames="max_iterations")
def _local_fields(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    mean: Float[Array, "dim dim"],
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[ElasticFields, Solution]:
    stress = hooke(bulk, shear)
    precondition = green(*jax.lax.stop_gradient((bulk.mean(), shear.mean())), bulk.shape)
    uniform = uniform_field(to_vector(mean), bulk.shape)
    solution = differentiable_solution(
        lambda displacement: force_of(stress(strain_of(displacement))),
        -force_of(stress(uniform)),
        precondition,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    strain = jnp.where(solution.converged, uniform + strain_of(solution.x), jnp.nan)
    return ElasticFields(strain, stress(strain)), solution._replace(x=jnp.zeros((), bulk.dtype))
