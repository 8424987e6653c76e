"""What the quickstart found: a table for the terminal, and a page with figures."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from idml_jax import design, properties, report
from idml_jax.workflows.assessment import Assessment, told
from idml_jax.workflows.generator_figures import training_curves
from idml_jax.workflows.provenance import end_page


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything that the report shows."""

    config: Mapping[str, Any]
    assessment: Assessment
    property: properties.Property
    generated_values: Float[np.ndarray, " samples"]
    held_out_values: Float[np.ndarray, " crops"]
    design: design.Design
    design_tensor: Float[np.ndarray, "2 2"]
    records: Sequence[Mapping[str, Any]]
    pixel_size: tuple[float, float] | None
    binning: int
    seconds: Mapping[str, float]

    def numbers(self) -> dict[str, Any]:
        """Every number of the report as plain values: what ``result.json`` holds."""
        comparison, found = self.assessment.comparison, self.design
        kinds = comparison.kinds
        return {
            "volume fraction": {
                name: [float(value) for value in kind.fraction] for name, kind in kinds.items()
            },
            "images": {name: kind.images for name, kind in kinds.items()},
            "micrographs": {name: kind.specimens for name, kind in kinds.items()},
            "S2": {
                "inside": comparison.inside,
                "overlapping": comparison.overlapping,
                "generated to held-out": comparison.generated_distance,
                "training to held-out": comparison.real_distance,
                "held-out half width": comparison.held_out_error,
            },
            "nearest training crop": self.assessment.plain()["nearest training crop"],
            "property": {
                "name": self.property.name,
                "unit": self.property.unit,
                "generated": _spread(self.generated_values),
                "held-out": _spread(self.held_out_values),
            },
            "design": {
                "objective": str(found.aim.objectives[0]),
                "value": found.value,
                "recomputed": float(found.recomputed[0, 0]),
                "random search": found.best_value("random"),
                "evaluations": len(found.searches["random"]),
                "volume fraction": float((found.images[0, ..., 0] > 0.5).mean()),
                "tensor": self.design_tensor.tolist(),
            },
            "binning": self.binning,
            "pixel size": self.pixel_size,
            "seconds": dict(self.seconds),
        }


def summary(numbers: dict[str, Any]) -> str:
    """The table that the terminal shows at the end."""
    return report.aligned_text(table(numbers))


def table(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of name and value, for the terminal and for the page."""
    s2, found = numbers["S2"], numbers["design"]
    wanted = numbers["property"]
    rows = [
        (
            f"volume fraction, {name}",
            f"{mean:.4f}  [{low:.4f}, {high:.4f}]  "
            f"({numbers['images'][name]} images, {numbers['micrographs'][name]} "
            f"{'sample' if name == 'generated' else 'micrographs'})",
        )
        for name, (mean, low, high) in numbers["volume fraction"].items()
    ]
    rows += [
        ("S2 inside the held-out interval", f"{s2['inside']:.0%} of distances"),
        ("S2 intervals overlap", f"{s2['overlapping']:.0%} of distances"),
        ("S2 distance, generated to held-out", f"{s2['generated to held-out']:.5f}"),
        ("S2 distance, training to held-out", f"{s2['training to held-out']:.5f}  (the floor)"),
        ("S2 half width of the held-out interval", f"{s2['held-out half width']:.5f}"),
        *told(numbers),
    ]
    rows += [
        (f"{wanted['name']}, {kind}", f"{mean:.3f} +- {deviation:.3f} {wanted['unit']}".rstrip())
        for kind in ("generated", "held-out")
        for mean, deviation in [wanted[kind]]
    ]
    rows += [
        (f"design ({found['objective']})", f"{found['value']:.4f}"),
        ("design, recomputed from its latents", f"{found['recomputed']:.4f}"),
        (
            f"best of {found['evaluations']} random draws",
            f"{found['random search']:.4f}",
        ),
        ("time, all", f"{numbers['seconds']['all']:.0f} s"),
        ("time, training", f"{numbers['seconds']['training']:.0f} s"),
    ]
    return rows


def write_report(path: pathlib.Path, results: Results) -> None:
    """Write the page of a finished quickstart."""
    numbers = results.numbers()
    page = report.Page(
        "From micrographs to a designed microstructure",
        "A progressive GAN learned the material from its micrographs; two-point statistics compare "
        "what it makes with micrographs it never saw; a search of its latents found the design.",
    )
    results.assessment.show(page, results.pixel_size)
    page.section("What it does, and the design")
    page.figure(_values(results), f"Of images and of the design: {_named(results.property)}.")
    page.figure(
        _progress(results), "Best value so far: Bayesian optimization beside random search."
    )
    page.figure(_designed(results), "The designed microstructure, and two by two of it.")
    page.section("Every number")
    page.table(("quantity", "value"), table(numbers))
    page.section("Training")
    page.figure(
        training_curves(results.records),
        "Losses; diversity near 0 would be a collapse, and 1 of told apart a discriminator that "
        "teaches nothing any more.",
    )
    end_page(page, {**results.config, "binning used": results.binning}, path)


def _spread(values: Float[np.ndarray, " count"]) -> list[float]:
    return [float(values.mean()), float(values.std())]


def _named(wanted: properties.Property) -> str:
    """What a property is called, with its unit."""
    return f"{wanted.name}, {wanted.unit}" if wanted.unit else wanted.name


def _values(results: Results):
    figure, ax = report.new_figure(7.0, 3.6)
    found = results.design
    marks = {"design": found.value, "best random": found.best_value("random")}
    target = found.aim.objectives[0].target
    if isinstance(target, float):
        marks["target"] = target
    report.draw_histogram(
        ax,
        {"held-out": results.held_out_values, "generated": results.generated_values},
        {"held-out": report.REAL, "generated": report.GENERATED},
        label=_named(results.property),
        marks=marks,
    )
    return figure


def _progress(results: Results):
    figure, ax = report.new_figure(7.0, 3.6)
    found = results.design
    goal = found.aim.objectives[0].goal
    sign = 1 if goal == "maximize" else -1
    report.draw_progress(
        ax,
        {
            "Bayesian optimization": sign * found.searches["bayes"].progress(found.aim),
            "random": sign * found.searches["random"].progress(found.aim),
        },
        {"Bayesian optimization": report.GENERATED, "random": report.RANDOM},
        label="distance from the target" if goal == "target" else f"best {results.property.name}",
        start=found.start,
    )
    return figure


def _designed(results: Results):
    figure, ax = report.new_figure(6.0, 3.2)
    image = results.design.images[0, ..., 0]
    rows = image.shape[0]
    tiled = np.tile(image, (2, 2))
    canvas = np.ones((2 * rows, 3 * rows + 4), image.dtype)
    canvas[rows // 2 : rows // 2 + rows, :rows] = image
    canvas[:, rows + 4 :] = tiled
    report.draw_images(ax, canvas[None], columns=1, title=f"{results.design.value:.3f}")
    return figure
