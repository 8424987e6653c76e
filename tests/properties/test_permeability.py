"""`idml_jax.properties.permeability` against closed forms, tables and dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from idml_jax.errors import ConvergenceError
from idml_jax.properties import flow_fields, minimal_residual, permeability
from idml_jax.properties.stokes import channel


def blobs(seed, shape, porosity):
    """Random pores of a few voxels."""
    noise = np.random.default_rng(seed).normal(size=shape)
    for axis in range(len(shape)):
        noise = sum(np.roll(noise, shift, axis) for shift in (-1, 0, 1))
    return noise > np.quantile(noise, 1 - porosity)


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_slit_of_any_width_carries_its_square_over_twelve(width, axis):
    # Of one shape, which is compiled once.
    slit = np.zeros((5, 19), bool)
    slit[:, 1 : 1 + width] = True
    slit = slit if axis == 0 else slit.T
    found = float(permeability(slit, axis=axis, tolerance=1e-9))
    assert found == pytest.approx(width**2 / 12 * slit.mean(), rel=1e-7)


def test_a_slit_in_space_is_a_slit():
    slit = np.zeros((4, 9, 6), bool)
    slit[:, 2:7] = True
    # The other walls, of the image, are two more: a duct of 5 by 6.
    ratio = 5 / 6
    terms = sum(np.tanh(n * np.pi / (2 * ratio)) / n**5 for n in range(1, 99, 2))
    expected = 5**2 / 12 * (1 - 192 / np.pi**5 * ratio * terms) * slit.mean()
    assert float(permeability(slit, axis=0)) == pytest.approx(expected, rel=0.05)


def test_a_square_duct_converges_to_its_series_with_second_order():
    """F. M. White, Viscous Fluid Flow, equation 3-48."""
    terms = sum(np.tanh(n * np.pi / 2) / n**5 for n in range(1, 99, 2))
    factor = (1 - 192 / np.pi**5 * terms) / 12
    errors = []
    for side in (4, 8, 16):
        duct = np.ones((3, side, side), bool)
        found = float(permeability(duct, axis=0, tolerance=1e-6))
        errors.append(found / (factor * side**2) - 1)
    assert all(finer < coarser / 3.5 for coarser, finer in zip(errors, errors[1:], strict=False))
    assert 0 < errors[-1] < 0.005, errors


def test_a_row_of_slits_is_in_series():
    """The wide ones hardly count: the flow is that of the narrow one, over its share of the way."""
    pore = np.zeros((40, 12), bool)
    pore[:, 1:-1] = True
    narrow = pore.copy()
    narrow[10:30, :5] = narrow[10:30, 7:] = False
    expected = 1 / (0.5 / (2**2 / 12 * 2 / 12) + 0.5 / (10**2 / 12 * 10 / 12))
    found = float(permeability(narrow, axis=0))
    # The ends of the narrow slit take another half of its width, about.
    assert expected * 0.9 < found < expected


def test_a_simple_cubic_array_of_spheres_is_as_in_the_tables():
    """A. A. Zick, G. M. Homsy, J. Fluid Mech. 115, 13 (1982): K = 4.292 at a fraction of 0.125.

    By symmetry the flow slips along the cells' faces, and their pressure is one on either end.
    """
    errors = []
    for side in (12, 24):
        radius = side * (3 * 0.125 / (4 * np.pi)) ** (1 / 3)
        offsets = np.indices((side,) * 3) - side / 2 + 0.5
        pore = np.tile((offsets**2).sum(axis=0) > radius**2, (2, 1, 1))
        found = float(permeability(pore, axis=0, sides="mirrors", tolerance=1e-3))
        errors.append(abs(found / (side**3 / (6 * np.pi * radius * 4.292)) - 1))
    assert errors[1] < errors[0] and errors[1] < 0.07, errors


def test_half_of_a_slit_with_a_mirror_carries_what_the_whole_does():
    slit = np.zeros((4, 6), bool)
    slit[:, 2:] = True
    found = float(permeability(slit, axis=0, sides="mirrors", tolerance=1e-9))
    assert found == pytest.approx(8**2 / 12 * slit.mean(), rel=1e-7)
    assert float(permeability(slit[:, 2:], axis=0)) == pytest.approx(4**2 / 12, rel=1e-3)


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((12, 11), 0), ((12, 11), 1), ((7, 6, 8), 0)], ids=str)
def test_iteration_and_dense_algebra_agree(shape, axis):
    pore = blobs(3, shape, 0.75)
    here = channel(jnp.moveaxis(jnp.asarray(pore), axis, 0), jnp.dtype(float))
    load, unravel = ravel_pytree(here.drive())
    matrix = jax.vmap(lambda e: ravel_pytree(here.apply(unravel(e)))[0])(jnp.eye(load.size)).T
    # What carries nothing has neither row nor column.
    known = np.asarray(ravel_pytree((here.open, here.inside))[0]) > 0
    matrix = np.asarray(matrix)[np.ix_(known, known)]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    dense = np.zeros(load.size)
    dense[known] = np.linalg.lstsq(matrix, np.asarray(load)[known], rcond=1e-12)[0]
    expected = unravel(jnp.asarray(dense))[0][0].sum() / pore.size * shape[axis]
    found = permeability(pore, axis=axis, tolerance=1e-10)
    assert float(found) == pytest.approx(float(expected), rel=1e-7)


@pytest.mark.parametrize("shape", [(16, 15), (8, 9, 7)], ids=str)
def test_nothing_is_lost_on_the_way_and_nothing_slips(shape):
    pore = blobs(5, shape, 0.7)
    fields = flow_fields(pore, axis=0, tolerance=1e-9)
    layers = np.asarray(fields.velocity[0]).reshape(shape[0], -1).sum(axis=1)
    np.testing.assert_allclose(layers, layers[0], rtol=1e-6)
    found = float(permeability(pore, axis=0, tolerance=1e-9))
    assert layers.sum() / pore.size == pytest.approx(found, rel=1e-6)
    assert (np.asarray(fields.pressure)[~pore] == 0).all()
    assert (np.abs(np.asarray(fields.velocity))[:, ~pore] == 0).all()


def test_flow_back_is_flow_forth():
    pore = blobs(6, (14, 13), 0.7)
    forth, back = (float(permeability(each, axis=0, tolerance=1e-8)) for each in (pore, pore[::-1]))
    assert forth == pytest.approx(back, rel=1e-6)


def test_finer_voxels_carry_in_proportion_to_their_square():
    """To the accuracy of the grid: the pores are the same, and their voxels half as wide."""
    pore = blobs(7, (16, 16), 0.75)
    fine = pore.repeat(2, axis=0).repeat(2, axis=1)
    finer = fine.repeat(2, axis=0).repeat(2, axis=1)
    one, two, four = (float(permeability(each, axis=0)) for each in (pore, fine, finer))
    assert abs(four / 16 / (two / 4) - 1) < abs(two / 4 / one - 1) < 0.3


def test_a_batch_is_a_loop_and_dead_ends_carry_nothing():
    pores = np.stack(
        [blobs(seed, (12, 12), 0.75) for seed in range(3)] + [np.zeros((12, 12), bool)]
    )
    found = jax.jit(jax.vmap(lambda pore: permeability(pore, axis=0)))(pores)
    expected = [permeability(pore, axis=0) for pore in pores]
    assert expected[-1] == 0
    np.testing.assert_allclose(found, expected, rtol=1e-3)


# --- the iteration ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_symmetric_systems_are_solved_as_numpy_solves_them(seed):
    """Indefinite ones, preconditioned; and with a null space, if there is no load in it."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(12, 12)))
    values = generator.uniform(1, 5, 12) * np.where(np.arange(12) < 5, -1, 1)
    values[0] *= seed > 0
    matrix = basis * values @ basis.T
    load = matrix @ generator.normal(size=12)
    scale = generator.uniform(1, 3, 12)
    found = minimal_residual(
        lambda x: matrix @ x,
        jnp.asarray(load),
        lambda r: scale * r,
        tolerance=1e-12,
        max_iterations=100,
    )
    assert found.converged
    np.testing.assert_allclose(matrix @ found.x, load, atol=1e-9)
    residual = load - matrix @ np.asarray(found.x)
    assert (scale * residual**2).sum() <= (1.1e-12) ** 2 * (scale * load**2).sum() + 1e-24


def test_a_load_of_zero_has_the_answer_zero():
    found = minimal_residual(
        lambda x: x, jnp.zeros(5), lambda r: r, tolerance=1e-6, max_iterations=10
    )
    assert found.converged and (np.asarray(found.x) == 0).all()


# --- what is refused ----------------------------------------------------------------------------


def test_what_has_not_converged_is_an_error_and_in_a_compiled_function_nan():
    pore = blobs(0, (12, 12), 0.75)
    with pytest.raises(ConvergenceError, match="after 2 iterations, 0.0001 wanted: raise"):
        permeability(pore, axis=0, max_iterations=2)
    compiled = jax.jit(lambda pore: permeability(pore, axis=0, max_iterations=2))
    assert np.isnan(compiled(pore))


def test_bad_input_is_refused(unchecked):
    with pytest.raises(ValueError, match="`axis` .=2. is out of range"):
        permeability(np.ones((4, 4), bool), axis=2)
    with pytest.raises(TypeError, match="`pore` is of float64; fluid flows in a boolean phase"):
        permeability(np.ones((4, 4)), axis=0)
    with pytest.raises(ValueError, match="a pore space has 2 or 3 axes"):
        permeability(np.ones(4, bool), axis=0)
    with pytest.raises(ValueError, match="no path leads from face to face along axis 1"):
        flow_fields(np.zeros((4, 4), bool), axis=1)
    with pytest.raises(ValueError, match="`sides` .='air'. are 'walls' or 'mirrors'"):
        permeability(np.ones((4, 4), bool), axis=0, sides="air")
