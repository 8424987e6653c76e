"""Every statistic of the phase in one image, in pixels, and what each of them is called."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Num

from idml_jax import statistics
from idml_jax.statistics.integral_range import TOO_SMALL
from idml_jax.typing import Array

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


class Quantity(NamedTuple):
    """What a number is called, and what it is measured in."""

    title: str
    power: int
    """Of the unit of length."""
    needs: str = ""
    """What an image must have for the number to exist."""
    whole: bool = False
    """Whether it is a whole number."""


_MIXED = "an interface: the phase is nowhere, or everywhere"
_RANGE = "a phase that varies, and to be at least about four integral ranges wide"
_PARTICLE = "a pixel of the phase"
_GREY = "grey values, and these are labels"
QUANTITIES = {
    "volume_fraction": Quantity("volume fraction", 0),
    "volume_fraction_low": Quantity("volume fraction, 95 % interval, from", 0, _RANGE),
    "volume_fraction_high": Quantity("volume fraction, 95 % interval, to", 0, _RANGE),
    "integral_range": Quantity("integral range", 2, _RANGE),
    "representative_side": Quantity("side for 5 % of error in the volume fraction", 1, _RANGE),
    "correlation_length": Quantity("correlation length", 1, _MIXED),
    "specific_surface": Quantity("specific surface, by faces", -1),
    "specific_surface_crofton": Quantity("specific surface, by Crofton's formula", -1),
    "perimeter_per_area": Quantity("perimeter per area", -1),
    "euler_number_per_area": Quantity("Euler number per area", -2),
    "mean_chord_rows": Quantity("mean chord along rows", 1, "a chord that no border cuts"),
    "mean_chord_cols": Quantity("mean chord along cols", 1, "a chord that no border cuts"),
    "mean_pore_size": Quantity("mean pore size", 1, _MIXED),
    "mean_local_thickness": Quantity("mean local thickness", 1, _MIXED),
    "largest_cluster_share": Quantity("share of the largest cluster", 0, _PARTICLE),
    "percolates_rows": Quantity("percolates along rows (1 = yes)", 0, whole=True),
    "percolates_cols": Quantity("percolates along cols (1 = yes)", 0, whole=True),
    "particles": Quantity("particles", 0, whole=True),
    "mean_equivalent_diameter": Quantity("mean equivalent diameter", 1, _PARTICLE),
    "mean_aspect_ratio": Quantity("mean aspect ratio", 0, _PARTICLE),
    "mean_orientation_degrees": Quantity("mean orientation, degrees", 0, _MIXED),
    "anisotropy": Quantity("anisotropy", 0, _MIXED),
    "grey_level_contrast": Quantity("grey-level contrast", 0, _GREY),
    "grey_level_correlation": Quantity("grey-level correlation", 0, _GREY),
    "grey_level_energy": Quantity("grey-level energy", 0, _GREY),
    "grey_level_homogeneity": Quantity("grey-level homogeneity", 0, _GREY),
}
"""Every number, in the order of the tables."""


class Kind(NamedTuple):
    """What a curve is called, what it is measured in, and where it ends."""

    title: str
    direction: str
    across: str
    across_power: int
    power: int
    ends: bool
    """Whether it is 0 beyond its last point, as a distribution is."""


_S2, _L, _C2 = "two-point correlation $S_2$", "lineal path $L$", "two-point cluster function $C_2$"
_CHORDS = "chord-length distribution"
CURVES = {
    "two_point_radial": Kind(f"{_S2}, radial", "all directions", "distance", 1, 0, False),
    "two_point_rows": Kind(_S2, "along rows", "distance", 1, 0, False),
    "two_point_cols": Kind(_S2, "along cols", "distance", 1, 0, False),
    "two_point_diagonal": Kind(_S2, "along the diagonal", "distance", 1, 0, False),
    "lineal_path_rows": Kind(_L, "along rows", "length", 1, 0, False),
    "lineal_path_cols": Kind(_L, "along cols", "length", 1, 0, False),
    "cluster_radial": Kind(f"{_C2}, radial", "all directions", "distance", 1, 0, False),
    "chord_lengths_rows": Kind(_CHORDS, "along rows", "length", 1, -1, True),
    "chord_lengths_cols": Kind(_CHORDS, "along cols", "length", 1, -1, True),
    "pore_size": Kind("pore-size function $P$", "", "distance to the interface", 1, -1, True),
    "thickness": Kind("local thickness", "", "thickness", 1, -1, True),
    "spectral_density": Kind("spectral density, radial", "", "wave number", -1, 2, False),
}
"""Every curve, in the order of the report; curves of one title share a figure."""


def factor(power: int, scale: float | None) -> float:
    """What takes a number in pixels to micrometres, or leaves it where their scale is unknown."""
    return 1.0 if scale is None else scale**power


def measure(
    phase: Bool[np.ndarray, "rows cols"],
    *,
    grey: Float[np.ndarray, "rows cols"] | None,
    periodic: bool,
) -> Measured:
    """Numbers, curves and particles of one image; what does not exist is None, with the reason."""
    numbers, curves = _of_any_phase(phase, periodic)
    if phase.any() and not phase.all():
        sizes = _of_interface(phase, periodic)
        numbers |= sizes[0]
        curves |= sizes[1]
    particles = statistics.particle_table(phase)
    numbers |= _of_particles(phase, particles, periodic)
    if grey is not None:
        numbers |= _texture(grey)
    values = {name: float(numbers.get(name, math.nan)) for name in QUANTITIES}
    missing = {
        name: f"it needs {QUANTITIES[name].needs}"
        for name, value in values.items()
        if not math.isfinite(value)
    }
    known = {name: None if name in missing else value for name, value in values.items()}
    return Measured(
        known, {name: curves[name] for name in CURVES if name in curves}, particles, missing
    )


def _of_any_phase(
    phase: Bool[np.ndarray, "rows cols"], periodic: bool
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
        "perimeter_per_area": float(functionals[1]) / phase.size,
        "euler_number_per_area": float(functionals[-1]) / phase.size,
    }
    if shows_its_range(interval):
        size = statistics.representative_size(
            phase, error=RELATIVE_ERROR, relative=True, periodic=periodic
        )
        numbers["representative_side"] = float(size.side)

    s2 = statistics.two_point_correlation(phase, periodic=periodic)
    c2 = statistics.two_point_cluster(phase, periodic=periodic)
    curves = {
        "two_point_radial": _curve(*statistics.radial_average(s2)),
        "two_point_rows": _curve(*statistics.directional_profile(s2, (1, 0))),
        "two_point_cols": _curve(*statistics.directional_profile(s2, (0, 1))),
        "two_point_diagonal": _curve(*statistics.directional_profile(s2, (1, 1))),
        "cluster_radial": _curve(*statistics.radial_average(jnp.asarray(c2))),
        "spectral_density": _curve(
            *statistics.radial_average(
                statistics.spectral_density(phase, periodic=periodic),
                pixel_size=[2 * math.pi / n for n in phase.shape],
            )
        ),
    }
    for axis, name in enumerate(("rows", "cols")):
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
    phase: Bool[np.ndarray, "rows cols"], periodic: bool
) -> tuple[dict[str, float], dict[str, Curve]]:
    """What needs a phase that is somewhere, but not everywhere."""
    pores = statistics.pore_size_function(phase, periodic=periodic)
    thickness = statistics.thickness_distribution(phase, periodic=periodic)
    # The gradient of the membership does not depend on the light and contrast of the micrograph.
    tensors = statistics.structure_tensor(phase.astype(np.float32), width=4.0, periodic=periodic)
    angle, coherency = statistics.mean_orientation(tensors)
    numbers = {
        "mean_pore_size": pores.mean,
        "mean_local_thickness": thickness.mean,
        "mean_orientation_degrees": math.degrees(float(angle)),
        "anisotropy": float(coherency),
    }
    curves = {
        name: _curve((sizes.edges[1:] + sizes.edges[:-1]) / 2, sizes.density)
        for name, sizes in (("pore_size", pores), ("thickness", thickness))
    }
    return numbers, curves


def _of_particles(
    phase: Bool[np.ndarray, "rows cols"],
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
    names = ("contrast", "correlation", "energy", "homogeneity")
    found = statistics.grey_level_cooccurrence(grey, properties=names)
    return {f"grey_level_{name}": float(found[name].mean()) for name in names}


def _curve(at: Array, values: Array) -> Curve:
    return Curve(np.asarray(at, float), np.asarray(values, float))
