"""Preconditioned conjugate gradients under jit, with a residual that is looked at."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from idml_jax.typing import Array

Tolerance: TypeAlias = float | Float[Array, ""]
"""A number, also one that a compiled function is given when it runs."""

Linear: TypeAlias = Callable[[Float[Array, "*space"]], Float[Array, "*space"]]
"""A linear map."""

# By default a GPU multiplies float32 in a shorter format, too coarse to converge with.
_dot = functools.partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST)


class Solution(NamedTuple):
    """What an iteration found, and how far it came."""

    x: Any
    """An array, or a nest of them, as the load is."""
    residual: Float[Array, "*loads"]
    """Relative to the load, in the norm that the solver states."""
    iterations: Int[Array, "*loads"]
    converged: Bool[Array, "*loads"]
    """Whether the tolerance was met within the limit; True for a load of zero."""


def conjugate_gradient(
    operator: Linear,
    load: Float[Array, "*space"],
    precondition: Linear,
    *,
    tolerance: Tolerance,
    max_iterations: int,
) -> Solution:
    r"""Solve ``operator(x) = load`` for a symmetric positive semi-definite operator.

    Parameters
    ----------
    operator, precondition : callable
        Linear maps; the second approximates the inverse of the first, and is zero
        on its null space.
    load : array
        The right-hand side, in the range of the operator.
    tolerance : float
        Stop at :math:`\sqrt{r \cdot P r} \le` `tolerance` :math:`\sqrt{b \cdot P
        b}`, with the residual r, the load b and the preconditioner P.
    max_iterations : int
        Limit.

    Returns
    -------
    solution : Solution

    Notes
    -----
    `jax.scipy.sparse.linalg.cg` does not say whether it converged, and measures a
    residual whose meaning changes with the grid. Five fields of memory. No reverse
    derivative: see `differentiable_solution`.
    """
    start = precondition(load)
    whole = _dot(load, start)
    # What is left of rounding in a homogeneous medium is no load.
    smallest = jnp.finfo(load.dtype).tiny
    goal = jnp.maximum(tolerance**2 * whole, smallest)

    def unfinished(carry):
        _, _, _, norm, iteration = carry
        return (norm > goal) & (iteration < max_iterations)

    def advance(carry):
        x, residual, direction, norm, iteration = carry
        image = operator(direction)
        length = norm / _dot(direction, image)
        x = x + length * direction
        residual = residual - length * image
        corrected = precondition(residual)
        next_norm = _dot(residual, corrected)
        direction = corrected + next_norm / norm * direction
        return x, residual, direction, next_norm, iteration + 1

    carry = (jnp.zeros_like(load), load, start, whole, jnp.zeros((), jnp.int32))
    x, _, _, norm, iterations = jax.lax.while_loop(unfinished, advance, carry)
    relative = jnp.sqrt(norm / jnp.maximum(whole, smallest))
    return Solution(x, relative, iterations, norm <= goal)


def differentiable_solution(
    operator: Linear,
    load: Float[Array, "*space"],
    precondition: Linear,
    *,
    tolerance: Tolerance,
    max_iterations: int,
) -> Solution:
    """`conjugate_gradient` with derivatives of any order, in the load and in the operator.

    Parameters
    ----------
    operator, load, precondition, tolerance, max_iterations
        As in `conjugate_gradient`. The preconditioner must not depend on what is differentiated
        by: stop its gradient.

    Returns
    -------
    solution : Solution

    Notes
    -----
    By implicit differentiation: a derivative is one more solve with the same operator, and
    keeps nothing of the iterations.
    """

    def solve(operator: Linear, load: Float[Array, "*space"]) -> tuple[Array, tuple]:
        found = conjugate_gradient(
            operator, load, precondition, tolerance=tolerance, max_iterations=max_iterations
        )
        return found.x, found[1:]

    x, told = jax.lax.custom_linear_solve(operator, load, solve, symmetric=True, has_aux=True)
    return Solution(x, *told)
