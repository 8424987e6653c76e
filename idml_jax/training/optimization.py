"""What trainings of one network by a loss share: the state of a step, and the optimizer."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PyTree

from idml_jax.typing import Array


class Best(NamedTuple):
    """A network as it was when it did best on what it was not trained on."""

    parameters: PyTree
    others: PyTree
    score: Float[Array, ""]
    """Minus infinity before there is any."""
    step: Int[Array, ""]
    """After how many steps."""


class FitState(NamedTuple):
    """What a step changes: what a checkpoint holds, and nothing else."""

    parameters: PyTree
    optimizer: optax.OptState
    others: PyTree = None
    """What a network keeps beside its parameters, as the running moments of a normalization."""
    averaged: PyTree = None
    """Moving average of the parameters, where one is kept."""
    best: Best | None = None

    @classmethod
    def of(cls, parameters: PyTree, transform: optax.GradientTransformation) -> "FitState":
        """Before the first step."""
        return cls(parameters, transform.init(parameters))

    def stepped(self, slopes: PyTree, transform: optax.GradientTransformation) -> "FitState":
        """After a step down the slopes of the loss."""
        updates, optimizer = transform.update(slopes, self.optimizer, self.parameters)
        parameters = jax.tree.map(jnp.add, self.parameters, updates)
        return self._replace(parameters=parameters, optimizer=optimizer)


def moving_average(averaged: PyTree, parameters: PyTree, keep: Float[Array, ""] | float) -> PyTree:
    """The average after a step: `keep` of what it was, and the rest of what is new."""
    return jax.tree.map(
        lambda old, new: old + jnp.asarray(1 - keep, new.dtype) * (new - old), averaged, parameters
    )


def warmed_up_adam(
    learning_rate: float, steps: int, *, decay: float = 0.0
) -> optax.GradientTransformation:
    """Adam whose rate rises over the first twentieth of the steps and falls by half a cosine.

    With `decay`, weights shrink by that much of the rate in each step (AdamW).
    """
    rising = max(1, steps // 20)
    rate = optax.schedules.warmup_cosine_decay_schedule(
        0.0, learning_rate, rising, max(steps, rising + 1)
    )
    if decay:
        return optax.adamw(rate, b1=0.9, b2=0.99, weight_decay=decay)
    return optax.adam(rate, b1=0.9, b2=0.99)
