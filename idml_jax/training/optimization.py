"""What trainings of one network by a loss share: the state of a step, and the optimizer."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree


class FitState(NamedTuple):
    """What a step changes: what a checkpoint holds, and nothing else."""

    parameters: PyTree
    optimizer: optax.OptState

    @classmethod
    def of(cls, parameters: PyTree, transform: optax.GradientTransformation) -> "FitState":
        """Before the first step."""
        return cls(parameters, transform.init(parameters))

    def stepped(self, slopes: PyTree, transform: optax.GradientTransformation) -> "FitState":
        """After a step down the slopes of the loss."""
        updates, optimizer = transform.update(slopes, self.optimizer, self.parameters)
        return FitState(jax.tree.map(jnp.add, self.parameters, updates), optimizer)


def warmed_up_adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam whose rate rises over the first twentieth of the steps and falls by half a cosine."""
    rate = optax.schedules.warmup_cosine_decay_schedule(
        0.0, learning_rate, max(1, steps // 20), steps
    )
    return optax.adam(rate, b1=0.9, b2=0.99)
