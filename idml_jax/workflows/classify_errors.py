"""How far off a way to tell a number is, over folds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax import evaluation
from idml_jax.workflows.classify_folds import Answer, Judged
from idml_jax.workflows.over_folds import by_specimen, mean_and_deviation

SCORES = ("MAE", "RMSE", "R2")


class Errors(NamedTuple):
    """Of one way, over folds."""

    way: str
    folds: list[dict[str, float]]
    """Mean absolute and root mean square error, and R2, of each fold."""
    interval: evaluation.Interval
    """Of the mean absolute error of all micrographs, over resampled specimens."""
    r2: float
    """Of all folds together: R2 of a fold of few micrographs says little."""

    def cell(self, name: str) -> str:
        """A cell of a table: mean and deviation over the folds."""
        values = [each[name] for each in self.folds if np.isfinite(each[name])]
        if not values:
            return "-"
        mean, deviation = mean_and_deviation(values)
        return f"{mean:.4g} +- {deviation:.2g}"


def errors_of(way: str, known: Judged, answers: Sequence[Answer]) -> Errors:
    """How far off a way is, in each fold and in all.

    Parameters
    ----------
    way : str
    known : Judged
    answers : sequence of Answer
        A fold each.
    """
    folds, true, told = [], [], []
    for fold, answer in zip(known.folds, answers, strict=True):
        values, found = known.targets[fold.judged], answer.told[:, 0]
        folds.append(
            {
                "MAE": float(np.abs(found - values).mean()),
                "RMSE": float(np.sqrt(((found - values) ** 2).mean())),
                "R2": r2(values, found),
            }
        )
        true.append(values)
        told.append(found)
    off = [np.abs(found - values) for found, values in zip(told, true, strict=True)]
    groups = by_specimen(known.folds, known.micrographs, off)
    interval = evaluation.bootstrap_mean(groups)
    return Errors(way, folds, interval, r2(np.concatenate(true), np.concatenate(told)))


def r2(true: Float[np.ndarray, " count"], told: Float[np.ndarray, " count"]) -> float:
    """Share of the variance of the truth that is told; NaN where that does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    0.5
    """
    varies = float(((true - true.mean()) ** 2).sum())
    return 1 - float(((true - told) ** 2).sum()) / varies if varies > 0 else float("nan")


def table_of(errors: Sequence[Errors], value: str) -> list[tuple[str, ...]]:
    """A row for each way: over the folds, and of all of them together."""
    rows: list[tuple[str, ...]] = [
        ("by", f"MAE of {value}", "of all, 95 %", "RMSE", "R2", "R2 of all")
    ]
    for each in errors:
        mae, low, high = map(float, each.interval)
        interval = f"{mae:.4g} [{low:.4g}, {high:.4g}]"
        row = each.way, each.cell("MAE"), interval, each.cell("RMSE"), each.cell("R2")
        rows.append((*row, f"{each.r2:.3f}"))
    return rows


def numbers_of(errors: Sequence[Errors]) -> tuple[list[str], list[list[Any]]]:
    """The same as numbers, for a file: head and rows."""
    head = ["by"]
    for name in SCORES:
        head += [name, f"{name} deviation"]
    head += ["MAE of all", "MAE of all low", "MAE of all high", "R2 of all"]
    rows = []
    for each in errors:
        row: list[Any] = [each.way]
        for name in SCORES:
            row += mean_and_deviation([fold[name] for fold in each.folds])
        rows.append([*row, *map(float, each.interval), each.r2])
    return head, rows
