"""Micrographs with masks: what each pixel is of, as somebody annotated it."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int

from idml_jax.data.labels import read_labels
from idml_jax.data.local_contrast import local_contrast
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.reading import MAX_PIXELS, check_names, images_in, read_micrograph
from idml_jax.errors import SHOWN, InputError, listed

MOST_CLASSES = 64
"""Different values of a set of masks; more of them are grey values, or objects by number."""

Item = TypeVar("Item")
Read = TypeVar("Read")


@dataclasses.dataclass(frozen=True, eq=False)
class Annotated:
    """A micrograph and the class of each of its pixels.

    Parameters
    ----------
    micrograph : Micrograph
    labels : int32 array of shape (rows, cols)
        From 0; -1 where nobody annotated.
    """

    micrograph: Micrograph
    labels: Int[np.ndarray, "rows cols"]

    @property
    def name(self) -> str:
        """The micrograph's."""
        return self.micrograph.name

    def binned(self, factor: int) -> "Annotated":
        """The same with `factor` by `factor` pixels made one: their mean, and most of them's class.

        Examples
        --------
        >>> import numpy as np
        >>> one = Annotated(
        ...     Micrograph(np.zeros((2, 4, 1), np.float32), "one"),
        ...     np.int32([[0, 1, -1, -1], [1, 1, -1, 2]]),
        ... )
        >>> one.binned(2).labels
        array([[ 1, -1]], dtype=int32)
        """
        micrograph = self.micrograph.binned(factor)
        rows, cols = micrograph.size
        labels = self.labels[: rows * factor, : cols * factor]
        labels = labels.reshape(rows, factor, cols, factor)
        values = np.arange(-1, labels.max(initial=-1) + 1)
        counts = np.stack([(labels == value).sum(axis=(1, 3)) for value in values], axis=-1)
        return Annotated(micrograph, values[counts.argmax(axis=-1)].astype(np.int32))

    def in_local_contrast(self, window: int) -> "Annotated":
        """The same in units of how grey values vary around each pixel: see `local_contrast`.

        With a window of 0 it is as it was taken.
        """
        if not window:
            return self
        image = np.asarray(local_contrast(self.micrograph.image[None], window))[0]
        return Annotated(dataclasses.replace(self.micrograph, image=image), self.labels)


class AnnotatedSet(NamedTuple):
    """Annotated micrographs, and what their files call the classes."""

    micrographs: list[Annotated]
    classes: tuple[int, ...]
    """The value of each class in the files."""


def read_annotated(
    images: str | pathlib.Path,
    masks: str | pathlib.Path,
    *,
    names: Collection[str] | None = None,
    classes: Sequence[int] | None = None,
    unlabelled: int | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> AnnotatedSet:
    """Micrographs of one folder with the masks of the same names of another.

    Parameters
    ----------
    images, masks : path
        Folders. Masks are as for `read_labels`.
    names : collection of str, optional
        The files to read, by their names without ending; by default all.
    classes : sequence of int, optional
        The values of the masks, in the order of the classes. By default all that occur, the
        smallest first.
    unlabelled : int, optional
        The value, beside -1, of pixels that nobody annotated.
    pixel_size, crop_bottom, max_pixels
        As for `read_micrograph`; rows are cut off masks that are as high as the whole image.

    Returns
    -------
    annotated : AnnotatedSet
        In the order of the names.

    Raises
    ------
    InputError
        If an image has no mask or a mask no image, one of them cannot be read, they differ in
        size, or a mask holds another value than those of the classes. All such files are named.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for kind, pixels in (("images", [[10, 200]]), ("masks", [[0, 255]])):
    ...     (folder / kind).mkdir()
    ...     tifffile.imwrite(folder / kind / "a.tif", np.array(pixels, np.uint8))
    >>> annotated = read_annotated(folder / "images", folder / "masks")
    >>> annotated.classes, annotated.micrographs[0].labels.tolist()
    ((0, 255), [[0, 1]])
    """
    pairs = _pairs(pathlib.Path(images), pathlib.Path(masks), names)

    def read(pair: tuple[pathlib.Path, pathlib.Path]) -> tuple[Micrograph, np.ndarray]:
        image, mask = pair
        micrograph = read_micrograph(
            image, pixel_size=pixel_size, crop_bottom=crop_bottom, max_pixels=max_pixels
        )
        values = _mask_of(micrograph, mask, crop_bottom, max_pixels)
        return micrograph, values if unlabelled is None else _without(values, unlabelled)

    read_pairs = all_or_named(read, pairs)
    found = tuple(classes) if classes is not None else _values([each[1] for each in read_pairs])

    def number(place: int) -> Annotated:
        micrograph, values = read_pairs[place]
        return Annotated(micrograph, _numbered(pairs[place][1], values, found))

    return AnnotatedSet(all_or_named(number, range(len(pairs))), found)


def all_or_named(read: Callable[[Item], Read], items: Sequence[Item]) -> list[Read]:
    """What is read of each item; all that cannot be are named at once.

    Raises
    ------
    InputError
        One line, with what is wrong with each.
    """
    found, wrong = tried(read, items)
    if len(wrong) > 1:
        more = f" | and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise InputError(f"{len(wrong)} files cannot be used: {' | '.join(wrong[:SHOWN])}{more}")
    if wrong:
        raise InputError(wrong[0])
    return found


def tried(read: Callable[[Item], Read], items: Sequence[Item]) -> tuple[list[Read], list[str]]:
    """What is read of each item, and what is wrong with those that cannot be."""
    found, wrong = [], []
    for item in items:
        try:
            found.append(read(item))
        except InputError as error:
            wrong.append(str(error))
    return found, wrong


def _pairs(
    images: pathlib.Path, masks: pathlib.Path, names: Collection[str] | None
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """The files of the names in both folders."""
    of_folder = []
    for folder, what in ((images, "micrograph"), (masks, "mask")):
        if not folder.is_dir():
            found = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"{folder}: {found}; name a folder that holds a {what} for each.")
        check_names(paths := images_in(folder, what))
        of_folder.append({path.stem: path for path in paths})
    of_images, of_masks = of_folder
    wanted = sorted(of_images.keys() | of_masks.keys()) if names is None else sorted(names)
    for there, other, folder, what in (
        (of_images, of_masks, images, "image"),
        (of_masks, of_images, masks, "mask"),
    ):
        if lacking := [name for name in wanted if name not in there]:
            beside = [name for name in lacking if name in other]
            way = "take away what they belong to" if beside else "take them off the list"
            raise InputError(
                f"{folder}: no {what} called {listed(lacking)}; put the files there, or {way}."
            )
    if not wanted:
        raise InputError(f"{images}: no name of a micrograph is given; give one at least.")
    return [(of_images[name], of_masks[name]) for name in wanted]


def _mask_of(
    micrograph: Micrograph, path: pathlib.Path, crop_bottom: int, max_pixels: int
) -> Int[np.ndarray, "rows cols"]:
    """The values of a mask, as large as its micrograph."""
    values = read_labels(path, max_pixels=max_pixels)
    rows, cols = micrograph.size
    if values.shape == (rows + crop_bottom, cols):
        values = values[:rows]
    if values.shape != (rows, cols):
        raise InputError(
            f"{path}: {' x '.join(map(str, values.shape))} pixels, and the image {rows} x {cols}; "
            "a mask says of each pixel what it is: make it of the same size."
        )
    return values


def _without(values: Int[np.ndarray, "rows cols"], unlabelled: int) -> np.ndarray:
    return np.where(values == unlabelled, -1, values)


def _values(masks: Sequence[Int[np.ndarray, "rows cols"]]) -> tuple[int, ...]:
    """All values of the masks but -1."""
    found = sorted({int(value) for mask in masks for value in np.unique(mask)} - {-1})
    if len(found) > MOST_CLASSES:
        raise InputError(
            f"the masks hold {len(found)} different values, from {found[0]} to {found[-1]}; "
            f"classes are {MOST_CLASSES} at most: these may be grey values or numbers of objects; "
            "say which values are classes."
        )
    if len(found) < 2:
        raise InputError(
            f"the masks hold one value ({listed(found)}); there are two classes at least."
        )
    return tuple(found)


def _numbered(
    path: pathlib.Path, values: Int[np.ndarray, "rows cols"], classes: Sequence[int]
) -> Int[np.ndarray, "rows cols"]:
    """Numbers of the classes from 0 in place of the values of a file."""
    order = np.argsort(classes)
    ranked = np.asarray(classes)[order]
    places = np.searchsorted(ranked, values).clip(max=len(ranked) - 1)
    known = ranked[places] == values
    other = Counter(values[~known & (values != -1)].tolist())
    if other:
        told = ", ".join(f"{value} in {count} pixels" for value, count in sorted(other.items())[:4])
        more = f" and {len(other) - 4} other values" if len(other) > 4 else ""
        raise InputError(
            f"{path}: holds {told}{more}; the classes are {', '.join(map(str, classes))}: mend "
            "the mask, or give all classes."
        )
    return np.where(known, order[places], -1).astype(np.int32)
