"""What is known of micrographs: from a table, or by the folders that they lie in."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import TypeAlias

from idml_jax import data
from idml_jax.data.tables import FILE, read_rows
from idml_jax.errors import InputError

CLASS = "class"
"""What the folder of a micrograph says of it."""

Known: TypeAlias = dict[str, dict[str, float | str]]
"""By a micrograph's name, a number or a word by the name of each thing that is known of it."""


def named_by_class(
    micrographs: Sequence[data.Micrograph],
) -> tuple[list[data.Micrograph], Known]:
    """The micrographs under the names class/stem, each its own specimen, and their classes."""
    named, known = [], {}
    for micrograph in micrographs:
        own = pathlib.Path(micrograph.path).parent.name
        name = f"{own}/{micrograph.name}"
        named.append(dataclasses.replace(micrograph, name=name, specimen=name))
        known[name] = {CLASS: own}
    return named, known


def read_table(
    path: pathlib.Path,
    micrographs: Sequence[data.Micrograph],
    *,
    columns: Sequence[str] | None = None,
) -> Known:
    """What a table of comma-separated values says of each micrograph.

    Parameters
    ----------
    path : path
        A table with a head: the column ``file``, of names or stems of files, and others, each of
        numbers or of words.
    micrographs : sequence of Micrograph
    columns : sequence of str, optional
        Those to take; by default all.

    Returns
    -------
    known : dict
        By the micrographs' names.

    Raises
    ------
    InputError
        If there is no such table, a micrograph has no row or two, a row has no micrograph, a cell
        is empty or not finite, or a column has numbers and words.
    """
    names, rows = read_rows(path)
    taken = list(columns) if columns is not None else [name for name in names if name != FILE]
    for name in taken:
        if name not in names:
            raise InputError(
                f"{path}: no column {name!r}, which the generator is told; the columns are "
                f"{', '.join(names)}."
            )
    by_file: dict[str, data.Micrograph] = {}
    for micrograph in micrographs:
        by_file |= {micrograph.name: micrograph, pathlib.Path(micrograph.path).name: micrograph}
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for line, row in rows:
        file = row[FILE]
        if file not in by_file:
            raise InputError(
                f"{path}: line {line} is about {file!r}, and there is no such micrograph; take "
                "the line out, or put the file there."
            )
        name = by_file[file].name
        if name in found:
            raise InputError(
                f"{path}: lines {found[name][0]} and {line} are both about {file!r}; leave one."
            )
        found[name] = (line, row)
    for micrograph in micrographs:
        if micrograph.name not in found:
            raise InputError(
                f"{path}: no row about {micrograph.label}; add one, or take the file away."
            )
    values = {
        name: _column(path, name, [(line, row[name]) for line, row in found.values()])
        for name in taken
    }
    return {
        name: {column: values[column][place] for column in taken}
        for place, name in enumerate(found)
    }


def _column(
    path: pathlib.Path, name: str, cells: Sequence[tuple[int, str]]
) -> list[float] | list[str]:
    """A column as numbers, or as words where none is a number."""
    numbers = [_number(cell) for _, cell in cells]
    known = [number for number in numbers if number is not None]
    if not known:
        return [cell for _, cell in cells]
    if len(known) < len(cells):
        one = next(cell for (_, cell), n in zip(cells, numbers, strict=True) if n is not None)
        line, other = next(cell for cell, n in zip(cells, numbers, strict=True) if n is None)
        raise InputError(
            f"{path}: line {line}, column {name!r}: {other!r} is a word, and {one!r} a number; "
            "correct it, or, if the column holds names of classes, make words of all of them."
        )
    for (line, cell), number in zip(cells, known, strict=True):
        if not math.isfinite(number):
            raise InputError(
                f"{path}: line {line}, column {name!r}: {cell!r} is not finite; fill in a number."
            )
    return known


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
