"""What trainings of one network by a loss share: the state of a step, and the optimizer."""

from typing import Literal, NamedTuple, TypeAlias

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


Optimizer: TypeAlias = Literal["adam", "muon"]
"""By what a network is trained: see `warmed_up`."""

SIZE_OF_STEPS = 0.4
"""Root mean square of a step of Muon, in units of the rate: about that of Adam's."""


def warmed_up(
    optimizer: Optimizer, learning_rate: float, steps: int, *, decay: float = 0.0
) -> optax.GradientTransformation:
    """An optimizer whose rate rises over the first twentieth of the steps, then falls by a cosine.

    Parameters
    ----------
    optimizer : {"adam", "muon"}
        Adam [1]_, or Muon [2]_, by which a step of a kernel, as the matrix from all that it takes
        to its output channels, has the same size in every direction: it learns in a third of the
        steps. Its steps are as large as Adam's at the same rate [3]_. What is no kernel is trained
        by Adam with Nesterov's momentum.
    learning_rate : float
        At its highest.
    steps : int
        In all; at the last one the rate is 0.
    decay : float
        How much of the rate weights shrink by in each step (AdamW).

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    .. [2] K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
       kellerjordan.github.io/posts/muon.
    .. [3] J. Liu et al., "Muon is scalable for LLM training", 2025, arXiv 2502.16982, section 2.2.
    """
    rising = max(1, steps // 20)
    rate = optax.schedules.warmup_cosine_decay_schedule(
        0.0, learning_rate, rising, max(steps, rising + 1)
    )
    if optimizer == "muon":
        return optax.contrib.muon(
            rate,
            weight_decay=decay,
            adam_b1=0.9,
            adam_b2=0.99,
            adam_weight_decay=decay,
            muon_weight_dimension_numbers=_matrices,
            consistent_rms=SIZE_OF_STEPS,
        )
    if decay:
        return optax.adamw(rate, b1=0.9, b2=0.99, weight_decay=decay)
    return optax.adam(rate, b1=0.9, b2=0.99)


def _matrices(parameters: PyTree) -> PyTree:
    """Which axes of a kernel are taken together as what it takes; None of what is no kernel."""
    return jax.tree.map(
        lambda each: (
            optax.contrib.MuonDimensionNumbers(tuple(range(each.ndim - 1)), each.ndim - 1)
            if each.ndim > 1
            else None
        ),
        parameters,
    )
