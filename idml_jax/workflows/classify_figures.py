"""Figures of a classification: what is told wrong or unsurely, and how it was learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from idml_jax import data, report

SHOWN = 12
"""Micrographs of which the network is least sure."""


def examples_figure(
    micrographs: Sequence[data.Micrograph],
    labels: Int[np.ndarray, " count"],
    shares: Float[np.ndarray, "count classes"],
    classes: Sequence[str],
) -> Figure:
    """Micrographs by how little the network thinks that they are what they are.

    Parameters
    ----------
    micrographs : sequence of Micrograph
    labels : int array of shape (count,)
        Of their classes.
    shares : array of shape (count, classes)
        Probabilities of the classes.
    classes : sequence of str
        What they are called.
    """
    of_truth = np.take_along_axis(shares, labels[:, None], axis=1)[:, 0]
    chosen = np.argsort(of_truth)[:SHOWN]
    columns = 6
    rows = -(-len(chosen) // columns)
    figure, axes = report.new_panels(12.0, 2.5 * rows, rows, columns)
    for ax in axes.ravel():
        ax.set_axis_off()
    for ax, number in zip(axes.ravel(), chosen, strict=False):
        ax.imshow(micrographs[number].image.mean(axis=-1), cmap="gray")
        said = int(shares[number].argmax())
        is_right = said == labels[number]
        title = f"{micrographs[number].name}\n{classes[said]} {shares[number, said]:.2f}"
        ax.set_title(title, fontsize=7, color="black" if is_right else report.GENERATED)
    return figure


def judged_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss of the batches, and how many of what is judged by are told right."""
    figure, axes = report.new_panels(10.0, 3.0, 1, 2)
    steps = [each["step"] for each in records]
    axes[0, 0].plot(steps, [each["loss"] for each in records], color=report.TRAINING)
    axes[0, 0].set_ylabel("loss of a batch, nats")
    judged = [each for each in records if "macro-F1" in each]
    for name, colour in (("accuracy", report.REAL), ("macro-F1", report.GENERATED)):
        values = [each[name] for each in judged]
        axes[0, 1].plot([each["step"] for each in judged], values, color=colour, label=name)
    axes[0, 1].set_ylabel("of held-out micrographs")
    axes[0, 1].legend(frameon=False)
    for ax in axes[0]:
        ax.set_xlabel("steps")
    return figure
