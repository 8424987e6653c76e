"""Three-point bounds of the stiffness: they hold, they are narrow, and where they are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data.synthetic import checkerboard, laminate
from idml_jax.properties import effective_stiffness, three_point_bounds_of_stiffness


@pytest.mark.parametrize(
    ("shape", "plane"),
    [((9, 11), "strain"), ((9, 11), "stress"), ((6, 8), "strain"), ((5, 4, 6), "strain")],
    ids=str,
)
@pytest.mark.parametrize("contrast", [3.0, 100.0])
def test_they_hold_the_solution_and_lie_within_the_means(shape, plane, contrast):
    phase = np.random.default_rng(0).random(shape) < 0.4
    bulk, shear = np.where(phase, contrast, 1.0), np.where(phase, contrast / 3, 0.8)
    low, high = three_point_bounds_of_stiffness(bulk, shear, plane=plane)
    found = effective_stiffness(bulk, shear, plane=plane, tolerance=1e-8)
    one = [
        np.asarray(effective_stiffness(*(np.full((2,) * len(shape), m) for m in pair), plane=plane))
        for pair in ((1.0, 0.8), (contrast, contrast / 3))
    ]
    share = phase.mean()
    series = np.linalg.inv(share * np.linalg.inv(one[1]) + (1 - share) * np.linalg.inv(one[0]))
    chain = [series, low, found, high, share * one[1] + (1 - share) * one[0]]
    for less, more in zip(chain, chain[1:], strict=False):
        assert np.linalg.eigvalsh(np.asarray(more) - less).min() > -1e-8 * contrast


def test_of_layers_they_are_exact():
    phase = np.asarray(laminate((8, 6), thicknesses=(1, 3)))
    bulk, shear = np.where(phase, 7.0, 1.0), np.where(phase, 2.0, 0.9)
    found = effective_stiffness(bulk, shear, tolerance=1e-10)
    for bound in three_point_bounds_of_stiffness(bulk, shear):
        np.testing.assert_allclose(bound, found, rtol=1e-7, atol=1e-7)


def test_of_a_hydrostatic_load_they_are_those_of_silnutzer():
    """Two dimensions, zeta 1/2: equations 21.34 of Torquato's book for the bulk modulus."""
    board = np.asarray(checkerboard((28, 28), side=7))
    bulk, shear = np.where(board, 10.0, 1.0), np.where(board, 4.0, 0.5)
    low, high = three_point_bounds_of_stiffness(bulk - shear / 3, shear)
    found = [float(bound[0, 0] + bound[0, 1]) / 2 for bound in (low, high)]
    upper = 5.5 - 0.25 * 9**2 / (5.5 + 2.25)
    lower = 1 / (0.55 - 0.25 * 0.9**2 / (0.55 + (1 / 4 + 1 / 0.5) / 2))
    # But for what alternates from pixel to pixel, which the grid does not see.
    np.testing.assert_allclose(found, [lower, upper], rtol=1e-3)


def test_pores_leave_the_lower_one_at_zero_and_the_upper_one_below_the_mean():
    phase = np.random.default_rng(2).random((7, 9)) < 0.7
    low, high = three_point_bounds_of_stiffness(2.0 * phase, 1.0 * phase)
    assert (np.asarray(low) == 0).all()
    found = effective_stiffness(2.0 * phase, 1.0 * phase, tolerance=1e-6)
    assert np.linalg.eigvalsh(np.asarray(high - found)).min() > 0


def test_derivative_of_the_upper_one_matches_finite_differences():
    shear = 1 + np.random.default_rng(3).random((5, 6))

    def trace(shear):
        return jnp.trace(three_point_bounds_of_stiffness(2 * shear, shear)[1])

    step = 1e-5 * np.random.default_rng(4).standard_normal(shear.shape)
    slope = float((jax.grad(trace)(shear) * step).sum())
    assert slope == pytest.approx(float(trace(shear + step) - trace(shear - step)) / 2, rel=1e-4)
