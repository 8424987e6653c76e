"""Whether the regions of a class stay apart and whole: particles that are joined, or cut in two."""

import numpy as np
from jaxtyping import Bool, Float, Int
from skimage import measure, metrics

from idml_jax.typing import Array


def adapted_rand_error(
    labels: Int[Array, "rows cols"],
    predictions: Int[Array, "rows cols"],
    *,
    classes: int,
    connectivity: int = 1,
) -> Float[np.ndarray, " classes"]:
    """Error of the regions of each class: one minus the F-score of pairs of pixels in one region.

    Of all pairs of a class's true pixels that lie in one true region, recall is the share that also
    lies in one predicted region; precision is the share the other way round [1]_. A bridge of one
    pixel joins two particles, and a false boundary cuts one: areas hide both.

    Parameters
    ----------
    labels, predictions : integer array of shape (rows, cols)
        From 0. Where the label is -1, nothing counts, nor joins what is beside it.
    classes : int
    connectivity : int
        1: pixels of a region share a side; 2: or a corner.

    Returns
    -------
    error : float array of shape (classes,)
        From 0 to 1; NaN for a class of which no two true pixels lie in one region.

    Notes
    -----
    Regions are the connected pixels of one class. Over the classes themselves the error would be of
    pairs of pixels in one class, wherever they are, and would not mind if all classes changed
    names; that is what confusion and overlap say better. It says something of classes that are
    made of many regions, as particles, pores and grains are. A matrix is one region: its error is
    little more than what is missed of it.

    As in the SNEMI3D contest, only pixels of the true class count; what is predicted beyond them
    counts where it joins regions. Each pixel that is missed is a region of its own, so that a
    particle that is not found at all has the error 1. Large regions have most of the pairs.

    References
    ----------
    .. [1] I. Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms
       for connectomics", Front. Neuroanat. 9, 142 (2015), "Segmentation metrics"; by
       `skimage.metrics.adapted_rand_error`.

    Examples
    --------
    >>> import numpy as np
    >>> two = np.array([[1, 1, 0, 1, 1]])
    >>> joined = np.array([[1, 1, 1, 1, 1]])
    >>> adapted_rand_error(two, joined, classes=2).round(3).tolist()
    [nan, 0.5]
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has the shape {labels.shape}, `predictions` {predictions.shape}."
        )
    known = labels >= 0
    return np.array(
        [
            _error(labels == one, known & (predictions == one), connectivity)
            for one in range(classes)
        ]
    )


def _error(
    true: Bool[np.ndarray, "rows cols"], told: Bool[np.ndarray, "rows cols"], connectivity: int
) -> float:
    """Of one class."""
    regions, found = (
        np.asarray(measure.label(each, connectivity=connectivity)) for each in (true, told)
    )
    inside = regions[true]
    if not (np.bincount(inside)[1:] > 1).any():
        return float("nan")
    parts = found[true]
    missed = parts == 0
    parts[missed] = found.max() + 1 + np.arange(missed.sum())
    # No pair in one predicted region: a precision of nothing, and an error of 1.
    with np.errstate(invalid="ignore"):
        return float(metrics.adapted_rand_error(inside, parts)[0])
