"""Whether a segmenter's probabilities are what they say, on micrographs that it was judged by."""

from collections.abc import Sequence

import numpy as np

from idml_jax import data, evaluation
from idml_jax.workflows.calibration import Calibration, calibration_of

PIXELS = 10**6
"""That are looked at; of more, evenly spaced ones."""


def pixel_calibration(
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
    return calibration_of(
        np.concatenate(shares),
        np.concatenate(labels),
        what="pixels",
        command="idml segment predict --calibrated",
    )
