"""What the numbers and curves of `idml characterize` are called, and what they are measured in."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

from idml_jax.properties import AXES


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


@functools.cache
def quantities(dimensions: int) -> Mapping[str, Quantity]:
    """Every number of an image, or of a volume, in the order of the tables."""
    axes = AXES[-dimensions:]
    found = {
        "volume_fraction": Quantity("volume fraction", 0),
        "volume_fraction_low": Quantity("volume fraction, 95 % interval, from", 0, _RANGE),
        "volume_fraction_high": Quantity("volume fraction, 95 % interval, to", 0, _RANGE),
        "integral_range": Quantity("integral range", dimensions, _RANGE),
        "representative_side": Quantity("side for 5 % of error in the volume fraction", 1, _RANGE),
        "correlation_length": Quantity("correlation length", 1, _MIXED),
        "specific_surface": Quantity("specific surface, by faces", -1),
        "specific_surface_crofton": Quantity("specific surface, by Crofton's formula", -1),
    }
    if dimensions == 2:
        found["perimeter_per_area"] = Quantity("perimeter per area", -1)
        found["euler_number_per_area"] = Quantity("Euler number per area", -2)
    else:
        found["surface_per_volume"] = Quantity("surface per volume", -1)
        found["mean_breadth_per_volume"] = Quantity("mean breadth per volume", -2)
        found["euler_number_per_volume"] = Quantity("Euler number per volume", -3)
    whole_chord = "a chord that no border cuts"
    for axis in axes:
        found[f"mean_chord_{axis}"] = Quantity(f"mean chord along {axis}", 1, whole_chord)
    found |= {
        "mean_pore_size": Quantity("mean pore size", 1, _MIXED),
        "mean_local_thickness": Quantity("mean local thickness", 1, _MIXED),
        "largest_cluster_share": Quantity("share of the largest cluster", 0, _PARTICLE),
    }
    for axis in axes:
        found[f"percolates_{axis}"] = Quantity(f"percolates along {axis} (1 = yes)", 0, whole=True)
    found |= {
        "particles": Quantity("particles", 0, whole=True),
        "mean_equivalent_diameter": Quantity("mean equivalent diameter", 1, _PARTICLE),
        "mean_aspect_ratio": Quantity("mean aspect ratio", 0, _PARTICLE),
    }
    if dimensions == 2:
        found["mean_orientation_degrees"] = Quantity("mean orientation, degrees", 0, _MIXED)
    found["anisotropy"] = Quantity("anisotropy", 0, _MIXED)
    if dimensions == 2:
        for name in GREY_LEVEL:
            found[f"grey_level_{name}"] = Quantity(f"grey-level {name}", 0, _GREY)
    return found


GREY_LEVEL = ("contrast", "correlation", "energy", "homogeneity")
"""Features of texture, of grey images."""


class Kind(NamedTuple):
    """What a curve is called, what it is measured in, and where it ends."""

    title: str
    direction: str
    across: str
    across_power: int
    power: int
    ends: bool
    """Whether it is 0 beyond its last point, as a distribution is."""


@functools.cache
def curve_kinds(dimensions: int) -> Mapping[str, Kind]:
    """Every curve, in the order of the report; curves of one title share a figure."""
    axes = AXES[-dimensions:]
    s2, path = "two-point correlation $S_2$", "lineal path $L$"
    c2, chords = "two-point cluster function $C_2$", "chord-length distribution"
    radial, sizes = "all directions", ("", "distance to the interface")
    found = {"two_point_radial": Kind(f"{s2}, radial", radial, "distance", 1, 0, False)}
    for axis in axes:
        found[f"two_point_{axis}"] = Kind(s2, f"along {axis}", "distance", 1, 0, False)
    found["two_point_diagonal"] = Kind(s2, "along the diagonal", "distance", 1, 0, False)
    for axis in axes:
        found[f"lineal_path_{axis}"] = Kind(path, f"along {axis}", "length", 1, 0, False)
    found["cluster_radial"] = Kind(f"{c2}, radial", radial, "distance", 1, 0, False)
    for axis in axes:
        found[f"chord_lengths_{axis}"] = Kind(chords, f"along {axis}", "length", 1, -1, True)
    density = Kind("spectral density, radial", "", "wave number", -1, dimensions, False)
    return found | {
        "pore_size": Kind("pore-size function $P$", *sizes, 1, -1, True),
        "thickness": Kind("local thickness", "", "thickness", 1, -1, True),
        "spectral_density": density,
    }


def factor(power: int, scale: float | None) -> float:
    """What takes a number in pixels to micrometres, or leaves it where their scale is unknown."""
    return 1.0 if scale is None else scale**power
