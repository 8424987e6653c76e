"""Whether probabilities are what they say, as a picture."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from idml_jax.report.figures import GENERATED, RANDOM, REAL, TRAINING, new_panels

COLOURS = (GENERATED, REAL, TRAINING, RANDOM)
"""Of the first, the second, ..."""


@runtime_checkable
class Reliability(Protocol):
    """What is told in bins of how sure it is: `evaluation.reliability` gives one."""

    @property
    def confidence(self) -> Float[np.ndarray, " bins"]: ...
    @property
    def accuracy(self) -> Float[np.ndarray, " bins"]: ...
    @property
    def share(self) -> Float[np.ndarray, " bins"]: ...
    @property
    def error(self) -> float: ...


def draw_reliability(ax: Axes, reliability: Reliability, *, name: str = "", colour: str) -> Axes:
    """How often what is told is right against how sure it is; on the dotted line it is as it says.

    Parameters
    ----------
    ax : Axes
        What to draw on.
    reliability : Reliability
        Empty bins are left out.
    name : str
        For the legend, where its expected calibration error stands as well.
    colour : str

    Returns
    -------
    ax : Axes
    """
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", zorder=1)
    some = reliability.share > 0
    label = f"{name}: off by {reliability.error:.3f}" if name else f"off by {reliability.error:.3f}"
    ax.plot(
        reliability.confidence[some],
        reliability.accuracy[some],
        "o-",
        color=colour,
        markersize=4,
        linewidth=1.2,
        label=label,
    )
    ax.set_ylabel("share that is right")
    ax.set_ylim(-0.02, 1.02)
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return ax


def reliability_figure(kinds: Mapping[str, Reliability]) -> Figure:
    """Several ways to tell over each other, and below how often each is how sure.

    Parameters
    ----------
    kinds : mapping
        Of a name to what `evaluation.reliability` says; four at most.

    Returns
    -------
    figure : Figure
    """
    if not 1 <= len(kinds) <= len(COLOURS):
        raise ValueError(f"`kinds` (={[*kinds]}): one to {len(COLOURS)} of them.")
    figure, axes = new_panels(5.0, 5.2, 2, 1, heights=(3.0, 1.0))
    upper, lower = axes[:, 0]
    for (name, each), colour in zip(kinds.items(), COLOURS, strict=False):
        draw_reliability(upper, each, name=name, colour=colour)
        edges = np.linspace(0, 1, len(each.share) + 1)
        lower.stairs(each.share, edges, color=colour)
    # What is told is the likeliest of the classes: none is told at less than their share.
    lowest = min(float(np.nanmin(each.confidence)) for each in kinds.values())
    for ax in (upper, lower):
        ax.set_xlim(max(0.0, lowest - 0.05), 1.01)
    lower.set_xlabel("probability of what is told")
    lower.set_ylabel("share of all")
    return figure
