"""How good a segmentation is: the pixels of whole micrographs, counted and divided once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from idml_jax.evaluation.classes import (
    accuracy,
    confusion_matrix,
    f_score,
    intersection_over_union,
    precision,
    recall,
)
from idml_jax.typing import Image


@runtime_checkable
class AnnotatedImage(Protocol):
    """What is known of an image: `data.Annotated` is one."""

    @property
    def micrograph(self) -> Any: ...
    @property
    def labels(self) -> Int[np.ndarray, "rows cols"]: ...


@runtime_checkable
class PixelClassifier(Protocol):
    """Whatever tells the class of pixels: a trained network, a forest, a threshold."""

    @property
    def classes(self) -> tuple[int, ...]: ...
    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]: ...


Judge: TypeAlias = Callable[[PixelClassifier], Mapping[str, float]]


def pixel_counts(
    segmenter: PixelClassifier, annotated: Sequence[AnnotatedImage]
) -> Int[np.ndarray, "images classes classes"]:
    """How often each class was taken for which, in each image.

    Parameters
    ----------
    segmenter : PixelClassifier
    annotated : sequence of AnnotatedImage
        Pixels of the label -1 are left out.

    Returns
    -------
    counts : int64 array of shape (images, classes, classes)
        Sum over the first axis, and then divide: the scores of `classes` take that.
    """
    classes = len(segmenter.classes)
    found = [
        confusion_matrix(
            one.labels, segmenter.predict(one.micrograph.image).argmax(axis=-1), classes=classes
        )
        for one in annotated
    ]
    return np.asarray(found, np.int64)


def pixel_scores(
    counts: Int[np.ndarray, "classes classes"], classes: Sequence[object]
) -> dict[str, float]:
    """The scores of a segmentation by their names.

    Parameters
    ----------
    counts : int array of shape (classes, classes)
        Added up over all images.
    classes : sequence
        What the classes are called.

    Returns
    -------
    scores : dict from str to float
        Of a class that is neither there nor predicted NaN, which the means leave out.
    """
    nothing = float("nan")
    found = {
        "mean IoU": float(intersection_over_union(counts, average="macro", zero_division=nothing)),
        "accuracy": float(accuracy(counts)),
    }
    of_classes = {
        "IoU": intersection_over_union(counts, zero_division=nothing),
        "Dice": f_score(counts, zero_division=nothing),
        "precision": precision(counts, zero_division=nothing),
        "recall": recall(counts, zero_division=nothing),
    }
    for score, values in of_classes.items():
        found |= {
            f"{score}, {name}": float(value) for name, value in zip(classes, values, strict=True)
        }
    return found


def scores_on(
    segmenter: PixelClassifier, annotated: Sequence[AnnotatedImage], classes: Sequence[object]
) -> dict[str, float]:
    """The scores of a segmenter on all pixels of these images, counted together.

    Parameters
    ----------
    segmenter : PixelClassifier
    annotated : sequence of AnnotatedImage
    classes : sequence
        What the classes are called.

    Returns
    -------
    scores : dict from str to float
        As of `pixel_scores`.
    """
    return pixel_scores(pixel_counts(segmenter, annotated).sum(axis=0), classes)


def score_columns(classes: Sequence[object]) -> tuple[str, ...]:
    """The scores of `pixel_scores` that a table shows: the mean IoU, and that of each class.

    Examples
    --------
    >>> score_columns(("matrix", "voids"))
    ('mean IoU', 'IoU, matrix', 'IoU, voids')
    """
    return ("mean IoU", *(f"IoU, {name}" for name in classes))


def judge_pixels(
    annotated: Sequence[AnnotatedImage],
    *,
    through: Callable[[PixelClassifier], PixelClassifier] | None = None,
) -> Judge:
    """Scores of a segmenter on these micrographs: what `training.train_segmenter` is judged by.

    Parameters
    ----------
    annotated : sequence of AnnotatedImage
        That it is not trained on.
    through : callable, optional
        ``through(segmenter)`` is asked in its place: as by tiles of one size, where the images have
        many, for each of which a network is compiled. By default each image is asked as a whole.

    Returns
    -------
    judge : callable
        From a segmenter to "mean IoU", "accuracy" and "IoU, 0" of each class.
    """

    def judge(segmenter: PixelClassifier) -> dict[str, float]:
        asked = segmenter if through is None else through(segmenter)
        scores = scores_on(asked, annotated, segmenter.classes)
        return {
            name: value
            for name, value in scores.items()
            if not name.startswith(("Dice", "precision", "recall")) and np.isfinite(value)
        }

    return judge
