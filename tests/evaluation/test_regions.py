"""Regions of classes: pairs of pixels counted one by one, and what areas hide."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from idml_jax import evaluation


def error_of_pairs(labels, predictions, one):
    """By the definition: every pair of true pixels of a class."""
    known = labels >= 0
    true, _ = ndimage.label(labels == one)
    told, _ = ndimage.label(known & (predictions == one))
    places = np.argwhere(labels == one)
    together = np.zeros(3)
    for first, second in itertools.combinations(map(tuple, places), 2):
        is_true = true[first] == true[second]
        is_told = told[first] == told[second] != 0
        together += (is_true and is_told, is_true, is_told)
    return 1 - 2 * together[0] / (together[1] + together[2]) if together[1] else np.nan


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_all_pairs(seed):
    random = np.random.default_rng(seed)
    labels = ndimage.zoom(random.integers(0, 3, (5, 6)), 2, order=0)
    predictions = np.where(random.random(labels.shape) < 0.2, 0, labels)
    labels[:2, :3] = -1
    found = evaluation.adapted_rand_error(labels, predictions, classes=4)
    expected = [error_of_pairs(labels, predictions, one) for one in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isnan(found[3])


def test_a_bridge_and_a_cut_show_where_areas_hardly_do():
    labels = np.zeros((12, 26), int)
    labels[2:10, 2:12] = labels[2:10, 14:24] = 1
    bridged, cut = labels.copy(), labels.copy()
    bridged[5, 12:14] = 1
    cut[2:10, 6] = 0
    error = lambda told: evaluation.adapted_rand_error(labels, told, classes=2)[1]  # noqa: E731
    overlap = (labels & bridged).sum() / (labels | bridged).sum()
    assert overlap > 0.98 and error(bridged) == pytest.approx(1 / 3, abs=0.01)
    assert 0.1 < error(cut) < 0.4
    assert error(labels) == 0


def test_a_particle_that_is_not_found_is_wrong_altogether():
    labels = np.zeros((6, 6), int)
    labels[1:4, 1:4] = 1
    assert evaluation.adapted_rand_error(labels, np.zeros_like(labels), classes=2)[1] == 1


def test_corners_join_if_they_are_to():
    labels = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    cut = np.array([[1, 1, 0, 0], [0, 0, 1, 0]])
    by_sides, by_corners = (
        evaluation.adapted_rand_error(labels, cut, classes=2, connectivity=one)[1] for one in (1, 2)
    )
    # One pair of two, or three of six.
    assert by_sides == pytest.approx(1 - 2 / 3) and by_corners == pytest.approx(1 - 6 / 9)


def test_shapes_that_do_not_go_together_are_refused(unchecked):
    with pytest.raises(ValueError, match="shape"):
        evaluation.adapted_rand_error(np.zeros((2, 4), int), np.zeros((1, 4), int), classes=2)
