"""Thermal expansion of a periodic cell of phases that expand differently."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.properties.checks import check_converged
from idml_jax.properties.conjugate_gradient import Solution, Tolerance
from idml_jax.properties.elastic_cell import (
    Plane,
    checked_moduli,
    energies,
    hooke,
    planar_bulk,
    unit_strains,
)
from idml_jax.properties.mandel import to_tensor
from idml_jax.typing import Array


def effective_thermal_expansion(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    expansion: Float[Array, "*space"],
    *,
    plane: Plane = "strain",
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> Float[Array, "dim dim"]:
    r"""Effective thermal expansion of a periodic cell that is free to expand.

    Parameters
    ----------
    bulk, shear, plane, tolerance, max_iterations
        As in `effective_stiffness`.
    expansion : float array of shape (M, N) or (P, M, N)
        Coefficient of linear expansion of each pixel, isotropic; of any sign.

    Returns
    -------
    expansion : float array of shape (d, d)
        Mean strain for one degree, along the axes of the array. In plane strain it
        includes what the constraint out of the plane adds: 1 + nu times for one phase.

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `effective_stiffness` does.

    Notes
    -----
    From the strains of the same solves: the effective stiffness times the expansion is
    the mean of the thermal stress, weighed by the local strain under unit mean strains [1]_.
    Of two phases it depends on the arrangement through the stiffness alone (Levin). First
    derivatives in the expansions only.

    References
    ----------
    .. [1] G. W. Milton, *The Theory of Composites*, Cambridge, 2002, section 5.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> one = jnp.ones((4, 4, 4))
    >>> effective_thermal_expansion(one, one, 3 * one).round(4)[0].tolist()
    [3.0, 0.0, 0.0]
    """
    bulk, shear = checked_moduli(bulk, shear)
    expansion = jnp.asarray(expansion, bulk.dtype)
    in_plane = planar_bulk(bulk, shear, plane)
    # What holds a pixel back in the plane: in plane strain its thickness is held back as well.
    resisting = 2 * in_plane if bulk.ndim == 2 and plane == "stress" else 3 * bulk
    vector, solution = _thermal(in_plane, shear, resisting * expansion, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, bulk=bulk, shear=shear)
    return to_tensor(vector)


@functools.partial(jax.jit, static_argnames="max_iterations")
def _thermal(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    thermal: Float[Array, "*space"],
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, " n"], Solution]:
    """Expansion for a stress that heat makes in each pixel where it cannot expand."""
    stress, reference = hooke(bulk, shear), (bulk.mean(), shear.mean())
    strains, solution = jax.lax.stop_gradient(
        unit_strains(stress, reference, bulk.shape, tolerance, max_iterations)
    )
    stiffness = jax.lax.stop_gradient(energies(strains, stress, solution.converged))
    volume = strains[:, : bulk.ndim].sum(axis=1)
    mean = jnp.einsum("i...,...->i", volume, thermal, precision="highest") / thermal.size
    return jnp.linalg.solve(stiffness, mean), solution
