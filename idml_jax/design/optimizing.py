"""Search a generator's latents for the microstructure that has a property."""

import dataclasses
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax.design.asking import Strategy
from idml_jax.design.descent import Descent
from idml_jax.design.history import History, same_point
from idml_jax.design.measuring import Evaluator, GeneratorOfLatents, Measured
from idml_jax.design.objectives import Aim, Objective
from idml_jax.design.search import Search
from idml_jax.design.spaces import Space, Sphere
from idml_jax.design.strategies import strategy_of
from idml_jax.errors import InputError
from idml_jax.report import write_atomically
from idml_jax.statistics import bright_phase
from idml_jax.typing import Array, Image, Phase

PropertyOfPhase = Callable[[Phase], Float[Array, ""]]


@dataclasses.dataclass(frozen=True)
class Design:
    """The answer of a search, with what others found at the same cost.

    Parameters
    ----------
    aim : Aim
    latents : array of shape (designs, latent_features)
        Of the best microstructures, the best first; of several objectives those of the front.
    images : array of shape (designs, rows, cols, channels)
        The microstructures.
    values, recomputed : array of shape (designs, outputs)
        What the search measured, and what was measured once more of the saved latents, each by
        itself and not in a batch.
    start : int
        Evenly spread latents that the searches began with.
    searches : mapping from str to History
        All that each strategy evaluated, the one that the designs are of first.
    """

    aim: Aim
    latents: Float[np.ndarray, "designs latent"]
    images: Float[np.ndarray, "designs rows cols channels"]
    values: Float[np.ndarray, "designs outputs"]
    recomputed: Float[np.ndarray, "designs outputs"]
    start: int
    searches: Mapping[str, History]

    @property
    def value(self) -> float:
        """Of the best design what the objective is about: its first output."""
        return float(self.values[0, 0])

    def best_value(self, strategy: str) -> float:
        """The same of the best that a strategy found."""
        values = self.searches[strategy].values
        return float(values[self.aim.order(values)[0], 0])


def optimize_latents(
    generator: GeneratorOfLatents,
    property: PropertyOfPhase | Mapping[str, PropertyOfPhase] | Evaluator,
    *,
    run: str | pathlib.Path,
    objective: Objective | Sequence[Objective] | Aim | None = None,
    target: float | None = None,
    phase: Callable[[Image], Phase] = bright_phase,
    strategies: Sequence[str] = ("bayes", "random"),
    space: Space | None = None,
    evaluations: int = 128,
    start: int = 32,
    batch: int = 8,
    repeats: int = 1,
    designs: int = 1,
    seed: int = 0,
) -> Design:
    """Search a generator's latents by one strategy, and by others to compare with.

    Each spends `evaluations` evaluations and has a folder of its own, where each evaluated batch is
    written before the next is asked for; a search that is started again goes on from there to the
    same latents.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images; ``generator.latent_features`` is the length of a
        latent vector.
    property : callable, or mapping from str to callable, or evaluator
        Of one phase field, a scalar, that JAX can trace; several by the names that objectives and
        constraints call them, where one alone is called "value". Or an `Evaluator`, for all else:
        a function of images, or another program.
    run : path
        Folder for a folder for each strategy, and ``latents.npy`` of the designs.
    objective : Objective, sequence of Objective, or Aim
        By default to reach the `target`, or the largest value where there is none.
    target : float, optional
        In place of an objective.
    phase : callable
        From one image to its phase field; by default what is brighter than 0.5.
    strategies : sequence of str
        The first one's designs are the answer: see `strategy_of`.
    space : Space, optional
        By default all latents of typical length.
    evaluations : int
        Budget of each search.
    start : int
        Evenly spread latents before the first proposal.
    batch : int
        Latents evaluated at a time.
    repeats : int
        Images of each latent, of different noise of a generator that adds any.
    designs : int
        Best microstructures to return, of a single objective.
    seed : int

    Returns
    -------
    design : Design

    Raises
    ------
    InputError
        If the folder holds another search, nothing could be measured at the start, or a design
        does not have its values when they are computed again.
    """
    run = pathlib.Path(run)
    if not 2 <= start <= evaluations:
        raise InputError(
            f"`start` (={start}) must lie between 2 and the {evaluations} evaluations."
        )
    if objective is None:
        objective = Objective("maximize") if target is None else Objective("target", target)
    aim = Aim.of(objective)
    space = Sphere(generator.latent_features) if space is None else space
    if isinstance(property, Evaluator):
        evaluator: Evaluator = property
    else:
        named = property if isinstance(property, Mapping) else {aim.outputs[0]: property}
        evaluator = Measured(generator, named, phase=phase, repeats=repeats, batch=batch)
    made = strategies_for(aim, evaluator, strategies, evaluations)
    begun = {
        name: Search(space, aim, run=run / name, strategy=each, start=start, seed=seed)
        for name, each in made.items()
    }
    searches = {
        name: evaluated(search, evaluator, evaluations, batch, name)
        for name, search in begun.items()
    }
    history = searches[strategies[0]]
    if len(aim.objectives) > 1:
        rows = _distinct(history, aim.front(history.values))
    else:
        rows = _distinct(history, aim.order(history.values))[:designs]
    latents = space.latents(history.points[rows])
    np.save(buffer := io.BytesIO(), latents)
    write_atomically(run / "latents.npy", buffer.getvalue())
    values = history.values[rows]
    return Design(
        aim=aim,
        latents=latents,
        images=np.concatenate([np.asarray(generator(one[None])) for one in latents]),
        values=values,
        recomputed=_recomputed(run, evaluator, aim, values),
        start=start,
        searches=searches,
    )


def strategies_for(
    aim: Aim, evaluator: Evaluator, names: Sequence[str], evaluations: int
) -> dict[str, Strategy]:
    """Strategies by their names, if what they ask for is there: before anything is evaluated.

    Parameters
    ----------
    aim : Aim
    evaluator : Evaluator
    names : sequence of str
        See `strategy_of`.
    evaluations : int
        Budget of each search.

    Returns
    -------
    strategies : dict from str to Strategy

    Raises
    ------
    ValueError, InputError
        If one cannot search for such an aim, or follows a slope that what is measured does not
        have.
    """
    made = {name: strategy_of(name, evaluations) for name in names}
    for strategy in made.values():
        if (check := getattr(strategy, "check", None)) is not None:
            check(aim)
    if (check := getattr(evaluator, "check", None)) is not None:
        check(aim, slopes=any(isinstance(each, Descent) for each in made.values()))
    return made


def evaluated(
    search: Search, evaluator: Evaluator, evaluations: int, batch: int, name: str = "search"
) -> History:
    """Go on with a search until it has spent its budget.

    Parameters
    ----------
    search : Search
    evaluator : callable
    evaluations : int
        All that are to be spent, with those of before.
    batch : int
        At a time.
    name : str
        For the progress bar.

    Returns
    -------
    history : History
        Of the budget's evaluations, and no more.

    Raises
    ------
    InputError
        If the search's start is over and nothing could be measured.
    """
    done = len(search.history) - len(search.history.pending)
    with tqdm(total=evaluations, initial=min(done, evaluations), desc=name, unit="eval") as bar:
        while done < evaluations:
            count = min(batch, evaluations - done)
            # What is learned from the start is learned from all of it.
            count = min(count, search.start - done) if done < search.start else count
            points = search.ask(count)
            slopes = search.wants_slopes(points)
            found = evaluator.measure(search.space.latents(points), search.aim, slopes=slopes)
            known = None if found.slopes is None else search.space.pulled_back(found.slopes)
            search.tell(points, found.values, variances=found.variances, slopes=known)
            done += count
            bar.update(count)
            if done >= search.start and not len(search.history.told):
                raise InputError(
                    f"the property is not finite for {done} of {done} microstructures; the solver "
                    "did not converge: lower the contrast, or raise its limit of iterations."
                )
    return search.history[:evaluations]


def _distinct(history: History, rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " chosen"]:
    """Rows that have values, each point once: a descent begins where another search was."""
    chosen: list[int] = []
    for row in rows:
        again = same_point(history.points[chosen], history.points[row]).any()
        if np.isfinite(history.values[row]).all() and not again:
            chosen.append(int(row))
    return np.array(chosen)


def _recomputed(
    run: pathlib.Path, evaluator: Evaluator, aim: Aim, values: Float[np.ndarray, "designs outputs"]
) -> Float[np.ndarray, "designs outputs"]:
    """The values of the saved latents, each measured once more on its own."""
    latents = np.load(run / "latents.npy")
    found = np.concatenate([evaluator.measure(one[None], aim).values for one in latents])
    # What another program measures may vary; what we compute does not.
    if isinstance(evaluator, Measured) and not np.allclose(found, values, rtol=1e-4, atol=1e-6):
        row = int(np.abs(found - values).max(axis=1).argmax())
        raise InputError(
            f"{run / 'latents.npy'}: gives {found[row].tolist()}, and the search recorded "
            f"{values[row].tolist()}; the generator is not the one that was searched: use another "
            "run folder."
        )
    return found
