"""Micrographs from files, checked one by one before anything is computed."""

import pathlib

import numpy as np
import tifffile
from jaxtyping import Float
from PIL import Image as PillowImage

from idml_jax.data.headers import SUFFIXES, TIFF_SUFFIXES, read_header
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

    Integers are divided by the largest value of their type; floats outside
    [0, 1] are mapped there by their own minimum and maximum. An alpha channel is
    left out, and three equal channels become one. Pillow reduces a 16-bit RGB
    PNG to 8 bits a channel; TIFF keeps all 16.

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
        If the file is empty, cut short, no image, a stack, too large, constant,
        not finite, or not taller than `crop_bottom`. The message names the file.
    FileNotFoundError
        If there is no such file.
    """
    path = pathlib.Path(path)
    header = read_header(path, max_pixels=max_pixels)
    image = _scaled(path, _read_pixels(path))
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
    if pixel_size is None:
        sides = header.pixel_size
    elif isinstance(pixel_size, tuple):
        sides = pixel_size
    else:
        sides = (pixel_size, pixel_size)
    return Micrograph(image, path.stem, sides, path=str(path))


def read_folder(
    folder: str | pathlib.Path,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    crop_bottom: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> list[Micrograph]:
    """Every micrograph of a folder, in the order of the file names.

    Files whose ending is not of an image (.tif, .tiff, .png, .jpg, .jpeg, .bmp)
    and hidden files are passed over. Other parameters as for `read_micrograph`.

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
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder}: {found}; name a folder that holds micrographs.")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise InputError(
            f"{folder}: no micrograph in it; put files there that end in {', '.join(SUFFIXES)}."
        )
    stems: dict[str, pathlib.Path] = {}
    for path in paths:
        if path.stem in stems:
            raise InputError(
                f"{path}: has the same name as {stems[path.stem].name}; a name stands for one "
                "micrograph: rename one of them."
            )
        stems[path.stem] = path
    return [
        read_micrograph(path, pixel_size=pixel_size, crop_bottom=crop_bottom, max_pixels=max_pixels)
        for path in paths
    ]


def _read_pixels(path: pathlib.Path) -> np.ndarray:
    """Pixels as stored, of shape (rows, cols) or (rows, cols, channels)."""
    if path.suffix.lower() in TIFF_SUFFIXES:
        try:
            with tifffile.TiffFile(path) as file:
                series = file.series[0]
                pixels = series.asarray()
                return np.moveaxis(pixels, 0, -1) if series.axes == "SYX" else pixels
        # A damaged strip surfaces as whatever its codec raises.
        except (ValueError, RuntimeError, OSError, tifffile.TiffFileError) as error:
            raise InputError(
                f"{path}: its pixels cannot be decoded ({_first_line(error)}); copy it again from "
                "its source, or save it without compression."
            ) from error
    try:
        with PillowImage.open(path) as image:
            if image.mode == "P":
                image = image.convert("RGBA" if "transparency" in image.info else "RGB")
            elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
                image = image.convert("RGB")
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path}: its pixels cannot be decoded ({_first_line(error)}); copy it again from its "
            "source."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _scaled(path: pathlib.Path, pixels: np.ndarray) -> Float[np.ndarray, "rows cols channels"]:
    """Pixels as float32 in [0, 1] with a channel axis, without alpha."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] in (2, 4):
        pixels = pixels[..., :-1]
    if np.iscomplexobj(pixels):
        raise InputError(f"{path}: holds complex numbers; save the magnitude or a part of them.")
    if pixels.dtype == bool:
        image = pixels.astype(np.float32)
    elif np.issubdtype(pixels.dtype, np.unsignedinteger):
        image = (pixels / np.float32(np.iinfo(pixels.dtype).max)).astype(np.float32)
    else:
        image = _floats_scaled(path, pixels.astype(np.float64))
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
    low, high = pixels.min(), pixels.max()
    if (low < 0 or high > 1) and low < high:
        pixels = (pixels - low) / (high - low)
    return np.clip(pixels, 0, 1).astype(np.float32)
