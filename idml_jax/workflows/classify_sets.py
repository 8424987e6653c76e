"""Micrographs of known classes, in one folder a class or by a table."""

import pathlib
from collections.abc import Sequence

from idml_jax import data


def read_known(
    images: pathlib.Path,
    labels: pathlib.Path | None = None,
    *,
    classes: Sequence[str] | None = None,
    pixel_size: float | None = None,
    crop_bottom: int = 0,
) -> data.ClassifiedSet:
    """The user's micrographs, and the class of each.

    Parameters
    ----------
    images : path
        A folder of one folder a class; or of files, where a table says their classes.
    labels : path, optional
        The table.
    classes, pixel_size, crop_bottom
        As for `data.read_classified`.

    Raises
    ------
    InputError
        If a file cannot be used, or files and table do not go together.
    """
    options = {"classes": classes, "pixel_size": pixel_size, "crop_bottom": crop_bottom}
    if labels is None:
        return data.read_classified(images, **options)
    return data.read_labelled(images, labels, **options)
