"""Scores of classes against scikit-learn, by hand, and added up over batches."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from idml_jax import evaluation

CLASSES = 4
SCORES = {
    "precision": (evaluation.precision, metrics.precision_score),
    "recall": (evaluation.recall, metrics.recall_score),
    "f_score": (evaluation.f_score, metrics.f1_score),
}
few = st.integers(0, CLASSES - 1)
draws = st.tuples(
    hnp.arrays(np.int64, 12, elements=st.integers(-1, CLASSES - 1)),
    hnp.arrays(np.int64, 12, elements=few),
)


@given(draws)
@settings(max_examples=100, deadline=None)
def test_counts_and_accuracy_are_those_of_scikit_learn(drawn):
    labels, predictions = drawn
    known = labels >= 0
    counts = evaluation.confusion_matrix(labels, predictions, classes=CLASSES)
    if not known.any():
        assert counts.sum() == 0 and math.isnan(evaluation.accuracy(counts))
        return
    expected = metrics.confusion_matrix(labels[known], predictions[known], labels=range(CLASSES))
    np.testing.assert_array_equal(counts, expected)
    right = metrics.accuracy_score(labels[known], predictions[known])
    assert float(evaluation.accuracy(counts)) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("zero_division", [0.0, 1.0, math.nan])
@pytest.mark.parametrize("average", [None, "macro", "micro"])
@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_scikit_learn(name, average, zero_division):
    """Also of classes that are not there, not predicted, or neither."""
    ours, theirs = SCORES[name]
    random = np.random.default_rng(0)
    absent = 0
    for _ in range(25):
        labels, predictions = random.integers(0, random.integers(1, CLASSES + 1), (2, 9))
        counts = evaluation.confusion_matrix(labels, predictions, classes=CLASSES)
        absent += not (counts.sum(0) + counts.sum(1)).all()
        expected = theirs(
            labels,
            predictions,
            labels=range(CLASSES),
            average=average,
            zero_division=zero_division,
        )
        found = ours(counts, average=average, zero_division=zero_division)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert absent > 5


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_weight_on_recall_is_that_of_scikit_learn(beta):
    labels, predictions = np.random.default_rng(1).integers(0, CLASSES, (2, 60))
    counts = evaluation.confusion_matrix(labels, predictions, classes=CLASSES)
    expected = metrics.fbeta_score(labels, predictions, beta=beta, average="macro")
    assert float(evaluation.f_score(counts, beta=beta, average="macro")) == pytest.approx(expected)


def test_batches_are_added_up_and_divided_once():
    labels, predictions = np.random.default_rng(2).integers(0, CLASSES, (2, 6, 5, 7))
    labels[:2], labels[2:, 3:] = 1, -1
    compiled = jax.jit(evaluation.confusion_matrix, static_argnames="classes")
    parts = [compiled(*each, classes=CLASSES) for each in zip(labels, predictions, strict=True)]
    whole = evaluation.confusion_matrix(labels, predictions, classes=CLASSES)
    np.testing.assert_array_equal(sum(parts), whole)
    assert whole.sum() == (labels >= 0).sum()
    apart = np.mean([evaluation.f_score(each, average="macro") for each in parts])
    assert abs(apart - float(evaluation.f_score(whole, average="macro"))) > 0.01


def test_counts_beyond_32_bits_are_not_wrapped_around():
    counts = np.array([[3 * 2**40, 2**40], [0, 2**40]])
    with jax.enable_x64(False):
        assert float(evaluation.accuracy(counts)) == pytest.approx(0.8)
        np.testing.assert_allclose(evaluation.precision(counts), [1.0, 0.5])


def test_predictions_of_what_is_left_out_may_be_anything():
    counts = evaluation.confusion_matrix(jnp.array([0, -1]), jnp.array([0, 99]), classes=2)
    assert counts.tolist() == [[1, 0], [0, 0]]


def test_classes_are_counted_unless_they_are_given():
    counts = evaluation.confusion_matrix(jnp.array([0, 1, -1]), jnp.array([0, 2, 5]))
    assert counts.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert evaluation.confusion_matrix(jnp.array([-1]), jnp.array([3])).shape == (0, 0)
    with pytest.raises(ValueError, match="under jit"):
        jax.jit(evaluation.confusion_matrix)(jnp.array([0]), jnp.array([0]))


@pytest.mark.parametrize(
    ("labels", "predictions", "error", "rule"),
    [
        ([0, 1], [0], ValueError, "shape"),
        ([0, 2], [0, 1], ValueError, "there are 2 classes"),
        ([0, 1], [0, -1], ValueError, "there are 2 classes"),
        ([0, -2], [0, 1], ValueError, "or -1 as a label"),
        ([0.0, 1.0], [0, 1], TypeError, "integers"),
    ],
)
def test_what_is_no_class_is_refused(unchecked, labels, predictions, error, rule):
    with pytest.raises(error, match=rule):
        evaluation.confusion_matrix(np.array(labels), np.array(predictions), classes=2)


def test_an_unknown_average_is_refused(unchecked):
    with pytest.raises(ValueError, match="`average`"):
        evaluation.recall(np.eye(2, dtype=int), average="weighted")
