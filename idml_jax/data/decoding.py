"""The one door to the libraries that decode images; what they raise and print ends here."""

import contextlib
import logging
import pathlib
import struct
import warnings
import zlib
from collections.abc import Iterator

import tifffile
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin

from idml_jax.errors import InputError

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")

_OPENERS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}

# A damaged file can break any line of a parser, so these are not only the errors that the
# libraries declare: an offset that points nowhere surfaces as struct.error, an unknown tag value
# as KeyError or TypeError, a damaged strip as its codec's RuntimeError, an absurd length as
# MemoryError. Each was met with files whose bytes had been changed at random, or is named in the
# source of Pillow or tifffile. Only calls into those libraries stand under `decoding`.
_DAMAGE = (
    tifffile.TiffFileError,
    struct.error,
    zlib.error,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    MemoryError,
)


@contextlib.contextmanager
def decoding(path: pathlib.Path) -> Iterator[None]:
    """Turn whatever a decoder raises for a file that it cannot read into an `InputError`.

    Its warnings and log lines about the file are dropped: either the pixels are
    right, or the error says what is wrong.
    """

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except _DAMAGE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: cannot be read as an image of the kind {path.suffix} ({reason}); it is "
            "damaged or of another kind: copy it again from its source, or take it away."
        ) from error
    finally:
        logger.removeFilter(drop)


def open_picture(path: pathlib.Path) -> ImageFile.ImageFile:
    """A PNG, JPEG or BMP file, opened by what it begins with; its pixels are not read yet.

    Not by `PIL.Image.open`: that knows many more formats, some of which start other
    programs, and it limits the number of pixels by a global of the process.
    """
    with path.open("rb") as file:
        start = file.read(8)
    for signature, opener in _OPENERS.items():
        if start.startswith(signature):
            return opener(path)
    raise InputError(
        f"{path}: neither a PNG, a JPEG nor a BMP image, whatever its ending says; replace it or "
        "take it away."
    )
