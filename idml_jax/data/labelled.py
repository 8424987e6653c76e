"""Micrographs of a folder, and what a table says of each: its class, or a number."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax.data.annotated import tried
from idml_jax.data.classified import ClassifiedSet, in_same_channels
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.reading import MAX_PIXELS, check_names, micrographs_in, read_micrograph
from idml_jax.data.specimens import SPECIMEN
from idml_jax.data.tables import FILE, Row, read_rows
from idml_jax.errors import listed, refuse_all

CLASS = "class"
"""Column of a table that says which class a file is of."""

WAY_OUT = "mend the table or the folder, so that every file has one row"


class ValuedSet(NamedTuple):
    """Micrographs, and a number that is known of each."""

    micrographs: list[Micrograph]
    values: Float[np.ndarray, " count"]


def read_labelled(
    folder: str | pathlib.Path,
    table: str | pathlib.Path,
    *,
    classes: Sequence[str] | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> ClassifiedSet:
    r"""Micrographs of one folder, of the classes that a table says.

    Parameters
    ----------
    folder : path
        It is not searched below.
    table : path
        Comma-separated values with the columns ``file``, of names without or with their ending,
        and ``class``; where there is a column ``specimen`` it is read as well.
    classes : sequence of str, optional
        Those that there may be, in their order: of a training, for instance. By default those of
        the table, in the order of their names; there are two at least.
    pixel_size, crop_bottom, max_pixels
        As for `read_micrograph`.

    Returns
    -------
    classified : ClassifiedSet
        In the order of the files' names.

    Raises
    ------
    InputError
        If a row has no file, a file no row or two, a class is none of those, there is one class
        only, or a file cannot be used. All of it is named at once.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import imageio.v3 as imageio
    >>> import numpy as np
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in "ab":
    ...     imageio.imwrite(folder / f"{name}.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    >>> _ = (folder / "labels.csv").write_text("file,class\na,pearlite\nb.png,bainite\n")
    >>> found = read_labelled(folder, folder / "labels.csv")
    >>> found.classes, found.labels.tolist()
    (('bainite', 'pearlite'), [1, 0])
    """
    table = pathlib.Path(table)
    rows, problems = _matched(pathlib.Path(folder), table, CLASS)
    of_file = [row.cells[CLASS] for row in rows.values()]
    called = tuple(sorted(set(of_file))) if classes is None else tuple(classes)
    unseen = [
        f"{row.cells[CLASS]} ({path.name})"
        for path, row in rows.items()
        if row.cells[CLASS] not in called
    ]
    if unseen:
        problems.append(f"classes that are none of {', '.join(called)}: {listed(unseen)}")
    if len(called) < 2:
        problems.append(f"one class only ({listed(called) or 'none'}), and there are two at least")
    micrographs = _read(rows, problems, pixel_size, crop_bottom, max_pixels)
    refuse_all(table, problems, WAY_OUT)
    labels = np.array([called.index(name) for name in of_file])
    return ClassifiedSet(in_same_channels(micrographs), labels, called)


def read_valued(
    folder: str | pathlib.Path,
    table: str | pathlib.Path,
    column: str,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> ValuedSet:
    """Micrographs of one folder, and the number that a column of a table says of each.

    Parameters
    ----------
    folder, table
        As for `read_labelled`, without a column ``class``.
    column : str
        Of the table.
    pixel_size, crop_bottom, max_pixels
        As for `read_micrograph`.

    Returns
    -------
    valued : ValuedSet

    Raises
    ------
    InputError
        If a row has no file, a file no row or two, a value is no finite number, all are the same,
        or a file cannot be used. All of it is named at once.
    """
    table = pathlib.Path(table)
    rows, problems = _matched(pathlib.Path(folder), table, column)
    values = [_number(row.cells[column]) for row in rows.values()]
    wrong = [
        f"{row.cells[column]!r} (line {row.line})"
        for row, value in zip(rows.values(), values, strict=True)
        if not math.isfinite(value)
    ]
    if wrong:
        problems.append(f"values that are no finite numbers: {listed(wrong)}")
    elif len(set(values)) < 2:
        problems.append(f"one value only ({listed(sorted(set(values))) or 'none'})")
    micrographs = _read(rows, problems, pixel_size, crop_bottom, max_pixels)
    refuse_all(table, problems, WAY_OUT)
    return ValuedSet(in_same_channels(micrographs), np.array(values))


def _matched(
    folder: pathlib.Path, table: pathlib.Path, column: str
) -> tuple[dict[pathlib.Path, Row], list[str]]:
    """The row of each file that has one, and what is wrong with the others."""
    _, found = read_rows(table, filled=(FILE, column), filled_if_there=(SPECIMEN,))
    check_names(paths := micrographs_in(folder))
    by_file = {path.stem: path for path in paths} | {path.name: path for path in paths}
    lines: dict[pathlib.Path, list[Row]] = {path: [] for path in paths}
    absent = []
    for row in found:
        if row.cells[FILE] in by_file:
            lines[by_file[row.cells[FILE]]].append(row)
        else:
            absent.append(f"{row.cells[FILE]} (line {row.line})")
    alone = [path.name for path, rows in lines.items() if not rows]
    twice = [
        f"{path.name} (lines {' and '.join(str(row.line) for row in rows)})"
        for path, rows in lines.items()
        if len(rows) > 1
    ]
    kinds = (
        ("rows about files that are not there: ", absent),
        ("files without a row: ", alone),
        ("files with several rows: ", twice),
    )
    problems = [what + listed(names) for what, names in kinds if names]
    return {path: rows[0] for path, rows in lines.items() if rows}, problems


def _read(
    rows: dict[pathlib.Path, Row],
    problems: list[str],
    pixel_size: float | tuple[float, float] | None,
    crop_bottom: int,
    max_pixels: int,
) -> list[Micrograph]:
    """The micrographs; those that cannot be used are added to the problems."""

    def read(path: pathlib.Path) -> Micrograph:
        micrograph = read_micrograph(
            path, pixel_size=pixel_size, crop_bottom=crop_bottom, max_pixels=max_pixels
        )
        return dataclasses.replace(micrograph, specimen=rows[path].cells.get(SPECIMEN) or path.stem)

    micrographs, wrong = tried(read, list(rows))
    if wrong:
        problems.append(f"files that cannot be used: {listed(wrong)}")
    return micrographs


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
