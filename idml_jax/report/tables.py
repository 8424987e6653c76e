"""Tables as text: for a file, and for the terminal."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def csv_text(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as comma-separated text; what is None is an empty cell."""
    writer = csv.writer(text := io.StringIO(), lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def cell(value: float) -> str:
    """A number in a table; a dash for what is none.

    Examples
    --------
    >>> cell(0.25), cell(float("nan"))
    ('0.250', '-')
    """
    return f"{value:.3f}" if math.isfinite(value) else "-"


def cells(scores: Mapping[str, float], columns: Iterable[str]) -> tuple[str, ...]:
    """Some scores in a row of a table, by their names."""
    return tuple(cell(scores[column]) for column in columns)


def aligned_text(rows: Sequence[Sequence[str]]) -> str:
    """A table as lines of which each column is as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
