"""Train a network on a solver's answers; a trained one as a property, or a field."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.models import FieldRegressor, PropertyRegressor
from idml_jax.report import claim
from idml_jax.training.batches import in_batches
from idml_jax.training.checkpoint import options_of
from idml_jax.training.fitting import fit, fitted, random_rows
from idml_jax.training.optimization import warmed_up
from idml_jax.typing import Array

Examples: TypeAlias = tuple[Float[Array, "batch *space in"], Float[Array, "batch ..."]]
"""Microstructures with a channel axis, and for each what the solver says."""

Augment: TypeAlias = Callable[[PRNGKeyArray, Examples], Examples]
"""The same examples seen another way: turned, mirrored, shifted."""


@dataclasses.dataclass(frozen=True)
class RegressionRecipe:
    """What a surrogate was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    output : {"field", "property"}
        Numbers at each pixel, by a `FieldRegressor`, or of the whole microstructure, by a
        `PropertyRegressor`.
    features : tuple of int
        Channels of the network: of a field one entry, of properties one for each resolution.
    dilations : tuple of int
        Of a `FieldRegressor`.
    dimensions : int
        2 or 3, of a microstructure.
    periodic : bool
        Continue a cell by its opposite side.
    loss : {"squared", "absolute"}
        Of the error, in standard deviations of the training targets.
    steps, batch : int
        Steps in all, and examples in each.
    learning_rate : float
        Of Adam at its highest: it rises over the first twentieth of the steps and falls to
        nothing by half a cosine. Large, because equalized layers keep weights of order one.
    seed : int
    """

    output: Literal["field", "property"]
    features: tuple[int, ...] = (24,)
    dilations: tuple[int, ...] = (1, 2, 4, 2, 1)
    dimensions: int = 2
    periodic: bool = True
    loss: Literal["squared", "absolute"] = "squared"
    steps: int = 2000
    batch: int = 16
    learning_rate: float = 1e-2
    seed: int = 0

    def __post_init__(self):
        if self.output == "field" and len(self.features) != 1:
            raise ValueError(f"a field's network has one width, got `features` {self.features}.")

    def network(self, channels: int, outputs: int) -> FieldRegressor | PropertyRegressor:
        """The network with the initial values of the seed."""
        shared = {
            "dimensions": self.dimensions,
            "periodic": self.periodic,
            "rngs": nnx.Rngs(self.seed),
        }
        if self.output == "field":
            (width,) = self.features
            return FieldRegressor(
                channels, outputs, features=width, dilations=self.dilations, **shared
            )
        return PropertyRegressor(channels, outputs, features=self.features, **shared)

    def transform(self) -> optax.GradientTransformation:
        """The optimizer."""
        return warmed_up("adam", self.learning_rate, self.steps)


class RegressionScalars(NamedTuple):
    """What is recorded of a step."""

    loss: Float[Array, ""]
    """Over the batch."""


class Surrogate:
    """A trained network in place of a solver.

    Parameters
    ----------
    network : FieldRegressor or PropertyRegressor
        Its outputs have zero mean and unit variance over what it was trained on.
    mean, deviation : array of shape (outputs,)
        Mean and standard deviation of the training targets.
    """

    def __init__(
        self,
        network: FieldRegressor | PropertyRegressor,
        mean: Float[Array, " outputs"],
        deviation: Float[Array, " outputs"],
    ):
        structure, self._parameters = nnx.split(network)
        self._mean, self._deviation = jnp.asarray(mean), jnp.asarray(deviation)

        @jax.jit
        def predict(parameters, mean, deviation, inputs):
            found = nnx.merge(structure, parameters)(inputs)
            ones = (1,) * (found.ndim - 1)
            return found * deviation.reshape(*ones, -1) + mean.reshape(*ones, -1)

        self._predict = predict

    def __call__(self, inputs: Float[Array, "batch *space in"]) -> Float[Array, "batch ..."]:
        """Predictions for a batch; differentiable, and to be used under jit as well."""
        inputs = jnp.asarray(inputs, jnp.float32)
        return self._predict(self._parameters, self._mean, self._deviation, inputs)

    def predict(
        self, inputs: Float[Array, "count *space in"], *, batch: int = 32
    ) -> Float[np.ndarray, "count ..."]:
        """The same for many, on the host, computed `batch` at a time."""
        return in_batches(self, batch, inputs)


def train_regressor(
    inputs: Float[Array, "count *space in"],
    targets: Float[Array, "count ..."],
    recipe: RegressionRecipe,
    *,
    run: str | pathlib.Path,
    augment: Augment | None = None,
    save_every: int = 200,
    show: Callable[[Surrogate, int], None] | None = None,
) -> Surrogate:
    """Train a network on examples of a solver's answers; go on where a run stopped.

    Parameters
    ----------
    inputs : float array of shape (count, *space, channels)
        Microstructures: phases, or coefficients.
    targets : float array of shape (count, *space, outputs) or (count, outputs)
        Fields, or properties.
    recipe : RegressionRecipe
        Network and training.
    run : path
        The run's folder: checkpoints, records, options. A run found there goes on, if it is of
        the same recipe and examples.
    augment : callable, optional
        ``augment(key, (inputs, targets))`` turns a batch into one as good, under jit: by the
        symmetries of the equation, for instance.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(surrogate, steps_done)`` after each checkpoint: to look at its error on examples
        that it is not trained on.

    Returns
    -------
    surrogate : Surrogate

    Raises
    ------
    ValueError
        If the shapes do not go together, or there are fewer examples than a batch takes.
    InputError
        If the run belongs to another recipe or other examples, the loss is no longer finite, or
        a checkpoint cannot be written.
    """
    run = pathlib.Path(run)
    inputs, targets = (np.asarray(each, np.float32) for each in (inputs, targets))
    _check(inputs, targets, recipe)
    axes = tuple(range(targets.ndim - 1))
    mean, deviation = targets.mean(axes), targets.std(axes)
    if not (deviation > 0).all():
        raise ValueError("`targets` do not vary: there is nothing to learn.")
    digest = hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest()[:16]
    options = dataclasses.asdict(recipe) | {
        "channels": inputs.shape[-1],
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
        "examples": digest,
    }
    claim(run / "surrogate.json", options)

    def loss(network, batch, key):
        error = network(batch[0]) - batch[1]
        value = (error**2 if recipe.loss == "squared" else jnp.abs(error)).mean()
        return value, RegressionScalars(value)

    def show_network(network: FieldRegressor | PropertyRegressor, done: int) -> None:
        if show is not None:
            show(Surrogate(network, mean, deviation), done)

    network = fit(
        recipe.network(inputs.shape[-1], targets.shape[-1]),
        (jnp.asarray(inputs), jnp.asarray((targets - mean) / deviation)),
        random_rows(recipe.batch, augment),
        loss,
        recipe,
        run=run,
        save_every=save_every,
        show=show_network,
    )
    return Surrogate(network, mean, deviation)


def load_surrogate(run: str | pathlib.Path) -> Surrogate:
    """The surrogate of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of a surrogate, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    options = options_of(run / "surrogate.json", "surrogate")
    channels = options.pop("channels")
    mean, deviation = (np.array(options.pop(name), np.float32) for name in ("mean", "deviation"))
    del options["examples"]
    features, dilations = (tuple(options.pop(name)) for name in ("features", "dilations"))
    recipe = RegressionRecipe(features=features, dilations=dilations, **options)
    network = fitted(recipe.network(channels, len(mean)), recipe, run)
    return Surrogate(network, mean, deviation)


def _check(
    inputs: Float[np.ndarray, "count *space in"],
    targets: Float[np.ndarray, "count ..."],
    recipe: RegressionRecipe,
) -> None:
    """Refuse examples that do not go together, or not with the recipe."""
    axes = recipe.dimensions + 2
    wanted = inputs.shape[:-1] if recipe.output == "field" else inputs.shape[:1]
    if inputs.ndim != axes or targets.shape[:-1] != wanted:
        raise ValueError(
            f"`inputs` has the shape {inputs.shape} and `targets` {targets.shape}; in "
            f"{recipe.dimensions} dimensions they are (count, *sides, channels) and "
            f"{'(count, *sides, outputs)' if recipe.output == 'field' else '(count, outputs)'}."
        )
    if len(inputs) < recipe.batch:
        raise ValueError(f"{len(inputs)} examples are fewer than a batch of {recipe.batch}.")
    for name, values in (("inputs", inputs), ("targets", targets)):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` holds values that are not finite.")
