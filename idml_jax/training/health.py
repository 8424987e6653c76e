"""Steps whose numbers are not finite change nothing, and are remembered."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int

from idml_jax.typing import Array

Tree = TypeVar("Tree")


class Health(NamedTuple):
    """Part of the state of a training that guards itself."""

    bad_step: Int[Array, ""]
    """Number of the step whose numbers were not finite, after which nothing changes; or -1."""
    attempt: Int[Array, ""]
    """How often the training went back to a checkpoint. A step folds it into its random key, so
    that another attempt is another one."""


def healthy() -> Health:
    """Of a training that begins."""
    return Health(jnp.full((), -1, jnp.int32), jnp.zeros((), jnp.int32))


def after_step(
    health: Health, number: Int[Array, ""], before: Tree, after: Tree, *also: Any
) -> tuple[Tree, Health]:
    """The state after a step, or the one before if any number of it or beside it is not finite.

    Parameters
    ----------
    health : Health
        Before the step.
    number : int
        Of the step.
    before, after : tree of arrays
        What the step began with, and what it came to.
    *also : tree of arrays
        What must be finite as well, such as losses.

    Returns
    -------
    state : tree of arrays
        `before` where this step, or one before it, was bad.
    health : Health
    """
    good = _all_finite((after, also))
    bad_step = jnp.where((health.bad_step < 0) & ~good, number, health.bad_step)
    keep = bad_step < 0
    state = jax.tree.map(lambda new, old: jnp.where(keep, new, old), after, before)
    return state, health._replace(bad_step=bad_step.astype(jnp.int32))


def _all_finite(tree: Any) -> Bool[Array, ""]:
    """Whether every float of a tree is a finite number."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
