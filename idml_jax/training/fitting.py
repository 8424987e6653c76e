"""Training of one network by a loss on examples: what all but the generators share."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.training.checkpoint import newest_state
from idml_jax.training.devices import device_mesh, replicated, shared_out, whole
from idml_jax.training.loop import Judge, train
from idml_jax.training.optimization import Best, FitState, moving_average
from idml_jax.training.records import Pictures
from idml_jax.typing import Array

Network = TypeVar("Network", bound=nnx.Module)

Batch: TypeAlias = tuple[Array, Array]
"""Inputs, and what the network is to make of each."""

Loss: TypeAlias = Callable[[Any, Batch, PRNGKeyArray], tuple[Float[Array, ""], Any]]
"""``loss(network, batch, key)``: a number, and a named tuple of scalars to record."""


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


@dataclasses.dataclass(frozen=True)
class Validation:
    """How a network is judged while it is trained, by what it is not trained on.

    The network that does best is what the training gives; a later one has learned its examples by
    heart, or was unlucky.

    Parameters
    ----------
    scores : callable
        ``scores(network)`` returns numbers by their names, of a network that is not to be trained.
    by : str
        The name of the one that decides: larger is better.
    every : int
        Steps between judgements; the last step is judged as well.
    patience : int, optional
        Judgements without a better one after which the training ends; by default it never does.
    """

    scores: Callable[[Any], Mapping[str, float]]
    by: str
    every: int = 100
    patience: int | None = None


def fit(
    network: Network,
    examples: Any,
    draw: Callable[[PRNGKeyArray, Any], Batch],
    loss: Loss,
    recipe: FitRecipe,
    *,
    run: pathlib.Path,
    averaging: float = 0.0,
    validation: Validation | None = None,
    save_every: int,
    show: Callable[[Network, int], Pictures | None] | None = None,
) -> Network:
    """Train a network on batches drawn at random; go on where a run stopped.

    Parameters
    ----------
    network : nnx.Module
        With its initial values; it stays as it is.
    examples : tree of arrays
        Kept on the device; of several devices, on each.
    draw : callable
        ``draw(key, examples)`` makes a batch of them, under jit: see `random_rows`.
    loss : callable
        ``loss(network, batch, key)`` returns the loss, and a named tuple of scalars to record; the
        key is for what the network leaves to chance.
    recipe : FitRecipe
        How long, how many at a time, and the optimizer.
    run : path
        The run's folder, claimed already.
    averaging : float
        What a moving average of the parameters keeps of itself in each step; then the average is
        what is judged, shown and returned. 0 for none.
    validation : Validation, optional
        Then what is returned is the best network, and not the last one.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(network, steps_done)`` after each checkpoint; pictures that it returns are written
        into the events.

    Returns
    -------
    network : nnx.Module
        The trained one, which is not to be trained any more.

    Raises
    ------
    InputError
        If the loss is no longer finite, a checkpoint cannot be written, or a batch does not divide
        among the devices.
    """
    transform, key = recipe.transform(), jax.random.key(recipe.seed)
    mesh = device_mesh([recipe.batch])
    structure = nnx.graphdef(network)

    def shown(state: FitState) -> Network:
        # Copies: the next step is given the state to write over.
        kept = jax.tree.map(jnp.copy, (_used(state), state.others))
        return _network(network, *kept)

    @functools.partial(jax.jit, donate_argnums=0, out_shardings=whole(mesh))
    def compiled(state, examples, number):
        draw_key = jax.random.fold_in(key, number)
        batch = shared_out(draw(draw_key, examples), mesh)

        def of_batch(parameters):
            # Copied, because a normalization writes its running moments.
            trained = nnx.merge(structure, parameters, state.others, copy=True)
            value, scalars = loss(trained, batch, jax.random.fold_in(draw_key, 1))
            return value, (scalars, nnx.split(trained, nnx.Param, ...)[2])

        slopes, (scalars, others) = jax.grad(of_batch, has_aux=True)(state.parameters)
        state = state.stepped(slopes, transform)._replace(others=others)
        if averaging:
            # At first it is the mean of all: what it began with is soon forgotten.
            keep = jnp.minimum(averaging, (1 + number) / (10 + number)).astype(jnp.float32)
            averaged = moving_average(state.averaged, state.parameters, keep)
            state = state._replace(averaged=averaged)
        return state, scalars

    def show_state(state: FitState, done: int) -> Pictures | None:
        return None if show is None else show(shown(state), done)

    def judged(state: FitState, done: int) -> tuple[FitState, Mapping[str, float]]:
        assert validation is not None and state.best is not None
        scores = validation.scores(shown(state))
        score = jnp.float32(scores[validation.by])
        if score > state.best.score:
            parameters, others = jax.tree.map(jnp.copy, (_used(state), state.others))
            state = state._replace(best=Best(parameters, others, score, jnp.int32(done)))
        return state, scores

    def over(state: FitState, done: int) -> bool:
        assert validation is not None and state.best is not None
        if validation.patience is None:
            return False
        return done - int(state.best.step) >= validation.patience * validation.every

    examples = replicated(examples, mesh)
    state = train(
        replicated(_first_state(network, recipe, averaging, validation is not None), mesh),
        lambda state, number: compiled(state, examples, jnp.int32(number)),
        steps=recipe.steps,
        images=lambda _: recipe.batch,
        run=run,
        save_every=save_every,
        show=show_state,
        title="training",
        judge=None if validation is None else Judge(judged, over, validation.every),
    )
    return _of_state(network, state)


def random_rows(
    count: int, prepare: Callable[[PRNGKeyArray, Batch], Batch] | None = None
) -> Callable[[PRNGKeyArray, Any], Batch]:
    """How a batch is drawn of examples that are rows: `count` different ones, and then prepared.

    Parameters
    ----------
    count : int
    prepare : callable, optional
        ``prepare(key, batch)`` makes of a batch what the loss takes.
    """

    def draw(key: PRNGKeyArray, examples: Any) -> Batch:
        choice_key, prepare_key = jax.random.split(key)
        rows = len(jax.tree.leaves(examples)[0])
        chosen = jax.random.choice(choice_key, rows, (count,), replace=False)
        batch = jax.tree.map(lambda each: each[chosen], examples)
        return batch if prepare is None else prepare(prepare_key, batch)

    return draw


def fitted(
    network: Network,
    recipe: FitRecipe,
    run: pathlib.Path,
    *,
    averaging: float = 0.0,
    validated: bool = False,
    last: bool = False,
) -> Network:
    """The network of a run of `fit`, as its newest checkpoint has it.

    Parameters
    ----------
    network, recipe, run, averaging
        As `fit` had them.
    validated : bool
        Whether it was validated: then it is the best, but with `last` the one of the last step.
    last : bool

    Raises
    ------
    InputError
        If there is no checkpoint, or it does not fit the network.
    """
    state = newest_state(run, _first_state(network, recipe, averaging, validated))
    return _of_state(network, state._replace(best=None) if last else state)


def _first_state(
    network: nnx.Module, recipe: FitRecipe, averaging: float, validated: bool
) -> FitState:
    """Before the first step; what is kept is copied, since a step writes over what it is given."""
    _, parameters, others = nnx.split(network, nnx.Param, ...)
    parameters, others = jax.tree.map(jnp.copy, (parameters, others))
    state = FitState.of(parameters, recipe.transform())._replace(others=others)
    if averaging:
        state = state._replace(averaged=jax.tree.map(jnp.copy, parameters))
    if validated:
        first, moments = jax.tree.map(jnp.copy, (parameters, others))
        best = Best(first, moments, jnp.float32(-jnp.inf), jnp.int32(0))
        state = state._replace(best=best)
    return state


def _used(state: FitState) -> Any:
    return state.parameters if state.averaged is None else state.averaged


def _of_state(network: Network, state: FitState) -> Network:
    """The best network that a state holds, or else its newest."""
    if state.best is not None and int(state.best.step) > 0:
        return _network(network, state.best.parameters, state.best.others)
    return _network(network, _used(state), state.others)


def _network(like: Network, parameters: Any, others: Any) -> Network:
    """A network of these values that is not to be trained: what is left to chance is left out."""
    made = nnx.merge(nnx.graphdef(like), parameters, others)
    made.eval()
    return made
