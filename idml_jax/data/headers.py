"""What an image file says of itself before its pixels are read: size, layout, pixel size.

A header is believed only as far as the file can bear it out, so that a broken or
hostile file is refused before memory is taken.
"""

import dataclasses
import math
import pathlib

import tifffile

from idml_jax.data.decoding import TIFF_SUFFIXES, decoding, open_picture
from idml_jax.data.pixel_size import tiff_pixel_size
from idml_jax.errors import InputError

LARGE = 2**24
"""Bytes of pixels above which a header has to be borne out by the size of its file."""

MOST_COMPRESSED = 1500
"""Bytes of pixels that one byte of a file can stand for: LZW reaches about 1400, deflate 1032."""

_PHOTOMETRICS = (
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.PALETTE,
)


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file's header says: rows, cols, and the pixel size in metres if known."""

    rows: int
    cols: int
    pixel_size: tuple[float, float] | None


def read_header(path: pathlib.Path, *, max_pixels: int) -> Header:
    """Header of an image file, checked.

    Raises
    ------
    InputError
        If there is no such file, or it is a folder, is empty, is no image of a
        known kind, holds more than one picture, is shorter than its header
        claims, or claims more than `max_pixels` pixels.
    """
    check_there(path, "one micrograph")
    with decoding(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            return _tiff_header(path, max_pixels)
        return _other_header(path, max_pixels)


def check_there(path: pathlib.Path, wanted: str) -> None:
    """Refuse what is no file, or an empty one; `wanted` says what the file is to hold."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path}: {found}; name a file that holds {wanted}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); replace it or take it away.")


def check_pixels(path: pathlib.Path, rows: int, cols: int, max_pixels: int) -> None:
    """Refuse an image without a pixel, or of more than `max_pixels`."""
    if rows < 1 or cols < 1:
        raise InputError(f"{path}: the header claims {rows} x {cols} pixels; take the file away.")
    if rows * cols > max_pixels:
        raise InputError(
            f"{path}: the header claims {rows} x {cols} pixels, more than the {max_pixels} "
            "allowed; cut the image into parts, or pass a larger `max_pixels`."
        )


def check_borne_out(path: pathlib.Path, claimed: int) -> None:
    """Refuse a file far too short for the `claimed` bytes of its pixels, however compressed."""
    size = path.stat().st_size
    if claimed > LARGE and claimed > MOST_COMPRESSED * size:
        raise InputError(
            f"{path}: its header claims {claimed} bytes of pixels and the file has {size} bytes; "
            "it is cut short or damaged: copy it again from its source."
        )


def _other_header(path: pathlib.Path, max_pixels: int) -> Header:
    with open_picture(path) as image:
        check_pixels(path, image.height, image.width, max_pixels)
        check_borne_out(path, image.height * image.width * len(image.getbands()))
        return Header(image.height, image.width, None)


def _tiff_header(path: pathlib.Path, max_pixels: int) -> Header:
    with tifffile.TiffFile(path) as file:
        if not file.pages:
            raise InputError(f"{path}: a TIFF without a picture; replace it or take it away.")
        page = file.pages.first
        check_page(path, page, max_pixels)
        _check_layout(path, file)
        check_end(path, last_byte(page))
        return Header(int(page.imagelength), int(page.imagewidth), tiff_pixel_size(file))


def check_page(path: pathlib.Path, page: tifffile.TiffPage, max_pixels: int) -> int:
    """Bytes of a value, if a TIFF's picture has a known type and a size the file can hold."""
    # Before anything that scales with the claimed size, such as the list of strips.
    check_pixels(path, int(page.imagelength), int(page.imagewidth), max_pixels)
    if page.dtype is None:
        raise InputError(
            f"{path}: its numbers ({page.bitspersample} bits, format {page.sampleformat}) are of "
            "no known type; save it as 8 or 16 bits or as float32."
        )
    # A chunk (strip or tile) is decoded as a whole, and may be larger than the picture.
    check_borne_out(path, max(page.size, math.prod(page.chunks)) * page.dtype.itemsize)
    return page.dtype.itemsize


def last_byte(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
    """Where the pixels of a TIFF's page end in the file."""
    return max(
        offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
    )


def check_end(path: pathlib.Path, end: int) -> None:
    """Refuse a file that ends before what its header asks for."""
    size = path.stat().st_size
    if end > size:
        raise InputError(
            f"{path}: cut short: its header asks for {end} bytes and the file has {size}; copy it "
            "again from its source."
        )


def _check_layout(path: pathlib.Path, file: tifffile.TiffFile) -> None:
    """Refuse what is not one picture in grey, RGB or palette colours."""
    # Microscopes and slide scanners add a small copy of the picture for the file browser.
    pictures = [series for series in file.series if not series.keyframe.is_reduced]
    axes = file.series[0].axes
    if len(pictures) > 1 or axes not in ("YX", "YXS", "SYX"):
        found = (
            f"{len(pictures)} pictures"
            if len(pictures) > 1
            else f"a stack of shape {file.series[0].shape} (axes {axes})"
        )
        raise InputError(
            f"{path}: holds {found}, not one picture; save each plane or channel as a file of "
            "its own."
        )
    page = file.pages.first
    # The decoder turns the YCbCr of a JPEG strip into RGB.
    jpeg = (
        page.photometric == tifffile.PHOTOMETRIC.YCBCR
        and page.compression == tifffile.COMPRESSION.JPEG
    )
    if page.photometric not in _PHOTOMETRICS and not jpeg:
        name = getattr(page.photometric, "name", page.photometric)
        raise InputError(
            f"{path}: its colours are stored as {name}; save it as grey, RGB or palette colours."
        )
