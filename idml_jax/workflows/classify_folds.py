"""What each way says of each fold: fitted to the others, or gone on with where it stopped."""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import Pipeline

from idml_jax import data, report
from idml_jax.errors import listed, refuse_all
from idml_jax.workflows.classify_data import Squares
from idml_jax.workflows.classify_ways import NEIGHBOURS

INNER = 3
"""Folds of what a fold is learned from, by which hyperparameters are chosen."""

CALIBRATED = ("svm", "linear-svm", "chi-squared")
"""What needs two images of each class to learn from."""


class Judged(NamedTuple):
    """Micrographs in folds, and what is to be told of them."""

    micrographs: list[data.Micrograph]
    targets: Shaped[np.ndarray, " count"]
    """The number of the class of each; or a number."""
    classes: tuple[str, ...]
    """None where numbers are told."""
    folds: list[data.Fold]
    squares: Squares
    """What the micrographs are cut into."""

    @property
    def labels(self) -> Int[np.ndarray, " count"] | None:
        """The class of each micrograph, where they have any."""
        return self.targets if self.classes else None

    @property
    def unjudged(self) -> dict[str, list[str]]:
        """The classes of which a fold is judged by none, by the names of such folds."""
        there = data.one_class(self.targets, len(self.classes))
        return data.classes_unjudged(self.folds, there, self.classes)

    def part_of(self, fold: data.Fold, share: float, seed: int) -> Int[np.ndarray, " part"]:
        """The micrographs that are learned from, of a share of a fold."""
        if share == 1:
            return fold.fitted
        return data.share_of(fold, share, self.micrographs, self.labels, seed=seed)


class Answer(NamedTuple):
    """What a way says of the micrographs that a fold is judged by."""

    told: Float[np.ndarray, "judged outputs"]
    """Probabilities of the classes; or the one number."""
    fitted: int
    """Micrographs that it was fitted to."""
    chosen: dict[str, Any] = {}
    """By inner folds."""
    inner: float | None = None
    """The mean score of that choice over the inner folds."""


def answers_of(
    path: pathlib.Path,
    folds: Sequence[data.Fold],
    answer: Callable[[data.Fold, int], Answer],
    step: Callable[[], object],
) -> list[Answer]:
    """One way's answers in all folds: those that its file holds, and then the others.

    Parameters
    ----------
    path : path
        The file, written after every fold.
    folds : sequence of Fold
    answer : callable
        ``answer(fold, number)`` fits and tells.
    step : callable
        Called after each fold.
    """
    found: list[Answer] = []
    if path.exists():
        for each in json.loads(path.read_text()):
            found.append(Answer(**(each | {"told": np.array(each["told"], float)})))
    for number, fold in enumerate(folds):
        if number >= len(found):
            found.append(answer(fold, number))
            report.write_json(path, [each._asdict() | {"told": each.told.tolist()}
                                     for each in found])  # fmt: skip
        step()
    return found


def told_by(
    pipeline: Pipeline,
    known: Judged,
    fold: data.Fold,
    *,
    share: float = 1.0,
    grid: Mapping[str, Sequence[Any]] | None = None,
    seed: int = 0,
) -> Answer:
    """Fit a pipeline to what a fold is learned from, and tell what it is judged by.

    Everything is fitted inside, with a grid of each inner fold too: nothing sees what the fold is
    judged by before the end.

    Parameters
    ----------
    pipeline : Pipeline
    known : Judged
    fold : Fold
    share : float
        Of the micrographs that are learned from.
    grid : mapping, optional
        Of the names of hyperparameters to their values: the best by inner folds is taken, by
        `GridSearchCV`.
    seed : int
    """
    part = known.part_of(fold, share, seed)
    squares, targets = known.squares, known.targets[known.squares.sources]
    inside, outside = (np.isin(squares.sources, some) for some in (part, fold.judged))
    chosen, inner = {}, None
    if grid is None:
        found: Any = clone(pipeline)
    else:
        # Squares of a specimen lie in one inner fold, as its micrographs do in an outer one.
        parts = inner_folds(known, part, seed)
        scoring = "accuracy" if known.classes else "neg_mean_absolute_error"
        found = GridSearchCV(
            pipeline,
            grid,
            scoring=scoring,
            cv=parts,
            error_score="raise",  # pyright: ignore[reportArgumentType]
        )
    found.fit(squares.images[inside], targets[inside])
    if grid is not None:
        chosen, inner = dict(found.best_params_), float(found.best_score_)
    images = squares.images[outside]
    if known.classes:
        told = np.zeros((len(images), len(known.classes)))
        told[:, found.classes_] = found.predict_proba(images)
    else:
        told = np.asarray(found.predict(images), float)[:, None]
    places = np.searchsorted(fold.judged, squares.sources[outside])
    judged = Squares(images, squares.labels[outside], places)
    return Answer(judged.of_sources(told), len(part), chosen, inner)


def chosen_of(answers: Mapping[str, Sequence[Answer]]) -> dict[str, list[dict[str, Any]]]:
    """What inner folds chose for each fold, of the ways of which they choose something."""
    return {
        way: [answer.chosen for answer in found]
        for way, found in answers.items()
        if any(answer.chosen for answer in found)
    }


def inner_folds(
    known: Judged, part: Int[np.ndarray, " part"], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of the squares that are learned from, each specimen in one of them."""
    sources = known.squares.sources[np.isin(known.squares.sources, part)]
    specimens = np.array([each.specimen for each in known.micrographs])[sources]
    kind = StratifiedGroupKFold if known.classes else GroupKFold
    splitter = kind(INNER, shuffle=True, random_state=seed)
    return list(splitter.split(sources[:, None], known.targets[sources], specimens))


def check_fits(
    known: Judged, learners: Sequence[str], shares: Sequence[float], *, nested: bool, seed: int
) -> None:
    """Refuse folds of which too little is left to learn from, before anything is.

    Raises
    ------
    InputError
        If there are too few specimens for inner folds, images of a class for a machine, or images
        in all for neighbours. It is said of which classes, and in which folds.
    """
    least = 2 if known.classes and set(learners) & {*CALIBRATED} else 1
    needed = max((NEIGHBOURS[name][nested] for name in learners if name in NEIGHBOURS), default=1)
    problems: dict[str, list[str]] = {}
    for share in shares:
        for fold in known.folds:
            part = known.part_of(fold, share, seed)
            lacking = _few_specimens(known, part) if nested else []
            if not lacking:
                fits = [inside for inside, _ in inner_folds(known, part, seed)] if nested else []
                lacking = _few_images(known, part, fits, least, needed)
            for what in dict.fromkeys(lacking):
                problems.setdefault(f"share {share:g}: {what}", []).append(fold.name)
    refuse_all(
        "too little to learn from",
        [f"{what} (fold {listed(names)})" for what, names in problems.items()],
        "add micrographs, take larger --shares, or leave out what needs more",
    )


def _few_specimens(known: Judged, part: Int[np.ndarray, " part"]) -> list[str]:
    """Of which classes there are fewer specimens than inner folds."""
    specimens = np.array([each.specimen for each in known.micrographs])[part]
    labels = known.targets[part] if known.classes else np.zeros(len(part), int)
    names = known.classes or ("all",)
    few = [name for k, name in enumerate(names) if len(set(specimens[labels == k])) < INNER]
    return [f"fewer than {INNER} specimens, for inner folds, of {listed(few)}"] if few else []


def _few_images(
    known: Judged,
    part: Int[np.ndarray, " part"],
    inner: Sequence[np.ndarray],
    least: int,
    needed: int,
) -> list[str]:
    """Of which classes, or of all, there are fewer squares than something needs."""
    sources = known.squares.sources[np.isin(known.squares.sources, part)]
    found = []
    for inside in inner or [np.arange(len(sources))]:
        if len(inside) < needed:
            found.append(f"fewer than {needed} images, for neighbours")
        if known.classes:
            counts = np.bincount(known.targets[sources[inside]], minlength=len(known.classes))
            few = [name for name, n in zip(known.classes, counts, strict=True) if n < least]
            found += [f"fewer than {least} images of {listed(few)}"] if few else []
    return found
