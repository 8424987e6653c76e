"""Training of one network by a loss on examples: what surrogates and classifiers share."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.training.checkpoint import newest_state
from idml_jax.training.loop import train
from idml_jax.training.optimization import FitState
from idml_jax.typing import Array

Network = TypeVar("Network", bound=nnx.Module)

Batch: TypeAlias = tuple[Array, Array]
"""Inputs, and what the network is to make of each."""


@runtime_checkable
class FitRecipe(Protocol):
    """What a recipe says of the training."""

    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def seed(self) -> int: ...
    def transform(self) -> optax.GradientTransformation: ...


def fit(
    network: Network,
    examples: Batch,
    loss: Callable[[Network, Batch], tuple[Float[Array, ""], Any]],
    recipe: FitRecipe,
    *,
    run: pathlib.Path,
    prepare: Callable[[PRNGKeyArray, Batch], Batch] | None = None,
    save_every: int,
    show: Callable[[Network, int], None] | None = None,
) -> Network:
    """Train a network on batches drawn at random; go on where a run stopped.

    Parameters
    ----------
    network : nnx.Module
        With its initial values; it stays as it is.
    examples : pair of arrays of shape (count, ...)
        Kept on the device.
    loss : callable
        ``loss(network, batch)`` returns the loss, and a named tuple of scalars to record.
    recipe : FitRecipe
        How long, how many at a time, and the optimizer.
    run : path
        The run's folder, claimed already.
    prepare : callable, optional
        ``prepare(key, batch)`` makes of a batch what the loss takes, under jit.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(network, steps_done)`` after each checkpoint.

    Returns
    -------
    network : nnx.Module
        The trained one.

    Raises
    ------
    InputError
        If the loss is no longer finite, or a checkpoint cannot be written.
    """
    transform = recipe.transform()
    structure, parameters = nnx.split(network)
    key = jax.random.key(recipe.seed)
    count = len(examples[0])

    @functools.partial(jax.jit, donate_argnums=0)
    def compiled(state, examples, number):
        choice_key, prepare_key = jax.random.split(jax.random.fold_in(key, number))
        chosen = jax.random.choice(choice_key, count, (recipe.batch,), replace=False)
        batch = jax.tree.map(lambda each: each[chosen], examples)
        if prepare is not None:
            batch = prepare(prepare_key, batch)
        slopes, scalars = jax.grad(
            lambda parameters: loss(nnx.merge(structure, parameters), batch), has_aux=True
        )(state.parameters)
        return state.stepped(slopes, transform), scalars

    def show_state(state: FitState, done: int) -> None:
        if show is not None:
            show(nnx.merge(structure, state.parameters), done)

    state = train(
        FitState.of(parameters, transform),
        lambda state, number: compiled(state, examples, jnp.int32(number)),
        steps=recipe.steps,
        images=lambda _: recipe.batch,
        run=run,
        save_every=save_every,
        show=show_state,
        title="training",
    )
    return nnx.merge(structure, state.parameters)


def fitted(network: Network, recipe: FitRecipe, run: pathlib.Path) -> Network:
    """The network of a run of `fit`, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If there is no checkpoint, or it does not fit the network.
    """
    structure, parameters = nnx.split(network)
    state = newest_state(run, FitState.of(parameters, recipe.transform()))
    return nnx.merge(structure, state.parameters)
