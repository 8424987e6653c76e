"""Tables as text: for a file, and for the terminal."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as comma-separated text; what is None is an empty cell."""
    writer = csv.writer(text := io.StringIO(), lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def aligned_text(rows: Sequence[Sequence[str]]) -> str:
    """A table as lines of which each column is as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
