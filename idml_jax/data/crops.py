"""Crops of micrographs: random ones, drawn and augmented on the device, and a grid of all."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray, UInt8

from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError
from idml_jax.typing import Array, Bytes, Image, Images

Size: TypeAlias = int | tuple[int, int]
"""Side of a square, or rows and cols; in pixels."""

Turns: TypeAlias = Literal["all", "mirrors", "sideways", "none"]
"""Which of their symmetries crops are turned by."""


class Resident(NamedTuple):
    """Micrographs that stay on the device, in 8 bits.

    Images of different sizes lie in the corner of a common frame; `sizes` says
    how much of it each one fills.
    """

    images: Bytes
    sizes: Int[Array, "count 2"]


class Cut(NamedTuple):
    """Crops in 8 bits, and the number of the micrograph that each was cut from."""

    images: UInt8[Array, "*crops rows cols channels"]
    sources: Int[Array, "*crops"]


def check_sizes(micrographs: Sequence[Micrograph], *, size: Size) -> None:
    """Refuse micrographs that a crop of `size` pixels does not fit into.

    Raises
    ------
    InputError
        For the first one; it names the file.
    """
    height, width = rows_and_cols(size)
    for micrograph in micrographs:
        rows, cols = micrograph.size
        if rows < height or cols < width:
            raise InputError(
                f"{micrograph.label}: {rows} x {cols} pixels, smaller than the crop of "
                f"{height} x {width}; take it away, or choose a smaller size or binning."
            )


def channels_of(micrographs: Sequence[Micrograph]) -> int:
    """The number of channels that all micrographs have.

    Raises
    ------
    InputError
        If they differ.
    """
    counts = {micrograph.image.shape[-1] for micrograph in micrographs}
    if len(counts) != 1:
        raise InputError(
            f"the micrographs have {sorted(counts)} channels; one set has one number of channels: "
            "use `micrograph.grey()`."
        )
    return counts.pop()


def in_bytes(image: Image, micrograph: Micrograph) -> UInt8[np.ndarray, "rows cols channels"]:
    """A micrograph's image, or a part of it, in 8 bits.

    Raises
    ------
    InputError
        If it has values outside of [0, 1].
    """
    low, high = image.min(), image.max()
    # Not a number is in no range.
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"{micrograph.label}: values from {low} to {high}; an image to train on has values in "
            "[0, 1] and no other: scale it, or take it away."
        )
    return np.rint(image * 255).astype(np.uint8)


def keep_on_device(micrographs: Sequence[Micrograph], *, size: Size) -> Resident:
    """Micrographs as 8-bit arrays on the device, to crop images of `size` pixels from.

    Raises
    ------
    InputError
        If a micrograph is smaller than the crop or has values outside of [0, 1], or the numbers
        of channels differ.
    """
    check_sizes(micrographs, size=size)
    channels = channels_of(micrographs)
    sizes = np.array([micrograph.size for micrograph in micrographs], np.int32)
    frame = np.zeros((len(micrographs), *sizes.max(axis=0), channels), np.uint8)
    for place, micrograph in zip(frame, micrographs, strict=True):
        rows, cols = micrograph.size
        place[:rows, :cols] = in_bytes(micrograph.image, micrograph)
    return Resident(jnp.asarray(frame), jnp.asarray(sizes))


def random_crops(
    key: PRNGKeyArray, resident: Resident, *, count: int, size: Size, turns: Turns = "all"
) -> Images:
    """Crops at random places, randomly turned and mirrored.

    Every place of every micrograph is equally likely, and so is each of the
    eight symmetries of a square, or four of an oblong. Runs under `jax.jit` with
    `count`, `size` and `turns` static.

    Parameters
    ----------
    key : key
        Source of the choice.
    resident : Resident
        From `keep_on_device`.
    count : int
        Number of crops.
    size : int or pair of int
        Their side, or rows and cols, in pixels.
    turns : {"all", "mirrors", "sideways", "none"}
        Which symmetries: "mirrors" leave rows rows and cols cols, for materials that have
        directions, as rolled ones; "sideways" exchanges left and right alone, for those whose up
        and down differ, as sections through layers; "none" is for those of which even a mirror
        image is another material.

    Returns
    -------
    crops : float32 array of shape (count, rows, cols, channels)
        Values in [0, 1].
    """
    return random_crops_and_sources(key, resident, count=count, size=size, turns=turns)[0]


def random_crops_and_sources(
    key: PRNGKeyArray, resident: Resident, *, count: int, size: Size, turns: Turns = "all"
) -> tuple[Images, Int[Array, " count"]]:
    """`random_crops`, and for each the number of the micrograph that it was cut from.

    Parameters
    ----------
    key, resident, count, size, turns
        As for `random_crops`.

    Returns
    -------
    crops : float32 array of shape (count, rows, cols, channels)
    sources : int array of shape (count,)
    """
    rows, cols = rows_and_cols(size)
    # A micrograph that the crop does not fit into has no place, and is never chosen.
    extent = jnp.array([(rows, cols)], resident.sizes.dtype)
    places = jnp.maximum(resident.sizes - extent + 1, 0)
    weights = jnp.log(places.prod(axis=1).astype(jnp.float32))

    def crop(key):
        which, where, turn = jax.random.split(key, 3)
        index = jax.random.categorical(which, weights)
        start = jax.random.randint(where, (2,), 0, places[index])
        channels = resident.images.shape[-1]
        zero = jnp.zeros((), start.dtype)
        image = jax.lax.dynamic_slice(
            resident.images,
            (index.astype(start.dtype), start[0], start[1], zero),
            (1, rows, cols, channels),
        )[0]
        return turned(image, drawn_symmetry(turn, turns, (rows, cols))), index

    crops, indices = jax.vmap(crop)(jax.random.split(key, count))
    return crops.astype(jnp.float32) / jnp.float32(255), indices


def symmetries_of(turns: Turns, size: tuple[int, int]) -> tuple[int, ...]:
    """Which of the symmetries that `turned` counts are meant, of crops of a size.

    Examples
    --------
    >>> symmetries_of("all", (16, 24)), symmetries_of("sideways", (16, 16))
    ((0, 1, 2, 3), (0, 2))
    """
    every = range(8 if size[0] == size[1] else 4)
    return {
        "all": tuple(every),
        "mirrors": tuple(every[:4]),
        "sideways": (0, 2),
        "none": (0,),
    }[turns]


def drawn_symmetry(key: PRNGKeyArray, turns: Turns, size: tuple[int, int]) -> Int[Array, ""]:
    """One of `symmetries_of`, each as likely."""
    symmetries = jnp.array(symmetries_of(turns, size))
    return symmetries[jax.random.randint(key, (), 0, len(symmetries))]


def turn_at_random(key: PRNGKeyArray, images: Images) -> Images:
    """Each image of a batch turned and mirrored at random, by one of the symmetries of its shape.

    Eight of a square, four of an oblong, each equally likely. Runs under `jax.jit`.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> images = jnp.arange(12.0).reshape(1, 3, 4, 1)
    >>> turn_at_random(jax.random.key(0), images).shape
    (1, 3, 4, 1)
    """
    symmetries = 8 if images.shape[1] == images.shape[2] else 4
    chosen = jax.random.randint(key, (len(images),), 0, symmetries)
    return jax.vmap(turned)(jnp.asarray(images), chosen)


def crop_at_random(
    key: PRNGKeyArray, images: Images, size: Size
) -> Float[Array, "batch _ _ channels"]:
    """Each image of a batch cut to a size, at a random place of its own. Runs under `jax.jit`.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> images = jnp.arange(24.0).reshape(2, 3, 4, 1)
    >>> crop_at_random(jax.random.key(0), images, (3, 2)).shape
    (2, 3, 2, 1)
    """
    extent = rows_and_cols(size)
    places = jnp.array(images.shape[1:3]) - jnp.array(extent) + 1
    each = (len(images), 2)
    starts = jax.random.randint(key, each, 0, jnp.broadcast_to(places, each))

    def crop(image: Array, start: Array) -> Array:
        whole = jnp.zeros((), start.dtype)
        return jax.lax.dynamic_slice(image, (start[0], start[1], whole), (*extent, image.shape[-1]))

    return jax.vmap(crop)(jnp.asarray(images), starts)


def turned(image: Array, symmetry: Int[Array, ""]) -> Array:
    """One of the symmetries of an image: 0 to 3 those of an oblong, then a square's others.

    As it is, half a turn, mirrored, both; and the same after a quarter turn. Pixels change place
    and nothing is interpolated.
    """
    symmetries = [
        lambda x: x,
        lambda x: jnp.rot90(x, 2),
        jnp.fliplr,
        jnp.flipud,
    ]
    if image.shape[0] == image.shape[1]:
        symmetries += [lambda x, of=of: of(jnp.rot90(x)) for of in symmetries[:4]]
    return jax.lax.switch(symmetry, symmetries, image)


def grid_crops(image: Image, size: Size) -> Float[np.ndarray, "crops height width channels"]:
    """Every square, or oblong, of a grid that starts at the top left; none overlaps another.

    What does not fill one at the bottom and right is left out.

    Examples
    --------
    >>> import numpy as np
    >>> grid_crops(np.zeros((9, 12, 1), np.float32), 4).shape
    (6, 4, 4, 1)
    """
    image = np.asarray(image)
    height, width = rows_and_cols(size)
    rows, cols, channels = image.shape[0] // height, image.shape[1] // width, image.shape[2]
    cut = image[: rows * height, : cols * width].reshape(rows, height, cols, width, channels)
    return cut.swapaxes(1, 2).reshape(rows * cols, height, width, channels)


def rows_and_cols(size: Size) -> tuple[int, int]:
    """A size as its rows and cols."""
    return (size, size) if isinstance(size, int) else size
