"""Is it what was asked for? What a generator is told, beside what is measured in its images."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats
from jaxtyping import Float
from matplotlib.axes import Axes

from idml_jax import data, evaluation, report, training
from idml_jax.typing import Array
from idml_jax.workflows.conditioning import crops_and_told, dealt
from idml_jax.workflows.material import Material
from idml_jax.workflows.phases import Finder, finders, fraction_names, fractions

IMAGES = 256
"""That are made of what all micrographs are, for quantities; and half as many for each class."""


class Fraction(NamedTuple):
    """A volume fraction that was asked for."""

    name: str
    asked: Float[np.ndarray, " images"]
    measured: Float[np.ndarray, " images"]

    @property
    def error(self) -> float:
        """Root mean square difference."""
        return float(np.sqrt(np.mean((self.measured - self.asked) ** 2)))

    @property
    def correlation(self) -> float:
        """Rank correlation."""
        return rank_correlation(self.asked, self.measured)


class Class(NamedTuple):
    """Images of one class beside the micrographs of that class."""

    name: str
    """Of the condition and the class."""
    phase: str
    beside: str
    """Held-out micrographs, or where there are none those of the training."""
    correlation: float
    """Root mean square difference of the mean two-point correlations."""
    floor: float
    """The same of the training from the held-out micrographs."""
    fraction: float
    """Mean volume fraction."""
    real: float
    """Of the micrographs."""


class Quantity(NamedTuple):
    """A number that was asked for, and how the volume fraction goes with it."""

    name: str
    measured: str
    generated: float
    """Rank correlation in generated images."""
    real: float
    """In crops of all micrographs."""


class Asked(NamedTuple):
    """What was found of everything that a generator is told."""

    fractions: list[Fraction]
    classes: list[Class]
    quantities: list[Quantity]

    def plain(self) -> dict[str, Any]:
        """Every number, for JSON; None for what is not finite."""
        fractions = [
            {"name": one.name, "rms error": one.error, "rank correlation": _known(one.correlation)}
            for one in self.fractions
        ]
        others = {
            "classes": [one._asdict() for one in self.classes],
            "quantities": [one._asdict() for one in self.quantities],
        }
        for rows in others.values():
            for row in rows:
                row |= {k: _known(v) for k, v in row.items() if isinstance(v, float)}
        return {"fractions": fractions, **others}

    def __str__(self) -> str:
        lines = ["Is it what was asked for?"]
        lines += [
            f"{one.name}: rms error {one.error:.3f}, "
            f"rank correlation {report.cell(one.correlation)}"
            for one in self.fractions
        ]
        for head, rows in self._tables():
            lines += ["", report.aligned_text([head, *rows])]
        return "\n".join(lines)

    def show(self, page: report.Page) -> None:
        """The section of a page that it fills."""
        page.section("Is it what was asked for?")
        for one in self.fractions:
            figure, ax = report.new_figure(4.6, 4.2)
            draw_asked(ax, one.asked, one.measured, label=one.name)
            page.figure(
                figure,
                f"The {one.name} that was asked for beside the one of the image: root mean square "
                f"error {one.error:.3f}, rank correlation {report.cell(one.correlation)}.",
            )
        for head, rows in self._tables():
            page.table(head, rows)

    def _tables(self) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        """Heads and rows of the tables that are not empty."""
        classes = [
            (
                *one[:3],
                *map(report.cell, (one.correlation, one.floor, one.fraction, one.real)),
                report.cell(abs(one.fraction - one.real)),
            )
            for one in self.classes
        ]
        quantities = [
            (one.name, one.measured, report.cell(one.generated), report.cell(one.real))
            for one in self.quantities
        ]
        heads = (
            ("asked for", "phase", "beside", "S2 distance", "floor")
            + ("volume fraction", "of micrographs", "distance"),
            ("asked for", "rank correlation with", "generated", "micrographs"),
        )
        return [(h, r) for h, r in zip(heads, (classes, quantities), strict=True) if r]


def ask(gan: training.ProgressiveGAN, material: Material, *, seed: int) -> Asked:
    """Make images of what micrographs are, and measure how far they are it.

    Parameters
    ----------
    gan : ProgressiveGAN
        That is told something, and knows what it means.
    material : Material
        Quantities are asked for as they are in all micrographs: those held out alone may have one
        value only.
    seed : int
    """
    recipe = gan.recipe
    names = fraction_names(recipe.labels)
    crops, told = crops_and_told([*material.train, *material.held_out], material, recipe)
    wanted = dealt(told, IMAGES, seed=seed)
    images = _made(gan, wanted, jax.random.fold_in(jax.random.key(seed), 2))
    measured, real = (np.asarray(fractions(each, recipe.labels)) for each in (images, crops))
    found = Asked([], [], [])
    for one in recipe.meanings:
        if one.classes:
            for place, each in enumerate(one.classes):
                key = jax.random.fold_in(jax.random.key(seed), 3 + place)
                found.classes.extend(_class(gan, material, one.name, each, key, seed))
            continue
        asked = np.array([row[one.name] for row in wanted], float)
        if one.source == "crop":
            column = names.index(one.name)
            found.fractions.append(Fraction(one.name, asked, measured[:, column].astype(float)))
            continue
        is_asked = np.array([row[one.name] for row in told], float)
        for column, name in enumerate(names):
            correlations = (
                rank_correlation(asked, measured[:, column]),
                rank_correlation(is_asked, real[:, column]),
            )
            found.quantities.append(Quantity(one.name, name, *correlations))
    return found


def _class(
    gan: training.ProgressiveGAN,
    material: Material,
    condition: str,
    name: str,
    key: jax.Array,
    seed: int,
) -> list[Class]:
    """One class, in every phase that is looked at."""
    held_out, train = (
        [one for one in group if material.known[one.name][condition] == name]
        for group in (material.held_out, material.train)
    )
    beside, group = ("held-out", held_out) if held_out else ("training", train)
    title, nothing = f"{condition}={name}", math.nan
    if not group:
        none = (nothing, nothing, nothing, nothing)
        return [Class(title, phase, "no micrograph", *none) for phase in finders(material.labels)]
    _, told = crops_and_told(group, material, gan.recipe)
    images = _made(gan, dealt(told, IMAGES // 2, seed=seed), key)
    rows = []
    for phase, finder in finders(material.labels).items():
        made = evaluation.ensemble_statistics([images], phase=finder, seed=seed)
        real = _statistics(group, gan, finder, seed)
        floor = nothing
        if held_out and train:
            floor = _statistics(train, gan, finder, seed).distance_to(real)
        fractions = float(made.fraction.mean), float(real.fraction.mean)
        rows.append(Class(title, phase, beside, made.distance_to(real), floor, *fractions))
    return rows


def rank_correlation(one: Array, two: Array) -> float:
    """Spearman's; NaN where either is the same everywhere.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.3, 0.4]))
    1.0
    """
    if min(np.ptp(one), np.ptp(two)) == 0:
        return math.nan
    ranks = [scipy.stats.rankdata(each) for each in (one, two)]
    return round(float(np.corrcoef(ranks)[0, 1]), 12)


def draw_asked(
    ax: Axes, asked: Float[Array, " images"], measured: Float[Array, " images"], *, label: str
) -> Axes:
    """What was asked for to the right, what was measured upwards, and the line where they agree."""
    ends = [min(np.min(asked), np.min(measured)), max(np.max(asked), np.max(measured))]
    ax.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    ax.scatter(asked, measured, s=9, alpha=0.6, color=report.GENERATED, linewidths=0)
    ax.set_xlabel(f"{label}, asked for")
    ax.set_ylabel(f"{label}, measured")
    ax.set_aspect("equal")
    return ax


def _made(
    gan: training.ProgressiveGAN, told: list[dict[str, float | str]], key: jax.Array
) -> Float[np.ndarray, "count rows cols channels"]:
    conditions = training.encode_conditions(gan.recipe.meanings, told)
    return gan.sample(key, len(told), conditions=conditions)


def _statistics(
    group: list[data.Micrograph], gan: training.ProgressiveGAN, finder: Finder, seed: int
) -> evaluation.Statistics:
    """Of crops of micrographs, each its own specimen."""
    crops = [data.grid_crops(one.image, gan.size) for one in group]
    return evaluation.ensemble_statistics(crops, phase=finder, seed=seed)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
