"""The images that `idml characterize` is given: read, checked, each with its phase."""

import hashlib
import math
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from skimage import filters
from tqdm import tqdm

from idml_jax import data, report, statistics
from idml_jax.data.headers import read_header
from idml_jax.data.reading import MAX_PIXELS, check_names, images_in
from idml_jax.errors import InputError
from idml_jax.properties import AXES, Axis
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_statistics import (
    RELATIVE_ERROR,
    Measured,
    measure,
    shows_its_range,
)

SMALLEST = 8
"""Pixels along each side of the smallest image that has statistics."""


class Sample(NamedTuple):
    """One image and the phase in it."""

    path: pathlib.Path
    shown: Float[np.ndarray, "*space"]
    """Grey values, or labels spread from black to white."""
    phase: Bool[np.ndarray, "*space"]
    pixel_size: tuple[float, ...] | None
    """Metres along each axis."""
    threshold: float | None
    """None for label images."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Names of the axes."""
        return AXES[-self.phase.ndim :]

    @property
    def scale(self) -> float | None:
        """Micrometres a pixel, where they are known and the pixels are square."""
        if self.pixel_size is None:
            return None
        last = self.pixel_size[-1]
        square = all(math.isclose(side, last, rel_tol=1e-3) for side in self.pixel_size)
        return last * 1e6 if square else None


def read_all(config: Config) -> list[Sample]:
    """Every image, checked: what is wrong with a file is found before anything is computed."""
    paths = [
        path for given in config.files for path in (images_in(given) if given.is_dir() else [given])
    ]
    check_names(paths)
    samples = [
        _read_grey(path, config) if config.label is None else _read_labels(path, config)
        for path in paths
    ]
    first = samples[0]
    for sample in samples:
        if sample.phase.ndim != first.phase.ndim:
            raise InputError(
                f"{sample.path}: of {sample.phase.ndim} dimensions, and {first.path} of "
                f"{first.phase.ndim}; images and volumes have other numbers: characterize them "
                "apart."
            )
    return samples


def claim_folder(config: Config, samples: Sequence[Sample], *, write: bool) -> None:
    """Check that the folder is empty or holds results of these options and images; mark it."""
    out, options = config.out, config.out / "config.json"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; --out names a folder.")
    if not options.exists() and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: holds files of something else; choose another --out.")
    if write or options.exists():
        report.claim(options, config.plain())
    if write or (out / "images.json").exists():
        digests = {
            sample.path.name: hashlib.sha256(
                sample.shown.tobytes() + sample.phase.tobytes() + repr(sample.pixel_size).encode()
            ).hexdigest()[:16]
            for sample in samples
        }
        report.claim(out / "images.json", digests)


def measure_all(samples: Sequence[Sample], *, periodic: bool) -> list[Measured]:
    """The statistics of all images, one after the other."""
    progress = tqdm(samples, desc="statistics", unit="image", delay=2)
    return [
        measure(
            sample.phase,
            grey=None if sample.threshold is None else sample.shown,
            periodic=periodic,
        )
        for sample in progress
    ]


def common_scales(samples: Sequence[Sample]) -> list[float | None]:
    """Scale of each image where all are put together: all in micrometres, or all in pixels."""
    scales = [sample.scale for sample in samples]
    return [None] * len(scales) if None in scales else scales


def representative_size(samples: Sequence[Sample], *, periodic: bool) -> dict[str, Any]:
    """Side of one image, and number of images of this size, for the error that is wanted.

    From the integral range of a single image, or from the differences between several.
    """
    scales = [sample.scale for sample in samples]
    known = [scale for scale in scales if scale is not None]
    if known and (len(known) < len(scales) or not np.allclose(known, known[0], rtol=1e-3)):
        return {"side": None, "images": None, "why": "the images differ in the size of a pixel"}
    phases = [sample.phase for sample in samples]
    given = phases if len(phases) > 1 else phases[0]
    interval = statistics.volume_fraction_interval(given, periodic=periodic)
    if not shows_its_range(interval):
        why = "the volume fraction does not vary" if len(phases) > 1 else "uniform, or too small"
        return {"side": None, "images": None, "why": why}
    size = statistics.representative_size(
        given, error=RELATIVE_ERROR, relative=True, periodic=periodic
    )
    side = size.side * known[0] if known else float(size.side)
    return {"side": side, "images": size.images, "why": None}


def _read_grey(path: pathlib.Path, config: Config) -> Sample:
    micrograph = data.read_micrograph(
        path, pixel_size=config.pixel_size, crop_bottom=config.crop_bottom
    ).grey()
    grey = micrograph.image[..., 0]
    _check_size(path, grey.shape)
    threshold = config.threshold
    if threshold is None:
        threshold = float(filters.threshold_otsu(grey))
    bright = grey > threshold
    phase = bright if config.phase == "bright" else ~bright
    return Sample(path, grey, phase, micrograph.pixel_size, threshold)


def _read_labels(path: pathlib.Path, config: Config) -> Sample:
    labels = data.read_labels(path)
    sides = _voxel_size(path, labels.ndim)
    if config.pixel_size is not None:
        sides = (config.pixel_size,) * labels.ndim
    if config.crop_bottom and labels.ndim == 3:
        raise InputError(f"{path}: a volume has no information bar; leave out --crop-bottom.")
    if config.crop_bottom:
        labels = labels[: max(0, len(labels) - config.crop_bottom)]
    _check_size(path, labels.shape)
    phase = labels == config.label
    low, high = int(labels.min()), int(labels.max())
    shown = (labels - low).astype(np.float32) / np.float32(max(high - low, 1))
    return Sample(path, shown, phase, sides, None)


def _voxel_size(path: pathlib.Path, dimensions: int) -> tuple[float, ...] | None:
    """Of an image what the file says; of a stack nothing, for it is silent on the planes."""
    if dimensions == 3:
        return None
    return read_header(path, max_pixels=MAX_PIXELS).pixel_size


def _check_size(path: pathlib.Path, shape: tuple[int, ...]) -> None:
    if min(shape) < SMALLEST:
        raise InputError(
            f"{path}: {' x '.join(map(str, shape))} pixels are left; the statistics need "
            f"{SMALLEST} along each side: give a larger image, or crop less."
        )
