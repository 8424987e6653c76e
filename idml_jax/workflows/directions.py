"""Has the material directions? A generator is shown it turned, unless it is told not to be."""

import sys
from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from idml_jax import data
from idml_jax.data.contrast import THRESHOLD

LONGER = 1.2
"""From this ratio of mean intercept lengths on, and three standard errors, a material has
directions."""


def intercept_ratio(micrographs: Sequence[data.Micrograph]) -> tuple[float, float]:
    """Mean intercept length along the rows' axis over that along the cols' axis.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Grey, or memberships of phases.

    Returns
    -------
    ratio, error : float
        The geometric mean over the micrographs, and its relative standard error: infinite of one.

    Examples
    --------
    >>> layers = np.tile(np.repeat(np.float32([0, 1]), 8), (64, 4))[..., None]
    >>> intercept_ratio([data.Micrograph(layers, "layers")])[0] > 5
    True
    """
    logs = []
    for micrograph in micrographs:
        image = micrograph.image
        if image.shape[-1] > 1:
            phase = image.argmax(axis=-1)
        else:
            # Noise crosses the threshold along both axes alike.
            phase = scipy.ndimage.gaussian_filter(image[..., 0], 1.0) > THRESHOLD
        # One is added, so that a phase which never ends has a length.
        crossings = [1 + np.count_nonzero(np.diff(phase, axis=axis)) for axis in (0, 1)]
        rows, cols = phase.shape
        lengths = [(rows - 1) * cols / crossings[0], rows * (cols - 1) / crossings[1]]
        logs.append(np.log(lengths[0] / lengths[1]))
    error = np.std(logs, ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.inf
    return float(np.exp(np.mean(logs))), float(error)


def tell_of_directions(micrographs: Sequence[data.Micrograph], turns: data.Turns) -> None:
    """Say that the images will have no directions where the micrographs have, one line to stderr.

    Quarter turns alone take them away.
    """
    if turns != "all":
        return
    ratio, error = intercept_ratio(micrographs)
    if abs(np.log(ratio)) < max(np.log(LONGER), 3 * error):
        return
    longer, other = ("rows", "cols") if ratio > 1 else ("cols", "rows")
    print(
        f"idml: the micrographs' features are {max(ratio, 1 / ratio):.1f} times as long along "
        f"{longer} as along {other}, and the images' will not be: crops are turned at random; "
        "--turns mirrors keeps directions.",
        file=sys.stderr,
    )
