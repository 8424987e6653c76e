"""Scores of segmentations: whole micrographs, counted and divided once."""

import types

import numpy as np
import pytest
from sklearn import metrics

from idml_jax import evaluation

RANDOM = np.random.default_rng(0)


class Guess:
    """Says of each pixel a class that its grey value stands for, one time in four another."""

    classes = (0, 128, 255)

    def predict(self, image):
        truth = np.rint(image[..., 0] * 2).astype(int)
        other = np.random.default_rng(int(truth.sum())).integers(0, 3, truth.shape)
        wrong = other < 1
        return np.eye(3)[np.where(wrong, other, truth)]


def annotated(rows, cols, shares=(0.5, 0.3, 0.2)):
    labels = RANDOM.choice(3, (rows, cols), p=shares).astype(np.int32)
    image = (labels[..., None] / 2).astype(np.float32)
    labels[0] = -1
    return types.SimpleNamespace(micrograph=types.SimpleNamespace(image=image), labels=labels)


def test_scores_are_those_of_all_pixels_together_and_not_means_of_images():
    given = [annotated(30, 40), annotated(8, 9, (0.1, 0.1, 0.8))]
    counts = evaluation.pixel_counts(Guess(), given)
    assert counts.shape == (2, 3, 3) and counts.dtype == np.int64
    scores = evaluation.pixel_scores(counts.sum(axis=0), Guess.classes)
    truth = np.concatenate([one.labels[1:].ravel() for one in given])
    found = np.concatenate(
        [Guess().predict(one.micrograph.image).argmax(-1)[1:].ravel() for one in given]
    )
    assert scores["mean IoU"] == pytest.approx(metrics.jaccard_score(truth, found, average="macro"))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, found))
    for name, score in (
        ("IoU", metrics.jaccard_score),
        ("Dice", metrics.f1_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
    ):
        for value, expected in zip(Guess.classes, score(truth, found, average=None), strict=True):
            assert scores[f"{name}, {value}"] == pytest.approx(expected)
    of_images = [evaluation.pixel_scores(each, Guess.classes)["mean IoU"] for each in counts]
    assert abs(np.mean(of_images) - scores["mean IoU"]) > 1e-3


def test_a_class_that_is_neither_there_nor_said_is_left_out():
    counts = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    scores = evaluation.pixel_scores(counts, "abc")
    assert np.isnan(scores["IoU, c"])
    assert scores["mean IoU"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_judge_says_what_decides_and_nothing_that_is_not_a_number():
    found = evaluation.judge_pixels([annotated(12, 12, (0.5, 0.5, 0.0))])(Guess())
    assert {"mean IoU", "accuracy", "IoU, 0", "IoU, 128"} <= {*found}
    assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("average", [None, "macro", "micro"])
def test_intersection_over_union_is_scikit_learns(average):
    truth, found = RANDOM.integers(0, 4, (2, 500))
    counts = evaluation.confusion_matrix(truth, found, classes=4)
    expected = metrics.jaccard_score(truth, found, average=average)
    np.testing.assert_allclose(
        evaluation.intersection_over_union(counts, average=average), expected, rtol=1e-6
    )
