"""`idml_jax.statistics.triangles`: the three-point correlation over a triangle's orientations."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from idml_jax.data.synthetic import gaussian_random_field
from idml_jax.statistics import (
    n_point_correlation,
    radial_average,
    triangle_correlation,
    two_point_correlation,
    volume_fraction,
)
from idml_jax.statistics.triangles import triangle_corners


@pytest.mark.parametrize("dimensions", [2, 3])
def test_corners_are_the_triangle_in_every_direction(dimensions):
    first, second, angle = 300.0, 500.0, 2.0
    corners = triangle_corners(first, second, angle, dimensions=dimensions, orientations=720)
    lengths = np.linalg.norm(corners, axis=-1)
    np.testing.assert_allclose(lengths, [[first, second]] * 720, atol=math.sqrt(dimensions) / 2)
    cosine = (corners[:, 0] * corners[:, 1]).sum(axis=-1) / (first * second)
    np.testing.assert_allclose(cosine, math.cos(angle), atol=0.01)
    # Evenly spread: no direction is preferred, to first and second order.
    directions = corners / lengths[..., None]
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=0.01)
    second_moments = np.einsum("oci,ocj->cij", directions, directions) / 720
    expected = np.broadcast_to(np.eye(dimensions) / dimensions, second_moments.shape)
    np.testing.assert_allclose(second_moments, expected, atol=0.01)


def test_triangles_of_the_plane_have_both_hands():
    corners = triangle_corners(10.0, 20.0, 1.0, dimensions=2, orientations=16)
    signs = np.sign(corners[:, 0, 0] * corners[:, 1, 1] - corners[:, 0, 1] * corners[:, 1, 0])
    assert sorted(signs) == [-1] * 8 + [1] * 8


@pytest.mark.parametrize("shape", [(24, 25), (12, 13, 14)], ids=str)
def test_the_value_is_the_mean_over_the_orientations(shape):
    phase = np.random.default_rng(0).random(shape) < 0.4
    corners = triangle_corners(3.0, 4.0, 1.2, dimensions=len(shape), orientations=32)
    each = np.asarray(n_point_correlation(phase, corners))
    found = triangle_correlation(phase, 3.0, 4.0, 1.2, orientations=32)
    assert float(found.value) == pytest.approx(each.mean(), abs=1e-12)
    assert float(found.spread) == pytest.approx(each.std(), abs=1e-12)


def test_triangles_that_are_points_or_lines_are_what_they_degenerate_to():
    phase = np.random.default_rng(0).random((64, 64)) < 0.4
    nothing = triangle_correlation(phase, 0.0, 0.0, 1.0)
    assert float(nothing.value) == pytest.approx(float(volume_fraction(phase)))
    # Two equal sides and no angle: two points, over all directions.
    distances, s2 = radial_average(two_point_correlation(phase))
    line = triangle_correlation(phase, 9.0, 9.0, 0.0, orientations=180)
    assert line.sides[2] == 0
    assert float(line.value) == pytest.approx(float(np.interp(9, distances, s2)), abs=2e-3)


def test_level_cut_of_a_gaussian_field_depends_on_the_sides_alone():
    """The orthant probability, within three standard errors of 32 realizations."""
    length, sides, angle = 6.0, (8.0, 10.0), 1.0

    def measure(key):
        field = gaussian_random_field(key, (128, 128), length=length)
        return triangle_correlation(field > 0, *sides, angle).value

    found = np.asarray(jax.lax.map(measure, jax.random.split(jax.random.key(0), 32)))
    corners = triangle_corners(*sides, angle, dimensions=2, orientations=64).astype(float)
    between = corners[:, 1] - corners[:, 0]
    squares = (np.stack([corners[:, 0], corners[:, 1], between], axis=1) ** 2).sum(axis=-1)
    arcs = np.arcsin(np.exp(-squares / (2 * length**2))).sum(axis=1)
    expected = (1 / 8 + arcs / (4 * np.pi)).mean()
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert error < 0.01
    assert abs(found.mean() - expected) < 3 * error


def test_a_triangle_has_a_gradient():
    soft = np.random.default_rng(0).random((6, 7))
    check_grads(
        lambda p: triangle_correlation(jnp.asarray(p), 1.0, 2.0, 1.0, orientations=4).value,
        (soft,),
        order=1,
    )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((-1.0, 2.0, 1.0), {}, "are not negative"),
        ((1.0, 2.0, 4.0), {}, "between 0 and pi"),
        ((1.0, 2.0, 1.0), {"orientations": 0}, "`orientations` .=0. must be at least 1"),
        ((9.0, 9.0, 3.0), {"periodic": False}, "does not fit .12, 12. pixels"),
    ],
)
def test_what_is_no_triangle_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        triangle_correlation(np.ones((12, 12), bool), *arguments, **options)
