"""How well the boundaries of classes are told: what counts where areas hide an error of place."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int
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
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` (={tolerance}) must not be negative.")
    found = np.full(classes, np.nan)
    for one, true, told in _edges(labels, predictions, classes):
        if true.any() and told.any():
            recall = float((_distance(told)[true] <= tolerance).mean())
            precision = float((_distance(true)[told] <= tolerance).mean())
            both = precision + recall
            found[one] = 2 * precision * recall / both if both else 0.0
        elif true.any() or told.any():
            found[one] = 0.0
    return found


def boundary_displacement(
    labels: Int[Array, "rows cols"], predictions: Int[Array, "rows cols"], *, classes: int
) -> Float[np.ndarray, " classes"]:
    """How far the boundaries of each class are off, in pixels.

    The mean distance from a predicted boundary pixel to the nearest true one, and from a true one
    to the nearest predicted one: the mean of both [1]_.

    Parameters
    ----------
    labels, predictions, classes
        As for `boundary_f_score`.

    Returns
    -------
    distance : float array of shape (classes,)
        NaN for a class that has no boundary on one of the sides.

    References
    ----------
    .. [1] J. Freixenet et al., "Yet another survey on image segmentation: region and boundary
       information integration", ECCV 2002, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.repeat([[0] * 8 + [1] * 8], 16, axis=0)
    >>> shifted = np.repeat([[0] * 11 + [1] * 5], 16, axis=0)
    >>> boundary_displacement(labels, shifted, classes=2).tolist()
    [2.5, 2.5]
    """
    found = np.full(classes, np.nan)
    for one, true, told in _edges(labels, predictions, classes):
        if true.any() and told.any():
            to_told, to_true = (_distance(each) for each in (told, true))
            found[one] = (to_told[true].mean() + to_true[told].mean()) / 2
    return found


Mask: TypeAlias = Bool[np.ndarray, "rows cols"]


def _edges(labels: Array, predictions: Array, classes: int) -> Iterator[tuple[int, Mask, Mask]]:
    """Each class, and its true and its predicted boundary."""
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has the shape {labels.shape}, `predictions` {predictions.shape}."
        )
    known = labels >= 0
    # A boundary with what nobody annotated is none.
    inside = ndimage.binary_erosion(known, np.ones((3, 3)), border_value=1)
    for one in range(classes):
        true, told = (
            segmentation.find_boundaries(each, mode="thick") & inside
            for each in (labels == one, known & (predictions == one))
        )
        yield one, true, told


def _distance(edges: Mask) -> Float[np.ndarray, "rows cols"]:
    """From each pixel to the nearest one of a boundary."""
    return np.asarray(ndimage.distance_transform_edt(~edges))
