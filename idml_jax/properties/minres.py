"""Minimal residuals: an iteration for symmetric systems that are not definite."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from idml_jax.properties.conjugate_gradient import Solution, Tolerance

Tree = Any
"""Arrays in any nest of tuples."""


def minimal_residual(
    operator: Callable[[Tree], Tree],
    load: Tree,
    precondition: Callable[[Tree], Tree],
    *,
    tolerance: Tolerance,
    max_iterations: int,
) -> Solution:
    r"""Solve ``operator(x) = load`` for a symmetric operator, such as that of Stokes flow.

    Parameters
    ----------
    operator : callable
        Symmetric and linear, from a nest of arrays to one of the same shapes; it may have a null
        space, in which there is no load.
    load : nest of arrays
        The right-hand side.
    precondition : callable
        Symmetric and positive definite, but for the null space.
    tolerance : float
        Stop at :math:`\sqrt{r \cdot P r} \le` `tolerance` :math:`\sqrt{b \cdot P b}`, with the
        residual r, the load b and the preconditioner P.
    max_iterations : int
        Limit.

    Returns
    -------
    solution : Solution
        Its `x` is a nest as `load` is.

    Notes
    -----
    Lanczos' three-term recurrence with Givens rotations [1]_: seven vectors of memory. The norm
    is that which the iteration minimizes, and falls in every step.

    References
    ----------
    .. [1] C. C. Paige, M. A. Saunders, SIAM J. Numer. Anal. 12, 617 (1975).
    """
    corrected = precondition(load)
    whole = jnp.sqrt(jnp.maximum(_dot(load, corrected), 0))
    dtype = whole.dtype
    smallest = jnp.finfo(dtype).tiny ** 0.5
    goal = jnp.maximum(tolerance * whole, smallest)
    nothing = jax.tree.map(jnp.zeros_like, load)
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)

    def unfinished(state):
        return (state["residual"] > goal) & (state["iteration"] < max_iterations)

    def advance(state):
        beta, older, newer = state["beta"], state["older"], state["newer"]
        # The next vector of the Lanczos basis.
        vector = _scaled(1 / beta, state["corrected"])
        back = beta / jnp.where(state["before"] > 0, state["before"], 1)
        image = _sum(operator(vector), _scaled(-back, older))
        alpha = _dot(vector, image)
        image = _sum(image, _scaled(-alpha / beta, newer))
        following = precondition(image)
        next_beta = jnp.sqrt(jnp.maximum(_dot(image, following), 0))
        # Rotations that make the tridiagonal matrix triangular.
        cosine, sine = state["cosine"], state["sine"]
        epsilon = state["epsilon"]
        delta = cosine * state["delta"] + sine * alpha
        gamma = sine * state["delta"] - cosine * alpha
        new_epsilon, new_delta = sine * next_beta, -cosine * next_beta
        length = jnp.maximum(jnp.hypot(gamma, next_beta), smallest)
        cosine, sine = gamma / length, next_beta / length
        step = cosine * state["residual"]
        direction = jax.tree.map(
            lambda v, w, u: (v - epsilon * w - delta * u) / length,
            vector,
            state["earlier"],
            state["direction"],
        )
        return {
            "x": _sum(state["x"], _scaled(step, direction)),
            "older": newer,
            "newer": image,
            "corrected": following,
            "earlier": state["direction"],
            "direction": direction,
            "before": beta,
            "beta": jnp.maximum(next_beta, smallest),
            "cosine": cosine,
            "sine": sine,
            "epsilon": new_epsilon,
            "delta": new_delta,
            "residual": sine * state["residual"],
            "iteration": state["iteration"] + 1,
        }

    start = {
        "x": nothing,
        "older": nothing,
        "newer": load,
        "corrected": corrected,
        "earlier": nothing,
        "direction": nothing,
        "before": zero,
        "beta": jnp.maximum(whole, smallest),
        "cosine": -one,
        "sine": zero,
        "epsilon": zero,
        "delta": zero,
        "residual": whole,
        "iteration": jnp.zeros((), jnp.int32),
    }
    end = jax.lax.while_loop(unfinished, advance, start)
    relative = end["residual"] / jnp.maximum(whole, smallest)
    return Solution(end["x"], relative, end["iteration"], end["residual"] <= goal)


def _dot(first: Tree, second: Tree) -> jax.Array:
    """Scalar product of two nests; on a GPU, too, in all digits."""
    products = jax.tree.map(
        functools.partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST), first, second
    )
    return jax.tree.reduce(jnp.add, products)


def _scaled(factor: jax.Array, vector: Tree) -> Tree:
    return jax.tree.map(lambda part: factor * part, vector)


def _sum(first: Tree, second: Tree) -> Tree:
    return jax.tree.map(jnp.add, first, second)
