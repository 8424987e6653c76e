"""Micrographs of known classes as a training wants them: checked, split, cut to one size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from idml_jax import data
from idml_jax.errors import InputError
from idml_jax.workflows.classify_sets import read_known
from idml_jax.workflows.classify_train import Config
from idml_jax.workflows.duplicates import check_sides
from idml_jax.workflows.folding import of_specimens


class Squares(NamedTuple):
    """Images of one size, cut from micrographs."""

    images: Float[np.ndarray, "count rows cols channels"]
    labels: Int[np.ndarray, " count"]
    sources: Int[np.ndarray, " count"]
    """The number of the micrograph that each was cut from."""

    def of_sources(
        self, values: Float[np.ndarray, "count classes"]
    ) -> Float[np.ndarray, "sources classes"]:
        """The mean over the squares of each micrograph."""
        counts = np.bincount(self.sources)
        sums = np.stack([np.bincount(self.sources, column) for column in values.T], axis=1)
        return sums / counts[:, None]


class ClassifiedSplit(NamedTuple):
    """Micrographs of known classes, by what they are for."""

    train: list[data.Micrograph]
    train_labels: Int[np.ndarray, " count"]
    val: list[data.Micrograph]
    val_labels: Int[np.ndarray, " held_out"]
    classes: tuple[str, ...]
    size: tuple[int, int]

    def __str__(self) -> str:
        counts = np.bincount(self.train_labels, minlength=len(self.classes))
        each = ", ".join(
            f"{name} {count}" for name, count in zip(self.classes, counts, strict=True)
        )
        return (
            f"{len(self.train)} micrographs to train on ({each}), {len(self.val)} to judge by, in "
            f"squares of {self.size[0]} x {self.size[1]} pixels."
        )


def read_classified_split(config: Config) -> ClassifiedSplit:
    """The user's micrographs.

    Raises
    ------
    InputError
        If a file cannot be used, a class has too few, an image is on both sides, or squares are
        too few or too small.
    """
    options = {"pixel_size": config.pixel_size, "crop_bottom": config.crop_bottom}
    known = read_known(config.images, config.labels, **options)
    known = known._replace(micrographs=of_specimens(known.micrographs, config))
    if len(known.classes) < 2:
        raise InputError(
            f"{config.images}: one class ({', '.join(known.classes)}); there are two at least."
        )
    if config.val is not None:
        other = read_known(config.val, config.val_labels, classes=known.classes, **options)
        train, val = (known.micrographs, known.labels), (other.micrographs, other.labels)
    else:
        kept, _ = data.split_by_specimen(
            known.micrographs,
            held_out=config.held_out,
            seed=config.seed,
            classes=[(known.classes[label],) for label in known.labels],
        )
        names = {each.name for each in kept}
        inside = np.array([each.name in names for each in known.micrographs])
        train, val = (
            ([known.micrographs[k] for k in np.flatnonzero(side)], known.labels[side])
            for side in (inside, ~inside)
        )
    _check_channels([*train[0], *val[0]])
    check_sides(train[0], val[0])
    size = size_of(config.size, [*train[0], *val[0]])
    data.check_sizes([*train[0], *val[0]], size=size)
    squares = sum(len(data.grid_crops(each.image, size)) for each in train[0])
    if squares < config.batch:
        raise InputError(
            f"--batch (={config.batch}): more than the {squares} squares of {size[0]} x {size[1]} "
            "pixels to train on; choose a smaller batch, or a smaller --size."
        )
    if config.crop is not None and config.crop > min(size):
        raise InputError(
            f"--crop (={config.crop:g}): larger than the squares of {size[0]} x {size[1]} pixels "
            "that it is cut from; choose a smaller one, or a share."
        )
    return ClassifiedSplit(*train, *val, known.classes, size)


def squares_of(
    micrographs: Sequence[data.Micrograph],
    labels: Int[np.ndarray, " count"],
    size: tuple[int, int],
) -> Squares:
    """What micrographs are cut into."""
    data.check_sizes(micrographs, size=size)
    parts = [data.grid_crops(each.image, size) for each in micrographs]
    images = np.concatenate(parts)
    counts = [len(part) for part in parts]
    return Squares(
        images,
        np.repeat(labels, counts),
        np.repeat(np.arange(len(parts)), counts),
    )


def size_of(size: tuple[int, ...], micrographs: Sequence[data.Micrograph]) -> tuple[int, int]:
    """What the options say, or the largest square that fits into each micrograph."""
    if size:
        return size[0], size[-1]
    side = min(min(each.size) for each in micrographs)
    return side, side


def _check_channels(micrographs: Sequence[data.Micrograph]) -> None:
    counts = {each.image.shape[-1] for each in micrographs}
    if len(counts) > 1:
        raise InputError(
            f"the micrographs to train on and to judge by have {sorted(counts)} channels; save all "
            "of them in grey, or all in colour."
        )
