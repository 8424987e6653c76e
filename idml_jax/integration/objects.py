"""From classes of pixels to classes of objects: an object is of one class as a whole."""

import numpy as np
from jaxtyping import Float, Int

from idml_jax.typing import Array


def vote_over_objects(
    probabilities: Float[Array, "*space classes"],
    objects: Int[Array, "..."],
    *,
    soft: bool = False,
) -> Int[np.ndarray, " objects"]:
    """The class of each object, by a vote of its pixels.

    Pixels of one grain, particle or constituent are of one class, and few objects are taken for
    another one in most of theirs.

    Parameters
    ----------
    probabilities : array of shape (..., classes)
        Of the classes of each pixel.
    objects : int array of the same shape without the last axis
        The number of the object that each pixel belongs to, from 1; 0 for none, as
        `skimage.measure.label` has it.
    soft : bool
        Whether a pixel's vote is divided among the classes by their probabilities; by default it is
        for the likeliest one [1]_.

    Returns
    -------
    classes : int array of shape (objects,)
        Of the objects 1, 2, ...; -1 where a number below the highest has no pixel. Of a draw the
        first class.

    References
    ----------
    .. [1] S. M. Azimi, D. Britz, M. Engstler, M. Fritz, F. Muecklich, "Advanced steel
       microstructural classification by deep learning methods", Sci. Rep. 8, 2128 (2018), "Max-
       voting".

    Examples
    --------
    >>> import numpy as np
    >>> told = np.eye(2)[[[0, 0, 1, 1, 1]]]
    >>> vote_over_objects(told, np.array([[1, 1, 1, 0, 2]]))
    array([0, 1])
    """
    probabilities, objects = np.asarray(probabilities), np.asarray(objects)
    if probabilities.shape[:-1] != objects.shape:
        raise ValueError(
            f"`probabilities` has the shape {probabilities.shape} and `objects` {objects.shape}; "
            "they are (..., classes) and (...)."
        )
    if objects.size and objects.min() < 0:
        raise ValueError(f"`objects` are numbered from 1, 0 is none of them; got {objects.min()}.")
    classes = probabilities.shape[-1]
    votes = probabilities if soft else np.eye(classes)[probabilities.argmax(axis=-1)]
    count = int(objects.max(initial=0)) + 1
    sums = np.stack(
        [np.bincount(objects.ravel(), votes[..., k].ravel(), count) for k in range(classes)], -1
    )
    return np.where(sums.any(axis=-1), sums.argmax(axis=-1), -1)[1:]
