"""Scores of classes, of images or of pixels, from how often each was taken for which.

The counts of any number of batches are added up, and divided once: the mean of the scores of
batches is another number.
"""

from typing import Literal, TypeAlias

import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Float, Int

from idml_jax.typing import Array, Labels

Counts: TypeAlias = Int[Array, "classes classes"]
"""Of a confusion matrix: true classes down, predicted ones across."""

Average: TypeAlias = Literal["macro", "micro"] | None
"""The mean over classes, the score of all decisions together, or each class by itself."""


def confusion_matrix(labels: Labels, predictions: Labels, *, classes: int | None = None) -> Counts:
    """How often each class was taken for which.

    Parameters
    ----------
    labels : integer array of any shape
        The true class of each image or pixel, from 0; where it is -1, it is left out.
    predictions : integer array of the same shape
        The predicted ones; where the label is -1 they may be anything.
    classes : int, optional
        Number of classes; by default one more than the highest that occurs. Give it under jit,
        and where batches are to be added up.

    Returns
    -------
    counts : int array of shape (classes, classes)
        ``counts[i, j]`` of class i were taken for class j. Add those of batches up.

    Raises
    ------
    ValueError
        If the shapes differ, or a class is not one of those; not under jit, where such
        pairs are left out, and where the number of classes is to be given.
    TypeError
        If they are not integers.

    Notes
    -----
    Compiles, with `classes` static. A cell holds up to 2^31 - 1; sum up more than that in NumPy's
    int64, which the scores take as well.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> confusion_matrix(jnp.array([0, 1, 1, -1]), jnp.array([0, 1, 0, 1]), classes=2).tolist()
    [[1, 0], [1, 1]]
    """
    labels, predictions = jnp.asarray(labels), jnp.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has the shape {labels.shape}, `predictions` {predictions.shape}."
        )
    for name, given in (("labels", labels), ("predictions", predictions)):
        if not jnp.issubdtype(given.dtype, jnp.integer):
            raise TypeError(f"`{name}` are {given.dtype}; classes are integers from 0.")
    labels, predictions = labels.astype(jnp.int32), predictions.astype(jnp.int32)
    known = labels >= 0
    if classes is None:
        if isinstance(known, Tracer):
            raise ValueError("`classes` is None; under jit give their number.")
        highest = jnp.where(known, jnp.maximum(labels, predictions), -1)
        classes = 1 + int(highest.max(initial=-1))
    valid = known & (labels < classes) & (predictions >= 0) & (predictions < classes)
    if not isinstance(valid, Tracer) and not bool(((labels == -1) | valid).all()):
        raise ValueError(
            f"there are {classes} classes, 0 to {classes - 1}, or -1 as a label; `labels` run from "
            f"{labels.min()} to {labels.max()}, `predictions` from {predictions.min()} to "
            f"{predictions.max()}."
        )
    pairs = jnp.where(valid, classes * labels + predictions, classes**2).ravel()
    counts = jnp.bincount(pairs, length=classes**2 + 1)[:-1]
    return counts.reshape(classes, classes).astype(jnp.int32)


def accuracy(counts: Counts) -> Float[Array, ""]:
    """Share of all that was told right; NaN where there is nothing.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(accuracy(jnp.array([[1, 0], [1, 2]])))
    0.75
    """
    hits, _, true = _sums(counts)
    return hits.sum() / true.sum()


def precision(
    counts: Counts, *, average: Average = None, zero_division: float = 0.0
) -> Float[Array, "*classes"]:
    """Share of what was taken for a class that is of it.

    Parameters
    ----------
    counts, average, zero_division
        As for `f_score`.

    Returns
    -------
    precision : float array of shape (classes,), or () for an average

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> precision(jnp.array([[1, 0], [1, 2]])).tolist()
    [0.5, 1.0]
    """
    hits, predicted, _ = _sums(counts)
    return _averaged(hits, predicted, average, zero_division)


def recall(
    counts: Counts, *, average: Average = None, zero_division: float = 0.0
) -> Float[Array, "*classes"]:
    """Share of a class that was taken for it.

    Parameters
    ----------
    counts, average, zero_division
        As for `f_score`.

    Returns
    -------
    recall : float array of shape (classes,), or () for an average

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> recall(jnp.array([[1, 0], [1, 3]])).tolist()
    [1.0, 0.75]
    """
    hits, _, true = _sums(counts)
    return _averaged(hits, true, average, zero_division)


def f_score(
    counts: Counts, *, beta: float = 1.0, average: Average = None, zero_division: float = 0.0
) -> Float[Array, "*classes"]:
    r"""F-score: the harmonic mean of precision and recall, with `beta` times the weight on recall.

    .. math:: F_\beta = \frac{(1 + \beta^2) TP}{(1 + \beta^2) TP + \beta^2 FN + FP}

    Parameters
    ----------
    counts : int array of shape (classes, classes)
        By `confusion_matrix`, added up over all batches.
    beta : float
        1 for F1.
    average : {"macro", "micro"}, optional
        The mean over the classes, each counting the same; or of all decisions together, where F1,
        precision and recall are the accuracy. By default each class by itself.
    zero_division : float
        The score of a class for which it is 0/0: for the F-score one that is neither there nor
        predicted, for precision one that is not predicted, for recall one that is not there. The 0
        counts in the macro average, as scikit-learn's ``zero_division=0`` does; NaN is left out of
        it, as ``zero_division=numpy.nan`` is.

    Returns
    -------
    score : float array of shape (classes,), or () for an average

    References
    ----------
    .. [1] C. J. van Rijsbergen, *Information Retrieval*, Butterworths, 1979, chapter 7.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> counts = jnp.array([[1, 0, 0], [1, 2, 0], [0, 0, 0]])
    >>> [round(float(score), 4) for score in f_score(counts)]
    [0.6667, 0.8, 0.0]
    >>> round(float(f_score(counts, average="macro", zero_division=float("nan"))), 4)
    0.7333
    """
    hits, predicted, true = _sums(counts)
    hits, others = (1 + beta**2) * hits, beta**2 * true + predicted
    return _averaged(hits, others, average, zero_division)


def intersection_over_union(
    counts: Counts, *, average: Average = None, zero_division: float = 0.0
) -> Float[Array, "*classes"]:
    r"""Jaccard index: what was told right of a class, over all that is of it or was taken for it.

    .. math:: J = \frac{TP}{TP + FN + FP} = \frac{F_1}{2 - F_1}

    Parameters
    ----------
    counts, average, zero_division
        As for `f_score`. The Dice coefficient is `f_score` itself.

    Returns
    -------
    intersection_over_union : float array of shape (classes,), or () for an average
        The macro average is what is called mean IoU.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> intersection_over_union(jnp.array([[1, 0], [1, 3]])).tolist()
    [0.5, 0.75]
    """
    hits, predicted, true = _sums(counts)
    return _averaged(hits, predicted + true - hits, average, zero_division)


def _sums(counts: Counts) -> tuple[Float[Array, " classes"], ...]:
    """Of each class how many were told right, how many predicted, and how many there are."""
    # To float before JAX sees them: without 64 bits it would wrap NumPy's int64 around.
    numbers = jnp.asarray(counts.astype(float))
    return jnp.diagonal(numbers), numbers.sum(axis=0), numbers.sum(axis=1)


def _averaged(
    parts: Float[Array, " classes"],
    wholes: Float[Array, " classes"],
    average: Average,
    zero_division: float,
) -> Float[Array, "*classes"]:
    """Parts over wholes, by class or over them."""
    if average not in (None, "macro", "micro"):
        raise ValueError(f'`average` (={average!r}) is "macro", "micro", or None for each class.')
    if average == "micro":
        parts, wholes = parts.sum(), wholes.sum()
    empty = wholes == 0
    scores = jnp.where(empty, zero_division, parts / jnp.where(empty, 1, wholes))
    return jnp.nanmean(scores) if average == "macro" else scores
