"""Tables of comma-separated values that say something of files, a row each."""

import csv
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from idml_jax.errors import InputError, listed, refuse_all

FILE = "file"
"""Column of a table that says which file a row is about."""


class Row(NamedTuple):
    """A row of a table."""

    line: int
    """Its number in the file, from 1."""
    cells: dict[str, str]
    """By the names of the columns."""


def read_rows(
    path: pathlib.Path,
    *,
    filled: Sequence[str] | None = None,
    filled_if_there: Sequence[str] = (),
) -> tuple[list[str], list[Row]]:
    """The columns of a table, and its rows.

    Parameters
    ----------
    path : path
        In UTF-8, with a head that has the column ``file``.
    filled : sequence of str, optional
        Columns that there have to be, in which no cell may be empty; by default all.
    filled_if_there : sequence of str
        Others in which none may be.

    Returns
    -------
    columns : list of str
    rows : list of Row

    Raises
    ------
    InputError
        If there is no such table or column, or cells are missing: all such lines are named.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path}: {found}; name a table of comma-separated values.")
    try:
        # Spreadsheets write a mark of three bytes before the first name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: no table of comma-separated values in UTF-8 ({error}); save it as one."
        ) from error
    head = lines[0][1] if lines else []
    _check_head(path, head)
    for name in filled or ():
        if name not in head:
            raise InputError(f"{path}: no column {name!r}; the columns are {', '.join(head)}.")
    checked = (
        head if filled is None else [*filled, *(each for each in filled_if_there if each in head)]
    )
    problems, rows = [], []
    for line, cells in lines[1:]:
        if len(cells) != len(head):
            problems.append(f"line {line} has {len(cells)} cells, and the first line {len(head)}")
            continue
        row = Row(line, dict(zip(head, cells, strict=True)))
        problems += [
            f"line {line}, column {name!r}: empty" for name in checked if not row.cells[name]
        ]
        rows.append(row)
    refuse_all(path, _first(problems), "every micrograph needs every value, or leave out the file")
    return head, rows


def _check_head(path: pathlib.Path, head: Sequence[str]) -> None:
    if FILE not in head:
        raise InputError(
            f"{path}: no column {FILE!r}; the first line, {', '.join(head) or 'empty'}, must name "
            "the columns, parted by commas, and one of them says which file a row is about."
        )
    if len(head) < 2:
        raise InputError(f"{path}: no columns beside {FILE!r}; add what is known of the files.")
    for name in head:
        if not name or "=" in name or head.count(name) > 1:
            raise InputError(
                f"{path}: a column is named {name!r}; give each a name of its own, without '='."
            )


def _first(problems: Sequence[str]) -> list[str]:
    """The first ones, and how many more there are, as one."""
    return [listed(problems)] if problems else []
