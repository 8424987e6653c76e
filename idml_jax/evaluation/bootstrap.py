"""How sure a mean is when the images come in groups that share a specimen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


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
    sizes = np.array([len(group) for group in groups])
    if not sizes.all() or len(sizes) == 0:
        raise ValueError(
            f"`groups` have {sizes.tolist()} members; give one group or more, none of them empty."
        )
    generator = np.random.default_rng(seed)
    stacked = np.concatenate(groups).astype(float)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # How often each member is drawn, one row a resample.
    weights = np.zeros((resamples, len(stacked)))
    drawn = generator.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), resamples)
    for size, start, times in zip(sizes, starts, drawn.T, strict=True):
        # A group that is drawn twice has its members drawn anew each time.
        members = generator.multinomial(times * size, np.full(size, 1 / size))
        weights[:, start : start + size] = members
    flat = stacked.reshape(len(stacked), -1)
    means = (weights @ flat) / weights.sum(axis=1, keepdims=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    shape = stacked.shape[1:]
    return Interval(np.asarray(stacked.mean(axis=0)), low.reshape(shape), high.reshape(shape))
