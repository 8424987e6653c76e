import numpy as np
import pytest
from skimage import measure

from idml_jax import integration


def test_each_object_is_what_most_of_its_pixels_say():
    """Against a loop over objects."""
    rng = np.random.default_rng(0)
    objects = measure.label(rng.random((40, 50)) > 0.6)
    probabilities = rng.dirichlet(np.ones(4), objects.shape)
    found = integration.vote_over_objects(probabilities, objects)
    soft = integration.vote_over_objects(probabilities, objects, soft=True)
    assert len(found) == objects.max() > 20
    for number in range(1, objects.max() + 1):
        inside = probabilities[objects == number]
        assert found[number - 1] == np.bincount(inside.argmax(axis=1), minlength=4).argmax()
        assert soft[number - 1] == inside.sum(axis=0).argmax()
    assert (found != soft).any()


def test_what_is_no_object_has_no_vote():
    told = np.eye(2)[[0, 1, 1, 1]]
    np.testing.assert_array_equal(
        integration.vote_over_objects(told, np.array([3, 0, 0, 1])), [1, -1, 0]
    )
    assert integration.vote_over_objects(told, np.zeros(4, int)).shape == (0,)


@pytest.mark.parametrize(
    ("objects", "rule"),
    [(np.zeros((2, 2), int), r"shape \(4, 2\) and `objects` \(2, 2\)"), (np.full(4, -1), "got -1")],
)
def test_what_does_not_go_together_is_refused(objects, rule):
    with pytest.raises(ValueError, match=rule):
        integration.vote_over_objects(np.full((4, 2), 0.5), objects)
