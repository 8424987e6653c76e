"""Whether probabilities are what they say: of all that is told at 0.8, four in five are right."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, special

from idml_jax.typing import Array

SMALLEST = 1e-38
"""In place of a probability of 0, which has no logarithm: the smallest of float32."""


class Reliability(NamedTuple):
    """What is told in bins of how sure it is."""

    confidence: Float[np.ndarray, " bins"]
    """Mean probability of the class that is told; NaN of an empty bin."""
    accuracy: Float[np.ndarray, " bins"]
    """Share of it that is right."""
    share: Float[np.ndarray, " bins"]
    """Of all that is told."""

    @property
    def error(self) -> float:
        """Expected calibration error: how far the two are apart, in the mean over what is told."""
        apart = np.abs(self.confidence - self.accuracy)
        return float(np.nansum(self.share * apart))


def reliability(
    probabilities: Float[Array, "*pixels classes"], labels: Int[Array, "*pixels"], *, bins: int = 15
) -> Reliability:
    """How often what is told is right, by how sure it is.

    Parameters
    ----------
    probabilities : array of shape (*pixels, classes)
        Of images, or of their pixels.
    labels : integer array of shape (*pixels,)
        The true class of each, from 0; -1 is left out.
    bins : int
        Of equal width, from 0 to 1.

    Returns
    -------
    reliability : Reliability
        Its `error` is the expected calibration error [1]_.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
       ICML 2017, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> sure = np.tile([[0.8, 0.2]], (10, 1))
    >>> round(reliability(sure, np.array([0] * 8 + [1] * 2)).error, 6)
    0.0
    """
    given, truth = _known(probabilities, labels)
    confidence, told = given.max(axis=-1), given.argmax(axis=-1)
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    some = np.where(counts > 0, counts, np.nan)
    return Reliability(
        np.bincount(place, confidence, bins) / some,
        np.bincount(place, told == truth, bins) / some,
        counts / max(len(place), 1),
    )


def fit_temperature(
    probabilities: Float[Array, "*pixels classes"], labels: Int[Array, "*pixels"]
) -> float:
    r"""The temperature at which probabilities surprise least: above 1 where they are too sure.

    Parameters
    ----------
    probabilities : array of shape (*pixels, classes)
        On what was not trained on, and is not judged by either.
    labels : integer array of shape (*pixels,)
        From 0; -1 is left out.

    Returns
    -------
    temperature : float
        For `at_temperature`, between 1/20 and 20.

    Raises
    ------
    ValueError
        If nothing is labelled.

    Notes
    -----
    Least mean of :math:`-\log p`, the one minimum of a convex function of 1/T: Guo et al. 2017,
    section 4.2.
    """
    given, truth = _known(probabilities, labels)
    if not len(truth):
        raise ValueError("`labels` are all -1: there is nothing to fit to.")
    logs = np.log(np.maximum(given, SMALLEST))

    def surprise(log_inverse: float) -> float:
        scaled = special.log_softmax(np.exp(log_inverse) * logs, axis=-1)
        return -float(np.take_along_axis(scaled, truth[:, None], axis=-1).mean())

    far = np.log(20)
    found = optimize.minimize_scalar(surprise, bounds=(-far, far), method="bounded")
    return float(np.exp(-found.x))


def at_temperature(
    probabilities: Float[Array, "*pixels classes"], temperature: float
) -> Float[np.ndarray, "*pixels classes"]:
    """Probabilities as they are at another temperature; what is most likely stays so.

    Examples
    --------
    >>> import numpy as np
    >>> at_temperature(np.array([0.8, 0.2]), 2.0).round(3).tolist()
    [0.667, 0.333]
    """
    logs = np.log(np.maximum(np.asarray(probabilities, float), SMALLEST))
    return special.softmax(logs / temperature, axis=-1)


def _known(
    probabilities: Float[Array, "*pixels classes"], labels: Int[Array, "*pixels"]
) -> tuple[Float[np.ndarray, "count classes"], Int[np.ndarray, " count"]]:
    """Those that have a label, in a row."""
    given, truth = np.asarray(probabilities, float), np.asarray(labels)
    if given.shape[:-1] != truth.shape:
        raise ValueError(
            f"`probabilities` has the shape {given.shape} and `labels` {truth.shape}; the first "
            "has one axis more, of the classes."
        )
    known = truth >= 0
    return given[known], truth[known]
