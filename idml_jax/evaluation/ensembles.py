"""An ensemble of images, by specimen: its phases, and the statistics of them all."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Bool, Float

from idml_jax.data import Micrograph, check_sizes, grid_crops
from idml_jax.evaluation.bootstrap import Interval, bootstrap_mean
from idml_jax.evaluation.descriptors import TWO_POINT, VOLUME_FRACTION, Descriptor, describe
from idml_jax.statistics import bright_phase
from idml_jax.typing import Array

THRESHOLD = 0.5
"""Grey value above which a pixel belongs to the bright phase."""

PhaseOf: TypeAlias = Callable[[Any], Array] | int
"""From one image to its boolean phase; or the label of the phase, where images are labels."""

Groups: TypeAlias = Sequence[Float[np.ndarray, "_ *points"]]
"""Values of one descriptor, an array for each specimen."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of one ensemble, each with its bootstrap interval.

    Parameters
    ----------
    images : int
        Number of images.
    specimens : int
        Number of groups that they come in.
    intervals : mapping of str to Interval
        The mean of each descriptor over the images that have it; NaN where none has.
    at : mapping of str to array
        Where the values of each curve are, in pixels.
    """

    images: int
    specimens: int
    intervals: Mapping[str, Interval]
    at: Mapping[str, Float[np.ndarray, " points"]]

    @property
    def fraction(self) -> Interval:
        """Volume fraction of the phase."""
        return self.intervals[VOLUME_FRACTION.name]

    @property
    def correlation(self) -> Interval:
        """Radially averaged two-point correlation at `distances`."""
        return self.intervals[TWO_POINT.name]

    @property
    def distances(self) -> Float[np.ndarray, " points"]:
        """Pixels."""
        return self.at[TWO_POINT.name]

    def distance_to(self, other: "Statistics") -> float:
        """Root mean square difference of the mean two-point correlations."""
        return float(np.sqrt(np.mean((self.correlation.mean - other.correlation.mean) ** 2)))


def ensemble_statistics(
    groups: Sequence[Array],
    *,
    threshold: float | None = None,
    phase: PhaseOf | None = None,
    descriptors: Sequence[Descriptor] = (VOLUME_FRACTION, TWO_POINT),
    seed: int = 0,
) -> Statistics:
    """Statistics of images that come in groups, one a specimen.

    Parameters
    ----------
    groups : sequence of arrays of shape (count, rows, cols, 1)
        Images of one size, on a grey scale of [0, 1].
    threshold : float, optional
        Grey value above which a pixel belongs to the bright phase, by default 0.5.
    phase : callable or int, optional
        In its place, as in `compare`.
    descriptors : sequence of Descriptor
        What to measure.
    seed : int
        Of the bootstrap.

    Returns
    -------
    statistics : Statistics
    """
    phases = [phases_of(group, phase, threshold) for group in groups]
    return summarize(measure_groups([phases], descriptors)[0], phases, descriptors, seed=seed)


def summarize(
    values: Mapping[str, Groups],
    phases: Sequence[Bool[np.ndarray, "_ rows cols"]],
    descriptors: Sequence[Descriptor],
    *,
    seed: int,
) -> Statistics:
    """Means and intervals of what was measured in each group of phases."""
    intervals = {}
    for name, groups in values.items():
        known = finite(groups)
        shape = groups[0].shape[1:]
        none = Interval(*(np.full(shape, np.nan) for _ in range(3)))
        intervals[name] = bootstrap_mean(known, seed=seed) if known else none
    rows, cols = phases[0].shape[1:]
    return Statistics(
        images=sum(len(group) for group in phases),
        specimens=len(phases),
        intervals=intervals,
        at={one.name: one.at((rows, cols)) for one in descriptors if one.at is not None},
    )


def measure_groups(
    ensembles: Sequence[Sequence[Bool[np.ndarray, "_ rows cols"]]],
    descriptors: Sequence[Descriptor],
) -> list[dict[str, Groups]]:
    """Every descriptor of each group of each ensemble, all images in one pass."""
    groups = [group for ensemble in ensembles for group in ensemble]
    shapes = sorted({group.shape[1:] for group in groups})
    if len(shapes) != 1 or not all(map(len, groups)):
        raise ValueError(
            f"the groups have {[len(group) for group in groups]} images of the sizes {shapes}; "
            "give one size, and no empty group."
        )
    values = describe(np.concatenate(groups), descriptors)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    split = {name: np.split(array, ends) for name, array in values.items()}
    found, start = [], 0
    for ensemble in ensembles:
        stop = start + len(ensemble)
        found.append({name: arrays[start:stop] for name, arrays in split.items()})
        start = stop
    return found


def finite(groups: Groups) -> list[np.ndarray]:
    """The groups without the images that do not have the descriptor, and without empty groups."""
    kept = [group[np.isfinite(group.reshape(len(group), -1)).all(axis=1)] for group in groups]
    return [group for group in kept if len(group)]


def crops_by_specimen(
    ensemble: Sequence[Micrograph] | Sequence[Array], size: tuple[int, int]
) -> list[np.ndarray]:
    """Images of each specimen: micrographs are cut into crops that do not overlap.

    Those of one specimen resemble each other, also across micrographs.

    Raises
    ------
    ValueError
        If it is one array, empty, or of micrographs and arrays together.
    InputError
        If a micrograph is smaller than the crops.
    """
    if is_array(ensemble) or not ensemble:
        raise ValueError(
            f"real images as one {type(ensemble).__name__}, or none; give a sequence of "
            "micrographs, or of arrays, one a specimen."
        )
    micrographs = [one for one in ensemble if isinstance(one, Micrograph)]
    if 0 < len(micrographs) < len(ensemble):
        raise ValueError("real images as micrographs and arrays together; give one kind.")
    if not micrographs:
        return [np.asarray(group) for group in ensemble]
    check_sizes(micrographs, size=size)
    crops: dict[str, list[np.ndarray]] = {}
    for micrograph in micrographs:
        crops.setdefault(micrograph.specimen, []).append(grid_crops(micrograph.image, size))
    return [np.concatenate(group) for group in crops.values()]


def phases_of(
    images: Array, phase: PhaseOf | None, threshold: float | None
) -> Bool[np.ndarray, "count rows cols"]:
    """The phase of each image.

    Raises
    ------
    ValueError
        If a threshold is given beside another way to find the phase, or pixels are not
        annotated, or the phase does not have the shape of the image.
    TypeError
        If the phase is not boolean, or a label is looked for in what are no labels.
    """
    if phase is not None and threshold is not None:
        raise ValueError(f"`threshold` (={threshold}) and `phase` (={phase}): give one of them.")
    if isinstance(phase, int):
        labels = np.asarray(images)
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(
                f"`phase` (={phase}) is a label and the images are {labels.dtype}: give integers."
            )
        if labels.min() < 0:
            raise ValueError(
                "the labels hold -1, not annotated; give images that are wholly known."
            )
        found = labels == phase
    elif phase is None:
        grey = THRESHOLD if threshold is None else threshold
        found = np.asarray(bright_phase(images, threshold=grey))
    else:
        found = np.stack([np.asarray(phase(image)) for image in images])
    if found.dtype != bool:
        raise TypeError(f"`phase` returned {found.dtype}; these statistics need booleans.")
    if found.shape != np.shape(images)[:3]:
        raise ValueError(
            f"a phase of the shape {found.shape[1:]} for an image of {np.shape(images)[1:]}; "
            "give (rows, cols)."
        )
    return found


def is_array(value: Any) -> bool:
    """Whether it is one array, and not a sequence of them."""
    return isinstance(value, np.ndarray | jax.Array)
