"""Search a generator's latents for the microstructure that has a property."""

import dataclasses
import io
import pathlib
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import norm, qmc
from tqdm import tqdm

from idml_jax.design.objectives import Objective
from idml_jax.errors import InputError
from idml_jax.report import claim, write_atomically
from idml_jax.typing import Array, Image, Images, Latents, Phase

MARGIN = 1e-3
"""Cube coordinates are kept this far from 0 and 1, where the normal quantile is infinite."""


@runtime_checkable
class GeneratorOfLatents(Protocol):
    """Anything that makes images of latent vectors."""

    latent_features: int

    def __call__(self, latents: Latents) -> Images:
        """Images of a batch of latents, in [0, 1]."""
        ...


@dataclasses.dataclass(frozen=True)
class History:
    """Every point that a search evaluated, in order.

    Parameters
    ----------
    points : array of shape (count, dim)
        In the unit cube.
    values : array of shape (count,)
        The property.
    """

    points: Float[np.ndarray, "count dim"]
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
        Sobol points that the search began with.
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
    evaluations: int = 80,
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
        Sobol points before the first proposal.
    batch : int
        Points evaluated at a time.
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

    def evaluate(points):
        return _evaluate(evaluate_batch, points, batch)

    def sobol(count, seed):
        power = int(np.ceil(np.log2(count)))
        return qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random_base2(power)[:count]

    history = _load(run / "search.npz", dimensions)
    with tqdm(total=evaluations, initial=len(history.values), desc="design", unit="eval") as bar:
        while (done := len(history.values)) < evaluations:
            count = min(batch, evaluations - done)
            if done < start:
                count = min(count, start - done)
                points = sobol(start, seed)[done : done + count]
            else:
                # BoTorch takes seconds to import, and only a search needs it.
                from idml_jax.design.proposals import propose

                points = propose(
                    history.points,
                    history.values,
                    objective=objective,
                    batch=count,
                    seed=seed + done,
                )
            history = History(
                np.concatenate([history.points, points]),
                np.concatenate([history.values, evaluate(points)]),
            )
            _save(run / "search.npz", history)
            bar.update(count)

    history = History(history.points[:evaluations], history.values[:evaluations])
    points = np.random.default_rng([seed, 1]).random((evaluations, dimensions))
    random = History(points, evaluate(points))

    index = history.best(objective)
    np.save(buffer := io.BytesIO(), to_latents(history.points[index]))
    write_atomically(run / "latents.npy", buffer.getvalue())
    return _recompute(run, generator, property, phase, objective, start, history, random)


def to_latents(points: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch dim"]:
    """Points of the unit cube as latents of typical length.

    The normal quantiles of the coordinates, scaled to the root of their number,
    which is the length that a random latent of many features has: a uniform
    point of the cube is a random direction, and none is untypical.

    Examples
    --------
    >>> import numpy as np
    >>> to_latents(np.array([0.9, 0.1])).round(3).tolist()
    [1.0, -1.0]
    """
    quantiles = norm.ppf(np.clip(points, MARGIN, 1 - MARGIN))
    # The centre of the cube has no direction; any one serves.
    quantiles = np.where(np.abs(quantiles).sum(-1, keepdims=True) > 0, quantiles, 1.0)
    length = np.linalg.norm(quantiles, axis=-1, keepdims=True)
    return (np.sqrt(points.shape[-1]) * quantiles / length).astype(np.float32)


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


def _evaluate(evaluate_batch, points, batch) -> Float[np.ndarray, " count"]:
    """Property of each point; the last batch is filled up, so that one size is compiled."""
    latents = to_latents(points)
    filled = np.concatenate([latents, latents[:1].repeat(-len(latents) % batch, axis=0)])
    values = [
        np.asarray(evaluate_batch(part)) for part in filled.reshape(-1, batch, len(latents.T))
    ]
    values = np.concatenate(values)[: len(points)].astype(float)
    if not np.isfinite(values).all():
        raise InputError(
            f"the property is not finite for {int((~np.isfinite(values)).sum())} of "
            f"{len(values)} microstructures; the solver did not converge: lower the contrast, or "
            "raise its limit of iterations."
        )
    return values


def _load(path: pathlib.Path, dimensions: int) -> History:
    if not path.exists():
        return History(np.zeros((0, dimensions)), np.zeros(0))
    with np.load(path) as saved:
        return History(saved["points"], saved["values"])


def _save(path: pathlib.Path, history: History) -> None:
    np.savez(buffer := io.BytesIO(), points=history.points, values=history.values)
    write_atomically(path, buffer.getvalue())
