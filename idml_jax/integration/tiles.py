"""Images of any size, a tile at a time: the same answer in a bounded memory."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from idml_jax.typing import Image


def predict_in_tiles(
    predict: Callable[[Image], Float[np.ndarray, "rows cols features"]],
    image: Image,
    *,
    tile: int = 512,
    halo: int = 64,
    overlap: int = 32,
    multiple: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "rows cols features"]:
    """What a function says of each pixel of an image, asked tile by tile.

    Parameters
    ----------
    predict : callable
        From an image to features of each of its pixels, which depend on pixels no further away than
        `halo`: as `training.Segmenter.predict`.
    image : array of shape (rows, cols, channels)
    tile : int
        Side of a tile, in pixels; an image that fits into one is asked as a whole.
    halo : int
        Pixels at the inner borders of a tile that are not used, because the function would have
        looked beyond them: a network's reach.
    overlap : int
        Pixels over which one tile's answer passes over into the next one's. Where the answer does
        not depend on what is further away than the halo, they are the same there.
    multiple : int
        Tiles begin at multiples of so many pixels: of the coarsest grid of a network.
    progress : callable, optional
        ``progress(done, all)`` after each tile.

    Returns
    -------
    found : float array of shape (rows, cols, features)

    Raises
    ------
    ValueError
        If the tile has no room between its halos and overlaps, or is no multiple.

    Notes
    -----
    Memory is that of the answer and of one tile. Along an axis that is longer than a tile, the last
    one ends with the image or less than a multiple beyond it: all are of one size but for that, so
    that few are compiled. Away from the image's borders by more than the
    halo, and at its borders, the answer is that of the whole image.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(6400.0).reshape(80, 80, 1)
    >>> found = predict_in_tiles(lambda part: part, image, tile=32, halo=4, overlap=4, multiple=4)
    >>> bool(np.allclose(found, image))
    True
    """
    step = tile - 2 * halo - overlap
    step -= step % multiple
    if step <= 0 or tile % multiple:
        raise ValueError(
            f"`tile` (={tile}) must be a multiple of {multiple}, and more than two halos of {halo} "
            f"and the overlap of {overlap} by as much."
        )
    axes = [_axis(side, tile, halo, overlap, step, multiple) for side in image.shape[:2]]
    total = len(axes[0]) * len(axes[1])
    found: np.ndarray | None = None
    for number, (row, col) in enumerate((row, col) for row in axes[0] for col in axes[1]):
        part = np.asarray(predict(image[row[0] : row[0] + tile, col[0] : col[0] + tile]))
        if found is None:
            found = np.zeros((*image.shape[:2], part.shape[-1]), part.dtype)
        weights = np.outer(row[1], col[1]).astype(part.dtype)[..., None]
        window = found[row[0] : row[0] + tile, col[0] : col[0] + tile]
        # Where a tile weighs nothing, what is not finite there does not count.
        window += np.where(weights > 0, weights * part, 0)
        if progress is not None:
            progress(number + 1, total)
    assert found is not None
    return found


def _axis(
    side: int, tile: int, halo: int, overlap: int, step: int, multiple: int
) -> list[tuple[int, Float[np.ndarray, " pixels"]]]:
    """Where tiles begin along an axis, and what each of their pixels weighs: 1 in all of them."""
    last = max(0, side - tile)
    last += -last % multiple
    starts = [0]
    while starts[-1] < last:
        starts.append(min(starts[-1] + step, last))
    ramps = []
    for start in starts:
        places = np.arange(start, min(start + tile, side), dtype=float)
        # From the end of the halo on up, and down to the other halo; not at the image's borders.
        up = np.inf if start == 0 else (places - (start + halo) + 1) / (overlap + 1)
        down = np.inf if start + tile >= side else (start + tile - halo - places) / (overlap + 1)
        ramps.append((start, np.clip(np.minimum(up, down) + 0 * places, 0, 1)))
    total = np.zeros(side)
    for start, ramp in ramps:
        total[start : start + len(ramp)] += ramp
    return [(start, ramp / total[start : start + len(ramp)]) for start, ramp in ramps]
