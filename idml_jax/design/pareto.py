"""What cannot be bettered in every respect at once."""

import numpy as np
from jaxtyping import Bool, Float


def nondominated(scores: Float[np.ndarray, "count objectives"]) -> Bool[np.ndarray, " count"]:
    """Whether no other row is at least as good in every score and better in one.

    Parameters
    ----------
    scores : array of shape (count, objectives)
        Larger is better.

    Returns
    -------
    front : boolean array of shape (count,)

    Examples
    --------
    >>> import numpy as np
    >>> nondominated(np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0], [2.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    scores = np.asarray(scores)
    no_worse = np.all(scores[:, None] >= scores, axis=-1)
    better = np.any(scores[:, None] > scores, axis=-1)
    return ~np.any(no_worse & better, axis=0)


def hypervolume(
    scores: Float[np.ndarray, "count objectives"], reference: Float[np.ndarray, " objectives"]
) -> float:
    """Volume of all that a set of scores is better than, down to a reference point.

    Parameters
    ----------
    scores : array of shape (count, objectives)
        Larger is better.
    reference : array of shape (objectives,)
        What is worse than it in any respect does not count.

    Returns
    -------
    volume : float

    Notes
    -----
    By slices: between two values of the last score the volume is that of the others of the rows
    that reach so far (E. Zitzler, L. Thiele, IEEE Trans. Evol. Comput. 3, 257, 1999, name it; the
    slicing is that of J. Knowles, thesis, Reading 2002). Its time grows with the number of rows to
    the power of the objectives less one: for two to four of them.

    Examples
    --------
    >>> import numpy as np
    >>> hypervolume(np.array([[1.0, 3.0], [2.0, 2.0]]), np.zeros(2))
    5.0
    """
    scores = np.asarray(scores, np.float64) - np.asarray(reference, np.float64)
    scores = scores[(scores > 0).all(axis=1)]
    if not len(scores):
        return 0.0
    if scores.shape[1] == 1:
        return float(scores.max())
    scores = scores[nondominated(scores)]
    scores = scores[np.argsort(-scores[:, -1], kind="stable")]
    heights = np.append(scores[:, -1], 0.0)
    nothing = np.zeros(scores.shape[1] - 1)
    slices = [
        (heights[row] - heights[row + 1]) * hypervolume(scores[: row + 1, :-1], nothing)
        for row in range(len(scores))
        if heights[row] > heights[row + 1]
    ]
    return float(sum(slices))
