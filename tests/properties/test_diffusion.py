"""`idml_jax.properties.diffusion` against dense linear algebra, closed forms and bounds."""

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.errors import ConvergenceError
from idml_jax.properties import (
    diffusion_fields,
    effective_diffusivity,
    local_tortuosity,
    tortuosity,
)
from idml_jax.properties.diffusion import _effective, _network
from idml_jax.properties.multigrid import Network, multigrid

# A new shape is a new compilation: hypothesis draws the voxels, not the shape.
SHAPES = [(6, 5), (4, 3, 5)]
law = settings(max_examples=15, deadline=None, derandomize=True)
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
exactly = {"tolerance": 1e-10}


def random_medium(seed, shape, share=1.0):
    generator = np.random.default_rng(seed)
    return np.exp(generator.normal(size=shape)) * (generator.random(shape) < share)


def dense(diffusivity, axis):
    """Effective diffusivity face by face, with a matrix for all voxels."""
    shape, number = diffusivity.shape, np.arange(diffusivity.size).reshape(diffusivity.shape)
    matrix, load = np.zeros((diffusivity.size,) * 2), np.zeros(diffusivity.size)
    for voxel in np.ndindex(shape):
        here, own = diffusivity[voxel], number[voxel]
        for along in range(len(shape)):
            for step in (-1, 1):
                other = list(voxel)
                other[along] += step
                if 0 <= other[along] < shape[along]:
                    there = diffusivity[tuple(other)]
                    if here and there:
                        face = 2 / (1 / here + 1 / there)
                        matrix[own, own] += face
                        matrix[own, number[tuple(other)]] -= face
                elif along == axis:
                    matrix[own, own] += 2 * here
                    load[own] += 2 * here * (step < 0)
    values = np.linalg.pinv(matrix) @ load
    entering = (load * (1 - values)).sum()
    return entering * shape[axis] ** 2 / diffusivity.size


# --- the definition -----------------------------------------------------------------------------


@each_shape
@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_effective_diffusivity_is_that_of_dense_algebra(shape, share, seed):
    diffusivity = random_medium(seed, shape, share)
    for axis in range(len(shape)):
        found = effective_diffusivity(diffusivity, axis=axis, **exactly)
        assert float(found) == pytest.approx(dense(diffusivity, axis), rel=1e-9, abs=1e-12)


@law
@given(pore=phases)
def test_tortuosity_is_infinite_where_nothing_leads_through_and_never_below_one(pore):
    for axis in range(pore.ndim):
        found, expected = float(tortuosity(pore, axis=axis, **exactly)), dense(1.0 * pore, axis)
        if expected < 1e-9:
            assert found == np.inf
        else:
            assert found == pytest.approx(pore.mean() / expected, rel=1e-8)
            assert found >= 1 - 1e-9


@law
@given(pore=phases)
def test_a_compiled_function_finds_the_same_way_through(pore):
    compiled = jax.jit(tortuosity, static_argnames="axis")
    for axis in (0, -1):
        expected = tortuosity(pore, axis=axis)
        np.testing.assert_allclose(compiled(pore, axis=axis), expected, rtol=1e-5)


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 7), (17, 12), (5, 8, 6)], ids=str)
def test_open_space_conducts_as_it_is(shape):
    for axis in range(len(shape)):
        assert float(tortuosity(np.ones(shape, bool), axis=axis)) == pytest.approx(1, abs=1e-12)


def test_layers_are_in_series_across_and_in_parallel_along():
    layers = np.repeat(random_medium(0, (16, 1)), 9, axis=1)
    assert float(effective_diffusivity(layers, axis=0, **exactly)) == pytest.approx(
        1 / (1 / layers).mean(), rel=1e-9
    )
    assert float(effective_diffusivity(layers, axis=1, **exactly)) == pytest.approx(
        layers.mean(), rel=1e-9
    )


def test_a_snake_is_as_long_as_its_turns():
    """A way of one voxel's width: all that it passes is in series, half a voxel at each end."""
    snake = np.zeros((9, 7), bool)
    snake[::2] = True
    snake[[1, 5], -1] = snake[[3, 7], 0] = True
    # From the outer face of the first layer, somewhere in it, to the turn: not one-dimensional, as
    # every voxel of the layer touches the face. So with a mouth of one voxel on either side.
    mouth = np.zeros((11, 7), bool)
    mouth[1:-1], mouth[0, 0], mouth[-1, -1] = snake, True, True
    steps = mouth.sum() - 1
    expected = mouth.mean() / (11**2 / mouth.size / (steps + 1))
    assert float(tortuosity(mouth, axis=0, **exactly)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("transform", [lambda f: f, lambda f: jax.jit(f)], ids=["eager", "jit"])
def test_dead_ends_and_corners_lead_nowhere(transform):
    blocked = np.ones((6, 6), bool)
    blocked[3] = False
    corners = np.zeros((4, 4), bool)
    corners[:2, :2] = corners[2:, 2:] = True
    for pore in (blocked, corners, np.zeros((5, 5), bool)):
        assert transform(lambda pore: tortuosity(pore, axis=0))(pore) == np.inf
        found = transform(lambda pore: effective_diffusivity(pore, axis=0))(1.0 * pore)
        assert float(found) == 0


def test_a_coefficient_scales_the_answer_and_not_the_tortuosity():
    pore = random_medium(3, (12, 13), 0.8)
    one, ten = (effective_diffusivity(k * pore, axis=1, **exactly) for k in (1.0, 10.0))
    assert float(ten) == pytest.approx(10 * float(one), rel=1e-9)
    found = [float(tortuosity(k * pore, axis=1, **exactly)) for k in (1.0, 10.0)]
    assert found[0] == pytest.approx(found[1], rel=1e-9)


# --- fields -------------------------------------------------------------------------------------


@each_shape
def test_flux_enters_passes_every_layer_and_leaves(shape):
    diffusivity = random_medium(4, shape, 0.9)
    axis = 1
    fields = diffusion_fields(diffusivity, axis=axis, **exactly)
    through = np.asarray(fields.flux[axis]).sum(axis=tuple(a for a in range(len(shape)) if a != 1))
    effective = float(effective_diffusivity(diffusivity, axis=axis, **exactly))
    expected = effective * diffusivity.size / shape[axis] ** 2
    np.testing.assert_allclose(through, expected, rtol=1e-8)
    values = np.asarray(fields.concentration)
    assert values.min() >= -1e-9 and values.max() <= 1 + 1e-9


@pytest.mark.parametrize("axis", [-3, 1, 2])
def test_fields_along_an_axis_are_those_of_the_cell_turned(axis):
    diffusivity = random_medium(6, (4, 3, 5), 0.9)
    order = {-3: (0, 2, 1), 1: (1, 2, 0), 2: (2, 0, 1)}[axis]
    turned = diffusion_fields(diffusivity.transpose(order), axis=0, **exactly)
    found = diffusion_fields(diffusivity, axis=axis, **exactly)
    back = np.argsort(order)
    np.testing.assert_allclose(
        found.concentration, turned.concentration.transpose(back), rtol=0, atol=1e-9
    )
    for along, place in enumerate(back):
        expected = turned.flux[place].transpose(back)
        np.testing.assert_allclose(found.flux[along], expected, rtol=0, atol=1e-9)


def test_local_tortuosity_of_a_bottleneck():
    pore = np.ones((12, 12), bool)
    assert np.allclose(local_tortuosity(pore, axis=0), 1)
    pore[6, :5] = pore[6, 7:] = False
    local = np.asarray(local_tortuosity(pore, axis=0))
    assert (local[~pore] == 0).all()
    assert local[6, 5:7].min() > 4 and local[5, 0] < 0.3
    assert local[pore].mean() > 1


def test_fields_have_derivatives():
    diffusivity = random_medium(5, (4, 5))

    def spread(diffusivity):
        fields = diffusion_fields(diffusivity, axis=0, tolerance=1e-12)
        return (fields.concentration**2).sum() + (fields.flux**3).sum()

    check_grads(spread, (diffusivity,), order=1, modes=["rev"], rtol=1e-5)


@each_shape
def test_derivative_of_the_effective_diffusivity_matches_finite_differences(shape):
    diffusivity = random_medium(6, shape)
    check_grads(
        lambda k: effective_diffusivity(k, axis=0, **exactly),
        (diffusivity,),
        order=1,
        modes=["rev"],
        rtol=1e-4,
    )


def test_memory_of_a_derivative_does_not_grow_with_the_iterations():
    def needed(limit):
        slope = jax.grad(lambda k: effective_diffusivity(k, axis=0, max_iterations=limit))
        return jax.jit(slope).lower(np.ones((32, 32))).compile().memory_analysis()

    assert needed(2).temp_size_in_bytes == needed(2000).temp_size_in_bytes


def test_a_batch_is_a_loop():
    pores = np.random.default_rng(0).random((4, 8, 9)) < 0.8
    pores[1, 4] = False
    found = jax.jit(jax.vmap(lambda pore: tortuosity(pore, axis=0)))(pores)
    expected = [tortuosity(pore, axis=0) for pore in pores]
    assert expected[1] == np.inf
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_are_in_the_precision_of_the_input(dtype):
    diffusivity = random_medium(7, (20, 21), 0.9)
    found = effective_diffusivity(diffusivity.astype(dtype), axis=0, tolerance=1e-4)
    assert found.dtype == dtype
    expected = float(effective_diffusivity(diffusivity, axis=0, **exactly))
    assert float(found) == pytest.approx(expected, rel=1e-5)


# --- the preconditioner -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 9), (8, 11, 9)], ids=str)
def test_a_multigrid_cycle_is_symmetric_and_positive(shape):
    generator = np.random.default_rng(0)
    one_less = 1 - np.eye(len(shape), dtype=int)
    between = [generator.random(np.array(shape) - 1 + each) for each in one_less]
    network = Network(tuple(map(jnp.asarray, between)), jnp.asarray(generator.random(shape)))
    cycle = jax.jit(multigrid(network))
    first, second = (generator.normal(size=shape) for _ in range(2))
    np.testing.assert_allclose((first * cycle(second)).sum(), (second * cycle(first)).sum())
    assert (first * cycle(first)).sum() > 0
    np.testing.assert_allclose(
        network.energy_between(first) + (network.outside * first**2).sum(),
        (first * network.apply(first)).sum(),
        rtol=1e-12,
    )


def test_iterations_grow_slowly_with_the_size():
    """Blobs of 60 % porosity with many dead ends; plain conjugate gradients need 4 times as many
    on a side 4 times as long."""
    needed = []
    for side in (32, 128):
        noise = np.random.default_rng(1).normal(size=(side, side))
        for axis in (0, 1):
            noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3))
        pore = jnp.asarray(noise > np.quantile(noise, 0.4), float)
        needed.append(
            int(_effective(pore, _network(pore), jnp.asarray(True), 1e-3, 500)[1].iterations)
        )
    assert needed[0] < 15 and needed[1] < 3 * needed[0], needed


# --- what is refused ----------------------------------------------------------------------------


def test_what_has_not_converged_is_an_error_and_in_a_compiled_function_nan():
    pore = np.random.default_rng(0).random((20, 20)) < 0.8
    message = r"residual .* after 1 iterations, 0.001 wanted; `diffusivity` .* and zeros: raise"
    with pytest.raises(ConvergenceError, match=message):
        tortuosity(pore, axis=0, max_iterations=1)
    compiled = jax.jit(lambda k: effective_diffusivity(k, axis=0, max_iterations=1))
    assert np.isnan(compiled(1.0 * pore))


def test_bad_input_is_refused(unchecked):
    with pytest.raises(ValueError, match="`axis` .=2. is out of range"):
        tortuosity(np.ones((4, 4), bool), axis=2)
    with pytest.raises(ValueError, match="`diffusivity` has values from -1 to 1"):
        effective_diffusivity(np.array([[1.0, -1.0]]), axis=0)
    with pytest.raises(ValueError, match="a cell has 2 or 3 axes"):
        tortuosity(np.ones(4, bool), axis=0)
    with pytest.raises(TypeError, match="give float values"):
        effective_diffusivity(np.ones((4, 4), int), axis=0)
    with pytest.raises(ValueError, match="no path leads from face to face along axis 0"):
        diffusion_fields(np.zeros((4, 4)), axis=0)
