"""No image is trained on and judged by, nor is there twice."""

import sys
from collections.abc import Sequence

from idml_jax import data
from idml_jax.errors import InputError, listed


def check_sides(train: Sequence[data.Micrograph], val: Sequence[data.Micrograph]) -> None:
    """Refuse images or specimens that are on both sides; tell of images that nearly are.

    Raises
    ------
    InputError
        If one is on both.
    """
    # A name that is there by itself says nothing of the other side.
    known = [
        {each.specimen for each in side if each.specimen != each.name} for side in (train, val)
    ]
    if both := sorted(known[0] & known[1]):
        raise InputError(
            f"specimens that are trained on and judged by: {listed(both)}; keep each on one side."
        )
    found = data.find_duplicates(train, val)
    if equal := [pair for pair in found if pair.equal]:
        raise InputError(
            f"the same image is trained on and judged by: {_listed(equal)}; leave one of each out."
        )
    if found:
        print(
            f"nearly the same image is trained on and judged by: {_listed(found)}; scores may "
            "flatter.",
            file=sys.stderr,
        )


def check_once(micrographs: Sequence[data.Micrograph], folds: Sequence[data.Fold] = ()) -> None:
    """Refuse a set that holds an image twice; tell of those that nearly are, in several folds.

    Raises
    ------
    InputError
        If it does.
    """
    found = data.find_duplicates(micrographs)
    if equal := [pair for pair in found if pair.equal]:
        raise InputError(f"the same image is there twice: {_listed(equal)}; leave one of each out.")
    place = {each.label: number for number, each in enumerate(micrographs)}
    apart = [
        pair
        for pair in found
        if any((place[pair.first] in fold.judged) != (place[pair.second] in fold.judged)
               for fold in folds)
    ]  # fmt: skip
    if apart:
        print(
            f"nearly the same image lies in several folds: {_listed(apart)}; scores may flatter.",
            file=sys.stderr,
        )


def _listed(pairs: Sequence[data.Duplicate]) -> str:
    return listed([f"{pair.first} and {pair.second}" for pair in pairs])
