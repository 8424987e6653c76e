"""What folds may not do: see what they are judged by, or leave nothing to learn of a class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from idml_jax.data.folds import Fold
from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import listed, refuse_all


def check_folds(
    folds: Sequence[Fold],
    micrographs: Sequence[Micrograph],
    labels: Int[np.ndarray, " count"] | None = None,
    classes: Sequence[str] = (),
    *,
    source: object = "folds",
) -> None:
    """Refuse folds that see what they are judged by, or leave nothing to learn of a class.

    That a fold is judged by none of a class is allowed, as whole specimens may lie so: see
    `classes_unjudged`.

    Parameters
    ----------
    folds : sequence of Fold
    micrographs : sequence of Micrograph
    labels, classes
        As for `split_into_folds`.
    source : object
        What a message calls them.

    Raises
    ------
    InputError
        If micrographs of a specimen are learned from and judged by, a class is in one fold only,
        or a fold is empty. All such specimens, folds and classes are named.
    """
    specimens = [each.specimen for each in micrographs]
    problems, leaking = [], dict[str, None]()
    for fold in folds:
        inside = {specimens[place] for place in fold.fitted}
        leaking |= {specimens[place]: None for place in fold.judged if specimens[place] in inside}
    if leaking:
        members = [
            f"{one} ({listed([each.name for each in micrographs if each.specimen == one])})"
            for one in leaking
        ]
        problems.append(f"specimens in several folds: {listed(members)}")
    problems += [f"fold {fold.name} is empty" for fold in folds if not len(fold.judged)]
    way_out = "keep a specimen in one fold, by --by-specimen for instance, and something in each"
    refuse_all(source, problems, f"{way_out}; take fewer --folds if need be")
    if labels is not None:
        check_learned(folds, one_class(labels, len(classes)), classes, source=source)


def check_learned(
    folds: Sequence[Fold],
    there: Bool[np.ndarray, "count classes"],
    classes: Sequence[str],
    *,
    source: object = "folds",
) -> None:
    """Refuse folds that leave nothing to learn of a class.

    Parameters
    ----------
    folds : sequence of Fold
    there : bool array of shape (count, classes)
        Whether a micrograph has something of a class.
    classes : sequence of str
    source : object
        What a message calls the folds.

    Raises
    ------
    InputError
        If all of a class is in one fold. All such folds and classes are named.
    """
    problems = [
        f"fold {fold.name} leaves nothing to learn of {listed(lacking)}"
        for fold in folds
        if (lacking := _lacking(there[fold.fitted], classes))
    ]
    way_out = "add micrographs or specimens of it, part them otherwise or into fewer --folds"
    refuse_all(
        source, problems, f"each class has to be in two folds at least; {way_out}, or leave it out"
    )


def classes_unjudged(
    folds: Sequence[Fold], there: Bool[np.ndarray, "count classes"], classes: Sequence[str]
) -> dict[str, list[str]]:
    """The classes of which a fold is judged by none, by the names of such folds.

    Parameters
    ----------
    folds, there, classes
        As for `check_learned`.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.array([0, 1]), np.array([2])
    >>> folds = [Fold("1", second, first), Fold("2", first, second)]
    >>> classes_unjudged(folds, one_class(np.array([0, 1, 0]), 2), ("ferrite", "pearlite"))
    {'2': ['pearlite']}
    """
    found = {fold.name: _lacking(there[fold.judged], classes) for fold in folds}
    return {name: lacking for name, lacking in found.items() if lacking}


def one_class(labels: Int[np.ndarray, " count"], classes: int) -> Bool[np.ndarray, "count classes"]:
    """Which class each has, of one each.

    Examples
    --------
    >>> one_class(np.array([1, 0]), 2).tolist()
    [[False, True], [True, False]]
    """
    return np.eye(classes, dtype=bool)[labels]


def _lacking(there: Bool[np.ndarray, "some classes"], classes: Sequence[str]) -> list[str]:
    return [name for label, name in enumerate(classes) if not there[:, label].any()]
