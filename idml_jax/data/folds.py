"""Folds: each part of a set is judged by once, by what saw the other parts."""

import pathlib
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
)

from idml_jax.data.decoding import SUFFIXES
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.split_lists import read_named
from idml_jax.errors import InputError, listed, refuse_all


class Fold(NamedTuple):
    """Numbers of micrographs: to learn from, and to judge by."""

    name: str
    fitted: Int[np.ndarray, " some"]
    judged: Int[np.ndarray, " others"]


def read_folds(path: str | pathlib.Path, *, name: str | None = None) -> dict[str, int]:
    """The fold of each file, from a JSON file: ``{"first": 1, "second": 2}``.

    Parameters
    ----------
    path : path
        A file may hold several such partings, each by a name.
    name : str, optional
        Which of several.

    Returns
    -------
    numbers : dict from str to int
        By the names of the files, without or with their ending.

    Raises
    ------
    InputError
        If the file holds no folds, or a name is there twice.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "folds.json")
    >>> _ = path.write_text(json.dumps({"cv": {"a": 1, "b": 2}}))
    >>> read_folds(path, name="cv")
    {'a': 1, 'b': 2}
    """
    path = pathlib.Path(path)
    found = read_named(path, name, what="parting", of="numbers of folds by names of files")
    wrong = [
        f"{one} is {value!r}"
        for one, value in found.items()
        if isinstance(value, bool) or not isinstance(value, int)
    ]
    refuse_all(path, [listed(wrong)] if wrong else [], "a fold is a whole number")
    if not found:
        raise InputError(f'{path}: holds no file; write {{"first": 1, "second": 2}}.')
    return dict(found)


def numbers_of(
    names: Sequence[str],
    numbers: Mapping[str, int],
    *,
    path: str | pathlib.Path,
    without: Collection[int] = (),
) -> Int[np.ndarray, " count"]:
    """The fold of each of some files; -1 of those that are left out.

    Parameters
    ----------
    names : sequence of str
        Of the files that there are, without ending.
    numbers : mapping
        As `read_folds` returns them.
    path : path
        That they are of, for messages.
    without : collection of int
        Folds that are left out: files of them need not be there.

    Returns
    -------
    folds : int array of shape (count,)

    Raises
    ------
    InputError
        If a fold has a file that is not there, a file has no fold or two, or there are fewer than
        two folds. All such files are named.
    """
    there, fold_of = set(names), dict[str, int]()
    absent, twice = [], []
    for one, number in numbers.items():
        name = one if one in there else without_ending(one)
        if name not in there and number not in without:
            absent.append(f"{one} (fold {number})")
        if name in fold_of:
            twice.append(name)
        fold_of[name] = number
    known = sorted(set(numbers.values()))
    unknown = sorted(set(without) - set(known))
    alone = [name for name in names if name not in fold_of]
    left = [number for number in known if number not in without]
    found = [
        ("files that are not there: ", absent),
        ("files with two folds: ", twice),
        ("micrographs without a fold: ", alone),
        ("no such fold to leave out, of " + listed(known) + ": ", unknown),
    ]
    problems = [what + listed(items) for what, items in found if items]
    if len(left) < 2:
        problems.append(f"fewer than two folds ({listed(left)})")
    refuse_all(path, problems, "give every micrograph a fold, or leave whole folds out")
    return np.array([fold_of[name] if fold_of[name] not in without else -1 for name in names])


def given_folds(numbers: Int[np.ndarray, " count"]) -> list[Fold]:
    """The folds that numbers say, in their order; what is -1 is in none.

    What is learned from stands fold by fold.

    Examples
    --------
    >>> import numpy as np
    >>> [(fold.name, fold.fitted.tolist()) for fold in given_folds(np.array([2, 1, -1, 2]))]
    [('1', [0, 3]), ('2', [1])]
    """
    parts = {number: np.flatnonzero(numbers == number) for number in np.unique(numbers)}
    parts.pop(-1, None)
    return [
        Fold(
            str(number),
            np.concatenate([part for other, part in parts.items() if other != number]),
            judged,
        )
        for number, judged in parts.items()
    ]


def split_into_folds(
    micrographs: Sequence[Micrograph],
    labels: Int[np.ndarray, " count"] | None = None,
    classes: Sequence[str] = (),
    *,
    folds: int,
    repeats: int = 1,
    by_specimen: bool = False,
    seed: int = 0,
) -> list[Fold]:
    """Folds at random, each class in all of them alike.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    labels : int array of shape (count,), optional
        The class of each; by default there are none.
    classes : sequence of str
        What they are called.
    folds : int
        Parts, each judged by once.
    repeats : int
        Times that the micrographs are parted.
    by_specimen : bool
        Whether all micrographs of a specimen lie in one fold.
    seed : int

    Returns
    -------
    folds : list of Fold
        By scikit-learn's `RepeatedStratifiedKFold`, or `StratifiedGroupKFold` of several seeds.

    Raises
    ------
    InputError
        If a class has fewer micrographs than there are folds, or by specimen all of them have, or
        there are fewer specimens: all are named. That a class has fewer specimens is allowed, and
        some folds are then judged by none of it.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 4, 1), np.float32)
    >>> pairs = [Micrograph(image, f"{one}", specimen=f"{one // 2}") for one in range(6)]
    >>> [fold.judged.tolist() for fold in split_into_folds(pairs, folds=3, by_specimen=True)]
    [[2, 3], [0, 1], [4, 5]]
    """
    specimens = np.array([each.specimen for each in micrographs])
    own = np.zeros(len(specimens), int) if labels is None else labels
    names = ("the set",) if labels is None else classes
    counts = {names[label]: int((own == label).sum()) for label in np.unique(own)}
    few = [f"{name} has {count}" for name, count in counts.items() if count < folds]
    if by_specimen and len(few) < len(counts):
        few = []
    way_out = "add some, or take fewer --folds"
    refuse_all(f"fewer micrographs than {folds} folds", [listed(few)] if few else [], way_out)
    if by_specimen and len(set(specimens)) < folds:
        few = [f"the set has {len(set(specimens))}"]
        refuse_all(f"fewer specimens than {folds} folds", few, way_out)
    places = np.zeros((len(specimens), 1))
    found = []
    for number, (fitted, judged) in enumerate(
        _parted(places, labels, specimens if by_specimen else None, folds, repeats, seed)
    ):
        repeat, place = divmod(number, folds)
        name = f"{place + 1}" if repeats == 1 else f"{place + 1} of parting {repeat + 1}"
        found.append(Fold(name, fitted, judged))
    return found


def _parted(
    places: Float[np.ndarray, "count 1"],
    labels: Int[np.ndarray, " count"] | None,
    groups: np.ndarray | None,
    folds: int,
    repeats: int,
    seed: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if groups is None:
        kind = RepeatedKFold if labels is None else RepeatedStratifiedKFold
        yield from kind(n_splits=folds, n_repeats=repeats, random_state=seed).split(places, labels)
        return
    # scikit-learn repeats no groups.
    random = np.random.default_rng(seed)
    kind = GroupKFold if labels is None else StratifiedGroupKFold
    for _ in range(repeats):
        parted = kind(n_splits=folds, shuffle=True, random_state=int(random.integers(2**31)))
        with warnings.catch_warnings():
            # Which folds are judged by none of it is told by name, by those who call this.
            warnings.filterwarnings("ignore", "The least populated class")
            found = list(parted.split(places, labels, groups))
        yield from found


def share_of(
    fold: Fold,
    share: float,
    micrographs: Sequence[Micrograph],
    labels: Int[np.ndarray, " count"] | None = None,
    *,
    seed: int = 0,
) -> Int[np.ndarray, " part"]:
    """A share of what a fold is learned from, of each class, whole specimens first.

    A smaller share is part of every larger one.

    Parameters
    ----------
    fold : Fold
    share : float
        In (0, 1].
    micrographs : sequence of Micrograph
    labels : int array of shape (count,), optional
        The class of each.
    seed : int

    Returns
    -------
    fitted : int array
        Numbers of micrographs, at least one of each class.
    """
    specimens = sorted({micrographs[place].specimen for place in fold.fitted})
    order = np.random.default_rng(seed).permutation(len(specimens))
    rank = {specimens[one]: place for place, one in enumerate(order)}
    ranked = sorted(fold.fitted, key=lambda place: rank[micrographs[place].specimen])
    ranked = np.array(ranked)
    own = np.zeros(len(ranked), int) if labels is None else labels[ranked]
    chosen = []
    for label in np.unique(own):
        inside = ranked[own == label]
        chosen.append(inside[: max(1, round(share * len(inside)))])
    kept = np.concatenate(chosen)
    return fold.fitted[np.isin(fold.fitted, kept)]


def without_ending(name: str) -> str:
    """A file's name without the ending of an image."""
    ending = next((each for each in SUFFIXES if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)]
