"""What a search has asked for and been told: its whole state, in one file."""

import dataclasses
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from idml_jax.design.objectives import Aim
from idml_jax.design.spaces import Points
from idml_jax.errors import InputError
from idml_jax.report import write_atomically

PENDING, TOLD, FAILED = 0, 1, 2
"""What a row is: asked for and not known yet, told, or told that there is no value."""

CLOSE = 1e-5
"""Points that differ by less are one: they may have gone through a table."""


@dataclasses.dataclass(frozen=True)
class History:
    """Every point of a search, in the order in which they were asked for or told.

    Parameters
    ----------
    points : array of shape (count, dim)
    values : array of shape (count, outputs)
        What was measured; not a number where nothing is known.
    variances : array of shape (count, outputs)
        Of the values, as means of repeated measurements; not a number where they are not known.
    slopes : array of shape (count, dim)
        Of the score by the point, where they were told.
    states : array of shape (count,)
        `PENDING`, `TOLD` or `FAILED`.
    asks : array of shape (count,)
        Which question each point belongs to; -1 for one that was told and never asked for.
    workers : array of shape (count,)
        Who asked for it.
    notes : tuple of dict
        What the strategy wrote down for itself at each question.
    """

    points: Points
    values: Float[np.ndarray, "count outputs"]
    variances: Float[np.ndarray, "count outputs"]
    slopes: Points
    states: Int[np.ndarray, " count"]
    asks: Int[np.ndarray, " count"]
    workers: np.ndarray
    notes: tuple[dict[str, Any], ...] = ()

    @classmethod
    def empty(cls, dimensions: int, outputs: int) -> "History":
        """Before the first question."""
        points, values = np.zeros((0, dimensions)), np.zeros((0, outputs))
        numbers = np.zeros(0, np.int64)
        workers = np.zeros(0, "U1")
        return cls(points, values, values, points, numbers, numbers, workers)

    @classmethod
    def load(cls, path: pathlib.Path) -> "History":
        """What `save` wrote."""
        try:
            with np.load(path) as saved:
                arrays: dict[str, Any] = {name: saved[name] for name in saved.files}
            arrays["notes"] = tuple(json.loads(str(arrays["notes"])))
            return cls(**arrays)
        except (ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(
                f"{path}: not the state of a search ({error}); move it away to begin anew."
            ) from error

    def save(self, path: pathlib.Path) -> None:
        """Write it so that a crash leaves the old state or this one."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arrays["notes"] = np.array(json.dumps(self.notes))
        np.savez(buffer := io.BytesIO(), allow_pickle=False, **arrays)
        write_atomically(path, buffer.getvalue())

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, chosen: Any) -> "History":
        """Some rows of it, with all notes."""
        rows = {
            field.name: getattr(self, field.name)[chosen]
            for field in dataclasses.fields(self)
            if field.name != "notes"
        }
        return History(**rows, notes=self.notes)

    @property
    def told(self) -> "History":
        """The rows that have values."""
        return self[self.states == TOLD]

    @property
    def pending(self) -> "History":
        """The rows that were asked for and have no answer yet."""
        return self[self.states == PENDING]

    @property
    def asked(self) -> int:
        """How many points were asked for in all."""
        return int((self.asks >= 0).sum())

    def progress(self, aim: Aim) -> Float[np.ndarray, " count"]:
        """Best score of a single objective after each row; minus infinity before there is any."""
        return np.maximum.accumulate(aim.merit(self.values))

    def with_asked(self, points: Points, worker: str, note: dict[str, Any]) -> "History":
        """And a question's points."""
        count, number = len(points), len(self.notes)
        grown = self._with_rows(points, PENDING, number, worker, count)
        return dataclasses.replace(grown, notes=(*self.notes, note))

    def with_told(
        self,
        points: Points,
        values: Float[np.ndarray, "told outputs"],
        variances: Float[np.ndarray, "told outputs"] | None = None,
        slopes: Points | None = None,
        worker: str = "",
    ) -> "History":
        """And answers: of points that are pending, or of others.

        Raises
        ------
        InputError
            If a point has its answer already, or is given twice.
        """
        rows = self._rows_of(points)
        known = [place for place, row in enumerate(rows) if row >= 0 and self.states[row]]
        if known:
            raise InputError(
                f"points {', '.join(map(str, known))} were told before; repeated "
                "measurements are told as one mean and its variance."
            )
        new = rows < 0
        grown = self._with_rows(points[new], PENDING, -1, worker, int(new.sum()))
        rows[new] = len(self) + np.arange(new.sum())
        measured = np.asarray(np.isfinite(values).all(axis=1))
        arrays = {"values": np.where(measured[:, None], values, np.nan)}
        arrays["states"] = np.where(measured, TOLD, FAILED)
        if variances is not None:
            arrays["variances"] = variances
        if slopes is not None:
            arrays["slopes"] = slopes
        changed = {}
        for name, array in arrays.items():
            changed[name] = getattr(grown, name).copy()
            changed[name][rows] = array
        return dataclasses.replace(grown, **changed)

    def _with_rows(
        self, points: Points, state: int, ask: int, worker: str, count: int
    ) -> "History":
        nothing = np.full((count, self.values.shape[1]), np.nan)
        rows = {
            "points": points,
            "values": nothing,
            "variances": nothing,
            "slopes": np.full(points.shape, np.nan),
            "states": np.full(count, state),
            "asks": np.full(count, ask),
            "workers": np.full(count, worker),
        }
        return dataclasses.replace(
            self, **{name: np.concatenate([getattr(self, name), rows[name]]) for name in rows}
        )

    def _rows_of(self, points: Points) -> Int[np.ndarray, " told"]:
        """The row of each point, the last one where it is there more than once; -1 for none."""
        both = np.concatenate([self.points, points])
        rows = np.full(len(points), -1)
        for place, point in enumerate(points):
            near = same_point(both, point)
            if near[len(self) :].sum() > 1:
                raise InputError(
                    f"point {place} of those told is given twice; repeated measurements are told "
                    "as one mean and its variance."
                )
            here = np.flatnonzero(near[: len(self)])
            if len(here):
                rows[place] = here[-1]
        return rows


def same_point(points: Points, point: Float[np.ndarray, " dim"]) -> Bool[np.ndarray, " count"]:
    """Which points are this one, but for the digits that a table keeps."""
    return np.all(np.abs(points - point) <= CLOSE * (1 + np.abs(point)), axis=1)


def values_of(
    answers: Any, outputs: Sequence[str], count: int, what: str
) -> Float[np.ndarray, "count outputs"]:
    """Answers as numbers, a row a point and a column an output.

    Parameters
    ----------
    answers : array of shape (count,) or (count, outputs), or a mapping
        A mapping goes from the name of each output to an array of shape (count,).
    outputs : sequence of str
        The names that are wanted, in order.
    count : int
        Points that they belong to.
    what : str
        What the answers are called, for the message.

    Raises
    ------
    InputError
        If an output is missing, or there are more or fewer answers than points.
    """
    if isinstance(answers, Mapping):
        if missing := [name for name in outputs if name not in answers]:
            raise InputError(
                f"`{what}` lack {', '.join(missing)}; the search is after {', '.join(outputs)}."
            )
        answers = np.stack([np.asarray(answers[name], float) for name in outputs], axis=-1)
    try:
        array = np.asarray(answers, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{what}` are not numbers ({error}).") from error
    table = array[:, None] if array.ndim == 1 and len(outputs) == 1 else array
    if table.shape != (count, len(outputs)):
        raise InputError(
            f"`{what}` of shape {array.shape} for {count} points and the outputs "
            f"{', '.join(outputs)}: give ({count}, {len(outputs)}), or tell only the points that "
            "have their answer: the others stay pending."
        )
    return table
