"""Micrographs of known classes: a folder each."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from idml_jax.data.annotated import all_or_named
from idml_jax.data.decoding import SUFFIXES
from idml_jax.data.micrograph import Micrograph
from idml_jax.data.reading import MAX_PIXELS, check_names, images_in, read_micrograph
from idml_jax.errors import InputError, listed


class ClassifiedSet(NamedTuple):
    """Micrographs, the class of each, and what the classes are called."""

    micrographs: list[Micrograph]
    """Called class/stem, each its own specimen."""
    labels: Int[np.ndarray, " count"]
    classes: tuple[str, ...]


def class_folders(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The folders in a folder, each a class.

    Raises
    ------
    InputError
        If there is no such folder, none in it, or an image beside them, which has no class.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder}: {found}; name a folder that holds one folder a class.")
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    loose = [path for path in inside if path.is_file() and path.suffix.lower() in SUFFIXES]
    if loose:
        raise InputError(
            f"{loose[0]}: lies beside the folders of the classes and has none; move it into one."
        )
    folders = [path for path in inside if path.is_dir()]
    if not folders:
        raise InputError(f"{folder}: no folder in it; each class is one, by its name.")
    return folders


def read_classified(
    folder: str | pathlib.Path,
    *,
    classes: Sequence[str] | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> ClassifiedSet:
    """Micrographs that lie in one folder a class.

    Parameters
    ----------
    folder : path
        The folders in it are the classes, in the order of their names.
    classes : sequence of str, optional
        Those that there may be, in their order: of a training, for instance.
    pixel_size, crop_bottom, max_pixels
        As for `read_micrograph`.

    Returns
    -------
    classified : ClassifiedSet
        In one channel where all are grey, or some are.

    Raises
    ------
    InputError
        If a folder is of none of the classes, a file cannot be used, or an image lies in none. All
        such files are named.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import imageio.v3 as imageio
    >>> import numpy as np
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("bainite", "pearlite"):
    ...     (folder / name).mkdir()
    ...     imageio.imwrite(folder / name / "1.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    >>> found = read_classified(folder)
    >>> found.classes, found.labels.tolist(), found.micrographs[1].name
    (('bainite', 'pearlite'), [0, 1], 'pearlite/1')
    """
    folders = class_folders(folder)
    called = tuple(each.name for each in folders) if classes is None else tuple(classes)
    if unseen := [str(each) for each in folders if each.name not in called]:
        what = "is none" if len(unseen) == 1 else "are none"
        raise InputError(
            f"{listed(unseen)}: {what} of the classes {', '.join(called)}; rename the folder, or "
            "take it away."
        )
    paths: list[pathlib.Path] = []
    for each in folders:
        check_names(own := images_in(each, "micrograph"))
        paths += own

    def read(path: pathlib.Path) -> Micrograph:
        micrograph = read_micrograph(
            path, pixel_size=pixel_size, crop_bottom=crop_bottom, max_pixels=max_pixels
        )
        name = f"{path.parent.name}/{path.stem}"
        return Micrograph(micrograph.image, name, micrograph.pixel_size, name, str(path))

    micrographs = in_same_channels(all_or_named(read, paths))
    labels = np.array([called.index(path.parent.name) for path in paths])
    return ClassifiedSet(micrographs, labels, called)


def in_same_channels(micrographs: Sequence[Micrograph]) -> list[Micrograph]:
    """The same micrographs in one channel where all are grey, or some are."""
    if len({each.image.shape[-1] for each in micrographs}) > 1:
        return [each.grey() for each in micrographs]
    return list(micrographs)
