"""Splits of a set of micrographs that leak nothing from one side to the other."""

import math
from collections.abc import Sequence

import numpy as np

from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError


def split_by_specimen(
    micrographs: Sequence[Micrograph], *, held_out: float = 0.2, seed: int = 0
) -> tuple[list[Micrograph], list[Micrograph]]:
    """Training and held-out micrographs; all images of a specimen go to one side.

    The split is made before anything is cropped, so that no part of a held-out
    image is ever trained on.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Of at least two specimens.
    held_out : float
        Share of the specimens to hold out, in (0, 1); at least one and at most
        all but one.
    seed : int
        Which ones.

    Returns
    -------
    train, held_out : list of Micrograph
        In the order given.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 4, 1), np.float32)
    >>> train, held_out = split_by_specimen([Micrograph(image, name) for name in "abcde"])
    >>> len(train), len(held_out)
    (4, 1)
    """
    if not 0 < held_out < 1:
        raise InputError(f"`held_out` (={held_out}) must lie between 0 and 1, both excluded.")
    specimens = sorted({micrograph.specimen for micrograph in micrographs})
    if len(specimens) < 2:
        raise InputError(
            f"specimens to split: {len(specimens)}; holding one out needs at least two: add "
            "micrographs, or cut one into two files that do not overlap."
        )
    count = min(max(1, math.floor(held_out * len(specimens) + 0.5)), len(specimens) - 1)
    order = np.random.default_rng(seed).permutation(len(specimens))
    chosen = {specimens[index] for index in order[:count]}
    train = [micrograph for micrograph in micrographs if micrograph.specimen not in chosen]
    return train, [micrograph for micrograph in micrographs if micrograph.specimen in chosen]
