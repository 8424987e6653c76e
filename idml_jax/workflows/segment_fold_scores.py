"""Scores of a way to tell classes of pixels over folds: of all pixels, and how folds differ."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from idml_jax import data, evaluation, report
from idml_jax.workflows.over_folds import by_specimen, mean_and_deviation
from idml_jax.workflows.segment_data import AnnotatedSplit


class Folded(NamedTuple):
    """Annotated micrographs in folds."""

    annotated: list[data.Annotated]
    folds: list[data.Fold]
    classes: tuple[int, ...]
    names: tuple[str, ...]

    def sides(self, fold: data.Fold) -> AnnotatedSplit:
        """What a fold is told by, and the fold."""
        train, val = ([self.annotated[place] for place in part] for part in fold[1:])
        return AnnotatedSplit(train, val, self.classes, self.names)


class OverFolds(NamedTuple):
    """Scores of one way."""

    counts: Int[np.ndarray, "classes classes"]
    """What each class was taken for, in all folds."""
    whole: dict[str, float]
    """Scores of that: of all pixels, divided once."""
    folds: list[dict[str, float]]
    """Scores of each fold."""
    interval: evaluation.Interval
    """Of the mean IoU of all pixels, over resampled micrographs."""
    seconds: float
    """That a fold took."""

    def over_folds(self, score: str) -> tuple[float, float]:
        """Mean and deviation of a score over the folds that have it."""
        values = np.array([each[score] for each in self.folds])
        values = values[np.isfinite(values)]
        if not len(values):
            return float("nan"), float("nan")
        return mean_and_deviation(values)


def scores_of(way: str, known: Folded, done: Mapping[str, Any]) -> OverFolds:
    """What all folds say of a way.

    Parameters
    ----------
    way : str
    known : Folded
    done : mapping
        Of each fold and way the counts of each image, and the seconds.
    """
    of_folds = [np.array(done[fold.name][way]["counts"], np.int64) for fold in known.folds]
    total = np.sum([each.sum(axis=0) for each in of_folds], axis=0)
    groups = by_specimen(known.folds, [one.micrograph for one in known.annotated], of_folds)
    return OverFolds(
        total,
        evaluation.pixel_scores(total, known.names),
        [evaluation.pixel_scores(each.sum(axis=0), known.names) for each in of_folds],
        evaluation.bootstrap_score(groups, _mean_iou),
        float(np.mean([done[fold.name][way]["seconds"] for fold in known.folds])),
    )


def _mean_iou(
    counts: Int[np.ndarray, "sums classes classes"],
) -> Float[np.ndarray, " sums"]:
    # One by one: what is added up over pixels may not fit into JAX's 32 bits.
    return np.array(
        [
            float(evaluation.intersection_over_union(each, average="macro", zero_division=np.nan))
            for each in counts
        ]
    )


def columns_of(known: Folded) -> tuple[str, ...]:
    """The scores that tables show."""
    return (*evaluation.score_columns(known.names), "accuracy")


def table_of(known: Folded, scores: Mapping[str, OverFolds]) -> list[tuple[str, ...]]:
    """A row for each way: of all pixels, counted together and divided once."""
    columns = columns_of(known)
    rows: list[tuple[str, ...]] = [("by", *columns, "seconds a fold")]
    for way, of in scores.items():
        mean, *of_classes = report.cells(of.whole, columns)
        low, high = (report.cell(float(end)) for end in (of.interval.low, of.interval.high))
        rows.append((way, f"{mean} [{low}, {high}]", *of_classes, f"{of.seconds:.0f}"))
    return rows


def folds_table_of(known: Folded, scores: Mapping[str, OverFolds]) -> list[tuple[str, ...]]:
    """A row for each way: mean and deviation over the folds."""
    columns = columns_of(known)
    rows: list[tuple[str, ...]] = [("by", *columns)]
    for way, of in scores.items():
        pairs = [map(report.cell, of.over_folds(column)) for column in columns]
        rows.append((way, *(f"{mean} +- {deviation}" for mean, deviation in pairs)))
    return rows


def numbers_of(known: Folded, scores: Mapping[str, OverFolds]) -> tuple[list[str], list[list[Any]]]:
    """Every score as a number, for a file: head, and a row for each score of each way."""
    folds = [f"fold {fold.name}" for fold in known.folds]
    head = ["by", "score", "of all pixels", "mean over folds", "deviation", *folds]
    rows = [
        [way, score, value, *of.over_folds(score), *(each[score] for each in of.folds)]
        for way, of in scores.items()
        for score, value in of.whole.items()
    ]
    return head, rows
