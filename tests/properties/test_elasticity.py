"""Stiffness, thermal expansion and local fields of a cell against closed forms, bounds and laws."""

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy.spatial.transform import Rotation

from idml_jax.data.synthetic import laminate
from idml_jax.errors import ConvergenceError
from idml_jax.properties import (
    bulk_and_shear,
    cubic_stiffness,
    effective_stiffness,
    effective_stiffness_of_crystals,
    effective_thermal_expansion,
    elastic_fields,
    engineering_constants,
    isotropic_stiffness,
    rotated_stiffness,
    to_tensor,
    to_vector,
    voigt_stiffness,
    von_mises_stress,
)

# A new shape is a new compilation: hypothesis draws the pixels, not the shape.
SHAPES = [(6, 8), (5, 7), (4, 3, 4)]
contrasts = st.floats(np.log(2), np.log(1e4)).map(np.exp)
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
law = settings(max_examples=15, deadline=None, derandomize=True)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
exactly = {"tolerance": 1e-9}

pytestmark = pytest.mark.usefixtures("optimized")


def random_moduli(seed, shape):
    """Log-normal, so that no two pixels are equal."""
    generator = np.random.default_rng(seed)
    return np.exp(generator.normal(size=shape)), np.exp(generator.normal(size=shape))


def two_phases(phase, outside, inside):
    return np.where(phase, inside, outside).astype(float)


def ball(side, radius, dimensions):
    """A ball in the middle of a cell."""
    offsets = np.indices((side,) * dimensions) - side / 2 + 0.5
    return (offsets**2).sum(axis=0) < radius**2


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "plane"), [((5, 7), "strain"), ((5, 7), "stress"), ((3, 4, 3), "strain")]
)
def test_one_material_is_as_stiff_as_it_is(shape, plane):
    bulk, shear = bulk_and_shear(210.0, 0.3)
    found = effective_stiffness(np.full(shape, bulk), np.full(shape, shear), plane=plane)
    constants = engineering_constants(found)
    if len(shape) == 3:
        np.testing.assert_allclose(found, isotropic_stiffness(bulk, shear), atol=1e-9)
        young, poisson = 210.0, 0.3
    elif plane == "stress":
        young, poisson = 210.0, 0.3
    else:
        young, poisson = 210.0 / (1 - 0.3**2), 0.3 / (1 - 0.3)
    np.testing.assert_allclose(constants.young, young, rtol=1e-9)
    np.testing.assert_allclose(constants.poisson[0, 1], poisson, rtol=1e-9)
    np.testing.assert_allclose(constants.shear, shear, rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "axis"), [((8, 5), 0), ((5, 8), 1), ((4, 3, 3), 0), ((3, 3, 4), 2)]
)
def test_layers_are_as_stiff_as_backus_says(shape, axis):
    """G. E. Backus, J. Geophys. Res. 67, 4427 (1962): means over the layers, in closed form."""
    layers = np.asarray(laminate(shape, axis=axis, thicknesses=(1, 3)))
    bulk, shear = two_phases(layers, 1.0, 20.0), two_phases(layers, 0.7, 5.0)
    found = np.asarray(effective_stiffness(bulk, shear, **exactly))
    dimensions = len(shape)
    in_plane = bulk if dimensions == 3 else bulk + shear / 3
    lame, along = in_plane - 2 * shear / dimensions, in_plane + (2 - 2 / dimensions) * shear
    across = 1 / (1 / along).mean()
    ratio = (lame / along).mean()
    others = [other for other in range(dimensions) if other != axis]
    assert found[axis, axis] == pytest.approx(across, rel=1e-8)
    for other in others:
        assert found[axis, other] == pytest.approx(across * ratio, rel=1e-8)
        expected = (along - lame**2 / along).mean() + across * ratio**2
        assert found[other, other] == pytest.approx(expected, rel=1e-8)
    if dimensions == 3:
        expected = (lame - lame**2 / along).mean() + across * ratio**2
        assert found[others[0], others[1]] == pytest.approx(expected, rel=1e-8)
    for place, pair in enumerate({2: [(0, 1)], 3: [(1, 2), (0, 2), (0, 1)]}[dimensions]):
        mean = 1 / (1 / shear).mean() if axis in pair else shear.mean()
        assert found[dimensions + place, dimensions + place] == pytest.approx(2 * mean, rel=1e-8)


@pytest.mark.parametrize(
    ("shape", "plane"), [((7, 9), "strain"), ((7, 9), "stress"), ((5, 3, 5), "strain")]
)
def test_phases_of_equal_shear_have_hills_bulk_modulus(shape, plane):
    """Whatever their arrangement; exact on the grid, too, where no side is even."""
    bulk, _ = random_moduli(0, shape)
    shear = np.full(shape, 0.8)
    found = np.asarray(effective_stiffness(bulk, shear, plane=plane, **exactly))
    dimensions = len(shape)
    if dimensions == 3:
        own, resisting = bulk, 4 * 0.8 / 3
    else:
        own = bulk + shear / 3 if plane == "strain" else 9 * bulk * shear / (3 * bulk + 4 * shear)
        resisting = 0.8
    expected = 1 / (1 / (own + resisting)).mean() - resisting
    np.testing.assert_allclose(
        found, isotropic_stiffness(expected, 0.8, dimensions), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("factor", [0.0, 10.0])
def test_a_dilute_ball_stiffens_to_first_order_as_eshelby_says(dimensions, factor):
    """A pore, or a ball ten times as stiff; what remains is the staircase of the ball.

    In the form that is exact for the bulk modulus of coated balls: to first order it is Eshelby's.
    """
    errors = []
    for radius in (4, 8, 16) if dimensions == 2 else (3, 6):
        inside = ball(6 * radius, radius, dimensions)
        bulk, shear = two_phases(inside, 1.0, factor), two_phases(inside, 0.6, 0.6 * factor)
        found = np.asarray(effective_stiffness(bulk, shear, tolerance=1e-3))
        own = bulk + shear / 3 if dimensions == 2 else bulk
        out, into, share = own.ravel()[0], own[inside][0], inside.mean()
        resisting = 0.6 if dimensions == 2 else 0.8
        strain = (out + resisting) / (into + resisting)
        expected = share * (into - out) * strain / (1 - share + share * strain)
        average = found[:dimensions, :dimensions].sum() / dimensions**2
        errors.append(abs((average - out) / expected - 1))
    assert all(finer < 0.85 * coarser for coarser, finer in zip(errors, errors[1:], strict=False))
    assert errors[-1] < (0.025 if dimensions == 2 else 0.08), errors


def test_a_cell_of_rods_is_in_plane_strain():
    bulk, shear = random_moduli(1, (5, 4))
    flat = effective_stiffness(bulk, shear, **exactly)
    solid = effective_stiffness(
        *(np.repeat(each[None], 3, axis=0) for each in (bulk, shear)), **exactly
    )
    part = np.ix_([1, 2, 3], [1, 2, 3])
    np.testing.assert_allclose(np.asarray(solid)[part], flat, rtol=1e-7, atol=1e-9)


def test_pores_stop_the_stress_across_them():
    layers = np.asarray(laminate((8, 6), thicknesses=(2, 2)))
    found = np.asarray(
        effective_stiffness(two_phases(layers, 1.0, 0.0), two_phases(layers, 0.5, 0.0))
    )
    bulk, shear = 1.0 + 0.5 / 3, 0.5
    # Free to contract across: half of a strip's stiffness.
    assert found[1, 1] == pytest.approx(0.5 * 4 * bulk * shear / (bulk + shear), rel=1e-5)
    np.testing.assert_allclose(found[[0, 2, 0], [0, 2, 1]], 0, atol=1e-5)
    np.testing.assert_array_equal(effective_stiffness(np.zeros((3, 4)), np.zeros((3, 4))), 0)


# --- laws ---------------------------------------------------------------------------------------


@law
@given(phase=phases, contrast=contrasts, other=contrasts)
def test_stiffness_is_symmetric_positive_definite_and_within_reuss_and_voigt(
    phase, contrast, other
):
    bulk, shear = two_phases(phase, 1.0, contrast), two_phases(phase, 0.5, other)
    found = np.asarray(effective_stiffness(bulk, shear))
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-11 * max(contrast, other))
    own = bulk + shear / 3 if phase.ndim == 2 else bulk
    high = isotropic_stiffness(own.mean(), shear.mean(), phase.ndim)
    low = isotropic_stiffness(1 / (1 / own).mean(), 1 / (1 / shear).mean(), phase.ndim)
    scale = np.abs(np.asarray(high)).max()
    assert np.linalg.eigvalsh(found).min() > 0
    assert np.linalg.eigvalsh(found - low).min() > -1e-9 * scale
    assert np.linalg.eigvalsh(high - found).min() > -1e-9 * scale


@each_shape
def test_an_exchange_of_axes_exchanges_the_components(shape):
    bulk, shear = random_moduli(2, shape)
    order = tuple(range(len(shape)))[::-1]
    found = effective_stiffness(bulk.transpose(order), shear.transpose(order), **exactly)
    turn = np.eye(len(shape))[:, ::-1]
    expected = rotated_stiffness(effective_stiffness(bulk, shear, **exactly), turn)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@each_shape
def test_mean_energy_is_the_product_of_the_means(shape):
    """Hill and Mandel; and the mean stress is the effective stiffness times the mean strain."""
    bulk, shear = random_moduli(3, shape)
    mean = np.random.default_rng(0).normal(size=(len(shape),) * 2)
    mean = mean + mean.T
    fields = elastic_fields(bulk, shear, mean, **exactly)
    strain, stress = (np.asarray(each).reshape(len(each), -1) for each in fields)
    applied = np.asarray(to_vector(mean))
    np.testing.assert_allclose(strain.mean(axis=1), applied, rtol=1e-12, atol=1e-12)
    stiffness = np.asarray(effective_stiffness(bulk, shear, **exactly))
    np.testing.assert_allclose(stress.mean(axis=1), stiffness @ applied, rtol=1e-7, atol=1e-8)
    energy = (strain * stress).sum(axis=0).mean()
    assert energy == pytest.approx(stress.mean(axis=1) @ strain.mean(axis=1), rel=1e-8)


@each_shape
def test_isotropic_crystals_are_isotropic_pixels(shape):
    bulk, shear = random_moduli(4, shape)
    own = bulk + shear / 3 if len(shape) == 2 else bulk
    unit = [isotropic_stiffness(*pair, len(shape)) for pair in ((1.0, 0.0), (0.0, 1.0))]
    cell = sum(np.multiply.outer(*pair) for pair in zip(unit, (own, shear), strict=True))
    found = effective_stiffness_of_crystals(cell, **exactly)
    np.testing.assert_allclose(
        found, effective_stiffness(bulk, shear, **exactly), rtol=1e-7, atol=1e-9
    )


def test_a_polycrystal_lies_between_the_means_of_its_grains():
    copper = cubic_stiffness(168.4, 121.4, 75.4)
    turns = Rotation.random(8, rng=np.random.default_rng(0)).as_matrix()
    grains = rotated_stiffness(copper, turns)
    labels = np.random.default_rng(1).integers(0, 8, (4, 4, 4))
    cell = jnp.moveaxis(grains[labels], (-2, -1), (0, 1))
    found = np.asarray(effective_stiffness_of_crystals(cell, **exactly))
    each = np.asarray(grains)[labels].reshape(-1, 6, 6)
    high, low = each.mean(axis=0), np.linalg.inv(np.linalg.inv(each).mean(axis=0))
    for difference in (high - found, found - low):
        assert np.linalg.eigvalsh(difference).min() > -1e-6
    np.testing.assert_allclose(found[:3, :3].sum(), 9 * (168.4 + 2 * 121.4) / 3, rtol=1e-7)


# --- notation -----------------------------------------------------------------------------------


def test_vectors_are_tensors_of_the_same_length():
    tensor = np.random.default_rng(0).normal(size=(5, 3, 3))
    tensor = tensor + tensor.swapaxes(1, 2)
    vector = to_vector(tensor)
    np.testing.assert_allclose((vector**2).sum(axis=-1), (tensor**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(to_tensor(vector), tensor, rtol=1e-12)


def test_a_rotation_turns_a_stiffness_as_a_tensor_of_fourth_order():
    generator = np.random.default_rng(0)
    stiffness = generator.normal(size=(6, 6))
    stiffness = stiffness @ stiffness.T
    turn = Rotation.random(rng=generator).as_matrix()
    strain = generator.normal(size=(3, 3))
    strain = strain + strain.T
    # The crystal sees the strain turned back; its stress is turned forth.
    own = to_tensor(stiffness @ to_vector(turn.T @ strain @ turn))
    expected = turn @ np.asarray(own) @ turn.T
    found = to_tensor(rotated_stiffness(stiffness, turn) @ to_vector(strain))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_voigts_notation_has_the_shear_moduli_on_its_diagonal():
    np.testing.assert_allclose(
        np.diag(voigt_stiffness(cubic_stiffness(168.4, 121.4, 75.4))), [168.4] * 3 + [75.4] * 3
    )


# --- thermal expansion and stress ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "plane"), [((5, 7), "strain"), ((5, 7), "stress"), ((3, 5, 3), "strain")]
)
def test_expansion_of_two_phases_is_levins(shape, plane):
    """V. M. Levin 1967: by the effective bulk modulus alone; here of equal shear moduli."""
    inside = np.random.default_rng(0).random(shape) < 0.4
    bulk, shear = two_phases(inside, 1.0, 6.0), np.full(shape, 0.7)
    alpha = two_phases(inside, 2.0, -1.0)
    found = np.asarray(effective_thermal_expansion(bulk, shear, alpha, plane=plane, **exactly))
    stiffness = np.asarray(effective_stiffness(bulk, shear, plane=plane, **exactly))
    dimensions = len(shape)
    effective = stiffness[:dimensions, :dimensions].sum() / dimensions**2
    if dimensions == 2 and plane == "stress":
        own = 9 * bulk * shear / (3 * bulk + 4 * shear)
        free = alpha
    elif dimensions == 2:
        own = bulk + shear / 3
        free = 3 * bulk * alpha / (2 * own)
    else:
        own, free = bulk, alpha
    (a, b), (k, m) = (free[~inside][0], free[inside][0]), (own[~inside][0], own[inside][0])
    mean = (free * 1.0).mean()
    expected = mean + (b - a) / (1 / m - 1 / k) * (1 / effective - (1 / own).mean())
    np.testing.assert_allclose(found, expected * np.eye(dimensions), rtol=1e-6, atol=1e-8)


def test_von_mises_stress_of_a_rod_is_its_stress():
    """Free to contract: in 3-D by its strains, in plane stress by those of the plane."""
    bulk, shear = bulk_and_shear(2.0, 0.3)
    rod = np.diag([1.0, -0.3, -0.3])
    for strain, plane in ((rod, "strain"), (rod[:2, :2], "stress")):
        cell = (3,) * len(strain)
        moduli = np.full(cell, bulk), np.full(cell, shear)
        fields = elastic_fields(*moduli, strain, plane=plane)
        np.testing.assert_allclose(von_mises_stress(fields, *moduli, plane=plane), 2.0, rtol=1e-6)


def test_von_mises_stress_in_plane_strain_is_that_of_the_solid():
    bulk, shear = random_moduli(5, (5, 4))
    mean = np.array([[1.0, 0.2], [0.2, -0.4]])
    flat = von_mises_stress(elastic_fields(bulk, shear, mean, **exactly), bulk, shear)
    solid = [np.repeat(each[None], 3, axis=0) for each in (bulk, shear)]
    whole = np.zeros((3, 3))
    whole[1:, 1:] = mean
    expected = von_mises_stress(elastic_fields(*solid, whole, **exactly), *solid)
    np.testing.assert_allclose(flat, expected[0], rtol=1e-6)


# --- derivatives and batches --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 3)], ids=str)
def test_derivative_of_the_stiffness_matches_finite_differences(shape):
    bulk, shear = random_moduli(6, shape)
    count = {2: 3, 3: 6}[len(shape)]
    weights = np.random.default_rng(0).normal(size=(count, count))
    check_grads(
        lambda *moduli: (weights * effective_stiffness(*moduli, **exactly)).sum(),
        (bulk, shear),
        order=1,
        modes=["rev"],
        rtol=1e-4,
    )


def test_derivative_by_a_soft_phase_matches_finite_differences():
    phase = np.random.default_rng(7).random((5, 6))

    def young(phase):
        moduli = 1 + 9 * phase, 0.5 + 4 * phase
        return engineering_constants(effective_stiffness(*moduli, **exactly)).young.sum()

    check_grads(young, (phase,), order=1, modes=["rev"], rtol=1e-4)


def test_fields_have_derivatives():
    bulk, shear = random_moduli(8, (4, 5))
    mean = np.array([[1.0, 0.3], [0.3, -0.2]])

    def loudness(bulk, shear, mean):
        fields = elastic_fields(bulk, shear, mean, tolerance=1e-12)
        return (von_mises_stress(fields, bulk, shear) ** 4).mean()

    check_grads(loudness, (bulk, shear, mean), order=1, modes=["rev"], rtol=1e-5)


def test_memory_of_a_derivative_does_not_grow_with_the_iterations():
    def needed(limit):
        def slope(bulk, shear):
            return effective_stiffness(bulk, shear, max_iterations=limit)[0, 0]

        one = np.ones((32, 32))
        return jax.jit(jax.grad(slope)).lower(one, one).compile().memory_analysis()

    assert needed(2).temp_size_in_bytes == needed(2000).temp_size_in_bytes


def test_a_batch_is_a_loop_under_jit():
    batches = [
        np.stack(each) for each in zip(*(random_moduli(k, (5, 6)) for k in range(3)), strict=True)
    ]
    found = jax.jit(jax.vmap(effective_stiffness))(*batches)
    expected = [effective_stiffness(*pair) for pair in zip(*batches, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("contrast", [10.0, 1e3])
def test_single_precision_agrees_with_double(contrast):
    phase = np.random.default_rng(0).random((8, 9)) < 0.5
    bulk, shear = two_phases(phase, 1.0, contrast), two_phases(phase, 0.5, contrast)
    expected = np.asarray(effective_stiffness(bulk, shear, **exactly))
    found = effective_stiffness(bulk.astype(np.float32), shear.astype(np.float32), tolerance=1e-4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * contrast)


# --- what is refused ----------------------------------------------------------------------------


def test_what_has_not_converged_is_an_error_and_in_a_compiled_function_nan():
    moduli = random_moduli(9, (5, 7))
    message = "residual .* after 1 iterations, 1e-05 wanted; `bulk` has a contrast of .*; `shear`"
    for solve in (effective_stiffness, lambda *m, **o: elastic_fields(*m, np.eye(2), **o)):
        with pytest.raises(ConvergenceError, match=message):
            solve(*moduli, max_iterations=1)
    assert np.isnan(jax.jit(lambda *m: effective_stiffness(*m, max_iterations=1))(*moduli)).all()


def test_bad_input_is_refused(unchecked):
    one = np.ones((4, 4))
    with pytest.raises(ValueError, match="`shear` has values from -1 to 1"):
        effective_stiffness(one, np.where(np.eye(4), -1.0, one))
    with pytest.raises(ValueError, match="`bulk` is float64 of the shape .* give equal"):
        effective_stiffness(one, np.ones((4, 5)))
    with pytest.raises(ValueError, match="`plane` .='stretch'. is 'strain' or 'stress'"):
        effective_stiffness(one, one, plane="stretch")
    with pytest.raises(TypeError, match="`bulk` is of int"):
        effective_stiffness(np.ones((4, 4), int), one)
    with pytest.raises(ValueError, match="`bulk` has the shape .4,.; a cell has 2 or 3"):
        effective_stiffness(np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="`mean_strain` has the shape"):
        elastic_fields(one, one, np.ones(3))
    with pytest.raises(ValueError, match="the components first"):
        effective_stiffness_of_crystals(np.ones((4, 4, 3, 3)))
    with pytest.raises(ValueError, match="not symmetric"):
        effective_stiffness_of_crystals(np.random.default_rng(0).random((3, 3, 4, 4)))
