"""The pixel size that a TIFF file states: by its microscope, by ImageJ, or by its plain tags."""

import html
import math
import re
from typing import Any

import tifffile

COARSEST_PIXEL = 20e-6
"""Metres. A plain resolution tag that is coarser (72 to 1200 dots an inch) is for printing."""

_METRES = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "micron": 1e-6,
    "microns": 1e-6,
    "micrometer": 1e-6,
    "um": 1e-6,
    "µm": 1e-6,
    "μm": 1e-6,
    "\\u00b5m": 1e-6,
    "nm": 1e-9,
    "å": 1e-10,
    "\\u00c5": 1e-10,
    "pm": 1e-12,
}

_PRINTING_METRES = {"inch": 25.4e-3, "in": 25.4e-3}


def tiff_pixel_size(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """Sides of a pixel along rows and cols in metres, or None where the file states none.

    What a microscope or a calibration wrote is believed before the plain
    resolution tags, and a size that is not a positive number is not believed.
    """
    for source in (_fei, _zeiss, _ome, _imagej, _plain):
        sides = source(file)
        if sides is not None and all(0 < side < math.inf for side in sides):
            return sides
    return None


def _fei(file: tifffile.TiffFile) -> tuple[float, float] | None:
    scan: Any = (file.fei_metadata or {}).get("Scan", {})
    if "PixelWidth" not in scan or "PixelHeight" not in scan:
        return None
    return _number(scan["PixelHeight"]), _number(scan["PixelWidth"])


def _zeiss(file: tifffile.TiffFile) -> tuple[float, float] | None:
    entry: Any = (file.sem_metadata or {}).get("ap_image_pixel_size", ())
    if len(entry) < 3:
        return None
    side = _number(entry[1]) * _METRES.get(str(entry[2]).lower(), math.nan)
    return side, side


def _ome(file: tifffile.TiffFile) -> tuple[float, float] | None:
    metadata = file.ome_metadata
    if not metadata:
        return None
    return _ome_length(metadata, "Y"), _ome_length(metadata, "X")


def _ome_length(metadata: str, axis: str) -> float:
    found = re.search(rf"""PhysicalSize{axis}=["']([^"']+)["']""", metadata)
    unit = re.search(rf"""PhysicalSize{axis}Unit=["']([^"']+)["']""", metadata)
    metres = _METRES.get(html.unescape(unit.group(1)).lower() if unit else "µm", math.nan)
    return _number(found.group(1)) * metres if found else math.nan


def _imagej(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """ImageJ's own unit. Its inch is left to the plain tags: that is how it keeps a printer's."""
    unit = (file.imagej_metadata or {}).get("unit")
    metres = _METRES.get(str(unit).lower())
    return None if metres is None else _resolution(file, metres)


def _plain(file: tifffile.TiffFile) -> tuple[float, float] | None:
    tags = file.pages.first.tags
    imagej_unit = (file.imagej_metadata or {}).get("unit")
    if imagej_unit:
        # Any other unit of ImageJ's, such as "pixel", says that the tags are no lengths.
        metres = _PRINTING_METRES.get(str(imagej_unit).lower())
    else:
        unit = tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 1
        metres = {2: 25.4e-3, 3: 1e-2}.get(unit)
    sides = None if metres is None else _resolution(file, metres)
    return None if sides is None or max(sides) > COARSEST_PIXEL else sides


def _resolution(file: tifffile.TiffFile, metres: float) -> tuple[float, float] | None:
    """Sides from the tags that count pixels in a length of `metres`."""
    tags = file.pages.first.tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    rows, cols = (_pixels_in_unit(tags[name].value) for name in ("YResolution", "XResolution"))
    return (metres / rows, metres / cols) if rows > 0 and cols > 0 else None


def _pixels_in_unit(value: Any) -> float:
    """A resolution tag: a fraction by the standard, a plain number by some writers."""
    if isinstance(value, tuple):
        numerator, denominator = value
        return numerator / denominator if denominator else math.nan
    return _number(value)


def _number(text: Any) -> float:
    """The number that a metadata entry holds; NaN, which is believed nowhere, if none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan
