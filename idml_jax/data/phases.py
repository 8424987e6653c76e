"""Label images as micrographs of phases: a channel for the membership of each."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from idml_jax.data.contrast import choose_binning
from idml_jax.data.headers import read_header
from idml_jax.data.labels import read_labels
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.reading import MAX_PIXELS, check_names, images_in
from idml_jax.errors import InputError

MOST_PHASES = 16
"""Different values of a set of label images; more of them are grey values, or grains."""


class Phases(NamedTuple):
    """Micrographs of phases, and what the files call the phases."""

    micrographs: list[Micrograph]
    """Their images hold a channel for each phase: 1 where a pixel lies in it, else 0."""
    labels: tuple[int, ...]
    """The number of each channel's phase in the files."""


def read_phases(
    folder: str | pathlib.Path | Sequence[str | pathlib.Path],
    *,
    labels: Sequence[int] | None = None,
    pixel_size: float | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Phases:
    """Every label image of a folder, or of several, in the order of the file names.

    Parameters
    ----------
    folder : path, or sequence of paths
        They are not searched below. Files are as for `read_labels`, of 2 dimensions.
    labels : sequence of int, optional
        The phases. By default all values that are found, at least 2 and at most `MOST_PHASES`.
    pixel_size : float, optional
        Metres a pixel. By default what a TIFF says.
    crop_bottom : int
        Rows to cut off at the bottom.
    max_pixels : int
        Files that claim more pixels are refused before any memory is taken.

    Returns
    -------
    phases : Phases

    Raises
    ------
    InputError
        If there is no such folder, no image in it, two images of one name there, an image that
        cannot be used or is a stack, pixels that are not annotated (-1), or too many or too few
        values.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> tifffile.imwrite(folder / "a.tif", np.array([[0, 255], [128, 255]], np.uint8))
    >>> phases = read_phases(folder)
    >>> phases.labels, phases.micrographs[0].image.shape
    ((0, 128, 255), (2, 2, 3))
    """
    folders = [folder] if isinstance(folder, str | pathlib.Path) else folder
    paths: list[pathlib.Path] = []
    for one in map(pathlib.Path, folders):
        if not one.is_dir():
            found = "is a file" if one.exists() else "does not exist"
            raise InputError(f"{one}: {found}; name a folder that holds label images.")
        check_names(own := images_in(one, "label image"))
        paths += own
    images = [_read(path, crop_bottom, max_pixels) for path in paths]
    phases = _values(paths, images) if labels is None else tuple(labels)
    return Phases(
        [
            Micrograph(
                _memberships(path, image, phases),
                path.stem,
                read_header(path, max_pixels=max_pixels).pixel_size
                if pixel_size is None
                else (pixel_size, pixel_size),
                path=str(path),
            )
            for path, image in zip(paths, images, strict=True)
        ],
        phases,
    )


def choose_binning_of_phases(
    train: Sequence[Micrograph], size: int, *, held_out: Sequence[Micrograph] = ()
) -> int:
    """`choose_binning` for micrographs of phases: by the scarcest one, the hardest to draw.

    Parameters
    ----------
    train, held_out : sequence of Micrograph
        A channel for the membership of each phase.
    size : int
        Pixels of a crop.
    """
    shares = np.sum([one.image.sum(axis=(0, 1), dtype=float) for one in train], axis=0)
    # A phase of the held-out micrographs alone has no size to look at.
    scarcest = int(np.where(shares > 0, shares, np.inf).argmin())

    def seen(group: Sequence[Micrograph]) -> list[Micrograph]:
        return [one.channel(scarcest) for one in group]

    return choose_binning(seen(train), size, held_out=seen(held_out))


def _read(path: pathlib.Path, crop_bottom: int, max_pixels: int) -> Int[np.ndarray, "rows cols"]:
    """One image of labels, all of them known."""
    if crop_bottom < 0:
        raise InputError(f"`crop_bottom` (={crop_bottom}) must not be negative; 0 cuts nothing.")
    labels = read_labels(path, max_pixels=max_pixels)
    if labels.ndim != 2:
        raise InputError(
            f"{path}: holds a stack of {labels.shape[0]} planes; label images have 2 dimensions "
            "here: save the planes one by one."
        )
    if crop_bottom >= labels.shape[0]:
        raise InputError(
            f"{path}: has {labels.shape[0]} rows, so {crop_bottom} cannot be cropped at the "
            "bottom; crop fewer."
        )
    labels = labels[: labels.shape[0] - crop_bottom]
    if labels.min() < 0:
        lowest = int(labels.min())
        what = "-1, not annotated" if (labels == -1).any() else f"a negative label ({lowest})"
        raise InputError(
            f"{path}: {int((labels < 0).sum())} of {labels.size} pixels hold {what}; phases are "
            "numbered from 0 and known everywhere: label these pixels, or crop them away."
        )
    return labels


def _values(
    paths: Sequence[pathlib.Path], images: Sequence[Int[np.ndarray, "rows cols"]]
) -> tuple[int, ...]:
    """All values that the images hold."""
    found: set[int] = set()
    for path, image in zip(paths, images, strict=True):
        found.update(np.unique(image).tolist())
        if len(found) > MOST_PHASES:
            raise InputError(
                f"{path}: with this file the label images hold {len(found)} different values; "
                f"phases are {MOST_PHASES} at most: these may be grey micrographs, or grains by "
                "number."
            )
    if len(found) < 2:
        raise InputError(
            f"{paths[0].parent}: every pixel of the label images has the value {found.pop()}; "
            "there are two phases at least."
        )
    return tuple(sorted(found))


def _memberships(
    path: pathlib.Path, image: Int[np.ndarray, "rows cols"], phases: Sequence[int]
) -> Float[np.ndarray, "rows cols phases"]:
    """A channel for each phase."""
    other = np.setdiff1d(image, phases)
    if other.size:
        raise InputError(
            f"{path}: holds the value {other[0]}, and the phases are "
            f"{', '.join(map(str, phases))}; give label images of the same phases."
        )
    return (image[..., None] == np.asarray(phases)).astype(np.float32)
