"""What a design's run leaves behind: numbers, files and the tables of the terminal."""

import io
import math
import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax import design, report
from idml_jax.integration import vtk_text
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_like import Like
from idml_jax.workflows.design_reference import Reference
from idml_jax.workflows.design_subject import Subject
from idml_jax.workflows.generate_images import encoded


class Found(NamedTuple):
    """A finished search, and what was measured of its designs."""

    config: Config
    subject: Subject
    result: design.Design
    reference: Reference
    like: Like | None
    """An image that the designs are to be like."""
    units: dict[str, str]
    """Of each output, where the toolkit computes it."""
    table: dict[str, Float[np.ndarray, " designs"]]
    """A column for each number of the designs."""
    fields: dict[str, Float[np.ndarray, "rows cols"]]
    """Local fields of the best design."""
    seconds: float


def numbers(found: Found) -> dict[str, Any]:
    """Every number as plain values: what ``result.json`` holds."""
    config, result, aim = found.config, found.result, found.result.aim
    single = len(aim.objectives) == 1
    searches: dict[str, Any] = {}
    for name, history in result.searches.items():
        told = history.told
        searches[name] = {
            "evaluations": len(history),
            "failed": len(history) - len(told),
            "feasible": int(aim.feasible(told.values).sum()),
        }
        if single:
            best = told.values[aim.order(told.values)[0]]
            searches[name]["best"] = dict(zip(aim.outputs, best.tolist(), strict=True))
            searches[name]["best score"] = float(aim.scores(best)[0])
            searches[name]["mean score"] = float(np.mean(aim.scores(told.values)[0]))
        else:
            searches[name]["front"] = len(aim.front(told.values))
            searches[name]["hypervolume"] = _hypervolume(result, name)
    return {
        "aim": aim.plain(),
        "evaluations": config.evaluations,
        "designs kept": config.designs,
        "searches": searches,
        "designs": {
            name: [value if math.isfinite(value) else None for value in values.tolist()]
            for name, values in found.table.items()
        },
        "compared with": found.reference.name,
        "nearest training crop, held-out": found.reference.nearest_held_out(
            found.subject.recipe.size, config.seed
        ),
        "units": found.units,
        "seconds": found.seconds,
    }


def summary(results: dict[str, Any]) -> str:
    """The tables that the terminal shows at the end."""
    searches = results["searches"]
    columns = [name for name in next(iter(searches.values())) if name != "best"]
    outputs = list(next(iter(searches.values())).get("best", {}))
    rows = [("strategy", *(f"best {name}" for name in outputs), *columns)]
    for name, each in searches.items():
        values = [each["best"][output] for output in outputs] + [each[one] for one in columns]
        rows.append((name, *(f"{value:.4g}" for value in values)))
    told = [("design", *map(str, range(len(next(iter(results["designs"].values()))))))]
    for name, values in results["designs"].items():
        told.append((name, *("-" if value is None else f"{value:.4g}" for value in values)))
    closing = (
        f"typical: share of the {results['compared with']} that are at least as far from their mean"
    )
    return f"{report.aligned_text(rows)}\n\n{report.aligned_text(told)}\n\n{closing}"


def write_designs(found: Found) -> None:
    """The designs as files: images, latents, tables and local fields."""
    folder, recipe = found.config.run / "designs", found.subject.recipe
    for number, image in enumerate(found.result.images):
        for kind in ("png", "tiff"):
            path = folder / f"design_{number:02d}.{kind}"
            report.write_atomically(path, encoded(image, kind, recipe))
    np.save(buffer := io.BytesIO(), found.result.latents)
    report.write_atomically(folder / "latents.npy", buffer.getvalue())
    fields = {"grey": found.subject.greys(found.result.images[:1])[0]} | found.fields
    text = vtk_text(fields, pixel_size=recipe.pixel_size, title="the best design")
    report.write_atomically(folder / "design_00.vtk", text)
    rows = zip(
        *([f"{value:.8g}" for value in values] for values in found.table.values()), strict=True
    )
    head = ("design", *found.table)
    numbered = [(number, *row) for number, row in enumerate(rows)]
    report.write_atomically(folder / "designs.csv", report.csv_text(head, numbered))
    _write_evaluations(found.config.run / "evaluations.csv", found.result)


def _write_evaluations(path: pathlib.Path, result: design.Design) -> None:
    """Everything that any strategy evaluated, a row each."""
    rows = []
    for name, history in result.searches.items():
        feasible = result.aim.feasible(history.values)
        for number, values in enumerate(history.values):
            rows.append((name, number, *(f"{v:.8g}" for v in values), int(feasible[number])))
    head = ("strategy", "evaluation", *result.aim.outputs, "meets the constraints")
    report.write_atomically(path, report.csv_text(head, rows))


def _hypervolume(result: design.Design, name: str) -> float:
    """Of one strategy's front, above the worst that any strategy found in each objective."""
    aim = result.aim

    def scores(history: design.History) -> np.ndarray:
        feasible = history.values[aim.feasible(history.values)]
        return np.stack(aim.scores(feasible), axis=-1)

    everything = np.concatenate([scores(history) for history in result.searches.values()])
    if not len(everything):
        return 0.0
    low, high = everything.min(axis=0), everything.max(axis=0)
    unit = np.where(high > low, high - low, 1.0)
    return design.hypervolume((scores(result.searches[name]) - low) / unit, np.zeros(len(low)))
