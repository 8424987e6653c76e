"""How sure a mean is when the images come in groups that share a specimen."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Interval(NamedTuple):
    """A mean, and the interval that holds it at the stated level."""

    mean: Float[np.ndarray, "*shape"]
    low: Float[np.ndarray, "*shape"]
    high: Float[np.ndarray, "*shape"]


def bootstrap_mean(
    groups: Sequence[Float[np.ndarray, "_ *shape"]],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean over all members of all groups, with its percentile bootstrap interval.

    Groups are drawn with replacement first, then the members of each drawn group
    [1]_: crops of one micrograph resemble each other, and treating them as
    independent would make the interval too narrow. One group alone can only be
    resampled by its members.

    Parameters
    ----------
    groups : sequence of arrays of shape (members, ...)
        One array a specimen; the trailing shape is that of the quantity.
    level : float
        Of the interval.
    resamples, seed : int
        Number of resamples, and their seed.

    Returns
    -------
    interval : Interval
        Each field has the trailing shape.

    Raises
    ------
    ValueError
        If there is no group, or an empty one.

    References
    ----------
    .. [1] A. C. Davison, D. V. Hinkley, *Bootstrap Methods and their Application*,
       Cambridge, 1997, section 3.8.

    Examples
    --------
    >>> import numpy as np
    >>> mean, low, high = bootstrap_mean([np.array([1.0, 2.0, 3.0])])
    >>> float(mean), bool(low < mean < high)
    (2.0, True)
    """
    weights = bootstrap_weights([len(group) for group in groups], resamples=resamples, seed=seed)
    stacked = np.concatenate(groups).astype(float)
    flat = stacked.reshape(len(stacked), -1)
    means = (weights @ flat) / weights.sum(axis=1, keepdims=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    shape = stacked.shape[1:]
    return Interval(np.asarray(stacked.mean(axis=0)), low.reshape(shape), high.reshape(shape))


def bootstrap_score(
    groups: Sequence[Int[np.ndarray, "_ *shape"]],
    score: Callable[[Int[np.ndarray, "sums *shape"]], Any],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """A score of counts that are added up, with its percentile bootstrap interval.

    For what is no mean over the members: an F-score of all images, for instance.

    Parameters
    ----------
    groups : sequence of int arrays of shape (members, ...)
        One array a specimen, as for `bootstrap_mean`.
    score : callable
        Of sums over members, stacked along the first axis: a number of each, or an array of
        numbers; `jax.vmap` makes it of a score of one. Resamples of which it is NaN are left out.
    level, resamples, seed
        As for `bootstrap_mean`.

    Returns
    -------
    interval : Interval
        Its `mean` is the score of all members.

    Raises
    ------
    ValueError
        If there is no group, or an empty one.

    Examples
    --------
    >>> import numpy as np
    >>> right, wrong = np.array([[1, 0]]), np.array([[0, 1]])
    >>> share_of = lambda both: both[:, 0] / both.sum(axis=1)
    >>> share, low, high = bootstrap_score([right, right, wrong], share_of)
    >>> round(float(share), 3), float(low), float(high)
    (0.667, 0.0, 1.0)
    """
    weights = bootstrap_weights([len(group) for group in groups], resamples=resamples, seed=seed)
    stacked = np.concatenate(groups).astype(np.int64)
    sums = weights.astype(np.int64) @ stacked.reshape(len(stacked), -1)
    sums = np.concatenate([sums, stacked.reshape(len(stacked), -1).sum(axis=0, keepdims=True)])
    scores = np.asarray(score(sums.reshape(-1, *stacked.shape[1:])), float)
    found, whole = scores[:-1], np.asarray(scores[-1])
    with warnings.catch_warnings():
        # Of a score that is NaN for every resample: so are its ends.
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(whole, np.asarray(low), np.asarray(high))


def bootstrap_weights(
    sizes: Sequence[int], *, resamples: int, seed: int
) -> Float[np.ndarray, "resamples members"]:
    """How often each member of the groups is drawn, one row a resample.

    Parameters
    ----------
    sizes : sequence of int
        Members of each group.
    resamples, seed : int
        Number of resamples, and their seed.

    Raises
    ------
    ValueError
        If there is no group, or an empty one.
    """
    counts = np.array(sizes)
    if not counts.all() or len(counts) == 0:
        raise ValueError(
            f"`groups` have {counts.tolist()} members; give one group or more, none of them empty."
        )
    generator = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    weights = np.zeros((resamples, counts.sum()))
    drawn = generator.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), resamples)
    for size, start, times in zip(counts, starts, drawn.T, strict=True):
        # A group that is drawn twice has its members drawn anew each time.
        members = generator.multinomial(times * size, np.full(size, 1 / size))
        weights[:, start : start + size] = members
    return weights
