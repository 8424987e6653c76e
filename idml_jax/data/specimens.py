"""Which specimen a micrograph was taken of, as a table or its name says it."""

import dataclasses
import pathlib
import re
from collections.abc import Sequence

from idml_jax.data.folds import without_ending
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.tables import FILE, read_rows
from idml_jax.errors import InputError, listed, refuse_all

SPECIMEN = "specimen"
"""Column of a table that says it."""


def specimens_by_table(
    micrographs: Sequence[Micrograph], table: str | pathlib.Path
) -> list[Micrograph]:
    """The same micrographs, of the specimens that a table says.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    table : path
        Comma-separated values with the columns ``file``, of micrographs' names without or with
        their ending, and ``specimen``.

    Returns
    -------
    micrographs : list of Micrograph

    Raises
    ------
    InputError
        If a micrograph has no row or two, or a row no micrograph. All are named.
    """
    table = pathlib.Path(table)
    _, rows = read_rows(table, filled=(FILE, SPECIMEN))
    there = {each.name for each in micrographs}
    known: dict[str, str] = {}
    absent, twice = [], []
    for line, cells in rows:
        file = cells[FILE]
        name = file if file in there else without_ending(file)
        if name not in there:
            absent.append(f"{file} (line {line})")
        elif name in known:
            twice.append(f"{file} (line {line})")
        known[name] = cells[SPECIMEN]
    alone = [each.name for each in micrographs if each.name not in known]
    found = (
        ("rows about files that are not there: ", absent),
        ("files with two rows: ", twice),
        ("files without a row: ", alone),
    )
    problems = [what + listed(names) for what, names in found if names]
    refuse_all(table, problems, "give every micrograph one row")
    return [dataclasses.replace(each, specimen=known[each.name]) for each in micrographs]


def specimens_by_name(micrographs: Sequence[Micrograph], pattern: str) -> list[Micrograph]:
    """The same micrographs, of the specimens that a part of their names says.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    pattern : str
        A regular expression. What it finds in a name is the specimen, or what its first group
        does.

    Returns
    -------
    micrographs : list of Micrograph

    Raises
    ------
    InputError
        If it is no regular expression, or finds nothing in a name.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 4, 1), np.float32)
    >>> one, = specimens_by_name([Micrograph(image, "spot3_180d_2")], "^[^_]+")
    >>> one.specimen
    'spot3'
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{pattern!r}: no regular expression ({error}).") from error
    found = [compiled.search(each.name) for each in micrographs]
    named = [(match.group(match.re.groups and 1) if match else None) or "" for match in found]
    silent = [each.name for each, name in zip(micrographs, named, strict=True) if not name]
    problems = [f"finds nothing in {listed(silent)}"] if silent else []
    refuse_all(repr(pattern), problems, "it has to say the specimen of every name")
    return [
        dataclasses.replace(each, specimen=name)
        for each, name in zip(micrographs, named, strict=True)
    ]
