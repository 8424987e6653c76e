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


def correlations(
    comparison: evaluation.Comparison, pixel_size: tuple[float, float] | None
) -> Figure:
    """Two-point correlation of generated, held-out and training images, with intervals."""
    figure, ax = report.new_figure(7.0, 4.0)
    scale, unit = 1.0, "pixels"
    if pixel_size is not None:
        scale, unit = float(np.mean(pixel_size)) * 1e6, "micrometres"
    report.draw_curves(
        ax,
        comparison.held_out.distances * scale,
        {
            "training": comparison.training.correlation,
            "held-out": comparison.held_out.correlation,
            "generated": comparison.generated.correlation,
        },
        {"training": report.TRAINING, "held-out": report.REAL, "generated": report.GENERATED},
        unit=unit,
    )
    return figure


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
