"""No image is trained on and judged by, nor is there twice."""

import sys
from collections.abc import Sequence

from idml_jax import data
from idml_jax.errors import InputError, listed


def check_sides(train: Sequence[data.Micrograph], val: Sequence[data.Micrograph]) -> None:
    """Refuse images that are on both sides; tell of those that nearly are.

    Raises
    ------
    InputError
        If one is on both.
    """
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


def check_once(micrographs: Sequence[data.Micrograph]) -> None:
    """Refuse a set that holds an image twice.

    Raises
    ------
    InputError
        If it does.
    """
    if equal := [pair for pair in data.find_duplicates(micrographs) if pair.equal]:
        raise InputError(f"the same image is there twice: {_listed(equal)}; leave one of each out.")


def _listed(pairs: Sequence[data.Duplicate]) -> str:
    return listed([f"{pair.first} and {pair.second}" for pair in pairs])
