"""`idml_jax.properties.conductivity` against closed forms, bounds and exact symmetries."""

import re

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.data.synthetic import checkerboard, laminate
from idml_jax.errors import ConvergenceError
from idml_jax.properties import Conductivity, conduction_fields, effective_conductivity

# A new shape is a new compilation: hypothesis draws the pixels, not the shape.
SHAPES = [(6, 8), (5, 7), (4, 3, 4)]
contrasts = st.floats(np.log(2), np.log(1e4)).map(np.exp)
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
law = settings(max_examples=20, deadline=None, derandomize=True)


def two_phases(phase, outside=1.0, inside=10.0):
    return np.where(phase, inside, outside)


def random_medium(seed, shape):
    """Log-normal, so that no two pixels are equal: contrast about 100."""
    return np.exp(np.random.default_rng(seed).normal(size=shape))


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis"), [((8, 8), 0), ((8, 8), 1), ((4,) * 3, 0), ((4,) * 3, 1), ((4,) * 3, 2)]
)
@pytest.mark.parametrize("thicknesses", [(2, 2), (1, 3)])
def test_layers_conduct_by_the_arithmetic_mean_along_and_the_harmonic_across(
    shape, axis, thicknesses
):
    layers = laminate(shape, axis=axis, thicknesses=thicknesses)
    conductivity = two_phases(layers, 1.0, 25.0)
    expected = np.full(len(shape), conductivity.mean())
    expected[axis] = 1 / (1 / conductivity).mean()
    found = np.asarray(effective_conductivity(conductivity))
    np.testing.assert_allclose(np.diag(found), expected, rtol=1e-6)
    np.testing.assert_allclose(found - np.diag(np.diag(found)), 0, atol=1e-6)


def test_graded_layers_conduct_by_the_same_means():
    conductivity = np.repeat(random_medium(0, (8, 1)), 8, axis=1)
    expected = [1 / (1 / conductivity).mean(), conductivity.mean()]
    found = effective_conductivity(conductivity)
    np.testing.assert_allclose(found, np.diag(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_uniform_medium_conducts_as_its_material(shape, dtype):
    found = effective_conductivity(np.full(shape, 0.7, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, 0.7 * np.eye(len(shape)), rtol=4 * np.finfo(dtype).eps, atol=0
    )


def test_checkerboard_converges_to_the_geometric_mean():
    """Keller 1964, Dykhne 1970. At a corner the potential goes as the distance to the power 4 / pi
    arctan(1 / sqrt(contrast)), and the error as the pixel to four times that: 1.56 at 10."""
    errors = []
    for side in (4, 8, 16, 32):
        board = checkerboard((2 * side, 2 * side), side=side)
        found = np.asarray(effective_conductivity(two_phases(board)))
        np.testing.assert_allclose(found[0, 0], found[1, 1], rtol=1e-9)
        np.testing.assert_allclose(found[0, 1], 0, atol=1e-9)
        errors.append(abs(found[0, 0] / np.sqrt(10) - 1))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] == pytest.approx(16 / np.pi * np.arctan(10**-0.5), rel=0.01), orders
    assert errors[-1] < 2e-3


@pytest.mark.parametrize("inside", [10.0, 0.1])
def test_a_dilute_disk_follows_maxwell(inside):
    """To first order in the fraction, (k - 1) / fraction is 2 (k1 - 1) / (k1 + 1).

    Maxwell's formula for the square array is exact up to the fraction's fourth
    power, so what remains is the staircase of the disk: it falls with its radius.
    """
    polarizability = (inside - 1) / (inside + 1)
    errors = []
    for radius in (4, 8, 16):
        offsets = np.arange(8 * radius) - 4 * radius
        disk = np.add.outer(offsets**2, offsets**2) < radius**2
        product = polarizability * disk.mean()
        found = effective_conductivity(two_phases(disk, 1.0, inside))[0, 0]
        errors.append(abs((found - 1) / ((1 + product) / (1 - product) - 1) - 1))
    assert errors[0] > errors[1] > errors[2]
    assert errors[-1] < 0.01


# --- laws ---------------------------------------------------------------------------------------


@law
@given(phase=phases, contrast=contrasts)
def test_tensor_is_symmetric_positive_definite_and_within_reuss_and_voigt(phase, contrast):
    conductivity = two_phases(phase, 1.0, contrast)
    found = np.asarray(effective_conductivity(conductivity))
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-12 * contrast)
    principal = np.linalg.eigvalsh(found)
    assert principal.min() >= 1 / (1 / conductivity).mean() * (1 - 1e-9)
    assert principal.max() <= conductivity.mean() * (1 + 1e-9)


@law
@given(phase=phases, contrast=contrasts, shift=st.tuples(*[st.integers(0, 7)] * 3))
def test_translation_changes_nothing(phase, contrast, shift):
    conductivity = two_phases(phase, 1.0, contrast)
    moved = np.roll(conductivity, shift[: phase.ndim], tuple(range(phase.ndim)))
    expected = effective_conductivity(conductivity, tolerance=1e-8)
    found = effective_conductivity(moved, tolerance=1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * contrast)


@law
@given(phase=hnp.arrays(bool, (8, 8)), contrast=contrasts)
def test_a_quarter_turn_swaps_the_components(phase, contrast):
    conductivity = two_phases(phase, 1.0, contrast)
    along, off, across = np.asarray(effective_conductivity(conductivity, tolerance=1e-8))[
        [0, 0, 1], [0, 1, 1]
    ]
    found = effective_conductivity(np.rot90(conductivity).copy(), tolerance=1e-8)
    expected = [[across, -off], [-off, along]]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * contrast)


def test_an_exchange_of_axes_exchanges_the_components():
    conductivity = random_medium(0, (4, 3, 4))
    found = effective_conductivity(conductivity.transpose(2, 0, 1).copy(), tolerance=1e-8)
    expected = effective_conductivity(conductivity, tolerance=1e-8)[np.ix_([2, 0, 1], [2, 0, 1])]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@law
@given(conductivity=hnp.arrays(float, (5, 7), elements=st.floats(0.05, 20)))
def test_dual_medium_has_the_dual_tensor(conductivity):
    """Keller's duality: the tensor of 1 / k is that of k over its determinant, in 2-D.

    It holds exactly in this discretization where a side is odd. Where both are
    even there is a flux, alternating like a checkerboard, that no potential on
    the corners is dual to, and the law holds in the limit of a fine grid.
    """
    tensor = np.asarray(effective_conductivity(conductivity, tolerance=1e-9))
    found = effective_conductivity(1 / conductivity, tolerance=1e-9)
    expected = tensor / np.linalg.det(tensor)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@law
@given(phase=hnp.arrays(bool, (5, 7)), contrast=st.floats(2, 100))
def test_exchange_of_two_phases_exchanges_the_principal_conductivities(phase, contrast):
    """Keller 1964: k along one axis, times k across after the exchange, is k1 k2."""
    one = np.linalg.eigvalsh(effective_conductivity(two_phases(phase, 1.0, contrast)))
    two = np.linalg.eigvalsh(effective_conductivity(two_phases(~phase, 1.0, contrast)))
    np.testing.assert_allclose(one * two[::-1], contrast, rtol=1e-6)


@law
@given(phase=phases, scale=st.floats(1e-3, 1e3))
def test_scaling_the_conductivities_scales_the_tensor(phase, scale):
    conductivity = two_phases(phase)
    expected = scale * effective_conductivity(conductivity)
    found = effective_conductivity(scale * conductivity)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * scale)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_raising_a_conductivity_anywhere_lowers_none(shape):
    conductivity = random_medium(0, shape)
    raised = conductivity + np.random.default_rng(1).random(shape)
    difference = effective_conductivity(raised) - effective_conductivity(conductivity)
    assert np.linalg.eigvalsh(difference).min() > 0


@pytest.mark.parametrize("contrast", [10.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_single_precision_agrees_with_double(shape, contrast):
    phase = np.random.default_rng(0).random(shape) < 0.5
    conductivity = two_phases(phase, 1.0, contrast)
    expected = np.asarray(effective_conductivity(conductivity, tolerance=1e-9))
    found = effective_conductivity(conductivity.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_error_of_the_tensor_is_of_the_square_of_the_tolerance():
    conductivity = random_medium(0, (6, 8))
    exact = np.asarray(effective_conductivity(conductivity, tolerance=1e-10))
    for tolerance in (1e-1, 1e-2, 1e-3):
        found = effective_conductivity(conductivity, tolerance=tolerance)
        assert np.abs(found - exact).max() < 10 * tolerance**2


# --- derivatives, batches -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 8), (4, 3, 4)], ids=str)
def test_gradient_matches_finite_differences(shape):
    conductivity = random_medium(0, shape)
    weights = np.random.default_rng(1).normal(size=(len(shape),) * 2)

    @jax.jit
    def weighed(conductivity):
        return jnp.sum(weights * effective_conductivity(conductivity, tolerance=1e-8))

    gradient = np.asarray(jax.grad(weighed)(conductivity))
    steps = 1e-4 * np.eye(conductivity.size).reshape(-1, *shape)
    finite = [float(weighed(conductivity + h) - weighed(conductivity - h)) / 2e-4 for h in steps]
    np.testing.assert_allclose(
        gradient.ravel(), finite, rtol=1e-4, atol=1e-4 * np.abs(gradient).max()
    )


def test_gradient_of_scaling_is_the_tensor():
    """Euler: k* is homogeneous of degree one in the conductivities."""
    conductivity = random_medium(0, (5, 7))
    jacobian = jax.jacrev(effective_conductivity)(conductivity)
    total = jnp.einsum("ijab,ab->ij", jacobian, conductivity)
    np.testing.assert_allclose(total, effective_conductivity(conductivity), rtol=1e-9)


def test_a_batch_is_a_loop_under_jit():
    batch = np.stack([random_medium(seed, (5, 7)) for seed in range(3)] + [np.ones((5, 7))])
    found = jax.jit(jax.vmap(effective_conductivity))(batch)
    expected = [effective_conductivity(conductivity) for conductivity in batch]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


# --- insulators and fields ----------------------------------------------------------------------


def test_insulators_stop_the_flux_across_them():
    layers = laminate((8, 8), thicknesses=(2, 2))
    found = effective_conductivity(two_phases(layers, 0.0, 3.0))
    np.testing.assert_allclose(found, np.diag([0.0, 1.5]), atol=1e-9)
    np.testing.assert_array_equal(effective_conductivity(np.zeros((4, 5))), np.zeros((2, 2)))


def test_an_insulating_disk_is_the_limit_of_a_poor_conductor():
    disk = np.hypot(*(np.indices((24, 24)) - 12.0)) < 7
    limit = effective_conductivity(two_phases(disk, 1.0, 0.0), tolerance=1e-8)
    errors = [
        np.abs(effective_conductivity(two_phases(disk, 1.0, k), tolerance=1e-8) - limit).max()
        for k in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[1] < errors[0] / 8 and errors[2] < errors[1] / 8


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fields_have_the_means_that_were_asked_for(shape):
    """Hill-Mandel as well: the mean energy is the product of the means."""
    conductivity = random_medium(1, shape)
    mean = np.arange(1.0, len(shape) + 1)
    fields = conduction_fields(conductivity, mean, tolerance=1e-9)
    gradient, flux = (np.reshape(each, (len(shape), -1)) for each in fields)
    np.testing.assert_allclose(gradient.mean(axis=1), mean, rtol=1e-12)
    tensor = np.asarray(effective_conductivity(conductivity, tolerance=1e-9))
    np.testing.assert_allclose(flux.mean(axis=1), tensor @ mean, rtol=1e-8)
    assert (gradient * flux).sum(axis=0).mean() == pytest.approx(mean @ tensor @ mean, rel=1e-8)


def test_fields_have_derivatives():
    conductivity, mean = random_medium(2, (4, 5)), np.array([1.0, -0.5])

    def loudness(conductivity, mean):
        return (conduction_fields(conductivity, mean, tolerance=1e-12).flux ** 3).sum()

    check_grads(loudness, (conductivity, mean), order=1, modes=["rev"], rtol=1e-5)


def test_memory_of_a_derivative_does_not_grow_with_the_iterations():
    def needed(limit):
        slope = jax.grad(lambda k: effective_conductivity(k, max_iterations=limit)[0, 0])
        return jax.jit(slope).lower(np.ones((32, 32))).compile().memory_analysis()

    few, many = needed(2), needed(2000)
    assert few.temp_size_in_bytes == many.temp_size_in_bytes < 60 * 32 * 32 * 8


# --- what is refused ----------------------------------------------------------------------------


def test_what_has_not_converged_is_an_error_and_in_a_compiled_function_nan():
    conductivity = random_medium(0, (5, 7))
    contrast = conductivity.max() / conductivity.min()
    with pytest.raises(ConvergenceError) as caught:
        effective_conductivity(conductivity, max_iterations=1)
    assert re.search(r"residual 0\.\d+ after 1 iterations, 1e-05 wanted", str(caught.value))
    assert f"`conductivity` has a contrast of {contrast:.3g}" in str(caught.value)
    with pytest.raises(ConvergenceError):
        conduction_fields(conductivity, np.array([1.0, 0.0]), max_iterations=1)
    compiled = jax.jit(effective_conductivity, static_argnames="max_iterations")
    assert np.isnan(compiled(conductivity, max_iterations=1)).all()


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_conductivities_are_finite_and_not_negative(value):
    conductivity = np.ones((4, 4))
    conductivity[1, 2] = value
    with pytest.raises(ValueError, match="`conductivity` has values from .* finite and not neg"):
        effective_conductivity(conductivity)


@pytest.mark.parametrize("shape", [(8,), (2, 3, 4, 5), (0, 4)], ids=str)
def test_a_cell_has_two_or_three_axes(shape):
    with pytest.raises(ValueError, match="has the shape .*; a cell has 2 or 3 axes with pixels"):
        effective_conductivity(np.ones(shape))


def test_integers_are_refused(unchecked):
    with pytest.raises(TypeError, match="give float values"):
        effective_conductivity(np.ones((4, 4), int))
    with pytest.raises(TypeError, match="a phase is a boolean array, or a float one"):
        Conductivity((1.0, 2.0)).tensor(np.ones((4, 4), np.uint8))


# --- as a property of a phase -------------------------------------------------------------------


def test_along_an_axis_is_its_diagonal_component():
    material = Conductivity(phases=(1.0, 10.0))
    for shape, axes in (((5, 7), ("rows", "cols")), ((4, 3, 5), ("planes", "rows", "cols"))):
        phase = np.random.default_rng(0).random(shape) < 0.5
        expected = np.diag(effective_conductivity(two_phases(phase)))
        found = [material.along(axis)(phase) for axis in axes]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert len(set(map(float, found))) == len(axes)


def test_axes_that_are_not_there_are_refused(unchecked):
    material = Conductivity(phases=(1.0, 10.0))
    with pytest.raises(ValueError, match="`phase` has 2 axes, rows and cols: it has no planes"):
        material.along("planes")(np.ones((4, 4)))
    with pytest.raises(ValueError, match="the axes are planes, rows, cols"):
        material.along("x")


@pytest.mark.parametrize("phases", [(0.0, 1.0), (1.0, -1.0), (1.0, float("inf"))])
def test_conductivities_of_the_phases_must_be_positive_and_finite(phases):
    with pytest.raises(ValueError, match="must be positive and finite"):
        Conductivity(phases=phases)


def test_bounds_are_those_of_layers():
    material = Conductivity(phases=(1.0, 10.0))
    layers = laminate((8, 8), thicknesses=(2, 6))
    found = np.diag(material.tensor(layers))
    np.testing.assert_allclose(found, material.bounds(0.25), rtol=1e-6)
    assert material.bounds(0.0) == (1.0, 1.0)
    assert material.bounds(1.0) == (10.0, 10.0)


def test_a_soft_phase_mixes_the_conductivities_linearly():
    material = Conductivity(phases=(1.0, 10.0))
    soft = np.random.default_rng(0).random((5, 7))
    np.testing.assert_allclose(
        material.tensor(soft), effective_conductivity(1 + 9 * soft), rtol=1e-12
    )
    hard = soft > 0.5
    np.testing.assert_allclose(
        material.tensor(hard), material.tensor(hard.astype(float)), rtol=1e-12
    )
    uniform = material.tensor(np.full((5, 7), 0.5, np.float32))
    assert uniform.dtype == np.float32
    np.testing.assert_allclose(uniform, 5.5 * np.eye(2), rtol=1e-6)


def test_more_of_the_better_phase_never_conducts_less():
    material = Conductivity(phases=(1.0, 10.0))
    soft = np.random.default_rng(0).random((5, 7))
    gradient = jax.grad(material.along("rows"))(soft)
    assert (np.asarray(gradient) > 0).all()
