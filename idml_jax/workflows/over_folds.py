"""What answers over folds are summed up by, of classes, numbers and pixels alike."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from idml_jax import data


def mean_and_deviation(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Over the folds; of one fold the deviation is 0.

    Examples
    --------
    >>> mean_and_deviation([0.5]), mean_and_deviation([1.0, 3.0])
    ((0.5, 0.0), (2.0, 1.4142135623730951))
    """
    return float(np.mean(values)), float(np.std(values, ddof=min(1, len(values) - 1)))


def by_specimen(
    folds: Sequence[data.Fold],
    micrographs: Sequence[data.Micrograph],
    values: Iterable[Sequence[Any] | np.ndarray],
) -> list[np.ndarray]:
    """What is said of the micrographs that folds are judged by, specimen by specimen.

    Parameters
    ----------
    folds : sequence of Fold
    micrographs : sequence of Micrograph
    values : iterable of sequences
        One a fold: a value of each micrograph that it is judged by.

    Returns
    -------
    groups : list of arrays
        As `evaluation.bootstrap_mean` resamples them.
    """
    found: dict[str, list[Any]] = {}
    for fold, of_fold in zip(folds, values, strict=True):
        for place, value in zip(fold.judged, of_fold, strict=True):
            found.setdefault(micrographs[place].specimen, []).append(value)
    return [np.array(group) for group in found.values()]


def judged_by(
    folds: Sequence[data.Fold], micrographs: Sequence[data.Micrograph]
) -> dict[str, list[str]]:
    """The names of the micrographs that each fold is judged by, for JSON."""
    return {fold.name: [micrographs[place].name for place in fold.judged] for fold in folds}
