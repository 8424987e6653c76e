"""The page of a finished design."""

import pathlib
from typing import Any

import numpy as np

from idml_jax import design, report
from idml_jax.workflows.design_results import Found
from idml_jax.workflows.provenance import end_page

COLOURS = {
    "bayes": "#0072b2",
    "trust-region": "#56b4e9",
    "sparse": "#009e73",
    "hedge": "#cc79a7",
    "polished": "#d55e00",
    "gradient": "#e69f00",
    "cma-es": "#7b5ea7",
    "sobol": "#6e6e6e",
    "random": "#a8a8a8",
}
"""Of each strategy, told apart by eyes of all kinds (M. Okabe, K. Ito, 2008)."""

SHOWN = 16
"""Images of the material beside the designs."""


def write_report(path: pathlib.Path, found: Found, results: dict[str, Any]) -> None:
    """Write the page."""
    aim = found.result.aim
    wanted = "; ".join([*map(str, aim.objectives), *map(str, aim.constraints)])
    page = report.Page(
        "Designed microstructures",
        f"Wanted: {wanted}. Searched: the latents of {found.config.generator.stem}, with "
        f"{found.config.evaluations} evaluations by each strategy.",
    )
    page.section("The designs")
    page.figure(_designs(found), f"The designs, the best first; below them {found.reference.name}.")
    head, rows = _table(found)
    page.table(head, rows)
    if found.like is not None:
        phases = found.subject.phases
        found.like.show(page, phases(found.result.images[:1])[0], phases(found.reference.images))
    page.section(
        "Do they look like the material?",
        f"typical: share of the {found.reference.name} that are at least as far from their mean as "
        "the design, by all statistics together and by each: near 0 it is none of them. "
        + _copies(found, results),
    )
    page.table(*_typical(found))
    page.section("The searches")
    if len(aim.objectives) == 1:
        page.figure(_progress(found), "Best value so far of each strategy.")
    else:
        page.figure(_front(found), "All that was evaluated, and the Pareto fronts.")
    page.table(*_searches(results))
    if found.fields:
        page.section("Local fields of the best design")
        page.figure(_fields(found), "Under a unit mean load, the image being one cell of a plane.")
    end_page(page, found.config.plain(), path)


def _copies(found: Found, results: dict[str, Any]) -> str:
    nearest = found.table.get("nearest training crop")
    if nearest is None:
        return ""
    held_out = results["nearest training crop, held-out"]
    return (
        f"The nearest training crop is {nearest.min():.3f} grey values away at least, that of "
        f"held-out crops {held_out:.3f} in the median: much less would be a copy."
    )


def _designs(found: Found):
    designs = found.subject.greys(found.result.images[:SHOWN])
    columns = max(4, min(8, len(designs)))
    crops = found.subject.greys(found.reference.images)
    chosen = np.random.default_rng(0).permutation(len(crops))[: 2 * columns]
    rows = -(-len(designs) // columns)
    heights = float(rows), 2.0
    figure, axes = report.new_panels(1.2 * columns, 1.3 * sum(heights), 2, 1, heights)
    for ax, images in zip(axes[:, 0], (designs, crops[chosen]), strict=True):
        report.draw_images(ax, images, columns=columns)
    return figure


def _table(found: Found) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A row a quantity, a column a design."""
    count = len(found.result.values)
    names = [name for name in found.table if not name.startswith("typical ")]
    rows = [
        (_named(found, name), *(f"{value:.4g}" for value in found.table[name])) for name in names
    ]
    return ("", *(f"design {number}" for number in range(count))), rows


def _typical(found: Found) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    count = len(found.result.values)
    rows = [
        (name.removeprefix("typical "), *(f"{value:.2f}" for value in values))
        for name, values in found.table.items()
        if name.startswith("typical")
    ]
    rows[0] = ("all together", *rows[0][1:])
    return ("", *(f"design {number}" for number in range(count))), rows


def _named(found: Found, column: str) -> str:
    unit = found.units.get(column.split(",")[0], "")
    return f"{column} [{unit}]" if unit else column


def _searches(results: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    searches = results["searches"]
    columns = [name for name in next(iter(searches.values())) if name != "best"]
    rows = [
        (name, *(f"{each[column]:.4g}" for column in columns)) for name, each in searches.items()
    ]
    return ("strategy", *columns), rows


def _progress(found: Found):
    result, aim = found.result, found.result.aim
    objective = aim.objectives[0]
    sign = 1 if objective.goal == "maximize" else -1
    figure, ax = report.new_figure(7.0, 3.8)
    progress = {name: sign * history.progress(aim) for name, history in result.searches.items()}
    finite = {name: np.where(np.isfinite(best), best, np.nan) for name, best in progress.items()}
    what = ", ".join(objective.outputs)
    label = f"distance of {what} from the target" if objective.goal == "target" else what
    report.draw_progress(ax, finite, COLOURS, label=label, start=result.start)
    return figure


def _front(found: Found):
    """Of the first two objectives; what they are of, not their scores."""
    result, aim = found.result, found.result.aim
    figure, ax = report.new_figure(6.4, 4.6)
    first, second = aim.objectives[:2]

    def along(objective: design.Objective, values: np.ndarray) -> np.ndarray:
        if isinstance(objective.of, str):
            return values[:, aim.outputs.index(objective.of)]
        return objective.score(values[:, [aim.outputs.index(name) for name in objective.of]])

    for name, history in result.searches.items():
        values = history.told.values
        front = values[aim.front(values)]
        across, up = along(first, values), along(second, values)
        ax.scatter(across, up, s=9, color=COLOURS[name], alpha=0.35, linewidths=0)
        order = np.argsort(along(first, front))
        across, up = along(first, front)[order], along(second, front)[order]
        ax.plot(across, up, "o-", markersize=4, color=COLOURS[name], label=name)
    ax.set_xlabel(str(first))
    ax.set_ylabel(str(second))
    ax.legend(frameon=False, title="front of")
    return figure


def _fields(found: Found):
    panels = {"the design": found.subject.greys(found.result.images[:1])[0]} | found.fields
    figure, axes = report.new_panels(3.0 * len(panels), 3.2, 1, len(panels))
    for ax, (name, field) in zip(axes[0], panels.items(), strict=True):
        grey = name == "the design"
        drawn = ax.imshow(field, cmap="gray" if grey else "viridis", interpolation="nearest")
        ax.set_title(name)
        ax.set_axis_off()
        if not grey:
            figure.colorbar(drawn, ax=ax, shrink=0.8)
    return figure
