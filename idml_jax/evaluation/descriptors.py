"""What a microstructure image is described by, measured once an image and a batch at a time."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from idml_jax.properties import Property
from idml_jax.statistics import (
    chord_length_distribution,
    label_clusters,
    lineal_path,
    minkowski_functionals,
    radial_average,
    specific_surface,
    two_point_cluster,
    two_point_correlation,
    volume_fraction,
)
from idml_jax.statistics.rings import rings_of
from idml_jax.typing import Array

BATCH_PIXELS = 2**18
"""Pixels that are measured together: 64 images of 64 x 64."""


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """One thing that an image is described by: a number, or a curve.

    Parameters
    ----------
    name : str
        What it is, for tables: no two descriptors of a comparison have one name.
    measure : callable
        From the phase of one image, a boolean array (rows, cols), to a number, or to the
        values of a curve, (points,). NaN where the image has none, as a mean of no particles.
    at : callable, optional
        Of a curve: from the shape (rows, cols) to where its values are, (points,), in pixels.
    compiled : bool
        Whether JAX can trace `measure`, which is then compiled and batched; if not, it is
        called for one image after the other.
    solve : callable, optional
        From the phase to what `measure` is then given in its place, as in `Property`:
        descriptors with equal `solve` share it.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> solid = Descriptor("rows without the phase", lambda phase: jnp.mean(~phase.any(axis=1)))
    >>> describe(np.eye(4, dtype=bool)[None] & (np.arange(4) < 3), [solid])
    {'rows without the phase': array([0.25])}
    """

    name: str
    measure: Callable[[Any], Any]
    at: Callable[[tuple[int, int]], Float[np.ndarray, " points"]] | None = None
    compiled: bool = True
    solve: Callable[[Any], Any] | None = None

    @classmethod
    def of(cls, quantity: Property) -> "Descriptor":
        """A property as a descriptor; what is solved for is shared as by the property."""
        return cls(
            quantity.name, quantity.compute, compiled=quantity.compiled, solve=quantity.solve
        )


def describe(
    phases: Bool[Array, "count rows cols"], descriptors: Sequence[Descriptor]
) -> dict[str, Float[np.ndarray, "count *points"]]:
    """Every descriptor of every image.

    Parameters
    ----------
    phases : boolean array of shape (count, rows, cols)
        The phase of each image.
    descriptors : sequence of Descriptor

    Returns
    -------
    values : dict of arrays
        By name: (count,) for a number, (count, points) for a curve.

    Raises
    ------
    ValueError
        If two descriptors have one name.

    Notes
    -----
    The compiled ones together, in batches of one shape; the others in a plain loop with a
    progress bar, where it takes longer than two seconds.
    """
    names = [descriptor.name for descriptor in descriptors]
    if len(set(names)) < len(names):
        raise ValueError(f"the descriptors are named {names}; give each a name of its own.")
    phases = np.asarray(phases)
    count, pixels = len(phases), math.prod(phases.shape[1:])
    compiled = tuple(one for one in descriptors if one.compiled)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    # Powers of two, so that few shapes of batch, each a compilation, serve all numbers of images.
    size = max(1, min(BATCH_PIXELS // pixels, 1 << (count - 1).bit_length()))
    for start in tqdm(range(0, count if compiled else 0, size), desc="statistics", delay=2):
        batch = phases[start : start + size]
        missing = size - len(batch)
        batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), bool)])
        for one, values in zip(compiled, _measured(batch, compiled), strict=True):
            found[one.name].append(np.asarray(values)[: size - missing])
    for one in descriptors:
        if not one.compiled:
            each = tqdm(phases, desc=one.name, unit="img", delay=2)
            found[one.name] = [np.stack([np.asarray(_of_one(one, phase, {})) for phase in each])]
    return {name: np.concatenate(values).astype(float) for name, values in found.items()}


def _of_one(one: Descriptor, phase: Array, solved: dict[Callable, Any]) -> Any:
    """One descriptor of one image; `solved` keeps what others can use."""
    if one.solve is None:
        return one.measure(phase)
    if one.solve not in solved:
        solved[one.solve] = one.solve(phase)
    return one.measure(solved[one.solve])


@functools.partial(jax.jit, static_argnames="descriptors")
def _measured(
    phases: Bool[Array, "batch rows cols"], descriptors: tuple[Descriptor, ...]
) -> tuple[Array, ...]:
    """All descriptors of a batch."""

    def measure(phase: Array) -> tuple[Array, ...]:
        solved: dict[Callable, Any] = {}
        return tuple(jnp.asarray(_of_one(one, phase, solved)) for one in descriptors)

    return jax.vmap(measure)(phases)


# Nothing wraps around a border: images that tile and crops that do not are measured alike.


def _radial(shape: tuple[int, int]) -> Float[np.ndarray, " points"]:
    return rings_of(shape).distances


def _two_point(phase: Array) -> Array:
    return radial_average(two_point_correlation(phase, periodic=False))[1]


_radial_values = jax.jit(lambda field: radial_average(field)[1])


def _cluster(phase: Array) -> Array:
    return _radial_values(two_point_cluster(phase, periodic=False))


def _along(axis: int) -> tuple[Descriptor, Descriptor]:
    """Lineal path and chord lengths along one axis."""
    name = ("rows", "cols")[axis]

    def path(phase: Array) -> Array:
        return lineal_path(phase, axis=axis, longest=phase.shape[axis] // 2, periodic=False)

    def chords(phase: Array) -> Array:
        # Cut ones too: they are cut alike in images of one size, and long ones are not lost.
        found = chord_length_distribution(phase, axis=axis, periodic=False, cut="keep")
        return jnp.cumsum(found.probabilities)

    return (
        Descriptor(
            f"lineal path along {name}", path, lambda shape: np.arange(shape[axis] // 2 + 1.0)
        ),
        Descriptor(
            f"chord lengths along {name}", chords, lambda shape: np.arange(1.0, shape[axis] + 1)
        ),
    )


def _diameters(phase: Array) -> Float[np.ndarray, " particles"]:
    """Diameter of the disk as large as each connected part."""
    sizes = np.bincount(label_clusters(phase, periodic=False).ravel())[1:]
    return np.sqrt(4 * sizes / math.pi)


def _mean_diameter(phase: Array) -> float:
    diameters = _diameters(phase)
    return float(diameters.mean()) if diameters.size else math.nan


def _diameter_steps(shape: tuple[int, int]) -> Float[np.ndarray, " points"]:
    return np.arange(1.0, math.ceil(math.sqrt(4 * math.prod(shape) / math.pi)) + 1)


def _diameter_distribution(phase: Array) -> Float[np.ndarray, " points"]:
    """Share of the phase in particles up to each diameter: specks count as little as they are."""
    diameters = _diameters(phase)
    steps = _diameter_steps((phase.shape[0], phase.shape[1]))
    if not diameters.size:
        return np.full(len(steps), math.nan)
    area = diameters**2
    smaller = diameters[:, None] <= steps + 1e-9
    return area @ smaller / area.sum()


VOLUME_FRACTION = Descriptor("volume fraction", volume_fraction)
TWO_POINT = Descriptor("two-point correlation", _two_point, _radial)

STANDARD: tuple[Descriptor, ...] = (
    VOLUME_FRACTION,
    TWO_POINT,
    Descriptor("two-point cluster function", _cluster, _radial, compiled=False),
    *(one for pair in zip(_along(0), _along(1), strict=True) for one in pair),
    Descriptor("specific surface", lambda phase: specific_surface(phase, periodic=False)),
    Descriptor(
        "perimeter per area",
        lambda phase: minkowski_functionals(phase, periodic=False)[1] / phase.size,
    ),
    Descriptor(
        "Euler number per area",
        lambda phase: minkowski_functionals(phase, periodic=False)[-1] / phase.size,
    ),
    Descriptor("mean particle diameter", _mean_diameter, compiled=False),
    Descriptor("particle diameters", _diameter_distribution, _diameter_steps, compiled=False),
)
"""What `compare` looks at by default; lengths in pixels."""
