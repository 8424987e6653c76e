"""What solvers refuse before they start, and what they refuse to return."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from idml_jax.errors import ConvergenceError
from idml_jax.properties.conjugate_gradient import Solution
from idml_jax.typing import Array


def check_coefficients(coefficient: Float[Array, "*space"], name: str) -> Float[Array, "*space"]:
    """The array if it can be a field of coefficients: none below zero, 0 where there is nothing.

    Shape and type are checked always, values where they are there to be looked at.

    Raises
    ------
    ValueError
        If it has other than 2 or 3 axes, no pixels, or a value that is negative or not finite.
    TypeError
        If it is not of floats.
    """
    coefficient = jnp.asarray(coefficient)
    if coefficient.ndim not in (2, 3) or coefficient.size == 0:
        raise ValueError(
            f"`{name}` has the shape {coefficient.shape}; a cell has 2 or 3 axes with pixels along "
            "each (no channels, no batch: use `jax.vmap`)."
        )
    if not jnp.issubdtype(coefficient.dtype, jnp.floating):
        raise TypeError(f"`{name}` is of {coefficient.dtype}; give float values, one a pixel.")
    if not isinstance(coefficient, Tracer):
        low, high = float(coefficient.min()), float(coefficient.max())
        # Not-a-number fails every comparison.
        if not (low >= 0 and np.isfinite(high)):
            raise ValueError(
                f"`{name}` has values from {low:g} to {high:g}; they are finite and not negative, "
                "0 where there is nothing."
            )
    return coefficient


def check_converged(
    solution: Solution, tolerance: float, max_iterations: int, **coefficients: Array
) -> None:
    """Refuse the answer of an iteration that stopped at its limit, where it can be looked at.

    Raises
    ------
    ConvergenceError
        With the residual, the limit and the contrast of the coefficients.
    """
    if isinstance(solution.converged, Tracer) or bool(jnp.all(solution.converged)):
        return
    contrasts = []
    for name, values in coefficients.items():
        values = np.abs(np.asarray(values))
        contrast = values.max() / values[values > 0].min() if (values > 0).any() else 1.0
        pores = ", and zeros" if (values == 0).any() else ""
        contrasts.append(f"; `{name}` has a contrast of {contrast:.3g}{pores}")
    raise ConvergenceError(
        f"not converged: residual {float(jnp.max(solution.residual)):.2g} after {max_iterations} "
        f"iterations, {tolerance:g} wanted{''.join(contrasts)}: raise `max_iterations`, or "
        "`tolerance` where float32 cannot do better, or give float64."
    )


def check_within(
    tensor: Float[Array, "n n"], low: Float[Array, "n n"], high: Float[Array, "n n"]
) -> None:
    """Refuse an effective tensor outside of the bounds that hold for any arrangement.

    Raises
    ------
    ArithmeticError
        Which is a defect of the solver, or of the numbers that it was given.
    """
    if isinstance(tensor, Tracer):
        return
    found, low, high = (np.asarray(each, float) for each in (tensor, low, high))
    slack = 1e3 * float(jnp.finfo(tensor.dtype).eps) * np.abs(high).max()
    below, above = np.linalg.eigvalsh(found - low).min(), np.linalg.eigvalsh(high - found).min()
    if min(below, above) < -slack:
        raise ArithmeticError(
            f"the effective tensor {found.tolist()} lies outside of its bounds, from "
            f"{low.tolist()} to {high.tolist()}: the solver failed; give float64, or a smaller "
            "`tolerance`."
        )
