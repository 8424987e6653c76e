"""Crops of micrographs: random ones, drawn and augmented on the device, and a grid of all."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError
from idml_jax.typing import Array, Bytes, Image, Images


class Resident(NamedTuple):
    """Micrographs that stay on the device, in 8 bits.

    Images of different sizes lie in the corner of a common frame; `sizes` says
    how much of it each one fills.
    """

    images: Bytes
    sizes: Int[Array, "count 2"]


def check_sizes(micrographs: Sequence[Micrograph], *, size: int) -> None:
    """Refuse micrographs that a square of `size` pixels does not fit into.

    Raises
    ------
    InputError
        For the first one; it names the file.
    """
    for micrograph in micrographs:
        rows, cols = micrograph.size
        if min(rows, cols) < size:
            raise InputError(
                f"{micrograph.label}: {rows} x {cols} pixels, smaller than the crop of {size}; "
                "take it away, or choose a smaller size or binning."
            )


def keep_on_device(micrographs: Sequence[Micrograph], *, size: int) -> Resident:
    """Micrographs as 8-bit arrays on the device, to crop squares of `size` pixels from.

    Raises
    ------
    InputError
        If a micrograph is smaller than the crop, or the numbers of channels differ.
    """
    check_sizes(micrographs, size=size)
    counts = {micrograph.image.shape[-1] for micrograph in micrographs}
    if len(counts) != 1:
        raise InputError(
            f"the micrographs have {sorted(counts)} channels; one set has one number of channels: "
            "use `micrograph.grey()`."
        )
    sizes = np.array([micrograph.size for micrograph in micrographs], np.int32)
    frame = np.zeros((len(micrographs), *sizes.max(axis=0), counts.pop()), np.uint8)
    for place, micrograph in zip(frame, micrographs, strict=True):
        rows, cols = micrograph.size
        place[:rows, :cols] = np.rint(micrograph.image * 255)
    return Resident(jnp.asarray(frame), jnp.asarray(sizes))


def random_crops(key: PRNGKeyArray, resident: Resident, *, count: int, size: int) -> Images:
    """Square crops at random places, randomly turned and mirrored.

    Every place of every micrograph is equally likely, and so is each of the
    eight symmetries of the square. Runs under `jax.jit` with `count` and `size`
    static.

    Parameters
    ----------
    key : key
        Source of the choice.
    resident : Resident
        From `keep_on_device`.
    count, size : int
        Number of crops, and their side in pixels.

    Returns
    -------
    crops : float32 array of shape (count, size, size, channels)
        Values in [0, 1].
    """
    # A micrograph that the crop does not fit into has no place, and is never chosen.
    places = jnp.maximum(resident.sizes - size + 1, 0)
    weights = jnp.log(places.prod(axis=1).astype(jnp.float32))

    def crop(key):
        which, where, turn = jax.random.split(key, 3)
        index = jax.random.categorical(which, weights)
        start = jax.random.randint(where, (2,), 0, places[index])
        channels = resident.images.shape[-1]
        zero = jnp.zeros((), start.dtype)
        square = jax.lax.dynamic_slice(
            resident.images,
            (index.astype(start.dtype), start[0], start[1], zero),
            (1, size, size, channels),
        )
        return turned(square[0], jax.random.randint(turn, (), 0, 8))

    crops = jax.vmap(crop)(jax.random.split(key, count))
    return crops.astype(jnp.float32) / jnp.float32(255)


def turned(square: Array, symmetry: Int[Array, ""]) -> Array:
    """One of the eight symmetries of the square: 0 to 3 quarter turns, then the same mirrored.

    Pixels change place and nothing is interpolated.
    """
    turns = [lambda x, k=k: jnp.rot90(x, k) for k in range(4)]
    mirrored = [lambda x, k=k: jnp.rot90(jnp.fliplr(x), k) for k in range(4)]
    return jax.lax.switch(symmetry, turns + mirrored, square)


def grid_crops(image: Image, size: int) -> Float[np.ndarray, "crops size size channels"]:
    """Every square of a grid that starts at the top left; none overlaps another.

    What does not fill a square at the bottom and right is left out.

    Examples
    --------
    >>> import numpy as np
    >>> grid_crops(np.zeros((9, 12, 1), np.float32), 4).shape
    (6, 4, 4, 1)
    """
    image = np.asarray(image)
    rows, cols, channels = (image.shape[0] // size, image.shape[1] // size, image.shape[2])
    squares = image[: rows * size, : cols * size].reshape(rows, size, cols, size, channels)
    return squares.swapaxes(1, 2).reshape(rows * cols, size, size, channels)
