"""Every statistic of the phase in one image or volume, in pixels."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Num

from idml_jax import statistics
from idml_jax.properties import AXES
from idml_jax.statistics.integral_range import TOO_SMALL
from idml_jax.typing import Array
from idml_jax.workflows.characterize_quantities import GREY_LEVEL, curve_kinds, quantities

RELATIVE_ERROR = 0.05
"""Of the volume fraction: what the representative size is for."""


class Curve(NamedTuple):
    """A statistic as a function of a length or a wave number, in pixels."""

    at: Float[np.ndarray, " points"]
    values: Float[np.ndarray, " points"]


class Measured(NamedTuple):
    """Everything that was measured in one image, in pixels."""

    numbers: Mapping[str, float | None]
    curves: Mapping[str, Curve]
    particles: Mapping[str, Num[np.ndarray, " particles"]]
    """A column for each property of the particles."""
    missing: Mapping[str, str]
    """Why a number does not exist."""


def measure(
    phase: Bool[np.ndarray, "*space"],
    *,
    grey: Float[np.ndarray, "rows cols"] | None,
    periodic: bool,
) -> Measured:
    """Numbers, curves and particles of one image or volume; what there is not is None, with why."""
    numbers, curves = _of_any_phase(phase, periodic)
    if phase.any() and not phase.all():
        sizes = _of_interface(phase, periodic)
        numbers |= sizes[0]
        curves |= sizes[1]
    particles = statistics.particle_table(phase)
    numbers |= _of_particles(phase, particles, periodic)
    if grey is not None:
        numbers |= _texture(grey)
    known = quantities(phase.ndim)
    values = {name: float(numbers.get(name, math.nan)) for name in known}
    missing = {
        name: f"it needs {known[name].needs}"
        for name, value in values.items()
        if not math.isfinite(value)
    }
    found = {name: None if name in missing else value for name, value in values.items()}
    ordered = {name: curves[name] for name in curve_kinds(phase.ndim) if name in curves}
    return Measured(found, ordered, particles, missing)


def _of_any_phase(
    phase: Bool[np.ndarray, "*space"], periodic: bool
) -> tuple[dict[str, float], dict[str, Curve]]:
    """What also a phase has that is nowhere or everywhere."""
    interval = statistics.volume_fraction_interval(phase, periodic=periodic)
    functionals = statistics.minkowski_functionals(phase, periodic=periodic)
    numbers = {
        "volume_fraction": float(statistics.volume_fraction(phase)),
        "volume_fraction_low": float(interval.low),
        "volume_fraction_high": float(interval.high),
        "integral_range": float(statistics.integral_range(phase, periodic=periodic)),
        "correlation_length": float(statistics.correlation_length(phase, periodic=periodic)),
        "specific_surface": float(statistics.specific_surface(phase, periodic=periodic)),
        "specific_surface_crofton": float(
            statistics.specific_surface(phase, method="crofton", periodic=periodic)
        ),
    }
    names = ("perimeter_per_area", "euler_number_per_area")
    if phase.ndim == 3:
        names = ("surface_per_volume", "mean_breadth_per_volume", "euler_number_per_volume")
    for name, value in zip(names, functionals[1:], strict=True):
        numbers[name] = float(value) / phase.size
    if shows_its_range(interval):
        size = statistics.representative_size(
            phase, error=RELATIVE_ERROR, relative=True, periodic=periodic
        )
        numbers["representative_side"] = float(size.side)

    s2 = statistics.two_point_correlation(phase, periodic=periodic)
    c2 = statistics.two_point_cluster(phase, periodic=periodic)
    curves = {
        "two_point_radial": _curve(*statistics.radial_average(s2)),
        "two_point_diagonal": _curve(*statistics.directional_profile(s2, (1,) * phase.ndim)),
        "cluster_radial": _curve(*statistics.radial_average(jnp.asarray(c2))),
        "spectral_density": _curve(
            *statistics.radial_average(
                statistics.spectral_density(phase, periodic=periodic),
                pixel_size=[2 * math.pi / n for n in phase.shape],
            )
        ),
    }
    for axis, name in enumerate(AXES[-phase.ndim :]):
        direction = tuple(int(along == axis) for along in range(phase.ndim))
        curves[f"two_point_{name}"] = _curve(*statistics.directional_profile(s2, direction))
        path = statistics.lineal_path(
            phase, axis=axis, longest=phase.shape[axis] // 2, periodic=periodic
        )
        curves[f"lineal_path_{name}"] = _curve(np.arange(len(path)), path)
        chords = statistics.chord_length_distribution(phase, axis=axis, periodic=periodic)
        numbers[f"mean_chord_{name}"] = float(chords.mean)
        if math.isfinite(float(chords.mean)):
            longest = int(np.flatnonzero(np.asarray(chords.probabilities))[-1]) + 1
            curves[f"chord_lengths_{name}"] = _curve(
                chords.lengths[:longest], chords.probabilities[:longest]
            )
        numbers[f"percolates_{name}"] = float(
            statistics.percolates(phase, axis=axis, periodic=periodic)
        )
    return numbers, curves


def shows_its_range(interval: statistics.ConfidenceInterval) -> bool:
    """Whether images are large enough, and not uniform, so that a representative size exists."""
    known = float(interval.degrees_of_freedom) > TOO_SMALL
    return known and float(interval.standard_error) > 0


def _of_interface(
    phase: Bool[np.ndarray, "*space"], periodic: bool
) -> tuple[dict[str, float], dict[str, Curve]]:
    """What needs a phase that is somewhere, but not everywhere."""
    pores = statistics.pore_size_function(phase, periodic=periodic)
    thickness = statistics.thickness_distribution(phase, periodic=periodic)
    # The gradient of the membership does not depend on the light and contrast of the micrograph.
    tensors = statistics.structure_tensor(phase.astype(np.float32), width=4.0, periodic=periodic)
    direction, coherency = statistics.mean_orientation(tensors)
    numbers = {
        "mean_pore_size": pores.mean,
        "mean_local_thickness": thickness.mean,
        "anisotropy": float(coherency),
    }
    if phase.ndim == 2:
        numbers["mean_orientation_degrees"] = math.degrees(float(direction))
    curves = {
        name: _curve((sizes.edges[1:] + sizes.edges[:-1]) / 2, sizes.density)
        for name, sizes in (("pore_size", pores), ("thickness", thickness))
    }
    return numbers, curves


def _of_particles(
    phase: Bool[np.ndarray, "*space"],
    particles: Mapping[str, Num[np.ndarray, " particles"]],
    periodic: bool,
) -> dict[str, float]:
    count = len(particles["label"])
    if count == 0:
        return {"particles": 0.0}
    return {
        "particles": float(count),
        "largest_cluster_share": statistics.largest_cluster_share(phase, periodic=periodic),
        "mean_equivalent_diameter": float(particles["equivalent_diameter"].mean()),
        "mean_aspect_ratio": float(particles["aspect_ratio"].mean()),
    }


def _texture(grey: Float[np.ndarray, "rows cols"]) -> dict[str, float]:
    """Means over the four directions to a pixel's neighbours."""
    found = statistics.grey_level_cooccurrence(grey, properties=GREY_LEVEL)
    return {f"grey_level_{name}": float(found[name].mean()) for name in GREY_LEVEL}


def _curve(at: Array, values: Array) -> Curve:
    return Curve(np.asarray(at, float), np.asarray(values, float))
