"""How well the boundaries of classes are told: what counts where areas hide an error of place."""

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from skimage import segmentation

from idml_jax.typing import Array


def boundary_f_score(
    labels: Int[Array, "rows cols"],
    predictions: Int[Array, "rows cols"],
    *,
    classes: int,
    tolerance: float = 2.0,
) -> Float[np.ndarray, " classes"]:
    """F-score of the boundaries of each class: those that are told no further off than a tolerance.

    Precision is the share of a class's predicted boundary pixels that have a true one within the
    tolerance, recall the share of the true ones that have a predicted one [1]_.

    Parameters
    ----------
    labels, predictions : integer array of shape (rows, cols)
        From 0. Where the label is -1, no pixel counts, nor does its boundary with others.
    classes : int
    tolerance : float
        In pixels; a boundary is a pixel wide on either side.

    Returns
    -------
    score : float array of shape (classes,)
        NaN for a class that has no boundary on either side; 0 where one has and the other not.

    References
    ----------
    .. [1] G. Csurka, D. Larlus, F. Perronnin, "What is a good evaluation measure for semantic
       segmentation?", BMVC 2013, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.repeat([[0] * 8 + [1] * 8], 16, axis=0)
    >>> shifted = np.roll(labels, 3, axis=1)
    >>> shifted[:, :3] = 0
    >>> boundary_f_score(labels, shifted, classes=2, tolerance=3.0).tolist()
    [1.0, 1.0]
    >>> boundary_f_score(labels, shifted, classes=2, tolerance=2.0).tolist()
    [0.5, 0.5]
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has the shape {labels.shape}, `predictions` {predictions.shape}."
        )
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` (={tolerance}) must not be negative.")
    known = labels >= 0
    # A boundary with what nobody annotated is none.
    inside = ndimage.binary_erosion(known, np.ones((3, 3)), border_value=1)
    return np.array(
        [
            _score(labels == one, np.where(known, predictions == one, False), inside, tolerance)
            for one in range(classes)
        ]
    )


def _score(true: np.ndarray, told: np.ndarray, inside: np.ndarray, tolerance: float) -> float:
    """Of one class."""
    edges = [segmentation.find_boundaries(each, mode="thick") & inside for each in (true, told)]
    counts = [int(each.sum()) for each in edges]
    if not any(counts):
        return float("nan")
    if not all(counts):
        return 0.0
    far = [np.asarray(ndimage.distance_transform_edt(~each)) for each in edges]
    recall = float((far[1][edges[0]] <= tolerance).mean())
    precision = float((far[0][edges[1]] <= tolerance).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
