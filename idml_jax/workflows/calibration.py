"""Whether a network's probabilities are what they say, of pixels and of micrographs alike."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from idml_jax import evaluation, report
from idml_jax.errors import InputError

BINS = 15
"""Of how sure it is; of few micrographs fewer, with ten in each on the mean, five at least."""


class Calibration(NamedTuple):
    """How sure a network is and how often it is right, as it is and at the best temperature."""

    as_it_is: evaluation.Reliability
    temperature: float
    """1 where all is told right: the surer the better then, and there is nothing to fit to."""
    at_temperature: evaluation.Reliability
    """On what the temperature was fitted to."""
    count: int
    what: str
    """That are counted: pixels, or micrographs."""
    command: str
    """That gives probabilities at the temperature."""

    def plain(self) -> dict[str, Any]:
        """As plain values: what the run's result holds."""
        return {
            "expected calibration error": self.as_it_is.error,
            "temperature": self.temperature,
            "expected calibration error at it": self.at_temperature.error,
            self.what: self.count,
        }

    def __str__(self) -> str:
        told = (
            f"Probabilities of the network are off by {self.as_it_is.error:.3f} in the mean over "
            f"{self.count} {self.what} (expected calibration error)"
        )
        if self.temperature == 1:
            return f"{told}; all are told right, so that no temperature is fitted to them."
        return (
            f"{told}, and by {self.at_temperature.error:.3f} at the temperature "
            f"{self.temperature:.2f} that was fitted to them: {self.command}."
        )

    def show(self, page: report.Page) -> None:
        """A section of a page: how far off they are, and the figure."""
        page.section("How sure is it, and is it right to be?", str(self))
        kinds = {"as it is": self.as_it_is}
        if self.temperature != 1:
            kinds[f"at the temperature {self.temperature:.2f}"] = self.at_temperature
        show_reliability(page, kinds, self.what)


def calibration_of(
    probabilities: Float[np.ndarray, "count classes"],
    labels: Int[np.ndarray, " count"],
    *,
    what: str,
    command: str,
) -> Calibration:
    """Of what a network was not trained on.

    Parameters
    ----------
    probabilities : array of shape (count, classes)
    labels : int array of shape (count,)
        All of them known.
    what, command : str
        As `Calibration` has them.
    """
    temperature = 1.0
    if (probabilities.argmax(axis=-1) != labels).any():
        temperature = evaluation.fit_temperature(probabilities, labels)
    better = evaluation.at_temperature(probabilities, temperature)
    return Calibration(
        reliability_of(probabilities, labels),
        temperature,
        reliability_of(better, labels),
        len(labels),
        what,
        command,
    )


def reliability_of(
    probabilities: Float[np.ndarray, "count classes"], labels: Int[np.ndarray, " count"]
) -> evaluation.Reliability:
    """In as many bins as there is something for: empty ones, and such of one, say little."""
    bins = int(np.clip(len(labels) // 10, 5, BINS))
    return evaluation.reliability(probabilities, labels, bins=bins)


def show_reliability(
    page: report.Page, kinds: Mapping[str, evaluation.Reliability], what: str
) -> None:
    """The figure of one or several ways to tell the same."""
    page.figure(
        report.reliability_figure(kinds),
        f"Of the {what} that are told at a probability, the share that is told right; and how many "
        "there are. Below the dotted line it is too sure of itself.",
    )


def temperature_of(run: pathlib.Path) -> float:
    """The temperature that a training fitted.

    Raises
    ------
    InputError
        If it is from before there was any.
    """
    path = run / "result.json"
    found = json.loads(path.read_text()).get("calibration") if path.exists() else None
    if found is None:
        raise InputError(
            f"{run}: its training fitted no temperature yet; run the same command of it again, "
            "which goes on from its end and does."
        )
    return found["temperature"]
