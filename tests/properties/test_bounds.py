"""Bounds and estimates against what they coincide with, and against the solver."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.data.synthetic import checkerboard, gaussian_random_field, laminate, level_cut
from idml_jax.properties import (
    effective_conductivity,
    hashin_shtrikman_conductivity,
    hashin_shtrikman_moduli,
    maxwell_conductivity,
    self_consistent_conductivity,
    self_consistent_moduli,
    three_point_bounds,
    three_point_parameter,
    voigt_reuss_bounds,
)

law = settings(max_examples=25, deadline=None, derandomize=True)
values = st.floats(-3, 3).map(lambda power: 10.0**power)
mixtures = st.lists(st.tuples(values, values, st.floats(0.05, 1)), min_size=2, max_size=4)
each_dimension = pytest.mark.parametrize("dimensions", [2, 3])


def phases_of(mixture):
    first, second, shares = (np.array(each) for each in zip(*mixture, strict=True))
    return first, second, shares / shares.sum()


# --- from volume fractions ----------------------------------------------------------------------


@each_dimension
@law
@given(mixture=mixtures)
def test_bounds_lie_within_each_other_and_estimates_within_them(dimensions, mixture):
    one, other, shares = phases_of(mixture)
    wide = voigt_reuss_bounds(one, shares)
    narrow = hashin_shtrikman_conductivity(one, shares, dimensions=dimensions)
    middle = self_consistent_conductivity(one, shares, dimensions=dimensions)
    order = [wide.low, narrow.low, middle, narrow.high, wide.high]
    assert (np.diff(np.array(order, float)) >= -1e-9 * float(wide.high)).all(), order
    bounds = hashin_shtrikman_moduli(one, other, shares, dimensions=dimensions)
    estimate = self_consistent_moduli(one, other, shares, dimensions=dimensions)
    for each, found, given_values in zip(bounds, estimate, (one, other), strict=True):
        wide = voigt_reuss_bounds(given_values, shares)
        order = [wide.low, each.low, found, each.high, wide.high]
        assert (np.diff(np.array(order, float)) >= -1e-6 * float(wide.high)).all(), order


@each_dimension
def test_bounds_of_two_phases_are_maxwells_with_either_as_the_matrix(dimensions):
    low, high = hashin_shtrikman_conductivity([1.0, 8.0], [0.7, 0.3], dimensions=dimensions)
    assert float(maxwell_conductivity(1.0, 8.0, 0.3, dimensions=dimensions)) == pytest.approx(low)
    assert float(maxwell_conductivity(8.0, 1.0, 0.7, dimensions=dimensions)) == pytest.approx(high)


@each_dimension
def test_maxwell_is_right_to_first_order(dimensions):
    """Clausius-Mossotti: k = 1 + phi d (k1 - 1) / (k1 + d - 1)."""
    fraction = 1e-6
    found = float(maxwell_conductivity(1.0, 5.0, fraction, dimensions=dimensions))
    expected = dimensions * 4 / (5 + dimensions - 1)
    assert (found - 1) / fraction == pytest.approx(expected, rel=1e-5)


def test_bruggeman_is_keller_in_a_symmetric_plane_and_percolates_at_one_over_d():
    found = self_consistent_conductivity([1.0, 9.0], [0.5, 0.5], dimensions=2)
    assert float(found) == pytest.approx(3, rel=1e-12)
    for dimensions in (2, 3):
        for share, conducts in ((1 / dimensions - 0.02, False), (1 / dimensions + 0.02, True)):
            found = self_consistent_conductivity(
                [0.0, 1.0], [1 - share, share], dimensions=dimensions
            )
            assert (float(found) > 1e-3) == conducts
            if conducts:
                expected = (dimensions * share - 1) / (dimensions - 1)
                assert float(found) == pytest.approx(expected, rel=1e-9)


def test_self_consistent_pores_leave_nothing_at_one_half():
    for porosity, stiff in ((0.45, True), (0.55, False)):
        found = self_consistent_moduli([0.0, 1e6], [0.0, 1.0], [porosity, 1 - porosity])
        assert (float(found.shear) > 0.01) == stiff


def test_bulk_bounds_meet_where_the_shear_moduli_are_equal():
    """Hill's medium, whose bulk modulus does not depend on the arrangement."""
    bulk, _ = hashin_shtrikman_moduli([1.0, 5.0], [0.7, 0.7], [0.4, 0.6])
    expected = 1 / (0.4 / (1 + 2.8 / 3) + 0.6 / (5 + 2.8 / 3)) - 2.8 / 3
    np.testing.assert_allclose(bulk, expected, rtol=1e-12)


def test_bounds_have_derivatives():
    def total(bulk, shear):
        return sum(sum(pair) for pair in hashin_shtrikman_moduli(bulk, shear, [0.3, 0.7]))

    check_grads(total, (np.array([1.0, 3.0]), np.array([0.5, 2.0])), order=1, modes=["rev"])


# --- from the image -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 11), (6, 8), (5, 4, 6)], ids=str)
@pytest.mark.parametrize("contrast", [3.0, 100.0])
def test_three_point_bounds_hold_the_solution_and_lie_within_the_means(shape, contrast):
    phase = np.random.default_rng(0).random(shape) < 0.4
    conductivity = np.where(phase, contrast, 1.0)
    low, high = (np.asarray(bound) for bound in three_point_bounds(conductivity))
    found = np.asarray(effective_conductivity(conductivity, tolerance=1e-8))
    unit = np.eye(len(shape))
    chain = [unit / (1 / conductivity).mean(), low, found, high, unit * conductivity.mean()]
    for less, more in zip(chain, chain[1:], strict=False):
        assert np.linalg.eigvalsh(more - less).min() > -1e-9 * contrast


def test_three_point_bounds_of_layers_are_exact_and_of_one_material_itself():
    layers = np.where(np.asarray(laminate((8, 6), thicknesses=(1, 3))), 7.0, 1.0)
    for bound in three_point_bounds(layers):
        np.testing.assert_allclose(
            bound, np.diag([1 / (1 / layers).mean(), layers.mean()]), rtol=1e-9, atol=1e-9
        )
    for bound in three_point_bounds(np.full((5, 4), 2.0)):
        np.testing.assert_allclose(bound, 2 * np.eye(2), rtol=1e-12, atol=1e-12)


def test_isotropic_three_point_bounds_are_those_of_milton():
    """With the parameter zeta: <k> - phi phi' (k - k')^2 / (<k~> + (d - 1) <k>_zeta)."""
    board = np.asarray(checkerboard((14, 14), side=7))
    assert float(three_point_parameter(board)) == pytest.approx(0.5, abs=1e-9)
    conductivity = np.where(board, 10.0, 1.0)
    low, high = three_point_bounds(conductivity)
    expected = 5.5 - 0.25 * 9**2 / (5.5 + 5.5)
    # But for the fields that alternate from pixel to pixel, which the grid does not see.
    np.testing.assert_allclose(high, expected * np.eye(2), rtol=2e-3, atol=1e-9)
    # Keller's duality: the lower bound is the product of the phases over the upper one.
    np.testing.assert_allclose(low, 10 / expected * np.eye(2), rtol=2e-3, atol=1e-9)


def test_parameters_of_both_phases_add_up_to_one():
    phase = np.random.default_rng(1).random((6, 5, 7)) < 0.3
    one, other = (three_point_parameter(each) for each in (phase, ~phase))
    assert float(one + other) == pytest.approx(1, rel=1e-9)
    assert 0 <= float(one) <= 1
    assert np.isnan(three_point_parameter(np.ones((4, 4), bool)))


def test_the_parameter_of_a_symmetric_random_medium_is_one_half():
    keys = jax.random.split(jax.random.key(0), 8)
    fields = (gaussian_random_field(key, (48, 48), length=3.0) for key in keys)
    found = [float(three_point_parameter(level_cut(field, 0.5))) for field in fields]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / 7**0.5 + 1e-3)


def test_an_insulator_leaves_the_lower_bound_at_zero():
    phase = np.random.default_rng(2).random((7, 9)) < 0.7
    low, high = three_point_bounds(1.0 * phase)
    assert (np.asarray(low) == 0).all()
    assert np.linalg.eigvalsh(np.asarray(high)).max() < phase.mean()


# --- what is refused ----------------------------------------------------------------------------


def test_bad_input_is_refused(unchecked):
    with pytest.raises(ValueError, match="`fractions` .* must add up to 1"):
        voigt_reuss_bounds([1.0, 2.0], [0.5, 0.6])
    with pytest.raises(ValueError, match="`values` has the shape .3,. and `fractions` .2,."):
        voigt_reuss_bounds([1.0, 2.0, 3.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="`conductivities` .* must not be negative"):
        hashin_shtrikman_conductivity([1.0, -2.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="`dimensions` .=4. is 2 or 3"):
        hashin_shtrikman_moduli([1.0, 2.0], [1.0, 2.0], [0.5, 0.5], dimensions=4)
