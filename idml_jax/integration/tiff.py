"""Pixels as a TIFF file that other programs read, with the size of a pixel."""

import io

import numpy as np
import tifffile
from jaxtyping import Shaped


def tiff_bytes(
    pixels: Shaped[np.ndarray, "*shape"],
    pixel_size: tuple[float, float] | None = None,
    *,
    channels: bool = False,
) -> bytes:
    """The content of a TIFF file, compressed without loss.

    Parameters
    ----------
    pixels : array of shape (rows, cols), (pages, rows, cols) or (rows, cols, channels)
    pixel_size : pair of float, optional
        Metres along rows and cols; none where it is not known.
    channels : bool
        Whether the last axis is of channels; three of them are colours.

    Returns
    -------
    content : bytes

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> content = tiff_bytes(np.eye(4, dtype=np.uint8), (5e-9, 5e-9))
    >>> tifffile.imread(io.BytesIO(content)).shape
    (4, 4)
    """
    resolution = None if pixel_size is None else (1e-2 / pixel_size[1], 1e-2 / pixel_size[0])
    tifffile.imwrite(
        buffer := io.BytesIO(),
        pixels,
        photometric="rgb" if channels and pixels.shape[-1] == 3 else "minisblack",
        planarconfig="contig" if channels else None,
        compression="zlib",
        resolution=resolution,
        resolutionunit=None if resolution is None else "CENTIMETER",
    )
    return buffer.getvalue()
