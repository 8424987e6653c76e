"""The chi-squared machine: scikit-learn's answer, its kernel's own scale, what is no histogram."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics.pairwise import chi2_kernel
from sklearn.svm import SVC

from idml_jax.training import ChiSquaredMachine


@pytest.fixture
def histograms():
    """Of three classes, which differ by bins that are nearly empty."""
    random = np.random.default_rng(0)
    means = np.array([[8, 8, 0.3, 0.1], [8, 8, 0.1, 0.3], [7, 9, 0.2, 0.2]])
    labels = np.repeat(np.arange(3), 20)
    counts = random.gamma(50 * means[labels]) / 50
    return counts / counts.sum(axis=1, keepdims=True), labels


def test_it_says_what_the_kernel_of_scikit_learn_does(histograms):
    given, labels = histograms
    machine = ChiSquaredMachine(C=5, gamma=7.0, class_weight="balanced").fit(
        given[::2], labels[::2]
    )
    kernel = SVC(C=5, kernel="precomputed", class_weight="balanced")
    kernel.fit(chi2_kernel(given[::2], gamma=7.0), labels[::2])
    seen = chi2_kernel(given[1::2], given[::2], gamma=7.0)
    expected = kernel.decision_function(seen)
    np.testing.assert_allclose(machine.decision_function(given[1::2]), expected, rtol=1e-9)
    np.testing.assert_array_equal(machine.predict(given[1::2]), kernel.predict(seen))
    assert np.ptp(expected) > 1


def test_by_default_the_kernel_is_as_wide_as_the_histograms_are_apart(histograms):
    given, labels = histograms
    apart = [
        sum((a - b) ** 2 / (a + b) for a, b in zip(one, other, strict=True))
        for one in given
        for other in given
    ]
    machine = ChiSquaredMachine().fit(given, labels)
    assert machine.gamma_ == pytest.approx(1 / np.mean(apart))
    # Counts say the same as shares: what the distances are measured in does not matter.
    of_counts = ChiSquaredMachine().fit(1000 * given, labels)
    np.testing.assert_allclose(
        of_counts.decision_function(1000 * given), machine.decision_function(given), rtol=1e-6
    )
    # Empty histograms, and such that are all the same, have no distance.
    nothing = ChiSquaredMachine().fit(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    assert nothing.gamma_ == 1 and np.isfinite(nothing.decision_function(np.zeros((1, 2)))).all()


def test_its_scores_become_probabilities_inside_of_scikit_learn(histograms):
    given, labels = histograms
    machine: Any = clone(ChiSquaredMachine(C=3, seed=2))
    assert machine.get_params() == {"C": 3, "gamma": None, "class_weight": None, "seed": 2}
    told: Any = CalibratedClassifierCV(machine, cv=4).fit(given, labels)
    shares = told.predict_proba(given)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.parametrize("wrong", [-0.1, np.nan])
def test_what_is_no_histogram_is_refused(histograms, wrong):
    given, labels = histograms
    bad = given.copy()
    bad[3, 1] = wrong
    with pytest.raises(ValueError, match=rf"hold {wrong:g}; bins .* not standardized"):
        ChiSquaredMachine().fit(bad, labels)
    machine = ChiSquaredMachine().fit(given, labels)
    with pytest.raises(ValueError, match="bins of a histogram are not negative"):
        machine.predict(bad)
