"""What `idml characterize` leaves behind: its files, and the page with figures."""

import importlib.metadata
import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from idml_jax import report, statistics
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_properties import Found, properties_csv, table_of_properties
from idml_jax.workflows.characterize_quantities import curve_kinds, factor, quantities
from idml_jax.workflows.characterize_statistics import Curve, Measured
from idml_jax.workflows.characterize_study import Sample, common_scales
from idml_jax.workflows.characterize_tables import (
    in_unit_of,
    particle_table,
    representative_sentence,
    results_of,
    table_over_images,
    table_row,
    unit_of,
)

PACKAGES = "idml-jax jax jaxlib numpy scipy scikit-image tifffile pillow".split()

COLUMNS = 5
"""Files in one table of the page."""

CONVENTIONS = (
    "Rows run down the image and cols across, planes through a volume: a chord along rows is "
    "upright. Without --periodic, pairs, chords and clusters end at the border, and the weights of "
    "whole chords make up for those that it cuts. The specific surface by faces counts the edges "
    "of pixels, 4 / pi too many where the interface faces everywhere (3 / 2 of a volume, whose "
    "faces it counts); Crofton's formula is right there. The perimeter is from it too, and counts "
    "the image's border as well. Clusters and particles are pixels that share an edge, voxels that "
    "share a face; particles that the border cuts count as they are seen. The orientation is that "
    "along which the phase changes least, from the direction of the rows to that of the cols. "
    "Grey-level features are means over the four directions to a pixel's neighbours, of 32 levels. "
    "The pixel size is in micrometres."
)

OF_PROPERTIES = (
    "Tortuosity, diffusivity and permeability are of the phase between two opposite faces, the "
    "other faces being walls: the diffusivity in units of that of open space, which is the share "
    "of the phase over the tortuosity; the permeability by Stokes's equation, of an image as of "
    "a body that goes on out of the plane. Conductivity and Young's modulus are those of a cell "
    "that the image is repeated from, the latter of an image in plane strain. The limits are those "
    "that hold for any arrangement of this volume fraction."
)


def write_results(
    config: Config,
    samples: Sequence[Sample],
    measured: Sequence[Measured],
    properties: Sequence[Sequence[Found]],
) -> None:
    """Write all files; the last one, ``statistics.json``, says that the others are there."""
    for sample, found in zip(samples, measured, strict=True):
        path = config.out / "particles" / f"{sample.path.stem}.csv"
        report.write_atomically(path, particle_table(sample, found))
    rows = [table_row(config, *each) for each in zip(samples, measured, strict=True)]
    report.write_atomically(
        config.out / "statistics.csv", report.csv_text(rows[0], [row.values() for row in rows])
    )
    results = results_of(config, samples, measured, properties)
    if config.properties:
        report.write_atomically(config.out / "properties.csv", properties_csv(results))
    _write_page(config, samples, measured, results)
    report.write_json(config.out / "statistics.json", results)


def _write_page(
    config: Config,
    samples: Sequence[Sample],
    measured: Sequence[Measured],
    results: Mapping[str, Any],
) -> None:
    count, unit, dimensions = len(samples), results["all"]["unit"], results["dimensions"]
    kind = "image" if dimensions == 2 else "volume"
    page = report.Page(
        "Statistics of a microstructure",
        f"{count} {kind}{'' if count == 1 else 's'}; the phase is "
        + (config.phase if config.label is None else f"label {config.label}")
        + f"; {'periodic' if config.periodic else 'not periodic'}; lengths in "
        + ("pixels." if unit == "px" else "micrometres."),
    )
    page.section(
        f"The {kind}s, and the phase in each",
        "The phase is white."
        if dimensions == 2
        else "The middle plane of each; the phase is white.",
    )
    for first in range(0, count, 4):
        shown = slice(first, first + 4)
        names = ", ".join(sample.path.name for sample in samples[shown])
        page.figure(_pictures(samples[shown]), names)
    page.section(f"Over all {kind}s", representative_sentence(results))
    titles = quantities(dimensions)
    page.table(
        ("quantity", "mean  [95 % interval]" if count > 1 else "value", "unit", f"{kind}s"),
        [(titles[name].title, *cells) for name, *cells in table_over_images(results)],
    )
    if config.properties:
        page.section("Properties", OF_PROPERTIES)
        page.table(*table_of_properties(results))
    page.section(
        "Curves",
        "" if count == 1 else f"Thin: each {kind}. Thick: their mean, with its 95 % interval.",
    )
    scales = common_scales(samples)
    for title in dict.fromkeys(each.title for each in curve_kinds(dimensions).values()):
        figure = _curves(title, measured, scales, dimensions)
        if figure is not None:
            page.figure(figure, title.replace("$", "").replace("_", ""))
    for first in range(0, count, COLUMNS):
        page.section(*(("Every number, continued",) if first else ("Every number", CONVENTIONS)))
        shown = results["files"][first : first + COLUMNS]
        page.table(*_numbers_of(shown, dimensions))
    remarks = _remarks(samples, measured) + [
        (row["file"], found["name"], found["why"])
        for row in results["files"]
        for found in row["properties"]
        if found["why"]
    ]
    if remarks:
        page.section("What is missing, and why")
        page.table(("files", "quantities", "reason"), remarks)
    page.section("Configuration")
    page.settings(config.plain())
    page.section("Versions")
    device = jax.devices()[0]
    page.settings(
        {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
            "device": f"{device.platform} {device.device_kind}",
        }
    )
    page.write(config.out / "report.html")


def _pictures(samples: Sequence[Sample]) -> Figure:
    """Each image beside its phase, two a row."""
    down = -(-len(samples) // 2)
    across = 2 * min(2, len(samples))
    tallest = max(sample.phase.shape[-2] / sample.phase.shape[-1] for sample in samples)
    width = 9.0 / across
    figure, axes = report.new_panels(9.0, down * (width * tallest + 0.3), down, across)
    for ax in axes.flat:
        ax.set_axis_off()
    for index, sample in enumerate(samples):
        threshold = "" if sample.threshold is None else f"threshold {sample.threshold:.3f}"
        pair = axes.reshape(-1, 2)[index]
        for ax, image, title in (
            (pair[0], sample.shown, sample.path.name),
            (pair[1], sample.phase.astype(np.float32), threshold),
        ):
            plane = image if image.ndim == 2 else image[len(image) // 2]
            report.draw_images(ax, plane[None], columns=1, title=title, interpolation="auto")
    return figure


def _curves(
    title: str, measured: Sequence[Measured], scales: Sequence[float | None], dimensions: int
) -> Figure | None:
    """The curves of one title: of each image, and their mean; None if no image has any."""
    kinds = {name: kind for name, kind in curve_kinds(dimensions).items() if kind.title == title}
    unit = "px" if scales[0] is None else "um"
    colours = (report.REAL, report.GENERATED, report.TRAINING, report.RANDOM)
    figure, ax = report.new_figure(7.0, 3.4)
    farthest, reach, drawn = 0.0, math.inf, False
    for (name, kind), colour in zip(kinds.items(), colours, strict=False):
        curves = [
            Curve(
                curve.at * factor(kind.across_power, scale),
                curve.values * factor(kind.power, scale),
            )
            for each, scale in zip(measured, scales, strict=True)
            if (curve := each.curves.get(name)) is not None
        ]
        if not curves:
            continue
        if len(curves) > 1:
            report.draw_each(ax, curves, colour)
        at, mean, low, high = _mean_curve(curves, ends=kind.ends)
        label = kind.direction or ("mean" if len(curves) > 1 else "this image")
        report.draw_curves(
            ax,
            at,
            {label: (mean, low, high)},
            {label: colour},
            across=kind.across,
            label=f"{kind.title}{in_unit_of(unit, kind.power)}",
            unit=unit_of(unit, kind.across_power),
        )
        drawn = True
        farthest = max(farthest, _last_of_interest(at, mean))
        # Few pairs are half of an image apart, and what they say is mostly noise.
        reach = min(reach, float(at[-1]) / 2)
    if kind.across == "wave number":
        ax.set_xscale("log")
        # Of a phase that fills all images, or none, it is 0 throughout, which has no logarithm.
        if any(np.any(np.asarray(line.get_ydata(), float) > 0) for line in ax.lines):
            ax.set_yscale("log", nonpositive="mask")
    elif drawn:
        ax.set_xlim(0, farthest if kind.ends else min(farthest, reach))
    return figure if drawn else None


def _last_of_interest(
    at: Float[np.ndarray, " points"], mean: Float[np.ndarray, " points"]
) -> float:
    """Twice as far as where a curve is within 2 % of its range from its last values, or its end."""
    spread = float(np.ptp(mean))
    settled = np.abs(mean - mean[-(len(mean) // 4) - 1 :].mean()) > 0.02 * spread
    last = int(np.flatnonzero(settled)[-1]) if settled.any() else len(at) - 1
    return float(at[min(2 * last, len(at) - 1)]) or float(at[-1])


def _mean_curve(
    curves: Sequence[Curve], *, ends: bool
) -> tuple[
    Float[np.ndarray, " points"],
    Float[np.ndarray, " points"],
    Float[np.ndarray, " points"],
    Float[np.ndarray, " points"],
]:
    """Where, mean, and its interval, on the coarsest of the grids, as far as all curves go.

    A curve that is 0 beyond its end goes on with that.
    """
    if len(curves) == 1:
        at, values = curves[0]
        return at, values, values, values

    def step(curve: Curve) -> float:
        return float(curve.at[1] - curve.at[0]) if len(curve.at) > 1 else 0.0

    coarsest = max(curves, key=lambda curve: (step(curve), len(curve.at)))
    at = coarsest.at
    if ends and step(coarsest) > 0:
        more = (max(curve.at[-1] for curve in curves) - at[-1]) / step(coarsest)
        at = np.append(at, at[-1] + step(coarsest) * np.arange(1, math.ceil(more - 1e-6) + 1))
    elif not ends:
        at = at[at <= min(curve.at[-1] for curve in curves) * (1 + 1e-6)]
    beyond = 0.0 if ends else None
    values = np.stack([np.interp(at, *curve, right=beyond) for curve in curves])
    interval = statistics.statistic_interval(values)
    return at, np.asarray(interval.value), np.asarray(interval.low), np.asarray(interval.high)


def _numbers_of(
    rows: Sequence[Mapping[str, Any]], dimensions: int
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A table of every number, a column for each of a few files."""

    def text(value: object) -> str:
        return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    nested = ("file", "curves", "missing", "properties")
    names = [name for name in rows[0] if name not in nested]
    units = {row["unit"] for row in rows}
    unit = units.pop() if len(units) == 1 else "unit"
    known = quantities(dimensions)

    def title(name: str) -> str:
        if name not in known:
            return name.replace("_", " ")
        return known[name].title + in_unit_of(unit, known[name].power)

    table = [(title(name), *(text(row[name]) for row in rows)) for name in names]
    return ("quantity", *(row["file"] for row in rows)), table


def _remarks(samples: Sequence[Sample], measured: Sequence[Measured]) -> list[tuple[str, str, str]]:
    """Files, quantities and reason of everything that does not exist; also of lengths in pixels."""
    files: dict[tuple[str, str], list[str]] = {}
    for sample, found in zip(samples, measured, strict=True):
        reasons: dict[str, list[str]] = {}
        known = quantities(sample.phase.ndim)
        for name, reason in found.missing.items():
            reasons.setdefault(reason, []).append(known[name].title)
        if sample.pixel_size is not None and sample.scale is None:
            sides = " by ".join(f"{side * 1e6:.4g}" for side in sample.pixel_size)
            reasons[f"its pixels are not square: {sides} um; lengths are pixels"] = [
                "lengths in micrometres"
            ]
        for reason, names in reasons.items():
            files.setdefault((", ".join(names), reason), []).append(sample.path.name)
    return [(", ".join(names), *key) for key, names in files.items()]
