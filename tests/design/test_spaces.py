"""Where a search looks."""

import numpy as np
import pytest

from idml_jax import design

SPACES = [
    design.Sphere(5),
    design.Sphere.spanned_by(np.random.default_rng(0).standard_normal((3, 6))),
    design.Box((0.0, -2.0, 5.0), (1.0, 2.0, 5.5)),
    design.Product(design.Sphere(4), design.Box((0.0,), (24.0,))),
]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", ["drawn", "sobol"])
def test_the_first_points_are_the_same_of_any_count(space, kind):
    few, many = (getattr(space, kind)(count, seed=3) for count in (5, 21))
    np.testing.assert_array_equal(few, many[:5])
    assert many.shape == (21, space.dimensions)
    assert not np.isin(getattr(space, kind)(5, seed=4), few).any()


@pytest.mark.parametrize("space", SPACES)
def test_unit_coordinates_have_the_moments_of_uniform_numbers_and_lead_back(space):
    points = space.sobol(4096, seed=0)
    unit = space.unit(points)
    np.testing.assert_allclose(unit.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(unit.std(axis=0), 1 / np.sqrt(12), atol=0.01)
    np.testing.assert_allclose(space.from_unit(unit), points, atol=1e-5)


def test_points_beyond_a_box_are_put_on_its_limits():
    box = SPACES[2]
    found = box.from_unit(np.array([[-1.0, 0.5, 2.0]]))
    assert found.tolist() == [[0.0, 0.0, 5.5]]


def test_slopes_in_a_subspace_are_those_along_its_directions():
    """Of a function of the direction of a latent, by differences along the sphere."""
    space = SPACES[1]
    weights = np.random.default_rng(1).standard_normal(6)
    point = space.drawn(1, seed=0).astype(float)

    def value(points):
        latents = points @ space.basis
        return latents @ weights / np.linalg.norm(latents, axis=1)

    latent = (point @ space.basis)[0]
    length = np.linalg.norm(latent)
    slope = weights / length - (latent @ weights) * latent / length**3
    expected = [(value(point + 1e-6 * d) - value(point - 1e-6 * d))[0] / 2e-6 for d in np.eye(3)]
    np.testing.assert_allclose(space.pulled_back(slope[None])[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: design.Sphere(1), "takes two at least"),
        (lambda: design.Sphere.spanned_by(np.ones((2, 4))), "2 that span 1 dimensions"),
        (lambda: design.Box((0.0,), (0.0,)), "each below its other"),
        (lambda: design.Box((), ()), "each below its other"),
        (lambda: design.Box((0.0,), (np.inf,)), "each below its other"),
    ],
)
def test_a_space_that_holds_nothing_is_refused(make, rule):
    with pytest.raises(ValueError, match=rule):
        make()
