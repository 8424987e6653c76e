"""Figures of a segmentation: what was taken for what, where it is wrong, how it was learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure

from idml_jax import data, evaluation, report
from idml_jax.typing import Image

SHOWN = 2
"""Best micrographs that are shown, and worst."""

SHOWN_IN_TRAINING = 3
"""Held-out micrographs that are shown while a network is trained, and of each a square of at most
`SHOWN_SIDE` pixels."""

SHOWN_SIDE = 320

OVERLAY = 0.45
"""Share of the colour of its class in a pixel of an overlay."""


def examples_figure(
    segmenter: evaluation.PixelClassifier,
    annotated: Sequence[data.Annotated],
    counts: Int[np.ndarray, "images classes classes"],
) -> Figure:
    """The micrographs that are told best and worst: as they are, as annotated, as told."""
    scores = [
        float(evaluation.intersection_over_union(each, average="macro", zero_division=np.nan))
        for each in counts
    ]
    order = np.argsort(scores)[::-1]
    chosen = [*order[:SHOWN], *order[SHOWN:][-SHOWN:]]
    figure, axes = report.new_panels(12.0, 3.2 * len(chosen), len(chosen), 4)
    for row, number in zip(axes, chosen, strict=True):
        one = annotated[number]
        image = one.micrograph.image.mean(axis=-1)
        found = segmenter.predict(one.micrograph.image).argmax(axis=-1)
        known = one.labels >= 0
        wrong = np.where(known & (found != one.labels), 1.0, np.nan)
        titles = f"{one.name}: mean IoU {scores[number]:.3f}", "mask", "network", "wrong pixels"
        for ax, title in zip(row, titles, strict=True):
            ax.set_title(title, fontsize=9)
            ax.set_axis_off()
        for ax in (row[0], row[3]):
            ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        row[1].imshow(painted(one.labels, len(segmenter.classes)))
        row[2].imshow(painted(found, len(segmenter.classes)))
        row[3].imshow(wrong, cmap="autumn", vmin=0, vmax=1, interpolation="nearest")
    return figure


def overlaid(
    image: Image, labels: Int[np.ndarray, "rows cols"], classes: int
) -> UInt8[np.ndarray, "rows cols 3"]:
    """An image in grey with its classes in colour; what nobody annotated stays grey."""
    grey = np.asarray(image).mean(axis=-1, keepdims=True)
    mixed = (1 - OVERLAY) * grey + OVERLAY * colours_of(classes)[labels]
    known = (labels >= 0)[..., None]
    return np.rint(255 * np.where(known, mixed, np.clip(grey, 0, 1))).astype(np.uint8)


def overlay_sheet(
    segmenter: evaluation.PixelClassifier, annotated: Sequence[data.Annotated], *, gap: int = 4
) -> UInt8[np.ndarray, "down across 3"]:
    """The middles of some micrographs, a row each: in grey, as told, as annotated."""
    rows = []
    for one in annotated[:SHOWN_IN_TRAINING]:
        middle = tuple(
            slice(max(0, (side - SHOWN_SIDE) // 2), max(0, (side - SHOWN_SIDE) // 2) + SHOWN_SIDE)
            for side in one.micrograph.size
        )
        image, labels = one.micrograph.image[middle], one.labels[middle]
        nothing = np.full_like(labels, -1)
        found = segmenter.predict(image).argmax(axis=-1)
        kinds = nothing, found, labels
        rows.append([overlaid(image, each, len(segmenter.classes)) for each in kinds])
    high, wide = (max(row[0].shape[axis] for row in rows) for axis in (0, 1))
    sheet = np.full((len(rows) * (high + gap) - gap, 3 * (wide + gap) - gap, 3), 255, np.uint8)
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            top, left = down * (high + gap), across * (wide + gap)
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def painted(labels: Int[np.ndarray, "rows cols"], classes: int) -> Float[np.ndarray, "rows cols 3"]:
    """A colour for each class; what nobody annotated is white."""
    colours = np.ones((classes + 1, 3))
    colours[:-1] = colours_of(classes)
    return colours[labels]


def colours_of(classes: int) -> Float[np.ndarray, "classes 3"]:
    """A colour for each class, the first dark and the last bright."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 1, classes))[:, :3]


def judged_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss of the batches, and mean IoU of what is judged by."""
    figure, axes = report.new_panels(10.0, 3.0, 1, 2)
    steps = [each["step"] for each in records]
    axes[0, 0].plot(steps, [each["loss"] for each in records], color=report.TRAINING)
    axes[0, 0].set_ylabel("loss of a batch")
    judged = [each for each in records if "mean IoU" in each]
    names = [name for name in judged[0] if name.startswith("IoU, ")] if judged else []
    for name, colour in zip(names, colours_of(len(names)), strict=True):
        values = [each.get(name, np.nan) for each in judged]
        axes[0, 1].plot(
            [each["step"] for each in judged],
            values,
            color=colour,
            alpha=0.6,
            linewidth=1,
            label=name,
        )
    axes[0, 1].plot(
        [each["step"] for each in judged],
        [each["mean IoU"] for each in judged],
        color=report.REAL,
        label="mean IoU",
    )
    axes[0, 1].set_ylabel("of held-out micrographs")
    axes[0, 1].legend(frameon=False, fontsize=8)
    for ax in axes[0]:
        ax.set_xlabel("steps")
    return figure
