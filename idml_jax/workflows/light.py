"""Whether micrographs of a set were taken in one light, as a network that compares them needs."""

import sys
from collections.abc import Sequence

import numpy as np

from idml_jax import data

FURTHER = 1.0
"""Deviation of the micrographs' brightness, in what pixels of one vary by, from which on it is told
of: as far apart as two phases are."""

TIMES = 3.0
"""How many times the contrast of another one that of a micrograph is told of."""


def tell_of_light(micrographs: Sequence[data.Micrograph], local_contrast: int) -> None:
    """Say that micrographs differ more by light than by what they show, one line to stderr.

    Of a network that sees grey values as they are, one of another brightness is another material.
    """
    if local_contrast or len(micrographs) < 2:
        return
    greys = [one.image.mean(axis=-1, dtype=np.float64) for one in micrographs]
    means, deviations = np.array([(grey.mean(), grey.std()) for grey in greys]).T
    if not (inside := np.median(deviations)):
        return
    apart, times = means.std(ddof=1) / inside, deviations.max() / max(deviations.min(), 1 / 255)
    told = []
    if apart > FURTHER:
        told.append(f"in brightness by {apart:.1f} times what the pixels of one do")
    if times > TIMES:
        told.append(f"in contrast by up to {times:.0f} times")
    if told:
        side = min(min(one.size) for one in micrographs)
        print(
            f"idml: the micrographs differ {' and '.join(told)}: --local-contrast {side // 2} (a "
            "side in pixels, large beside what is to be told) lets the network see them alike.",
            file=sys.stderr,
        )
