"""Label images: files whose pixels are the numbers of phases or classes."""

import math
import pathlib
import struct

import numpy as np
import tifffile
from jaxtyping import Int

from idml_jax.data.decoding import TIFF_SUFFIXES, decoding, open_picture
from idml_jax.data.headers import (
    check_borne_out,
    check_end,
    check_page,
    check_pixels,
    check_there,
    last_byte,
)
from idml_jax.data.reading import MAX_PIXELS
from idml_jax.errors import InputError


def read_labels(
    path: str | pathlib.Path, *, max_pixels: int = MAX_PIXELS
) -> Int[np.ndarray, "*space"]:
    """Labels from a TIFF, PNG or BMP file: the whole numbers that are stored, nothing scaled.

    Parameters
    ----------
    path : path
        One image, or a TIFF stack of planes of one size.
    max_pixels : int
        Files that claim more pixels are refused before any memory is taken.

    Returns
    -------
    labels : int32 array of shape (rows, cols), or (planes, rows, cols) for a stack
        int64 where a label needs it.

    Raises
    ------
    InputError
        If the file does not exist, is empty, cut short, damaged, no image or too large; if it
        holds colours, fractions, values that are not finite, or was compressed by JPEG, which
        changes values. The message is one line and names the file.

    Notes
    -----
    Of a palette image the labels are the indices, whatever colours stand for them; of a 1-bit or
    boolean one 0 and 1. An alpha channel is left out. Nothing is inverted, also where a TIFF says
    that 0 is white. Floats are taken where all are whole numbers.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "phases.tif")
    >>> tifffile.imwrite(path, np.array([[0, 1], [2, 255]], np.uint8))
    >>> read_labels(path).tolist()
    [[0, 1], [2, 255]]
    """
    path = pathlib.Path(path)
    check_there(path, "labels")
    with decoding(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as file:
                stored = _read_tiff(path, file, max_pixels)
        else:
            stored = _read_picture(path, max_pixels)
    return _whole_numbers(path, stored)


def _read_tiff(path: pathlib.Path, file: tifffile.TiffFile, max_pixels: int) -> np.ndarray:
    """Pixels of the one picture or stack of a TIFF, once its header is borne out by the file."""
    if not file.pages:
        raise InputError(f"{path}: a TIFF without a picture; replace it or take it away.")
    first = file.pages.first
    itemsize = check_page(path, first, max_pixels)
    if first.compression == tifffile.COMPRESSION.JPEG:
        raise _lossy(path)
    pictures = [series for series in file.series if not series.keyframe.is_reduced]
    series = file.series[0]
    colours = "S" in series.axes or first.photometric == tifffile.PHOTOMETRIC.RGB
    if colours:
        raise _coloured(path, f"{first.samplesperpixel} channels")
    if len(pictures) > 1 or series.ndim > 3 or not series.axes.endswith("YX"):
        found = (
            f"{len(pictures)} pictures of different kinds"
            if len(pictures) > 1
            else f"an array of shape {series.shape} (axes {series.axes})"
        )
        raise InputError(
            f"{path}: holds {found}; labels are one image, or one stack of planes of one size: "
            "save each as a file of its own."
        )
    check_pixels(path, math.prod(series.shape[:-1]), series.shape[-1], max_pixels)
    check_borne_out(path, math.prod(series.shape) * itemsize)
    pages = (last_byte(page) for page in series.pages if page is not None)
    check_end(path, max(_next_page(file), *pages))
    return series.asarray()


def _next_page(file: tifffile.TiffFile) -> int:
    """Where the page after the last one that could be read lies in the file; 0 for none."""
    tiff, handle = file.tiff, file.filehandle
    handle.seek(file.pages[-1].offset)
    (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
    handle.seek(tags * tiff.tagsize, 1)
    return struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0]


def _read_picture(path: pathlib.Path, max_pixels: int) -> np.ndarray:
    """Pixels of a PNG or BMP file; of a palette image the indices."""
    with open_picture(path) as image:
        if image.format == "JPEG":
            raise _lossy(path)
        bands = image.getbands()
        check_pixels(path, image.height, image.width, max_pixels)
        check_borne_out(path, image.height * image.width * len(bands))
        if len(bands) > 2:
            raise _coloured(path, f"the channels {', '.join(bands)}")
        pixels = np.asarray(image)
    return pixels[..., 0] if pixels.ndim == 3 else pixels


def _whole_numbers(path: pathlib.Path, stored: np.ndarray) -> Int[np.ndarray, "*space"]:
    """The same numbers as signed integers, if they are whole."""
    if stored.dtype.kind not in "buif":
        raise InputError(
            f"{path}: holds numbers of the type {stored.dtype}; labels are whole numbers: save "
            "them as 8, 16 or 32 bits."
        )
    if stored.dtype.kind == "f":
        # Not-a-number and infinity equal no rounded value of theirs that is this small.
        with np.errstate(invalid="ignore"):
            whole = (np.abs(stored) <= 2**53) & (np.rint(stored) == stored)
        if not whole.all():
            first = stored[~whole].flat[0]
            raise InputError(
                f"{path}: {stored.size - int(whole.sum())} of {stored.size} values are no whole "
                f"numbers (the first is {first:g}); labels are whole: round them, or read the file "
                "as a micrograph."
            )
    low, high = int(stored.min()), int(stored.max())
    if high >= 2**63:
        raise InputError(f"{path}: a label of {high}; number the labels anew, below 2**63.")
    return stored.astype(np.int32 if -(2**31) <= low and high < 2**31 else np.int64)


def _coloured(path: pathlib.Path, found: str) -> InputError:
    return InputError(
        f"{path}: holds colours ({found}); a label is one number a pixel: save the labels as a "
        "grey or palette image."
    )


def _lossy(path: pathlib.Path) -> InputError:
    return InputError(
        f"{path}: compressed by JPEG, which changes values, so they are no labels any more; save "
        "the labels as PNG or TIFF."
    )
