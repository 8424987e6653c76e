"""Figures of a run: functions that take an `ax`, draw on it and return it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from idml_jax.typing import Array, Greys

REAL, GENERATED, TRAINING, RANDOM = "#2a6f97", "#c8553d", "#8aa399", "#888888"
"""One colour for each kind of thing, in every figure."""


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in inches, with one `ax`, outside of pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def new_panels(
    width: float,
    height: float,
    rows: int,
    columns: int,
    heights: Sequence[float] | None = None,
) -> tuple[Figure, Shaped[np.ndarray, "rows columns"]]:
    """A figure with a grid of axes, outside of pyplot's global state.

    Parameters
    ----------
    width, height : float
        Of the whole figure, in inches.
    rows, columns : int
        Of the grid.
    heights : sequence of float, optional
        Of the rows, beside each other; by default all alike.

    Returns
    -------
    figure : Figure
    axes : array of Axes, of shape (rows, columns)
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=heights)


def sheet(images: Greys, *, columns: int, gap: int = 2) -> Float[np.ndarray, "down across"]:
    """Grey images of one size side by side on white, `columns` a row.

    Examples
    --------
    >>> import numpy as np
    >>> sheet(np.zeros((3, 4, 4)), columns=2, gap=1).shape
    (9, 9)
    """
    images = np.asarray(images)
    count, rows, cols = images.shape
    down = -(-count // columns)
    canvas = np.ones((down * (rows + gap) - gap, columns * (cols + gap) - gap), images.dtype)
    for index, image in enumerate(images):
        row, col = divmod(index, columns)
        top, left = row * (rows + gap), col * (cols + gap)
        canvas[top : top + rows, left : left + cols] = image
    return canvas


def draw_images(
    ax: Axes, images: Greys, *, columns: int, title: str = "", interpolation: str = "nearest"
) -> Axes:
    """A sheet of grey images, without axes; grey values from 0 to 1.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    images : array of shape (batch, rows, cols)
        In [0, 1].
    columns : int
        Images a row.
    title : str
        Above the sheet.
    interpolation : str
        Of Matplotlib: "nearest" shows each pixel, "auto" averages where they are too small for it.

    Returns
    -------
    ax : Axes
    """
    canvas = sheet(images, columns=columns)
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=1, interpolation=interpolation)
    ax.set_axis_off()
    ax.set_title(title, fontsize=10)
    return ax


def draw_curves(
    ax: Axes,
    distances: Float[Array, " bins"],
    curves: Mapping[str, tuple[Array, Array, Array]],
    colours: Mapping[str, str],
    *,
    unit: str = "pixels",
    across: str = "distance",
    label: str = "two-point correlation $S_2$",
) -> Axes:
    """Two-point correlations, or other curves, each a mean with its interval as a band.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    distances : array of shape (bins,)
        In `unit`.
    curves : mapping
        Of a name to mean, lower and upper bound, each of shape (bins,).
    colours : mapping
        Of each name to its colour.
    unit : str
        Of the distances.
    across, label : str
        What is to the right, and what upwards, there with its unit.

    Returns
    -------
    ax : Axes
    """
    for name, (mean, low, high) in curves.items():
        ax.fill_between(distances, low, high, color=colours[name], alpha=0.25, linewidth=0)
        ax.plot(distances, mean, color=colours[name], label=name, linewidth=1.5)
    ax.set_xlabel(f"{across}, {unit}")
    ax.set_ylabel(label)
    ax.legend(frameon=False)
    return ax


def draw_intervals(
    ax: Axes,
    intervals: Mapping[str, tuple[float, float, float]],
    colours: Mapping[str, str],
    *,
    label: str,
) -> Axes:
    """Single numbers side by side, each a point with its interval.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    intervals : mapping
        Of a name to mean, lower and upper bound.
    colours : mapping
        Of each name to its colour.
    label : str
        What is upwards, with its unit.

    Returns
    -------
    ax : Axes
    """
    for place, (name, (mean, low, high)) in enumerate(intervals.items()):
        ax.plot([place, place], [low, high], color=colours[name], linewidth=4, alpha=0.4)
        ax.plot(place, mean, "o", color=colours[name], markersize=5)
    ax.set_xticks(range(len(intervals)), list(intervals))
    ax.set_xlim(-0.5, len(intervals) - 0.5)
    ax.set_ylabel(label)
    return ax


def draw_each(ax: Axes, curves: Sequence[tuple[Array, Array]], colour: str) -> Axes:
    """Many curves as thin lines behind their mean; each is where and how much."""
    for at, values in curves:
        ax.plot(at, values, color=colour, alpha=0.3, linewidth=0.6, zorder=1)
    return ax


def draw_histogram(
    ax: Axes,
    values: Mapping[str, Float[Array, " count"]],
    colours: Mapping[str, str],
    *,
    label: str,
    marks: Mapping[str, float],
) -> Axes:
    """Distributions of a property, with vertical lines where single values stand.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    values, colours : mapping
        Of a name to its values, and to its colour.
    label : str
        The property and its unit.
    marks : mapping
        Of a name to the value that its line stands at.

    Returns
    -------
    ax : Axes
    """
    pooled = np.concatenate([np.asarray(part) for part in values.values()])
    low = min(pooled.min(), *marks.values())
    high = max(pooled.max(), *marks.values())
    bins = np.linspace(low, high, 30)
    for name, part in values.items():
        ax.hist(part, bins, density=True, alpha=0.55, color=colours[name], label=name)
    for style, (name, value) in zip(("-", "--", ":"), marks.items(), strict=False):
        ax.axvline(value, color="black", linestyle=style, linewidth=1.2, label=name)
    ax.set_xlabel(label)
    ax.set_ylabel("probability density")
    ax.legend(frameon=False)
    return ax


def draw_progress(
    ax: Axes,
    progress: Mapping[str, Float[Array, " evaluations"]],
    colours: Mapping[str, str],
    *,
    label: str,
    start: int,
) -> Axes:
    """Best value so far of each search against the evaluations spent.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    progress, colours : mapping
        Of a search's name to its best value after each evaluation, and to its colour.
    label : str
        The value and its unit.
    start : int
        Evaluations before the first proposal.

    Returns
    -------
    ax : Axes
    """
    for name, values in progress.items():
        count = np.arange(1, len(values) + 1)
        ax.step(count, values, where="post", color=colours[name], label=name)
    ax.axvline(start, color="black", linewidth=0.8, linestyle=":", label="end of the Sobol start")
    ax.set_xlabel("evaluations")
    ax.set_ylabel(label)
    ax.legend(frameon=False)
    return ax


def draw_training(ax: Axes, records: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Axes:
    """Recorded scalars against steps; `names` maps a scalar to its label."""
    steps = [record["step"] for record in records]
    for name, label in names.items():
        ax.plot(steps, [record[name] for record in records], label=label, linewidth=1)
    ax.set_xlabel("steps")
    ax.legend(frameon=False)
    return ax
