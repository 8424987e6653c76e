"""Splits of a set of micrographs that leak nothing from one side to the other."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError


def split_by_specimen(
    micrographs: Sequence[Micrograph],
    *,
    held_out: float = 0.2,
    seed: int = 0,
    classes: Sequence[Sequence[str]] | None = None,
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
    classes : sequence of sequences of str, optional
        The classes that each micrograph belongs to. Then the share is that of each class, which
        keeps a specimen to train on and, where it has two or more, gives one to hold out unless
        another class needs it.

    Returns
    -------
    train, held_out : list of Micrograph
        In the order given.

    Raises
    ------
    InputError
        If nothing can be held out: there is one specimen only, or one of each class.

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
    order = [specimens[place] for place in np.random.default_rng(seed).permutation(len(specimens))]
    if classes is None:
        chosen = set(order[: _share(held_out, len(specimens))])
    else:
        chosen = _chosen_by_class(micrographs, classes, order, held_out)
    train = [micrograph for micrograph in micrographs if micrograph.specimen not in chosen]
    return train, [micrograph for micrograph in micrographs if micrograph.specimen in chosen]


def _share(held_out: float, specimens: int) -> int:
    """Number of specimens to hold out of two or more."""
    return min(max(1, math.floor(held_out * specimens + 0.5)), specimens - 1)


def _chosen_by_class(
    micrographs: Sequence[Micrograph],
    classes: Sequence[Sequence[str]],
    order: Sequence[str],
    held_out: float,
) -> set[str]:
    """Specimens to hold out: of each class its share, as far as none loses its last one."""
    members: dict[str, set[str]] = {specimen: set() for specimen in order}
    for micrograph, own in zip(micrographs, classes, strict=True):
        members[micrograph.specimen].update(own)
    left = Counter(one for own in members.values() for one in own)
    # The scarcest first: it has the fewest to choose from.
    wanted = {one: _share(held_out, left[one]) for one in sorted(left, key=lambda k: (left[k], k))}
    chosen: set[str] = set()
    for one, share in wanted.items():
        for specimen in order:
            own = members[specimen]
            if sum(one in members[taken] for taken in chosen) >= share:
                break
            if one in own and specimen not in chosen and all(left[each] > 1 for each in own):
                chosen.add(specimen)
                left.subtract(own)
    if not chosen:
        raise InputError(
            f"no specimen can be held out: each is the only one of a class ({', '.join(wanted)}); "
            "add micrographs of one."
        )
    return chosen
