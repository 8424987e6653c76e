"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from idml_jax.report.figures import new_figure

LONG = 9
"""Letters of a name from which on it is written at a slant."""


def draw_confusion(
    ax: Axes, counts: Int[np.ndarray, "classes classes"], names: Sequence[str]
) -> Axes:
    """Shares of each true class, down, that were taken for which, across.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    counts : int array of shape (classes, classes)
        ``counts[i, j]`` of class i were taken for class j.
    names : sequence of str
        Of the classes.

    Returns
    -------
    ax : Axes
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(names)):
        for col in range(len(names)):
            colour = "white" if shares[row, col] > 0.5 else "black"
            text = f"{shares[row, col]:.3f}"
            ax.text(col, row, text, ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    if max(map(len, names)) > LONG:
        # Beside each other they would lie over each other.
        for label in ax.get_xticklabels():
            label.set(rotation=35, ha="right")
    ax.set_xlabel("taken for")
    ax.set_ylabel("is")
    return ax


def confusion_figure(counts: Int[np.ndarray, "classes classes"], names: Sequence[str]) -> Figure:
    """The same as a figure whose cells hold their numbers."""
    side = 1.6 + 0.6 * len(names)
    figure, ax = new_figure(side + 0.6, side)
    draw_confusion(ax, counts, names)
    return figure
