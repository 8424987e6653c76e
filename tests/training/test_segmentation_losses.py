"""Losses of pixels: closed forms, what is left out, slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.training import SegmentationLoss
from idml_jax.training.segmentation_losses import beside_others

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(2, 5, 6, 3))
LABELS = RANDOM.integers(0, 3, (2, 5, 6)).astype(np.int32)


def shares():
    powers = np.exp(LOGITS)
    return powers / powers.sum(axis=-1, keepdims=True)


def of_truth():
    return np.take_along_axis(shares(), LABELS[..., None], axis=-1)[..., 0]


def test_cross_entropy_is_the_mean_surprise_and_focus_weighs_it_down():
    truth = of_truth()
    plain = SegmentationLoss(overlap=0.0)(LOGITS, LABELS)
    assert float(plain) == pytest.approx(-np.log(truth).mean(), rel=1e-5)
    focused = SegmentationLoss(overlap=0.0, focus=2.0)(LOGITS, LABELS)
    assert float(focused) == pytest.approx((-((1 - truth) ** 2) * np.log(truth)).mean(), rel=1e-5)


def test_weights_of_pixels_are_those_of_a_weighted_mean():
    weights = RANDOM.random(LABELS.shape)
    found = SegmentationLoss(overlap=0.0)(LOGITS, LABELS, weights)
    expected = np.average(-np.log(of_truth()), weights=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("missed", [0.5, 0.8])
def test_overlap_is_one_minus_the_tversky_index(missed):
    found = SegmentationLoss(cross_entropy=0.0, missed=missed)(LOGITS, LABELS)
    one_hot, p = np.eye(3)[LABELS], shares()
    both = (one_hot * p).sum(axis=(0, 1, 2))
    wrong = (1 - missed) * ((1 - one_hot) * p).sum(axis=(0, 1, 2))
    wrong += missed * (one_hot * (1 - p)).sum(axis=(0, 1, 2))
    expected = 1 - ((both + 1) / (both + wrong + 1)).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [SegmentationLoss(), SegmentationLoss(focus=2.0, missed=0.7)])
def test_pixels_that_nobody_annotated_are_as_if_they_were_not_there(loss):
    known = RANDOM.random(LABELS.shape) < 0.6
    labels = np.where(known, LABELS, -1)
    alone = loss(LOGITS[known], LABELS[known])
    assert float(loss(LOGITS, labels)) == pytest.approx(float(alone), rel=1e-5)
    slopes = jax.grad(lambda logits: loss(logits, labels))(LOGITS)
    assert not np.asarray(slopes)[~known].any() and np.isfinite(slopes).all()


def test_of_nothing_annotated_the_loss_is_0_and_of_a_perfect_answer_nearly():
    loss = SegmentationLoss()
    nothing = np.full_like(LABELS, -1)
    assert float(loss(LOGITS, nothing)) == 0
    assert np.isfinite(jax.grad(lambda logits: loss(logits, nothing))(LOGITS)).all()
    assert float(loss(50 * np.eye(3)[LABELS], LABELS)) == pytest.approx(0, abs=1e-5)


def test_a_class_that_is_not_there_has_no_overlap_to_miss():
    two = np.where(LABELS == 2, 0, LABELS)
    loss = SegmentationLoss(cross_entropy=0.0)
    far = jnp.asarray(LOGITS).at[..., 2].set(-1e3)
    without = loss(LOGITS[..., :2], two)
    assert float(loss(far, two)) == pytest.approx(float(without), rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"cross_entropy": 0.0, "overlap": 0.0}, {"focus": -1.0}, {"missed": 1.5}]
)
def test_weights_that_make_no_loss_are_refused(wrong):
    with pytest.raises(ValueError):
        SegmentationLoss(**wrong)


@pytest.mark.parametrize("shape", [(2, 7, 9), (1, 4, 5, 6)])
def test_boundaries_are_where_a_neighbour_is_of_another_class(shape):
    labels = np.random.default_rng(1).integers(-1, 2, shape)
    expected = np.zeros(shape, bool)
    for place in np.ndindex(*shape):
        for axis in range(1, len(shape)):
            for step in (-1, 1):
                other = list(place)
                other[axis] += step
                if 0 <= other[axis] < shape[axis]:
                    pair = labels[place], labels[tuple(other)]
                    expected[place] |= pair[0] != pair[1] and min(pair) >= 0
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(beside_others(labels), expected)
