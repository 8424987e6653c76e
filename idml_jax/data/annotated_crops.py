"""Crops of annotated micrographs, with their masks, drawn on the device."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Int16, PRNGKeyArray

from idml_jax.data.annotated import Annotated
from idml_jax.data.crops import (
    Size,
    Turns,
    channels_of,
    drawn_symmetry,
    in_bytes,
    rows_and_cols,
    turned,
)
from idml_jax.typing import Array, Bytes, Images, Labels

PLACES = 2**14
"""Pixels of a class that are kept as places to crop around."""


class AnnotatedResident(NamedTuple):
    """Annotated micrographs that stay on the device.

    Micrographs of different sizes, and those smaller than a crop, lie in the corner of a common
    frame; what they do not fill has the label -1.
    """

    images: Bytes
    labels: Int16[Array, "count rows cols"]
    sizes: Int[Array, "count 2"]
    places: Int[Array, "classes places 3"]
    """Pixels of each class: the number of the micrograph, row and col."""
    has_places: Float[Array, " classes"]
    """1 where a class has a pixel, else 0."""


def keep_annotated_on_device(
    annotated: Sequence[Annotated], classes: int, *, size: Size, seed: int = 0
) -> AnnotatedResident:
    """Annotated micrographs as arrays on the device, to crop images of `size` pixels from.

    Parameters
    ----------
    annotated : sequence of Annotated
    classes : int
    size : int or pair of int
        Of the crops; a micrograph may be smaller.
    seed : int
        Which pixels of each class are kept as places.

    Raises
    ------
    InputError
        If a micrograph has values outside of [0, 1], or the numbers of channels differ.
    """
    micrographs = [each.micrograph for each in annotated]
    channels = channels_of(micrographs)
    sizes = np.array([each.size for each in micrographs], np.int32)
    frame = tuple(np.maximum(sizes.max(axis=0), rows_and_cols(size)).tolist())
    images = np.zeros((len(annotated), *frame, channels), np.uint8)
    labels = np.full((len(annotated), *frame), -1, np.int16)
    for number, each in enumerate(annotated):
        rows, cols = each.micrograph.size
        images[number, :rows, :cols] = in_bytes(each.micrograph.image, each.micrograph)
        labels[number, :rows, :cols] = each.labels
    places, has_places = _places(labels, classes, np.random.default_rng(seed))
    return AnnotatedResident(*map(jnp.asarray, (images, labels, sizes, places, has_places)))


def random_annotated_crops(
    key: PRNGKeyArray,
    resident: AnnotatedResident,
    *,
    count: int,
    size: Size,
    turns: Turns = "all",
    around_classes: float = 0.0,
) -> tuple[Images, Labels]:
    """Crops at random places, randomly turned and mirrored, each with its mask.

    Runs under `jax.jit`, with all but the key and the micrographs static.

    Parameters
    ----------
    key : key
    resident : AnnotatedResident
    count : int
        Number of crops.
    size : int or pair of int
        Their side, or rows and cols, in pixels.
    turns : {"all", "mirrors", "sideways", "none"}
        As for `random_crops`.
    around_classes : float
        Share of the crops that lie around a pixel of a class that is drawn first, each class as
        often: what is rare is seen by it. The pixel may be anywhere in the crop. All others are at
        any place of any micrograph, each as likely.

    Returns
    -------
    images : float32 array of shape (count, rows, cols, channels)
        Values in [0, 1].
    labels : int32 array of shape (count, rows, cols)
    """
    rows, cols = rows_and_cols(size)
    extent = jnp.array((rows, cols), resident.sizes.dtype)
    # Where a micrograph is smaller than the crop it has one place.
    starts = jnp.maximum(resident.sizes - extent[None] + 1, 1)
    weights = jnp.log(starts.prod(axis=1).astype(jnp.float32))
    around = max(0, round(around_classes * count))

    def anywhere(key: PRNGKeyArray) -> tuple[Array, Array]:
        which, where = jax.random.split(key)
        number = jax.random.categorical(which, weights).astype(starts.dtype)
        return number, jax.random.randint(where, (2,), 0, starts[number], starts.dtype)

    def around_a_class(key: PRNGKeyArray) -> tuple[Array, Array]:
        which, pixel, where = jax.random.split(key, 3)
        one = jax.random.categorical(which, jnp.log(resident.has_places))
        row = jax.random.randint(pixel, (), 0, resident.places.shape[1])
        number, *at = resident.places[one, row]
        inside = jax.random.randint(where, (2,), 0, extent, starts.dtype)
        return number, jnp.clip(jnp.stack(at) - inside, 0, starts[number] - 1)

    def crop(key: PRNGKeyArray, number: Array, start: Array) -> tuple[Array, Array]:
        image = jax.lax.dynamic_slice(
            resident.images[number],
            (*start, jnp.zeros((), start.dtype)),
            (rows, cols, resident.images.shape[-1]),
        )
        labels = jax.lax.dynamic_slice(resident.labels[number], tuple(start), (rows, cols))
        symmetry = drawn_symmetry(key, turns, (rows, cols))
        # Both at once, so that they stay together: a label is a channel more.
        both = jnp.concatenate([image.astype(jnp.int16), labels[..., None]], axis=-1)
        both = turned(both, symmetry)
        return both[..., :-1], both[..., -1]

    place_key, turn_key = jax.random.split(key)
    keys = jax.random.split(place_key, count)
    parts = [jax.vmap(around_a_class)(keys[:around])] if around else []
    parts += [jax.vmap(anywhere)(keys[around:])] if around < count else []
    numbers, at = (jnp.concatenate(part) for part in zip(*parts, strict=True))
    images, labels = jax.vmap(crop)(jax.random.split(turn_key, count), numbers, at)
    return images.astype(jnp.float32) / jnp.float32(255), labels.astype(jnp.int32)


def _places(
    labels: Int[np.ndarray, "count rows cols"], classes: int, random: np.random.Generator
) -> tuple[Int[np.ndarray, "classes places 3"], Float[np.ndarray, " classes"]]:
    """Pixels of each class, drawn at random, with repetitions where there are fewer."""
    places = np.zeros((classes, PLACES, 3), np.int32)
    has_places = np.zeros(classes, np.float32)
    for one in range(classes):
        found = np.flatnonzero(labels == one)
        if found.size:
            chosen = random.choice(found, PLACES)
            places[one] = np.stack(np.unravel_index(chosen, labels.shape), axis=1)
            has_places[one] = 1
    return places, has_places
