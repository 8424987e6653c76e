"""Ask what to evaluate next, and tell what came out: a search that others can serve."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import filelock
import numpy as np
from numpy.typing import ArrayLike

from idml_jax.design.asking import Question, Strategy
from idml_jax.design.history import PENDING, History, same_point, values_of
from idml_jax.design.objectives import Aim, Objective
from idml_jax.design.spaces import Points, Space, Sphere
from idml_jax.errors import InputError
from idml_jax.report import claim


class Search:
    """A search whose points somebody else evaluates: a laboratory, a cluster, another program.

    Everything that it knows is in one file of its folder, written whole after each question and
    each answer. Started again in the folder it goes on, and names first what it had asked for and
    was not told. Several processes may serve one search: one at a time reads and writes the file,
    and what one has asked for the others take into account.

    Parameters
    ----------
    space : Space or int
        Where to look; an integer is the length of latents: all those of typical length.
    aim : Aim, Objective or sequence of Objective
        What to look for. Its outputs are what is told.
    run : path
        Folder for ``search.json``, what the folder belongs to, and ``search.npz``, the state.
    strategy : callable, optional
        How to look; by default by expected improvement.
    start : int
        Evenly spread points before anything is learned from what was told.
    seed : int
    worker : str
        The name of this process among those that serve the search: points that a process of this
        name has asked for and not told are named again.

    Raises
    ------
    InputError
        If the folder holds another search, or its state cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     search = Search(3, Objective("maximize"), run=folder, start=8)
    ...     for _ in range(2):
    ...         latents = search.ask(4)
    ...         search.tell(latents, -abs(latents[:, 0] - 1))
    ...     len(search.history.told)
    8
    """

    def __init__(
        self,
        space: Space | int,
        aim: Aim | Objective | Sequence[Objective],
        *,
        run: str | pathlib.Path,
        strategy: Strategy | None = None,
        start: int = 32,
        seed: int = 0,
        worker: str = "",
    ):
        if start < 2:
            raise InputError(f"`start` (={start}): a search learns from two points at least.")
        if strategy is None:
            # BoTorch takes seconds to import, and only a search needs it.
            from idml_jax.design.bayesian import ExpectedImprovement

            strategy = ExpectedImprovement()
        self.space = Sphere(space) if isinstance(space, int) else space
        self.aim = Aim.of(aim)
        self.strategy = strategy
        if (check := getattr(strategy, "check", None)) is not None:
            check(self.aim)
        self.start, self.seed, self.worker = start, seed, worker
        self.run = pathlib.Path(run)
        claim(
            self.run / "search.json",
            self.aim.plain()
            | {"outputs": list(self.aim.outputs), "strategy": described(strategy)}
            | {"start": start, "seed": seed}
            | self.space.plain(),
        )
        self._named: list[np.ndarray] = []
        self._lock = filelock.FileLock(self.run / "search.lock")

    @property
    def path(self) -> pathlib.Path:
        """The file of its state."""
        return self.run / "search.npz"

    @property
    def history(self) -> History:
        """All that was asked for and told so far, by any process."""
        if not self.path.exists():
            return History.empty(self.space.dimensions, len(self.aim.outputs))
        return History.load(self.path)

    def ask(self, count: int) -> Points:
        """The next points to evaluate.

        Parameters
        ----------
        count : int

        Returns
        -------
        points : array of shape (count, dim)
            First those that a process of this name asked for before it was started again and that
            were not told; then new ones. Latents are `space.latents(points)`.
        """
        if count < 1:
            raise InputError(f"`count` (={count}): ask for one point at least.")
        with self._lock:
            history = self.history
            named = self._inherited(history)[:count]
            while len(named) < count:
                question = Question(
                    self.space, self.aim, history, count - len(named), self.start, self.seed
                )
                answer = self.strategy(question)
                note = (answer.note or {}) | ({"slopes": True} if answer.slopes else {})
                history = history.with_asked(answer.points, self.worker, note)
                named = np.concatenate([named, answer.points.astype(np.float64)])
            history.save(self.path)
        self._named.extend(named)
        return named

    def wants_slopes(self, points: Points) -> bool:
        """Whether the search was made to follow slopes, and asked for these points to learn them.

        They are told beside the values then; without them the points stand still.
        """
        history = self.history
        asks = {int(history.asks[same_point(history.points, point)][-1]) for point in points}
        return any("slopes" in history.notes[ask] for ask in asks if ask >= 0)

    def tell(
        self,
        points: ArrayLike,
        values: ArrayLike | Mapping[str, ArrayLike],
        *,
        variances: ArrayLike | Mapping[str, ArrayLike] | None = None,
        slopes: ArrayLike | None = None,
    ) -> None:
        """Answers to what was asked, all or some of it, or to what nobody asked.

        Parameters
        ----------
        points : array of shape (told, dim)
        values : array of shape (told,) or (told, outputs), or a mapping from their names
            What was measured; what is not finite is an evaluation that failed, and is not asked
            for again.
        variances : the same, optional
            Of the values, where these are means of repeated measurements.
        slopes : array of shape (told, dim), optional
            Of the score by the points, for strategies that follow it.

        Raises
        ------
        InputError
            If there are more or fewer answers than points, or a point has its answer already.
            Nothing is told then.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != self.space.dimensions:
            raise InputError(
                f"`points` of shape {points.shape}; the search's have {self.space.dimensions} "
                "numbers each: give an array with a row a point."
            )
        if not np.isfinite(points).all():
            raise InputError("`points` are not all finite; tell those that were evaluated.")
        outputs, count = self.aim.outputs, len(points)
        found = values_of(values, outputs, count, "values")
        spread = None if variances is None else values_of(variances, outputs, count, "variances")
        steepness = None if slopes is None else np.asarray(slopes, np.float64)
        if steepness is not None and steepness.shape != points.shape:
            raise InputError(
                f"`slopes` of shape {steepness.shape} for points of shape {points.shape}: give a "
                "row a point."
            )
        with self._lock:
            told = self.history.with_told(points, found, spread, steepness, self.worker)
            told.save(self.path)

    def _inherited(self, history: History) -> Points:
        """Points that a process of this name left without an answer."""
        pending = history[(history.states == PENDING) & (history.workers == self.worker)].points
        named = np.array(self._named).reshape(-1, pending.shape[1])
        return np.array([each for each in pending if not same_point(named, each).any()]).reshape(
            -1, pending.shape[1]
        )


def described(strategy: Strategy) -> str:
    """A strategy by its name, and what is not its default."""
    if not dataclasses.is_dataclass(strategy):
        return getattr(strategy, "__name__", type(strategy).__name__)
    chosen = {
        field.name: getattr(strategy, field.name)
        for field in dataclasses.fields(strategy)
        if getattr(strategy, field.name) != field.default
    }
    words = [
        f"{name}={described(value) if name == 'first' else value}" for name, value in chosen.items()
    ]
    return f"{type(strategy).__name__}({', '.join(words)})" if words else type(strategy).__name__
