"""Intervals of fractions: the law of the quantile, exactly, and coverage whatever the spreads."""

import itertools
import math

import numpy as np
import pytest

from idml_jax import evaluation


@pytest.mark.parametrize("count", [1, 4, 9, 12, 20])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_each_of_exchangeable_numbers_left_out_lies_below_as_often_as_it_should(count, level):
    """Of n + 1 different numbers each is the next one equally likely: the law by enumeration."""
    numbers = np.random.default_rng(count).normal(size=count + 1) ** 2
    below = [
        numbers[left] <= evaluation.conformal_quantile(np.delete(numbers, left), level)
        for left in range(count + 1)
    ]
    expected = min(math.ceil(round((count + 1) * level, 9)), count + 1) / (count + 1)
    assert np.mean(below) == pytest.approx(expected)
    assert level - 1e-9 <= np.mean(below) <= level + 1 / (count + 1)


def test_equal_numbers_only_make_it_safer():
    numbers = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    for level in (0.5, 0.8):
        below = [
            numbers[left] <= evaluation.conformal_quantile(np.delete(numbers, left), level)
            for left in range(6)
        ]
        assert np.mean(below) >= level


def test_as_many_images_as_are_needed_and_one_less():
    for level in (*np.arange(1, 100) / 100, 0.995):
        count = evaluation.images_needed(level)
        assert math.isfinite(evaluation.conformal_quantile(np.ones(count), level))
        assert evaluation.conformal_quantile(np.ones(count - 1), level) == math.inf
    for level in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            evaluation.images_needed(level)
        with pytest.raises(ValueError, match="between 0 and 1"):
            evaluation.conformal_quantile(np.ones(3), level)


def test_the_true_fraction_is_held_whatever_the_spreads():
    """20 images to fit to and one new one, again and again: right spreads are narrowest."""
    random, trials = np.random.default_rng(0), 1500
    inside, width = np.zeros((2, 3, trials))
    for trial in range(trials):
        true = random.uniform(0.3, 0.7, (21, 1))
        off = np.exp(random.uniform(np.log(0.001), np.log(0.06), (21, 1)))
        told = true + off * random.normal(size=(21, 1))
        for row, spread in enumerate((off, off[::-1], np.ones_like(off))):
            intervals = evaluation.FractionIntervals.of(true[:20], told[:20], spread[:20])
            found = intervals(told[20], spread[20], level=0.9)
            inside[row, trial] = found.low[0] <= true[20, 0] <= found.high[0]
            width[row, trial] = found.high[0] - found.low[0]
    # 19 of 21 by the law; three deviations of a count.
    sure = 3 * math.sqrt(0.9 * 0.1 / trials)
    np.testing.assert_allclose(inside.mean(axis=1), 19 / 21, atol=sure)
    right, of_others, one_for_all = width.mean(axis=1)
    assert right < 0.9 * one_for_all and one_for_all < of_others


def test_too_few_images_say_nothing_and_ends_are_fractions():
    true, told = np.array([[0.5], [0.4], [0.3]]), np.array([[0.6], [0.4], [0.1]])
    intervals = evaluation.FractionIntervals.of(true, told, np.full((3, 1), 0.1))
    found = intervals(np.array([0.3]), np.array([0.1]), level=0.9)
    assert (found.low[0], found.high[0]) == (0, 1)
    found = intervals(np.array([0.05]), np.array([0.1]), level=0.75)
    assert (found.low[0], found.high[0]) == (0, pytest.approx(0.25))
    with pytest.raises(ValueError, match="`spread` must be positive"):
        evaluation.FractionIntervals.of(true, told, np.zeros((3, 1)))


def test_fractions_and_spreads_are_of_known_pixels():
    members = np.array([[[0, 1], [2, 2]], [[0, 0], [2, 1]]], np.uint8)
    known = np.array([[True, True], [True, False]])
    found = evaluation.class_fractions(members, classes=3, known=known)
    np.testing.assert_allclose(found, np.array([[1, 1, 1], [2, 0, 1]]) / 3)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), (2, 2))
    spread = evaluation.fraction_spread(members, shares, known=known)
    for one in range(3):
        pixels = [shares[at][one] for at in itertools.product(range(2), repeat=2) if known[at]]
        doubt = sum(p * (1 - p) for p in pixels) / 3
        expected = np.std(found[:, one], ddof=1) + doubt + 1e-3
        assert spread[one] == pytest.approx(expected)
    with pytest.raises(ValueError, match="no pixel that counts"):
        evaluation.class_fractions(members, classes=3, known=np.zeros((2, 2), bool))
