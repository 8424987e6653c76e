"""What an image file says of itself before its pixels are read: size, layout, pixel size.

A header is believed only as far as the file can bear it out, so that a broken or
hostile file is refused before memory is taken.
"""

import dataclasses
import pathlib
import re
from typing import Any

import tifffile
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from idml_jax.errors import InputError

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")

COARSEST_PIXEL = 20e-6
"""Metres. A plain resolution tag that is coarser (72 to 1200 dots an inch) is for printing."""

_METRES = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "micron": 1e-6,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "\\u00b5m": 1e-6,
    "nm": 1e-9,
    "å": 1e-10,
    "pm": 1e-12,
}


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
        If the file is empty, is no image of a known kind, holds more than one
        picture, is shorter than its header claims, or claims more than
        `max_pixels` pixels.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); replace it or take it away.")
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            header = _tiff_header(path, max_pixels)
        else:
            header = _other_header(path)
    except (tifffile.TiffFileError, UnidentifiedImageError) as error:
        raise InputError(
            f"{path}: not an image in the format that its ending says ({path.suffix}); "
            "replace it or take it away."
        ) from error
    except PillowImage.DecompressionBombError as error:
        raise InputError(f"{path}: {error}") from error
    check_pixels(path, header.rows, header.cols, max_pixels)
    return header


def check_pixels(path: pathlib.Path, rows: int, cols: int, max_pixels: int) -> None:
    """Refuse an image of more than `max_pixels` pixels."""
    if rows * cols > max_pixels:
        raise InputError(
            f"{path}: the header claims {rows} x {cols} pixels, more than the {max_pixels} "
            "allowed; cut the image into parts, or pass a larger `max_pixels`."
        )


def _other_header(path: pathlib.Path) -> Header:
    # Pillow reads the header only; pixels come when they are asked for.
    with PillowImage.open(path) as image:
        return Header(image.height, image.width, None)


def _tiff_header(path: pathlib.Path, max_pixels: int) -> Header:
    with tifffile.TiffFile(path) as file:
        if not file.pages:
            raise InputError(f"{path}: a TIFF without a picture; replace it or take it away.")
        page = file.pages.first
        rows, cols = int(page.imagelength), int(page.imagewidth)
        # Before anything that scales with the claimed size, such as the list of strips.
        check_pixels(path, rows, cols, max_pixels)
        axes = file.series[0].axes
        if axes not in ("YX", "YXS", "SYX"):
            raise InputError(
                f"{path}: holds a stack of shape {file.series[0].shape} (axes {axes}), not one "
                "picture; save each plane or channel as a file of its own."
            )
        end = max(
            offset + count
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
        size = path.stat().st_size
        if end > size:
            raise InputError(
                f"{path}: cut short: its header asks for {end} bytes and the file has {size}; "
                "copy it again from its source."
            )
        return Header(rows, cols, _tiff_pixel_size(file))


def _tiff_pixel_size(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """Pixel size in metres from what microscopes and ImageJ write, then from plain tags."""
    fei: dict[str, Any] | None = file.fei_metadata
    if fei and "PixelWidth" in fei.get("Scan", {}):
        return float(fei["Scan"]["PixelHeight"]), float(fei["Scan"]["PixelWidth"])
    zeiss: dict[str, Any] | None = file.sem_metadata
    if zeiss and "ap_image_pixel_size" in zeiss:
        _, value, unit = zeiss["ap_image_pixel_size"][:3]
        side = float(value) * _METRES[unit.lower()]
        return side, side
    if file.ome_metadata:
        rows, cols = (_ome_length(file.ome_metadata, axis) for axis in "YX")
        if rows is not None and cols is not None:
            return rows, cols
    return _resolution_pixel_size(file)


def _ome_length(metadata: str, axis: str) -> float | None:
    found = re.search(rf'PhysicalSize{axis}="([^"]+)"', metadata)
    unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', metadata)
    metres = _METRES.get(unit.group(1).lower() if unit else "µm")
    return float(found.group(1)) * metres if found and metres else None


def _resolution_pixel_size(file: tifffile.TiffFile) -> tuple[float, float] | None:
    tags = file.pages.first.tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    ratios = [tags[name].value for name in ("YResolution", "XResolution")]
    if any(numerator == 0 or denominator == 0 for numerator, denominator in ratios):
        return None
    imagej: dict[str, Any] | None = file.imagej_metadata
    if imagej and imagej.get("unit"):
        metres = _METRES.get(str(imagej["unit"]).lower())
    else:
        unit = tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 1
        metres = {2: 25.4e-3, 3: 1e-2}.get(int(unit))
    if metres is None:
        return None
    rows, cols = (metres * denominator / numerator for numerator, denominator in ratios)
    return None if max(rows, cols) > COARSEST_PIXEL else (rows, cols)
