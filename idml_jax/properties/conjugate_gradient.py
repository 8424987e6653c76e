"""Preconditioned conjugate gradients under jit, with a residual that is looked at."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from idml_jax.typing import Array

Tolerance: TypeAlias = float | Float[Array, ""]
"""A number, also one that a compiled function is given when it runs."""

# By default a GPU multiplies float32 in a shorter format, too coarse to converge with.
_dot = functools.partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST)


def conjugate_gradient(
    operator: Callable[[Float[Array, "*space"]], Float[Array, "*space"]],
    load: Float[Array, "*space"],
    precondition: Callable[[Float[Array, "*space"]], Float[Array, "*space"]],
    *,
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, "*space"], Bool[Array, ""]]:
    r"""Solve ``operator(x) = load`` for a symmetric positive semi-definite operator.

    Parameters
    ----------
    operator, precondition : callable
        Linear maps; the second approximates the inverse of the first, and is zero
        on its null space.
    load : array
        The right-hand side.
    tolerance : float
        Stop at :math:`\sqrt{r \cdot P r} \le` `tolerance` :math:`\sqrt{b \cdot P
        b}`, with the residual r, the load b and the preconditioner P.
    max_iterations : int
        Limit.

    Returns
    -------
    x : array of the shape of `load`
    converged : bool
        Whether the tolerance was met within the limit; True for a load of zero.

    Notes
    -----
    `jax.scipy.sparse.linalg.cg` does not say whether it converged, and measures a
    residual whose meaning changes with the grid.
    """
    start = precondition(load)
    norm = _dot(load, start)
    # What is left of rounding in a homogeneous medium is no load.
    smallest = jnp.finfo(load.dtype).tiny
    goal = jnp.maximum(tolerance**2 * norm, smallest)

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

    carry = (jnp.zeros_like(load), load, start, norm, jnp.zeros((), jnp.int32))
    x, _, _, norm, _ = jax.lax.while_loop(unfinished, advance, carry)
    return x, norm <= goal
