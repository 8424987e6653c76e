"""Micrographs from files, checked one by one before anything is computed."""

import math
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tifffile
from jaxtyping import Float

from idml_jax.data.decoding import SUFFIXES, TIFF_SUFFIXES, decoding, open_picture
from idml_jax.data.headers import read_header
from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError

MAX_PIXELS = 2**28
"""Pixels of the largest image that is read unless the caller allows more (16384 x 16384)."""


def read_micrograph(
    path: str | pathlib.Path,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Micrograph:
    """One micrograph from a TIFF, PNG, JPEG or BMP file.

    Unsigned integers are divided by the largest value that their bits hold;
    floats and signed integers outside [0, 1] are mapped there by their own
    minimum and maximum. An alpha channel is left out, and three equal channels
    become one. Black is 0 whichever way the file stores it. Pillow reduces a
    16-bit RGB PNG to 8 bits a channel; TIFF keeps all 16.

    Parameters
    ----------
    path : path
        The file.
    pixel_size : float or pair of float, optional
        Metres along rows and cols. By default what the TIFF says: FEI and Zeiss
        tags, OME, ImageJ, then the plain resolution tags unless they are those
        of a printer (coarser than 20 micrometres).
    crop_bottom : int
        Rows to cut off at the bottom: the microscope's information bar.
    max_pixels : int
        Images that claim more pixels are refused before any memory is taken.

    Returns
    -------
    micrograph : Micrograph
        Its `image` is float32 in [0, 1], of shape (rows, cols, channels).

    Raises
    ------
    InputError
        If the file does not exist, is empty, cut short, damaged, no image, a
        stack, too large, constant, not finite, or not taller than `crop_bottom`.
        The message is one line and names the file.
    """
    path = pathlib.Path(path)
    sides = _sides(pixel_size)
    if crop_bottom < 0:
        raise InputError(f"`crop_bottom` (={crop_bottom}) must not be negative; 0 cuts nothing.")
    header = read_header(path, max_pixels=max_pixels)
    image = _scaled(path, _read_stored(path))
    if crop_bottom:
        if crop_bottom >= image.shape[0]:
            raise InputError(
                f"{path}: has {image.shape[0]} rows, so {crop_bottom} cannot be cropped at the "
                "bottom; pass a smaller `crop_bottom`."
            )
        image = image[:-crop_bottom]
    if image.min() == image.max():
        raise InputError(
            f"{path}: every pixel has the same value; a micrograph shows something: take it away."
        )
    return Micrograph(image, path.stem, sides or header.pixel_size, path=str(path))


def read_folder(
    folder: str | pathlib.Path,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> list[Micrograph]:
    """Every micrograph of a folder, in the order of the file names.

    Files whose ending is not of an image (.tif, .tiff, .png, .jpg, .jpeg, .bmp)
    and hidden files are passed over.

    Parameters
    ----------
    folder : path
        It is not searched below.
    pixel_size, crop_bottom, max_pixels
        As for `read_micrograph`, the same for every file.

    Returns
    -------
    micrographs : list of Micrograph

    Raises
    ------
    InputError
        If there is no such folder, no image in it, two images of one name, or
        any image that cannot be used.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, tifffile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    >>> tifffile.imwrite(folder / "a.tif", grey, resolution=(1e6, 1e6), resolutionunit="CENTIMETER")
    >>> micrograph, = read_folder(folder)
    >>> micrograph.image.shape, micrograph.pixel_size
    ((8, 8, 1), (1e-08, 1e-08))
    """
    paths = micrographs_in(pathlib.Path(folder))
    check_names(paths)
    return [
        read_micrograph(path, pixel_size=pixel_size, crop_bottom=crop_bottom, max_pixels=max_pixels)
        for path in paths
    ]


def micrographs_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a user's folder of micrographs, in the order of their names.

    Raises
    ------
    InputError
        If there is no such folder, or none in it.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder}: {found}; name a folder that holds micrographs.")
    return images_in(folder, "micrograph")


def images_in(folder: pathlib.Path, wanted: str = "image") -> list[pathlib.Path]:
    """The image files of a folder, by their endings, in the order of their names.

    Raises
    ------
    InputError
        If there is none.
    """
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise InputError(
            f"{folder}: no {wanted} in it; put files there that end in {', '.join(SUFFIXES)}."
        )
    return paths


def check_names(paths: Sequence[pathlib.Path]) -> None:
    """Refuse two files of one name, but for folder and ending: the name stands for the image."""
    stems: dict[str, pathlib.Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path}: has the same name as {stems[path.stem]}; a name stands for one image: "
                "rename one of them, or leave it out."
            )
        stems[path.stem] = path


def _sides(pixel_size: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """The option `pixel_size` as sides along rows and cols."""
    if pixel_size is None:
        return None
    sides = pixel_size if isinstance(pixel_size, tuple) else (pixel_size, pixel_size)
    if not all(0 < side < math.inf for side in sides):
        raise InputError(f"`pixel_size` (={pixel_size}) must be positive, in metres.")
    return sides


class _Stored(NamedTuple):
    """Pixels as stored, of shape (rows, cols) or (rows, cols, channels), and what they mean."""

    pixels: np.ndarray
    bits: int
    """Bits of a pixel that are used; fewer than the type has where a file packs them."""
    inverted: bool = False
    """Whether 0 is white."""


def _read_stored(path: pathlib.Path) -> _Stored:
    with decoding(path):
        if path.suffix.lower() in TIFF_SUFFIXES:
            with tifffile.TiffFile(path) as file:
                return _read_tiff(file)
        with open_picture(path) as image:
            if image.mode in ("P", "PA"):
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            elif image.mode == "CMYK":
                image = image.convert("RGB")
            pixels = np.asarray(image)
            return _Stored(pixels, 8 * pixels.itemsize)


def _read_tiff(file: tifffile.TiffFile) -> _Stored:
    page, series = file.pages.first, file.series[0]
    pixels = series.asarray()
    if series.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return _Stored(np.moveaxis(np.asarray(page.colormap)[:, pixels], 0, -1), 16)
    # `tifffile.imwrite`, and scikit-image and imageio with it, tag a boolean array as "white is
    # zero" unless told otherwise, and read it back as it was: there the tag does not mean black.
    own = pixels.dtype == bool and page.software.startswith("tifffile")
    inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and not own
    return _Stored(pixels, page.bitspersample, inverted)


def _scaled(path: pathlib.Path, stored: _Stored) -> Float[np.ndarray, "rows cols channels"]:
    """Pixels as float32 in [0, 1] with a channel axis, without alpha."""
    pixels = stored.pixels
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] in (2, 4):
        pixels = pixels[..., :-1]
    if np.iscomplexobj(pixels):
        raise InputError(f"{path}: holds complex numbers; save the magnitude or a part of them.")
    if pixels.dtype == bool:
        image = pixels.astype(np.float32)
    elif np.issubdtype(pixels.dtype, np.unsignedinteger):
        image = (pixels / np.float32(2**stored.bits - 1)).astype(np.float32)
    else:
        image = _floats_scaled(path, pixels)
    if stored.inverted:
        image = 1 - image
    if image.shape[-1] == 3 and (image == image[..., :1]).all():
        image = image[..., :1]
    return image


def _floats_scaled(path: pathlib.Path, pixels: np.ndarray) -> np.ndarray:
    bad = int(pixels.size - np.isfinite(pixels).sum())
    if bad:
        raise InputError(
            f"{path}: {bad} of {pixels.size} values are not finite (NaN or infinite); fill them "
            "before, or crop the part that has none."
        )
    pixels = pixels.astype(np.float64)
    low, high = pixels.min(), pixels.max()
    if (low < 0 or high > 1) and low < high:
        # Halved first, so that the difference of the largest floats does not overflow.
        pixels = (pixels / 2 - low / 2) / (high / 2 - low / 2)
    return np.clip(pixels, 0, 1).astype(np.float32)
