"""Which micrographs are for training, for choosing and for the last word, as a file says it."""

import functools
import json
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from idml_jax.errors import InputError, listed

PARTS = ("train", "val", "test")


class Split(NamedTuple):
    """Names of micrographs, by what they are for."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    """What decides how long is trained, and between ways to train."""
    test: tuple[str, ...]
    """What is looked at once, at the end."""


def read_split(path: str | pathlib.Path, *, name: str | None = None) -> Split:
    """A split from a JSON file: ``{"train": [names], "val": [names], "test": [names]}``.

    Parameters
    ----------
    path : path
        `val` and `test` may be left out. A file may hold several splits, each by a name.
    name : str, optional
        Which of several.

    Returns
    -------
    split : Split
        Names without ending.

    Raises
    ------
    InputError
        If the file is not such a split, a name is in two parts or twice in one, or nothing is to be
        trained on.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "split.json")
    >>> _ = path.write_text(json.dumps({"train": ["a", "b"], "val": ["c"]}))
    >>> read_split(path)
    Split(train=('a', 'b'), val=('c',), test=())
    """
    path = pathlib.Path(path)
    found = read_named(path, name, what="split", of="lists of names", key="train")
    if "train" not in found:
        raise InputError(f'{path}: no list called "train"; a split has one, and "val" and "test".')
    split = Split(*(_names(path, found, part) for part in PARTS))
    if not split.train:
        raise InputError(f'{path}: the list "train" is empty; there is nothing to learn from.')
    places: dict[str, str] = {}
    for part, names in zip(PARTS, split, strict=True):
        for each in names:
            if each in places:
                raise InputError(
                    f'{path}: {each} is in "{places[each]}" and in "{part}"; what is judged by is '
                    "not to be trained on: leave it in one list, once."
                )
            places[each] = part
    return split


def read_named(
    path: pathlib.Path, name: str | None, *, what: str, of: str, key: str | None = None
) -> Mapping[str, Any]:
    """What a JSON file says by names, or the one of a name where it holds several.

    Parameters
    ----------
    path : path
    name : str, optional
    what, of : str
        What it is called in messages, and what it is made of.
    key : str, optional
        What the only one has, and a file of several does not.

    Raises
    ------
    InputError
        If the file is none, it is not clear which one is meant, or a name is there twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a JSON file of {of}.")
    try:
        found = json.loads(path.read_text(), object_pairs_hook=functools.partial(_once, path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}); a {what} is {of}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no {of}.")
    several = [one for one, value in found.items() if isinstance(value, dict)]
    if name is None:
        if several and (key is None or key not in found):
            raise InputError(
                f"{path}: holds several {what}s, {', '.join(several)}; say which one is meant."
            )
        return found
    if name not in several:
        there = (
            f"there are {', '.join(several)}" if several else f"it holds one {what}, without any"
        )
        raise InputError(f"{path}: no {what} is called {name}; {there}.")
    return found[name]


def _once(path: pathlib.Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which Python would keep the last of two values of one name."""
    counts = Counter(name for name, _ in pairs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(f"{path}: says twice what {listed(twice)} is; leave one of each.")
    return dict(pairs)


def _names(path: pathlib.Path, found: Mapping[str, Any], part: str) -> tuple[str, ...]:
    names = found.get(part, [])
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise InputError(f'{path}: "{part}" is no list of names; write ["first", "second"].')
    return tuple(names)
