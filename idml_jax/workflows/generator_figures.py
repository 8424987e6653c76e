"""Figures of a trained generator, for every report that has one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from idml_jax import evaluation, report


def pictures(
    real: Float[np.ndarray, "_ rows cols 1"], made: Float[np.ndarray, "_ rows cols 1"]
) -> Figure:
    """Sixteen real images, and as many generated ones below."""
    # The same number of both, so that the sheet breaks between them.
    count = min(len(real), len(made), 16)
    count = count // 8 * 8 or count
    images = np.concatenate([real[:count], made[:count]])[..., 0]
    columns = min(8, count)
    shape = images.shape[1] / images.shape[2]
    figure, ax = report.new_figure(9.0, 9.4 / columns * len(images) / columns * shape)
    report.draw_images(ax, images, columns=columns)
    return figure


COLOURS = {
    "training": report.TRAINING,
    "held-out": report.REAL,
    "generated": report.GENERATED,
}
"""Of the three kinds of images, wherever they stand beside each other."""


def correlations(
    comparison: evaluation.Comparison, pixel_size: tuple[float, float] | None
) -> Figure:
    """Two-point correlation of generated, held-out and training images, with intervals."""
    figure, ax = report.new_figure(7.0, 4.0)
    scale, unit = _length(pixel_size)
    curves = {name: kind.correlation for name, kind in _drawn(comparison)}
    report.draw_curves(ax, comparison.held_out.distances * scale, curves, COLOURS, unit=unit)
    return figure


def every_statistic(
    comparison: evaluation.Comparison, pixel_size: tuple[float, float] | None
) -> Figure:
    """A panel for each statistic that was compared: a curve, or a number with its interval."""
    columns = 3
    down = -(-len(comparison.differences) // columns)
    figure, axes = report.new_panels(10.5, 2.7 * down, down, columns)
    scale, unit = _length(pixel_size)
    for number, ax in enumerate(axes.flat):
        if number >= len(comparison.differences):
            ax.set_axis_off()
            continue
        name = comparison.differences[number].name
        found = {kind: each.intervals[name] for kind, each in _drawn(comparison)}
        at = comparison.held_out.at.get(name)
        if at is None:
            numbers = {
                kind: (float(each.mean), float(each.low), float(each.high))
                for kind, each in found.items()
            }
            report.draw_intervals(ax, numbers, COLOURS, label="")
        else:
            report.draw_curves(ax, at * scale, found, COLOURS, across="length", unit=unit, label="")
            ax.get_legend().set_visible(number == 1)
        ax.set_title(name, fontsize=10)
    return figure


def _drawn(comparison: evaluation.Comparison) -> list[tuple[str, evaluation.Statistics]]:
    """The three ensembles, the generated one last and so above the others."""
    return list(comparison.kinds.items())[::-1]


def _length(pixel_size: tuple[float, float] | None) -> tuple[float, str]:
    """Length of a pixel and its unit."""
    if pixel_size is None:
        return 1.0, "pixels"
    return float(np.mean(pixel_size)) * 1e6, "micrometres"


def copies(
    made: Float[np.ndarray, "_ rows cols 1"], nearest: Sequence[evaluation.Nearest]
) -> Figure:
    """Generated images, and below each one the training crop nearest to it."""
    shown = len(nearest)
    crops = np.stack([near.crop for near in nearest])
    figure, ax = report.new_figure(9.0, 2.6)
    report.draw_images(ax, np.concatenate([made[:shown, ..., 0], crops]), columns=shown)
    return figure


def training_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses, and the signals of a collapse."""
    figure, ax = report.new_figure(7.0, 3.2)
    names = {
        "generator_loss": "generator loss",
        "discriminator_loss": "discriminator loss",
        "diversity": "diversity",
        "told_apart": "told apart",
    }
    report.draw_training(ax, records, names)
    return figure
