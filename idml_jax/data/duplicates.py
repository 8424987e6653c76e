"""Images that are the same, or nearly: what is judged by must not be trained on."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from skimage import transform

from idml_jax.data.micrograph import Micrograph

THUMBNAIL = 32
"""Rows and cols that images are averaged to before they are compared."""

ALIKE = 0.98
"""Correlation of two thumbnails from which on images are nearly the same."""


class Duplicate(NamedTuple):
    """Two images that show the same."""

    first: str
    second: str
    equal: bool
    """Whether every pixel is the same; else they are nearly."""


def find_duplicates(
    micrographs: Sequence[Micrograph], others: Sequence[Micrograph] | None = None
) -> list[Duplicate]:
    """Pairs of micrographs that are the same or nearly: saved twice, rescaled, of other contrast.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    others : sequence of Micrograph, optional
        Then pairs of one of each; by default pairs within the first.

    Returns
    -------
    duplicates : list of Duplicate
        Files that messages call by `Micrograph.label`, in the order of the micrographs.

    Notes
    -----
    Equal ones by SHA-256 of the pixels; nearly equal ones by the correlation of thumbnails, which
    brightness and contrast do not change. Neighbouring fields of one specimen overlap in neither.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((64, 64, 1), np.float32)
    >>> one, darker = Micrograph(image, "one"), Micrograph(image / 2, "darker")
    >>> find_duplicates([one, darker])
    [Duplicate(first='one', second='darker', equal=False)]
    """
    first = [digest_of(each) for each in micrographs]
    second = first if others is None else [digest_of(each) for each in others]
    thumbnails = _thumbnails(micrographs)
    alike = thumbnails @ (thumbnails if others is None else _thumbnails(others)).T
    there = micrographs if others is None else others
    return [
        Duplicate(micrographs[one].label, there[other].label, first[one] == second[other])
        for one in range(len(first))
        for other in range(one + 1 if others is None else 0, len(second))
        if first[one] == second[other] or alike[one, other] > ALIKE
    ]


def digest_of(micrograph: Micrograph) -> str:
    """SHA-256 of the pixels: equal for the same image, whatever it is called."""
    pixels = np.ascontiguousarray(micrograph.image)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _thumbnails(micrographs: Sequence[Micrograph]) -> Float[np.ndarray, "count pixels"]:
    """Each of zero mean and unit length; of an image without contrast, nothing."""
    small = [
        transform.resize(each.image.mean(axis=-1), (THUMBNAIL, THUMBNAIL), anti_aliasing=True)
        for each in micrographs
    ]
    flat = np.array(small, float).reshape(len(small), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(lengths > 0, lengths, np.inf)
