"""Boundaries: how far off they are, and what does not count."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import segmentation

from idml_jax import evaluation


def disk(radius, side=64, shift=0.0):
    at = np.arange(side) - (side - 1) / 2
    return (np.hypot(at[:, None], at[None] - shift) < radius).astype(int)


def test_the_same_is_one_whatever_the_tolerance():
    labels = disk(15)
    for tolerance in (0.0, 1.0, 4.0):
        found = evaluation.boundary_f_score(labels, labels, classes=2, tolerance=tolerance)
        assert found.tolist() == [1, 1]


@pytest.mark.parametrize("off", [2, 4])
def test_a_disk_too_large_is_told_within_what_it_is_too_large_by(off):
    score = {
        tolerance: evaluation.boundary_f_score(
            disk(15), disk(15 + off), classes=2, tolerance=tolerance
        )[1]
        for tolerance in (off - 1.5, off + 1.0)
    }
    assert score[off + 1.0] > 0.98
    assert score[off - 1.5] < 0.7


def test_it_sees_what_an_area_hides():
    """Two disks of the same overlap with the truth: one shifted, one with a rough edge."""
    labels = disk(20)
    shifted = disk(20, shift=4)
    random = np.random.default_rng(0)
    count = int((shifted != labels).sum())
    inside = np.flatnonzero(disk(16))
    holes = labels.copy()
    holes.flat[random.choice(inside, count, replace=False)] = 0
    found = [
        evaluation.boundary_f_score(labels, each, classes=2, tolerance=4.5)[1]
        for each in (shifted, holes)
    ]
    assert found[0] > 0.95 and found[1] < 0.6


def test_what_is_not_annotated_does_not_count():
    labels, wrong = disk(15), disk(15)
    wrong[:20] = 1
    assert evaluation.boundary_f_score(labels, wrong, classes=2)[1] < 0.9
    labels[:24] = -1
    assert evaluation.boundary_f_score(labels, wrong, classes=2).tolist() == [1, 1]


def test_a_class_without_a_boundary_has_no_score():
    labels = np.zeros((16, 16), int)
    found = evaluation.boundary_f_score(labels, labels, classes=2)
    assert np.isnan(found).all()
    labels[4:8, 4:8] = 1
    found = evaluation.boundary_f_score(labels, np.zeros_like(labels), classes=3)
    assert found[:2].tolist() == [0, 0] and np.isnan(found[2])


def test_shapes_and_tolerances_that_make_no_sense_are_refused(unchecked):
    with pytest.raises(ValueError, match="shape"):
        evaluation.boundary_f_score(disk(5), disk(5, side=32), classes=2)
    with pytest.raises(ValueError, match="negative"):
        evaluation.boundary_f_score(disk(5), disk(5), classes=2, tolerance=-1.0)


def test_displacement_is_the_mean_of_all_distances_between_boundaries():
    """Against every pair of pixels; what nobody annotated has no boundary."""
    random = np.random.default_rng(3)
    labels = (ndimage.gaussian_filter(random.normal(size=(40, 40)), 3) > 0).astype(int)
    told = np.roll(labels, 2, axis=0)
    labels[:6, :9] = -1
    found = evaluation.boundary_displacement(labels, told, classes=3)
    known = labels >= 0
    inside = ndimage.binary_erosion(known, np.ones((3, 3)), border_value=1)
    for one in (0, 1):
        places = [
            np.argwhere(segmentation.find_boundaries(each, mode="thick") & inside)
            for each in (labels == one, (told == one) & known)
        ]
        far = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1)
        expected = (far.min(axis=0).mean() + far.min(axis=1).mean()) / 2
        assert found[one] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(found[2])
    assert (evaluation.boundary_displacement(labels, labels, classes=2) == 0).all()
