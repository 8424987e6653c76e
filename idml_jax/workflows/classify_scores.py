"""Scores of a way to tell classes over folds: mean, deviation, and how sure that is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from idml_jax import evaluation
from idml_jax.typing import Array
from idml_jax.workflows.classify_folds import Answer, Judged
from idml_jax.workflows.classify_study import scores_of, taken_of
from idml_jax.workflows.over_folds import by_specimen, mean_and_deviation

SCORES = ("accuracy", "macro-F1", "surprise")
"""What is averaged over the folds."""


class Scores(NamedTuple):
    """Of one way, fitted to one share of the micrographs."""

    way: str
    share: float
    fitted: float
    """Micrographs that it was fitted to, in the mean over the folds."""
    folds: list[dict[str, float]]
    """Of each fold."""
    intervals: dict[str, tuple[float, float]]
    """That hold 95 % of resampled sets of as many micrographs, or specimens."""
    counts: Int[np.ndarray, "classes classes"]
    """Of which class each micrograph was taken for, in all folds."""

    def mean(self, name: str) -> float:
        """Over the folds."""
        return mean_and_deviation([each[name] for each in self.folds])[0]

    def deviation(self, name: str) -> float:
        """The same of the standard deviation."""
        return mean_and_deviation([each[name] for each in self.folds])[1]

    def cell(self, name: str) -> str:
        """A cell of a table; of one fold there is no deviation."""
        text = f"{self.mean(name):.3f}"
        if len(self.folds) > 1:
            text += f" +- {self.deviation(name):.3f}"
        if name in self.intervals:
            low, high = self.intervals[name]
            text += f" [{low:.3f}, {high:.3f}]"
        return text

    def plain(self) -> dict[str, Any]:
        """Every number, for JSON."""
        return self._asdict() | {"counts": self.counts.tolist()}


def scores_over_folds(way: str, share: float, known: Judged, answers: Sequence[Answer]) -> Scores:
    """What all folds say of a way.

    Parameters
    ----------
    way : str
    share : float
    known : Judged
    answers : sequence of Answer
        A fold each.
    """
    folds, taken = [], []
    for fold, answer in zip(known.folds, answers, strict=True):
        labels = known.targets[fold.judged]
        of_fold = scores_of(labels, answer.told)
        folds.append({name: of_fold[name] for name in SCORES})
        taken.append(taken_of(labels, answer.told))
    return Scores(
        way,
        share,
        float(np.mean([answer.fitted for answer in answers])),
        folds,
        intervals_of(by_specimen(known.folds, known.micrographs, taken)),
        np.concatenate(taken).sum(axis=0),
    )


def intervals_of(
    groups: Sequence[Int[np.ndarray, "members classes classes"]],
) -> dict[str, tuple[float, float]]:
    """Of accuracy and macro-F1, from what each micrograph of each specimen was taken for."""
    right = [np.trace(each, axis1=1, axis2=2).astype(float) for each in groups]
    accuracy = evaluation.bootstrap_mean(right)
    macro = evaluation.bootstrap_score(list(groups), macro_f1)
    return {
        name: (float(each.low), float(each.high))
        for name, each in (("accuracy", accuracy), ("macro-F1", macro))
    }


@jax.jit
@jax.vmap
def macro_f1(counts: Int[Array, "classes classes"]) -> Float[Array, ""]:
    """The mean of the F1 of the classes, of each sum; of those neither there nor told, none."""
    return evaluation.f_score(counts, average="macro", zero_division=np.nan)


def chosen_inside(answers: Mapping[str, Sequence[Answer]]) -> list[Answer]:
    """What the best way by inner folds says of each outer one: which way, is not chosen by it.

    Examples
    --------
    >>> import numpy as np
    >>> one = [Answer(np.array([[1.0]]), 9, inner=0.8), Answer(np.array([[2.0]]), 9, inner=0.6)]
    >>> two = [Answer(np.array([[3.0]]), 9, inner=0.7), Answer(np.array([[4.0]]), 9, inner=0.9)]
    >>> [answer.chosen["way"] for answer in chosen_inside({"one": one, "two": two})]
    ['one', 'two']
    """
    found = []
    for of_fold in zip(*answers.values(), strict=True):
        scores = [-np.inf if answer.inner is None else answer.inner for answer in of_fold]
        best = int(np.argmax(scores))
        found.append(of_fold[best]._replace(chosen={"way": list(answers)[best]}))
    return found


def table_of(scores: Sequence[Scores]) -> list[tuple[str, ...]]:
    """A row for each way, the best first: mean and deviation over the folds, and the interval."""
    rows: list[tuple[str, ...]] = [("by", "accuracy", "macro-F1", "surprise, nats")]
    for each in sorted(scores, key=lambda one: -one.mean("accuracy")):
        rows.append((each.way, *(each.cell(name) for name in SCORES)))
    return rows


def numbers_of(scores: Sequence[Scores]) -> tuple[list[str], list[list[Any]]]:
    """The same as numbers, for a file: head and rows."""
    head = ["by", "share", "micrographs"]
    for name in SCORES:
        head += [name, f"{name} deviation"]
        head += [f"{name} low", f"{name} high"] if name != "surprise" else []
    rows = []
    for each in scores:
        row: list[Any] = [each.way, each.share, each.fitted]
        for name in SCORES:
            row += [each.mean(name), each.deviation(name), *each.intervals.get(name, ())]
        rows.append(row)
    return head, rows


def curves_of(scores: Sequence[Scores], name: str) -> dict[str, Float[np.ndarray, "shares three"]]:
    """Of each way the micrographs it was fitted to, and the mean and deviation of a score."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for each in sorted(scores, key=lambda one: one.share):
        point = each.fitted, each.mean(name), each.deviation(name)
        found.setdefault(each.way, []).append(point)
    return {way: np.array(points) for way, points in found.items()}
