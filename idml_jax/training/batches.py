"""Many examples, a batch of one size at a time: one compilation, and a bounded memory."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Shaped

from idml_jax.typing import Array


def in_batches(
    function: Callable[..., Array], batch: int, *arrays: Shaped[Array, "count ..."] | None
) -> Float[np.ndarray, "count ..."]:
    """A function of examples, computed `batch` at a time and kept on the host.

    Parameters
    ----------
    function : callable
        Of as many arrays as there are; each example's answer is its own.
    batch : int
        The last one is filled up with repetitions, which are left out of the answer.
    *arrays : arrays of shape (count, ...), or None
        None is handed on as it is.

    Examples
    --------
    >>> import numpy as np
    >>> in_batches(lambda x, known: 2 * x, 2, np.arange(3.0), None).tolist()
    [0.0, 2.0, 4.0]
    """
    count = next(len(array) for array in arrays if array is not None)
    starts = range(0, count, batch)

    def part(array: Shaped[Array, "count ..."] | None, start: int) -> np.ndarray | None:
        if array is None:
            return None
        found = np.asarray(array[start : start + batch])
        return np.concatenate([found, np.repeat(found[-1:], batch - len(found), axis=0)])

    made = [np.asarray(function(*(part(array, start) for array in arrays))) for start in starts]
    return np.concatenate(made)[:count]
