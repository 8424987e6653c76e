"""Fronts and hypervolumes, against their definitions."""

import numpy as np
import pytest

from idml_jax import design


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_front_is_what_no_other_row_dominates(objectives):
    scores = np.random.default_rng(0).integers(0, 4, (40, objectives)).astype(float)
    expected = [
        not any((other >= one).all() and (other > one).any() for other in scores) for one in scores
    ]
    np.testing.assert_array_equal(design.nondominated(scores), expected)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_hypervolume_is_that_of_the_boxes_together(objectives):
    """Integer scores: the unit cells that at least one box holds are counted."""
    scores = np.random.default_rng(1).integers(0, 5, (6, objectives))
    cells = np.stack(np.meshgrid(*[np.arange(5)] * objectives, indexing="ij"), axis=-1)
    held = (cells[..., None, :] < scores).all(axis=-1).any(axis=-1).sum()
    reference = np.full(objectives, -0.0)
    assert design.hypervolume(scores.astype(float), reference) == pytest.approx(held)
    shifted = design.hypervolume(scores + 2.5, reference + 2.5)
    assert shifted == pytest.approx(held)


def test_what_is_worse_than_the_reference_does_not_count():
    assert design.hypervolume(np.array([[1.0, -1.0], [-2.0, 5.0]]), np.zeros(2)) == 0.0
