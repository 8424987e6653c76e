"""The tables of `idml characterize`: one row a file, all files together, and the particles."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from idml_jax import report, statistics
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_properties import Found, table_of_properties
from idml_jax.workflows.characterize_quantities import (
    Kind,
    Quantity,
    curve_kinds,
    factor,
    quantities,
)
from idml_jax.workflows.characterize_statistics import RELATIVE_ERROR, Curve, Measured
from idml_jax.workflows.characterize_study import Sample, common_scales, representative_size

SHORT = (
    "volume_fraction specific_surface_crofton mean_chord_planes mean_chord_rows mean_chord_cols "
    "mean_pore_size mean_local_thickness particles anisotropy"
).split()
"""What the terminal shows."""


OF_ONE_IMAGE = (
    "volume_fraction_low volume_fraction_high representative_side mean_orientation_degrees"
).split()
"""What has no mean over images: intervals and sizes of one image, and an angle, which wraps."""


def results_of(
    config: Config,
    samples: Sequence[Sample],
    measured: Sequence[Measured],
    properties: Sequence[Sequence[Found]],
) -> dict[str, Any]:
    """Everything that was found as plain values: what ``statistics.json`` holds."""
    scales = common_scales(samples)
    dimensions = samples[0].phase.ndim
    kinds = curve_kinds(dimensions)
    return {
        "dimensions": dimensions,
        "files": [
            {
                **table_row(config, sample, found),
                "curves": {
                    name: _plain_curve(kinds[name], curve, sample.scale)
                    for name, curve in found.curves.items()
                },
                "missing": dict(found.missing),
                "properties": [each._asdict() for each in of_sample],
            }
            for sample, found, of_sample in zip(samples, measured, properties, strict=True)
        ],
        "all": {
            "unit": "px" if scales[0] is None else "um",
            "numbers": _over_images(measured, scales, quantities(dimensions)),
            "representative": representative_size(samples, periodic=config.periodic),
        },
    }


def summary(results: Mapping[str, Any]) -> str:
    """The table that the terminal shows at the end."""
    rows = [row for row in table_over_images(results) if row[0] in SHORT]
    known = quantities(results["dimensions"])
    rows = [(known[name].title, *cells) for name, *cells in rows]
    parts = [report.aligned_text([row[:3] for row in rows]), representative_sentence(results)]
    head, cells = table_of_properties(results)
    if cells:
        parts += ["", report.aligned_text([head, *cells])]
    return "\n".join(parts)


def table_row(config: Config, sample: Sample, found: Measured) -> dict[str, Any]:
    """One row of the table, in the unit of the file."""
    unit, scale = ("px", None) if sample.scale is None else ("um", sample.scale)
    source = "" if sample.threshold is None else "otsu" if config.threshold is None else "given"
    known = quantities(sample.phase.ndim)
    numbers = {
        name: None if value is None else _scaled(known[name], value, scale)
        for name, value in found.numbers.items()
    }
    return {
        "file": sample.path.name,
        **dict(zip(sample.axes, sample.phase.shape, strict=True)),
        "unit": unit,
        "pixel_size": scale,
        "threshold": sample.threshold,
        "threshold_from": source or None,
        "phase": config.phase if config.label is None else f"label {config.label}",
        **numbers,
    }


def particle_table(sample: Sample, found: Measured) -> str:
    """The particles of one image, lengths in its unit."""
    powers = {"area": 2, "volume": 3, "surface": 2}
    powers |= dict.fromkeys(("label", "aspect_ratio", "orientation"), 0)
    powers |= {f"axis_{axis}": 0 for axis in sample.axes}
    columns = [
        (values if name == "label" else values * factor(powers.get(name, 1), sample.scale)).tolist()
        for name, values in found.particles.items()
    ]
    return report.csv_text(found.particles, zip(*columns, strict=True))


def _scaled(quantity: Quantity, value: float, scale: float | None) -> float | int:
    """A number in the unit of its file."""
    return round(value) if quantity.whole else value * factor(quantity.power, scale)


def _plain_curve(kind: Kind, curve: Curve, scale: float | None) -> dict[str, Any]:
    """A curve as plain values in the unit of its file, to 8 digits."""

    def plain(values: Float[np.ndarray, " points"], power: int) -> list[float | None]:
        scaled = [float(f"{value:.8g}") for value in (values * factor(power, scale)).tolist()]
        return [value if math.isfinite(value) else None for value in scaled]

    unit = "px" if scale is None else "um"
    return {
        "across": f"{kind.across}{in_unit_of(unit, kind.across_power)}",
        "unit": unit_of(unit, kind.power),
        "at": plain(curve.at, kind.across_power),
        "values": plain(curve.values, kind.power),
    }


def _over_images(
    measured: Sequence[Measured], scales: Sequence[float | None], known: Mapping[str, Quantity]
) -> dict[str, dict[str, Any]]:
    """Mean of each number over the images that have it, with the interval of Student's t."""
    found = {}
    for name, quantity in known.items():
        if name in OF_ONE_IMAGE and len(measured) > 1:
            continue
        values = [
            value * factor(quantity.power, scale)
            for each, scale in zip(measured, scales, strict=True)
            if (value := each.numbers[name]) is not None
        ]
        low = high = None
        if len(values) > 1:
            interval = statistics.statistic_interval(np.array(values))
            low, high = float(interval.low), float(interval.high)
        mean = float(np.mean(values)) if values else None
        found[name] = {"mean": mean, "low": low, "high": high, "images": len(values)}
    return found


def table_over_images(results: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of name, mean with interval, unit and number of images."""
    rows, known = [], quantities(results["dimensions"])
    for name, found in results["all"]["numbers"].items():
        text = "-" if found["mean"] is None else f"{found['mean']:.4g}"
        if found["low"] is not None:
            text += f"  [{found['low']:.4g}, {found['high']:.4g}]"
        unit = unit_of(results["all"]["unit"], known[name].power)
        rows.append((name, text, unit, str(found["images"])))
    return rows


def representative_sentence(results: Mapping[str, Any]) -> str:
    """How large an image must be, in words."""
    found, count = results["all"]["representative"], len(results["files"])
    if found["side"] is None:
        return f"Representative size: not known ({found['why']})."
    unit = results["all"]["unit"]
    kind = "image" if results["dimensions"] == 2 else "volume"
    source = f"the differences between {count} {kind}s" if count > 1 else "its integral range"
    several = f"1 {kind}" if found["images"] == 1 else f"{found['images']} {kind}s"
    sides = " x ".join([f"{found['side']:.4g}"] * results["dimensions"])
    return (
        f"For a relative error of {100 * RELATIVE_ERROR:.0f} % in the volume fraction, "
        f"by {source}: one {kind} of {sides} {unit}, or {several} of this size."
    )


def unit_of(unit: str, power: int) -> str:
    """A power of the unit of length."""
    if power in (0, 1):
        return unit * power
    whole = unit if abs(power) == 1 else f"{unit}^{abs(power)}"
    return whole if power > 0 else f"1/{whole}"


def in_unit_of(unit: str, power: int) -> str:
    """The same after a comma; nothing for a pure number."""
    return f", {unit_of(unit, power)}" if power else ""
