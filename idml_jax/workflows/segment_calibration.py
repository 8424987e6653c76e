"""Whether a segmenter's probabilities are what they say, on micrographs that it was judged by."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from idml_jax import data, evaluation

PIXELS = 10**6
"""That are looked at; of more, evenly spaced ones."""


class Calibration(NamedTuple):
    """How sure a segmenter is and how often it is right, as it is and at the best temperature."""

    as_it_is: evaluation.Reliability
    temperature: float
    at_temperature: evaluation.Reliability
    """On the pixels that the temperature was fitted to."""
    pixels: int

    def plain(self) -> dict[str, Any]:
        """As plain values: what the run's result holds."""
        return {
            "expected calibration error": self.as_it_is.error,
            "temperature": self.temperature,
            "expected calibration error at it": self.at_temperature.error,
            "pixels": self.pixels,
        }

    def __str__(self) -> str:
        return (
            f"Probabilities of the network are off by {self.as_it_is.error:.3f} in the mean over "
            f"{self.pixels} pixels (expected calibration error), and by "
            f"{self.at_temperature.error:.3f} at the temperature {self.temperature:.2f} that was "
            "fitted to them: idml segment predict --calibrated."
        )


def calibration_of(
    segmenter: evaluation.PixelClassifier, annotated: Sequence[data.Annotated]
) -> Calibration:
    """On annotated pixels of micrographs that it was not trained on."""
    count = sum(int((one.labels >= 0).sum()) for one in annotated)
    stride = -(-count // PIXELS)
    shares, labels = [], []
    for one in annotated:
        places = np.flatnonzero(one.labels >= 0)[::stride]
        found = segmenter.predict(one.micrograph.image)
        shares.append(found.reshape(-1, found.shape[-1])[places])
        labels.append(one.labels.ravel()[places])
    given = np.concatenate(shares), np.concatenate(labels)
    temperature = evaluation.fit_temperature(*given)
    better = evaluation.at_temperature(given[0], temperature)
    return Calibration(
        evaluation.reliability(*given),
        temperature,
        evaluation.reliability(better, given[1]),
        len(given[1]),
    )
