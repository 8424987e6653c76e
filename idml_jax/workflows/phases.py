"""The phases of images, bright or labelled: how much there is, how they are shown and compared."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from idml_jax import evaluation
from idml_jax.data.contrast import THRESHOLD
from idml_jax.typing import Array, Images
from idml_jax.workflows.material import Material

Finder: TypeAlias = Callable[[Any], Bool[np.ndarray, "rows cols"]] | None
"""From an image to one of its phases; None for the bright one of a grey image."""

FRACTION = "volume fraction"
"""What is measured in each crop: of the bright phase, or of the phases but the first."""


def fractions(images: Images, labels: Sequence[int]) -> Float[Array, "batch phases"]:
    """Share of the bright phase in grey images; where there are labels, of each but the first.

    Examples
    --------
    >>> fractions(np.float32([[[[0.1], [0.9]]]]), ()).tolist()
    [[0.5]]
    >>> fractions(np.float32([[[[0.1, 0.9], [0.2, 0.8]]]]), (0, 255)).tolist()
    [[1.0]]
    """
    if not labels:
        found = jnp.asarray(images) > THRESHOLD
    else:
        phases = jnp.arange(1, len(labels)).reshape(1, 1, 1, -1)
        found = jnp.argmax(jnp.asarray(images), axis=-1, keepdims=True) == phases
    return found.astype(jnp.float32).mean(axis=(1, 2))


def fraction_names(labels: Sequence[int]) -> list[str]:
    """What the columns of `fractions` are called.

    Examples
    --------
    >>> fraction_names((0, 128)), fraction_names((0, 128, 255))
    (['volume fraction'], ['volume fraction of 128', 'volume fraction of 255'])
    """
    return [FRACTION] if len(labels) < 3 else [f"{FRACTION} of {label}" for label in labels[1:]]


def greys(
    images: Float[np.ndarray, "count rows cols channels"], labels: Sequence[int]
) -> Float[np.ndarray, "count rows cols"]:
    """Images as they are shown: phases as grey values, evenly from black to white.

    Examples
    --------
    >>> greys(np.float32([[[[0, 0, 1]], [[1, 0, 0]], [[0, 1, 0]]]]), (0, 5, 9)).tolist()
    [[[1.0], [0.0], [0.5]]]
    """
    if not labels:
        return images[..., 0]
    return images @ np.linspace(0, 1, images.shape[-1], dtype=images.dtype)


def finders(labels: Sequence[int]) -> dict[str, Finder]:
    """The phases that are looked at, by name; of two only the second, as the other one is the rest.

    Examples
    --------
    >>> list(finders(())), list(finders((0, 255))), list(finders((0, 128, 255)))
    (['bright phase'], ['phase 255'], ['phase 0', 'phase 128', 'phase 255'])
    """
    if not labels:
        return {"bright phase": None}

    def finder(number: int) -> Finder:
        return lambda image: np.asarray(image).argmax(axis=-1) == number

    first = 1 if len(labels) == 2 else 0
    return {f"phase {labels[n]}": finder(n) for n in range(first, len(labels))}


def compare_phases(
    images: Float[np.ndarray, "count rows cols channels"], material: Material, *, seed: int
) -> dict[str, evaluation.Comparison]:
    """The comparison of generated images with the micrographs, for each phase that is looked at."""
    return {
        name: evaluation.compare(images, material.held_out, material.train, phase=phase, seed=seed)
        for name, phase in finders(material.labels).items()
    }
