"""Optimizers: how large their steps are, and how the rate runs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax.training import SegmenterRecipe
from idml_jax.training.optimization import SIZE_OF_STEPS, warmed_up

pytestmark = pytest.mark.usefixtures("standard_promotion")

RATE, STEPS = 1e-2, 40
RISING = STEPS // 20


def steps_of(optimizer, slopes, decay=0.0, steps=STEPS):
    """Every step down slopes that stay the same, from parameters of one."""
    transform = warmed_up(optimizer, RATE, STEPS, decay=decay)
    parameters = jax.tree.map(jnp.ones_like, slopes)
    state, taken = transform.init(parameters), []
    for _ in range(steps):
        step, state = transform.update(slopes, state, parameters)
        taken.append(step)
    return taken


@pytest.fixture
def slopes():
    """Of a kernel that is told mostly one direction, and of a bias."""
    draw = np.random.default_rng(0).normal
    kernel = 100 * np.outer(draw(size=18), draw(size=4)) + draw(size=(18, 4))
    return {
        "kernel": jnp.asarray(kernel.reshape(3, 3, 2, 4), jnp.float32),
        "bias": jnp.asarray(draw(size=4), jnp.float32),
    }


def test_a_step_of_muon_has_one_size_in_every_direction_of_a_kernel(slopes):
    step = steps_of("muon", slopes)[RISING]["kernel"]
    sizes = np.linalg.svd(np.asarray(step).reshape(18, 4), compute_uv=False)
    given = np.linalg.svd(np.asarray(slopes["kernel"]).reshape(18, 4), compute_uv=False)
    assert given[0] > 50 * given[-1]
    # The iteration brings singular values near one, and not to it.
    assert sizes[0] < 2 * sizes[-1]
    assert float(jnp.sqrt(jnp.square(step).mean())) == pytest.approx(SIZE_OF_STEPS * RATE, rel=0.2)
    assert float((step * slopes["kernel"]).sum()) < 0


def test_what_is_no_kernel_is_trained_by_adam(slopes):
    muon, adam = (np.array([step["bias"] for step in steps_of(each, slopes)])
                  for each in ("muon", "adam"))  # fmt: skip
    # Nesterov's momentum runs ahead, until slopes that stay the same are its own.
    np.testing.assert_allclose(muon[STEPS // 2 :], adam[STEPS // 2 :], rtol=0.03)
    assert (abs(muon) >= abs(adam) - 1e-9).all()


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_the_rate_rises_to_its_highest_and_falls_to_nothing(optimizer, slopes):
    taken = steps_of(optimizer, slopes, steps=STEPS + 1)
    sizes = [float(jnp.abs(step["bias"]).mean()) for step in taken]
    assert sizes[0] == 0 and sizes[-1] == 0
    assert np.argmax(sizes) == RISING
    assert sizes[RISING] == pytest.approx(RATE, rel=0.2)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_weights_shrink_by_the_decay(optimizer, slopes):
    plain, shrunk = (steps_of(optimizer, slopes, decay=decay)[RISING] for decay in (0.0, 0.5))
    # Of parameters that are one.
    np.testing.assert_allclose(plain["kernel"] - shrunk["kernel"], 0.5 * RATE, rtol=1e-3)


def test_a_run_that_does_not_say_by_what_was_trained_by_adam():
    older = SegmenterRecipe(optimizer="adam").plain()
    assert "optimizer" not in older
    assert SegmenterRecipe.from_plain(older) == SegmenterRecipe(optimizer="adam")
    newer = SegmenterRecipe().plain()
    assert newer["optimizer"] == "muon"
    assert SegmenterRecipe.from_plain(newer) == SegmenterRecipe()


def deviation(tree, part):
    """Of all kernels of a part of a network."""
    kernels = [np.ravel(leaf) for leaf in jax.tree.leaves(tree[part]) if leaf.ndim == 4]
    return np.concatenate(kernels).std()


def relative_steps_of(recipe):
    """How large the first step of an encoder, and of the way up, is beside their weights."""
    parameters = nnx.state(recipe.network(1, 2), nnx.Param)
    random = np.random.default_rng(0)
    slopes = jax.tree.map(
        lambda each: jnp.asarray(random.normal(size=each.shape), jnp.float32), parameters
    )
    transform = recipe.transform()
    step, state = slopes, transform.init(parameters)
    for _ in range(RISING + 1):
        step, state = transform.update(slopes, state, parameters)
    assert deviation(step, "up") == pytest.approx(SIZE_OF_STEPS * RATE, rel=0.2)
    return tuple(deviation(step, part) / deviation(parameters, part) for part in ("encoder", "up"))


def test_steps_of_an_encoder_are_as_much_smaller_as_its_weights():
    recipe = SegmenterRecipe(encoder=18, features=(4, 4, 4, 4, 4), learning_rate=RATE, steps=STEPS)
    encoder, up = relative_steps_of(recipe)
    assert 0.3 < encoder / up < 3
    other, same = relative_steps_of(dataclasses.replace(recipe, encoder_rate=0.1))
    assert same == pytest.approx(up) and other == pytest.approx(3 * encoder, rel=1e-3)
    for wrong in ({"encoder": None}, {"encoder_rate": 0.0}):
        with pytest.raises(ValueError, match="`encoder_rate` .* is positive, and of an `encoder`"):
            dataclasses.replace(recipe, **{"encoder_rate": 0.1} | wrong)
