"""Calibration: closed forms, and probabilities that are known to be right."""

import numpy as np
import pytest
from scipy import special

from idml_jax import evaluation

RANDOM = np.random.default_rng(0)


def drawn(count=20000, classes=3, scale=2.0):
    """Probabilities, and labels that are drawn from them."""
    logits = scale * RANDOM.normal(size=(count, classes))
    shares = special.softmax(logits, axis=-1)
    labels = (RANDOM.random((count, 1)) > shares.cumsum(axis=-1)).sum(axis=-1)
    return shares, labels.clip(max=classes - 1)


def test_what_is_as_likely_as_it_says_has_no_error_and_a_temperature_of_one():
    shares, labels = drawn()
    found = evaluation.reliability(shares, labels)
    assert found.error < 0.015
    assert found.share.sum() == pytest.approx(1)
    assert evaluation.fit_temperature(shares, labels) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_a_wrong_temperature_shows_and_is_found(temperature):
    shares, labels = drawn()
    wrong = evaluation.at_temperature(shares, 1 / temperature)
    assert evaluation.reliability(wrong, labels).error > 0.05
    found = evaluation.fit_temperature(wrong, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    np.testing.assert_allclose(evaluation.at_temperature(wrong, temperature), shares, atol=1e-6)


def test_the_error_is_the_mean_over_what_is_told():
    """Nine told at 0.9 of which three are right, one at 0.6 that is wrong."""
    shares = np.array([[0.9, 0.1]] * 9 + [[0.4, 0.6]])
    labels = np.array([0] * 3 + [1] * 6 + [0])
    found = evaluation.reliability(shares, labels, bins=10)
    assert found.error == pytest.approx(0.9 * (0.9 - 3 / 9) + 0.1 * 0.6)
    assert found.accuracy[9] == pytest.approx(3 / 9) and np.isnan(found.accuracy[0])


def test_pixels_without_a_label_are_left_out():
    shares, labels = drawn(count=400)
    half = labels.copy()
    half[::2] = -1
    square = shares.reshape(20, 20, 3), half.reshape(20, 20)
    expected = evaluation.reliability(shares[1::2], labels[1::2])
    assert evaluation.reliability(*square).error == pytest.approx(expected.error)
    with pytest.raises(ValueError, match="nothing to fit"):
        evaluation.fit_temperature(shares, np.full_like(labels, -1))


def test_sure_and_wrong_is_finite():
    shares = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert 1 < evaluation.fit_temperature(shares, np.array([0, 1])) <= 20


def test_shapes_that_do_not_go_together_are_refused(unchecked):
    with pytest.raises(ValueError, match="one axis more"):
        evaluation.reliability(np.ones((4, 2)) / 2, np.zeros((2, 2), int))
