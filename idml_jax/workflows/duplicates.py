"""No image is trained on and judged by, nor is there twice."""

import sys
from collections.abc import Mapping, Sequence

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


def seen_before(
    micrographs: Sequence[data.Micrograph], digests: Mapping[str, Sequence[str]]
) -> dict[str, list[data.Micrograph]]:
    """Those of micrographs that a network has seen, by what it did with them.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    digests : mapping
        Of what the training's `result.json` says that it did to `data.digest_of` each image.
    """
    own = [(each, data.digest_of(each)) for each in micrographs]
    return {role: [each for each, digest in own if digest in known]
            for role, known in digests.items()}  # fmt: skip


def _listed(pairs: Sequence[data.Duplicate]) -> str:
    return listed([f"{pair.first} and {pair.second}" for pair in pairs])
