"""Phase fractions with intervals that hold the true one as often as they say."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from idml_jax.typing import Array

SMALLEST_SPREAD = 1e-3
"""Of a fraction: none is known to a tenth of a per cent, however sure a network is."""


class FractionInterval(NamedTuple):
    """The fractions of an image's classes, and what holds the true ones at the stated level."""

    fraction: Float[np.ndarray, " classes"]
    low: Float[np.ndarray, " classes"]
    high: Float[np.ndarray, " classes"]


@dataclasses.dataclass(frozen=True, eq=False)
class FractionIntervals:
    """Intervals of phase fractions, fitted to images whose true fractions are known.

    How far a fraction is off is measured in units of a spread, how unsure a segmenter is of this
    image (`fraction_spread`); the units that are enough for a given share of the known images are
    taken for new ones. This is split conformal prediction [1]_ with normalized residuals
    (section 2.2 of [2]_), class by class.

    Parameters
    ----------
    scores : array of shape (images, classes)
        Of each known image how far off the fraction of each class is, in spreads: see `of`.

    Notes
    -----
    If the images that it is fitted to and the new one come in an order that says nothing, as draws
    of one material under one microscope by one annotator do, the true fraction of a class lies in
    its interval with at least the probability `level`, whatever the network and however wrong the
    spreads; with no ties at most :math:`1 / (n + 1)` more, of n images. A bad spread makes wide
    intervals, and not wrong ones. What it does not say:

    - It is an average over images. Of a kind of image that is rare among those fitted to, fewer may
      be covered. Fitted once to n images, the share of all new ones that is covered is itself
      random, by Beta(k, n + 1 - k) of the k-th smallest score: with 20 images and a level of 0.9,
      from 0.78 to 0.98 in nine of ten cases.
    - Another material, etching, magnification or detector is another population: nothing holds.
    - Micrographs of one specimen resemble each other: n is then the number of specimens.
    - Images by which the network was chosen, as the best of several, are told a little better than
      new ones; those that it was trained on much better: never fit to these.
    - It is about what an annotator would find in this image, not about the specimen, whose fraction
      differs by the choice of the place: see `statistics.integral_range`.
    - Each class has its own interval: that all hold at once is less likely, and their middles add
      up to 1 but nothing else does.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, *Algorithmic Learning in a Random World*, Springer,
       2005; section 4.2 of the second edition, 2022.
    .. [2] A. N. Angelopoulos, S. Bates, "A gentle introduction to conformal prediction and
       distribution-free uncertainty quantification", 2021, arXiv 2107.07511.

    Examples
    --------
    >>> import numpy as np
    >>> true = np.array([[0.30, 0.70], [0.45, 0.55], [0.26, 0.74], [0.52, 0.48]])
    >>> told = np.array([[0.31, 0.69], [0.43, 0.57], [0.30, 0.70], [0.51, 0.49]])
    >>> intervals = FractionIntervals.of(true, told, np.full((4, 2), 0.01))
    >>> found = intervals(np.array([0.4, 0.6]), np.array([0.02, 0.02]), level=0.8)
    >>> found.low.round(2).tolist(), found.high.round(2).tolist()
    ([0.32, 0.52], [0.48, 0.68])
    """

    scores: Float[np.ndarray, "images classes"]

    @classmethod
    def of(
        cls,
        true: Float[Array, "images classes"],
        told: Float[Array, "images classes"],
        spread: Float[Array, "images classes"],
    ) -> "FractionIntervals":
        """Of known images: the true fractions, what is told, and how unsure it is.

        Raises
        ------
        ValueError
            If a spread is not positive.
        """
        true, told, spread = (np.asarray(each, float) for each in (true, told, spread))
        if not (spread > 0).all():
            raise ValueError("`spread` must be positive: fractions are divided by it.")
        return cls(np.abs(told - true) / spread)

    def factor(self, level: float) -> Float[np.ndarray, " classes"]:
        """Spreads on either side that are enough for each class; infinite of too few images."""
        return np.array([conformal_quantile(each, level) for each in self.scores.T])

    def __call__(
        self, told: Float[Array, " classes"], spread: Float[Array, " classes"], *, level: float
    ) -> FractionInterval:
        """The intervals of an image, within 0 and 1: all of it where there are too few images."""
        told, spread = np.asarray(told, float), np.asarray(spread, float)
        reach = self.factor(level) * spread
        return FractionInterval(told, np.maximum(told - reach, 0), np.minimum(told + reach, 1))


def conformal_quantile(scores: Float[Array, " count"], level: float) -> float:
    r"""The number below which the next score lies with at least a given probability.

    Parameters
    ----------
    scores : array of shape (count,)
        Of which the next one is exchangeable with them.
    level : float
        The probability, between 0 and 1.

    Returns
    -------
    quantile : float
        The k-th smallest of the n scores, :math:`k = \lceil (n + 1) \mathrm{level} \rceil`;
        infinite where there are fewer than k: no score that was seen is large enough.

    Raises
    ------
    ValueError
        If the level is not between 0 and 1.

    Notes
    -----
    Angelopoulos and Bates 2021, section 1.1 and appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.arange(1.0, 10.0)
    >>> conformal_quantile(scores, 0.8), conformal_quantile(scores, 0.95)
    (8.0, inf)
    """
    scores = np.sort(np.asarray(scores, float))
    place = _place(len(scores), level)
    return float(scores[place - 1]) if place <= len(scores) else math.inf


def images_needed(level: float) -> int:
    """The least number of known images that intervals of a level can be fitted to.

    Examples
    --------
    >>> [images_needed(level) for level in (0.5, 0.8, 0.9, 0.95)]
    [1, 4, 9, 19]
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` (={level}) must lie between 0 and 1.")
    return math.ceil(round(level / (1 - level), 6))


def class_fractions(
    labels: Integer[Array, "*members rows cols"],
    *,
    classes: int,
    known: Bool[Array, "rows cols"] | None = None,
) -> Float[np.ndarray, "*members classes"]:
    """The share of each class in the pixels of an image, or in those that are known.

    Parameters
    ----------
    labels : integer array of shape (*members, rows, cols)
        From 0, or one such image for each member of a segmenter.
    classes : int
    known : boolean array of shape (rows, cols), optional
        The pixels that count.

    Raises
    ------
    ValueError
        If no pixel counts.

    Examples
    --------
    >>> import numpy as np
    >>> class_fractions(np.array([[0, 0, 1, 2]]), classes=3).tolist()
    [0.5, 0.25, 0.25]
    """
    labels = np.asarray(labels)
    counted = labels.reshape(*labels.shape[:-2], -1)
    if known is not None:
        counted = counted[..., np.asarray(known).ravel()]
    if not counted.shape[-1]:
        raise ValueError("`known` leaves no pixel that counts.")
    return np.stack([(counted == one).mean(axis=-1) for one in range(classes)], axis=-1)


def fraction_spread(
    labels: Integer[Array, "members rows cols"],
    probabilities: Float[Array, "rows cols classes"],
    *,
    known: Bool[Array, "rows cols"] | None = None,
) -> Float[np.ndarray, " classes"]:
    """By how much the fractions of an image may be off, but for a factor: the unit of intervals.

    The deviation of the members' fractions, and the mean over the pixels of p (1 - p) of a class.
    Pixels beside each other err together, so that what is doubtful of them adds up and does not
    average out; and members of one network agree more often than they are right. To both
    `SMALLEST_SPREAD` is added. Only how it differs from image to image matters.

    Parameters
    ----------
    labels : integer array of shape (members, rows, cols)
        What each member of a segmenter tells, from 0; two at least.
    probabilities : array of shape (rows, cols, classes)
        Their mean.
    known : boolean array of shape (rows, cols), optional
        The pixels that count.
    """
    shares = np.asarray(probabilities)
    shares = shares.reshape(-1, shares.shape[-1]) if known is None else shares[np.asarray(known)]
    members = class_fractions(labels, classes=shares.shape[-1], known=known)
    doubt = (shares * (1 - shares)).mean(axis=0, dtype=float)
    return members.std(axis=0, ddof=1) + doubt + SMALLEST_SPREAD


def _place(count: int, level: float) -> int:
    """Which of the scores, from the smallest, 1, is large enough."""
    if not 0 < level < 1:
        raise ValueError(f"`level` (={level}) must lie between 0 and 1.")
    # 0.9 of 10 is 9, whatever is lost in the product.
    return math.ceil(round((count + 1) * level, 9))
