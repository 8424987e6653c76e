"""Search a generator's latents for the microstructure that has a property."""

import dataclasses
import io
import pathlib
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax.design.latents import random_latents, sobol_latents
from idml_jax.design.objectives import Objective
from idml_jax.errors import InputError
from idml_jax.report import claim, write_atomically
from idml_jax.typing import Array, Image, Images, Latents, Phase


@runtime_checkable
class GeneratorOfLatents(Protocol):
    """Anything that makes images of latent vectors."""

    latent_features: int

    def __call__(self, latents: Latents) -> Images:
        """Images of a batch of latents, in [0, 1]."""
        ...


@dataclasses.dataclass(frozen=True)
class History:
    """Every microstructure that a search evaluated, in order.

    Parameters
    ----------
    latents : array of shape (count, dim)
        Of typical length.
    values : array of shape (count,)
        The property.
    """

    latents: Float[np.ndarray, "count dim"]
    values: Float[np.ndarray, " count"]

    def best(self, objective: Objective) -> int:
        """Index of the best value."""
        return int(np.argmax(objective.score(self.values)))

    def progress(self, objective: Objective) -> Float[np.ndarray, " count"]:
        """Best score after each evaluation."""
        return np.maximum.accumulate(objective.score(self.values))


@dataclasses.dataclass(frozen=True)
class Design:
    """The answer of a search, with what random search found at the same cost.

    Parameters
    ----------
    objective : Objective
    latents : array of shape (latent_features,)
        Of the best microstructure.
    image : array of shape (rows, cols, channels)
        The microstructure.
    value : float
        Its property.
    recomputed : float
        The property computed afresh from the saved latents, alone and not in a batch.
    start : int
        Sobol latents that the search began with.
    search, random : History
        Of Bayesian optimization, and of random search with as many evaluations.
    """

    objective: Objective
    latents: Float[np.ndarray, " dim"]
    image: Float[np.ndarray, "rows cols channels"]
    value: float
    recomputed: float
    start: int
    search: History
    random: History

    @property
    def random_value(self) -> float:
        """The best value of random search."""
        return float(self.random.values[self.random.best(self.objective)])


def optimize_latents(
    generator: GeneratorOfLatents,
    property: Callable[[Phase], Float[Array, ""]],
    *,
    run: str | pathlib.Path,
    phase: Callable[[Image], Phase],
    objective: Objective,
    evaluations: int = 128,
    start: int = 32,
    batch: int = 8,
    seed: int = 0,
) -> Design:
    """Bayesian optimization over a generator's latents, beside random search.

    Both spend `evaluations` evaluations. Each evaluated batch is written to the
    run's folder before the next is proposed; a search that is started again goes
    on from there to the same proposals.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images; ``generator.latent_features`` is the
        length of a latent vector.
    property : callable
        Of one phase field, a scalar; jax-traceable.
    run : path
        Folder for ``search.npz`` and ``search.json``.
    phase : callable
        From one image to its phase field.
    objective : Objective
    evaluations : int
        Budget of each of the two searches.
    start : int
        Sobol latents before the first proposal.
    batch : int
        Latents evaluated at a time.
    seed : int

    Returns
    -------
    design : Design

    Raises
    ------
    InputError
        If the folder holds another search, the property is not finite, or the
        design does not have its value when it is computed again.
    """
    run = pathlib.Path(run)
    if not 2 <= start <= evaluations:
        raise InputError(
            f"`start` (={start}) must lie between 2 and the {evaluations} evaluations."
        )
    dimensions = generator.latent_features
    claim(
        run / "search.json",
        {"objective": str(objective), "start": start, "batch": batch, "seed": seed}
        | {"latent_features": dimensions},
    )

    @jax.jit
    def evaluate_batch(latents):
        return jax.vmap(lambda image: property(phase(image)))(generator(latents))

    def evaluate(latents):
        return _evaluate(evaluate_batch, latents, batch)

    history = _load(run / "search.npz", dimensions)
    with tqdm(total=evaluations, initial=len(history.values), desc="design", unit="eval") as bar:
        while (done := len(history.values)) < evaluations:
            count = min(batch, evaluations - done)
            if done < start:
                count = min(count, start - done)
                latents = sobol_latents(start, dimensions, seed=seed)[done : done + count]
            else:
                # BoTorch takes seconds to import, and only a search needs it.
                from idml_jax.design.proposals import propose

                latents = propose(
                    history.latents,
                    history.values,
                    objective=objective,
                    batch=count,
                    seed=seed + done,
                )
            history = History(
                np.concatenate([history.latents, latents]),
                np.concatenate([history.values, evaluate(latents)]),
            )
            _save(run / "search.npz", history)
            bar.update(count)

    history = History(history.latents[:evaluations], history.values[:evaluations])
    latents = random_latents(evaluations, dimensions, seed=seed)
    random = History(latents, evaluate(latents))

    index = history.best(objective)
    np.save(buffer := io.BytesIO(), history.latents[index])
    write_atomically(run / "latents.npy", buffer.getvalue())
    return _recompute(run, generator, property, phase, objective, start, history, random)


def _recompute(run, generator, property, phase, objective, start, history, random) -> Design:
    """The design from its saved latents, its property computed once more on its own."""
    latents = np.load(run / "latents.npy")
    image = np.asarray(generator(latents[None]))[0]
    recomputed = float(property(phase(image)))
    value = float(history.values[history.best(objective)])
    if not np.isclose(recomputed, value, rtol=1e-4):
        raise InputError(
            f"{run / 'latents.npy'}: gives the property {recomputed:.6g}, and the search recorded "
            f"{value:.6g}; the generator is not the one that was searched: use another run folder."
        )
    return Design(
        objective=objective,
        latents=latents,
        image=image,
        value=value,
        recomputed=recomputed,
        start=start,
        search=history,
        random=random,
    )


def _evaluate(evaluate_batch, latents, batch) -> Float[np.ndarray, " count"]:
    """Property of each image; the last batch is filled up, so that one size is compiled."""
    filled = np.concatenate([latents, latents[:1].repeat(-len(latents) % batch, axis=0)])
    values = [
        np.asarray(evaluate_batch(part)) for part in filled.reshape(-1, batch, latents.shape[1])
    ]
    values = np.concatenate(values)[: len(latents)].astype(float)
    if not np.isfinite(values).all():
        raise InputError(
            f"the property is not finite for {int((~np.isfinite(values)).sum())} of "
            f"{len(values)} microstructures; the solver did not converge: lower the contrast, or "
            "raise its limit of iterations."
        )
    return values


def _load(path: pathlib.Path, dimensions: int) -> History:
    if not path.exists():
        return History(np.zeros((0, dimensions), np.float32), np.zeros(0))
    with np.load(path) as saved:
        return History(saved["latents"], saved["values"])


def _save(path: pathlib.Path, history: History) -> None:
    np.savez(buffer := io.BytesIO(), latents=history.latents, values=history.values)
    write_atomically(path, buffer.getvalue())
