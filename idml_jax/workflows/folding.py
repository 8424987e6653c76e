"""How a user's micrographs are parted into folds, and which specimens they are of."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from idml_jax import data
from idml_jax.errors import InputError, listed
from idml_jax.workflows.duplicates import check_once, check_sides
from idml_jax.workflows.fold_options import FOLDING, FoldOptions, Specimens


class Parted(NamedTuple):
    """Micrographs in folds."""

    kept: Int[np.ndarray, " count"]
    """Numbers of those that are in one; the folds count from the first of them."""
    folds: list[data.Fold]


def of_specimens(
    micrographs: Sequence[data.Micrograph], config: Specimens
) -> list[data.Micrograph]:
    """The same micrographs, of the specimens that the options say.

    Raises
    ------
    InputError
        If that is not said of each.
    """
    if config.specimens is not None:
        return data.specimens_by_table(micrographs, config.specimens)
    if config.specimen_pattern is not None:
        return data.specimens_by_name(micrographs, config.specimen_pattern)
    return list(micrographs)


def parted(
    config: FoldOptions,
    micrographs: Sequence[data.Micrograph],
    labels: Int[np.ndarray, " count"] | None = None,
    classes: Sequence[str] = (),
) -> Parted:
    """Part micrographs as the options say, and check what is in which fold.

    Parameters
    ----------
    config : FoldOptions
    micrographs : sequence of Micrograph
        Of the specimens that they are of.
    labels, classes
        As for `data.split_into_folds`.

    Returns
    -------
    parted : Parted

    Raises
    ------
    InputError
        If files and folds do not fit, a class is in one only, a specimen in several, or an image
        there twice.
    """
    kept = np.arange(len(micrographs))
    if config.fold_file is not None:
        path = config.fold_file
        numbers = data.numbers_of(
            [each.name for each in micrographs],
            data.read_folds(path, name=config.of),
            path=path,
            without=config.without_folds,
        )
        kept, folds = np.flatnonzero(numbers >= 0), data.given_folds(numbers[numbers >= 0])
    else:
        if config.by_specimen and all(each.specimen == each.name for each in micrographs):
            raise InputError(
                "--by-specimen: each micrograph is its own specimen; say of which they are by "
                "--specimens TABLE, or by --specimen-pattern of their names."
            )
        folds = data.split_into_folds(
            micrographs,
            labels,
            classes,
            folds=config.folds,
            repeats=config.repeats,
            by_specimen=config.by_specimen,
            seed=config.seed,
        )
    inside = [micrographs[int(place)] for place in kept]
    own = None if labels is None else labels[kept]
    data.check_folds(folds, inside, own, classes, source=config.fold_file or "folds")
    check_once(inside, folds)
    return Parted(kept, folds)


def against(train: Sequence[data.Micrograph], val: Sequence[data.Micrograph]) -> data.Fold:
    """The one fold of micrographs to learn from and, behind them, of others to judge by.

    Raises
    ------
    InputError
        If an image or a specimen is on both sides.
    """
    check_sides(train, val)
    places = np.arange(len(train) + len(val))
    return data.Fold("val", places[: len(train)], places[len(train) :])


def unjudged_text(unjudged: Mapping[str, Sequence[str]]) -> str:
    """A sentence about folds that are judged by none of a class; nothing where there is none.

    Examples
    --------
    >>> unjudged_text({"2": ["pearlite", "voids"]})
    'Folds without a class, of which they say nothing: fold 2: pearlite, voids.'
    """
    each = "; ".join(f"fold {name}: {listed(classes)}" for name, classes in unjudged.items())
    return f"Folds without a class, of which they say nothing: {each}." if each else ""


def tell_unjudged(unjudged: Mapping[str, Sequence[str]]) -> None:
    """Tell of them, before anything is learned."""
    if text := unjudged_text(unjudged):
        print(text, file=sys.stderr)


def digest_of(
    config: Any, micrographs: Sequence[data.Micrograph], folds: Sequence[data.Fold]
) -> dict[str, str]:
    """What a run is claimed with: a digest of folds and specimens, where options say them."""
    if not any(getattr(config, name) for name in FOLDING):
        return {}
    digest = hashlib.sha256("\n".join(each.specimen for each in micrographs).encode())
    for fold in folds:
        digest.update(f"{fold.name} {fold.fitted.tolist()} {fold.judged.tolist()}".encode())
    return {"folds digest": digest.hexdigest()[:16]}
