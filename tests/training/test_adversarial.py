"""The adversarial step: its penalties in closed form, its average, its compilations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from idml_jax import models, training

pytestmark = pytest.mark.usefixtures("standard_promotion")


@pytest.fixture
def linear(getkey):
    weights = jax.random.normal(getkey(), (4, 4, 1))
    return weights, lambda images: (images * weights).sum(axis=(1, 2, 3))


def test_r1_of_a_linear_critic_is_its_squared_weight_norm(linear, getkey):
    weights, critic = linear
    real = jax.random.uniform(getkey(), (5, 4, 4, 1))
    found = training.r1_penalty(critic, real)
    np.testing.assert_allclose(found, (weights**2).sum(), rtol=1e-6)


def test_wasserstein_penalty_of_a_linear_critic_is_its_norm_minus_one_squared(linear, getkey):
    weights, critic = linear
    real, fake = (jax.random.uniform(getkey(), (5, 4, 4, 1)) for _ in range(2))
    found = training.wasserstein_penalty(critic, real, fake, getkey())
    np.testing.assert_allclose(found, (jnp.linalg.norm(weights.ravel()) - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("name", ["r1", "wasserstein"])
def test_penalties_have_the_gradient_of_two_reverse_passes(name, getkey):
    """Also of a critic whose score of an image depends on the others of the batch."""
    weights = jax.random.normal(getkey(), (16, 6))
    real, fake = (jax.random.uniform(getkey(), (5, 4, 4, 1)) for _ in range(2))
    key = getkey()

    def critic_of(weights):
        def critic(images):
            hidden = jnp.tanh(images.reshape(-1, 16) @ weights)
            return (hidden**2).sum(axis=1) + hidden.std(axis=0).mean()

        return critic

    def ours(weights):
        if name == "r1":
            return training.r1_penalty(critic_of(weights), real)
        return training.wasserstein_penalty(critic_of(weights), real, fake, key)

    def plain(weights):
        share = jax.random.uniform(key, (5, 1, 1, 1)) if name == "wasserstein" else 0.0
        gradient = jax.grad(lambda x: critic_of(weights)(x).sum())(real + share * (fake - real))
        squared = (gradient**2).sum(axis=(1, 2, 3))
        return (squared if name == "r1" else (jnp.sqrt(squared) - 1) ** 2).mean()

    found, expected = (jax.value_and_grad(function)(weights) for function in (ours, plain))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-7, atol=1e-10)


@functools.cache
def initial():
    """Building networks takes seconds, so it is done once."""
    options = {"features": (6, 4), "first_size": 4}
    transform = optax.scale_by_adam(b1=0.5)
    generator = models.Generator(3, rngs=nnx.Rngs(0), **options)
    discriminator = models.Discriminator(rngs=nnx.Rngs(1), **options)
    return *training.initial_state(generator, discriminator, transform), transform


def networks():
    """Structure, a state that may be donated, and the transform."""
    structure, state, transform = initial()
    return structure, jax.tree.map(jnp.copy, state), transform


@pytest.mark.parametrize("loss", ["non-saturating", "wasserstein"])
def test_a_step_moves_every_parameter_of_its_level_and_the_average_follows(loss, getkey):
    structure, state, transform = networks()
    real = jax.random.uniform(getkey(), (4, 8, 8, 1), jnp.float32)
    step = functools.partial(
        training.adversarial_step, structure, transform, level=1, loss=loss, penalty=1.0, decay=0.75
    )
    after, scalars = jax.jit(step)(state, real, getkey(), jnp.float32(0.5), jnp.float32(1e-2))
    for part in ("generator", "discriminator"):
        moved = jax.tree.map(
            lambda old, new: bool((old != new).any()), getattr(state, part), getattr(after, part)
        )
        # A bias that is added to a score alone has no gradient in the Wasserstein loss of the
        # critic but for the drift term; every kernel has one.
        assert all(jax.tree.leaves(moved)), f"{part}: a parameter has no gradient"
    expected = jax.tree.map(
        lambda old, new: 0.75 * old + 0.25 * new, state.average, after.generator
    )
    for found, wanted in zip(
        jax.tree.leaves(after.average), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert all(np.isfinite(value) for value in scalars)


def test_a_level_compiles_once_however_far_it_has_faded_in(getkey):
    structure, state, transform = networks()
    traces = []

    def step(state, real, fade, rate, *, level):
        traces.append(level)
        return training.adversarial_step(
            structure, transform, state, real, jax.random.key(0), fade, rate, level=level,
            loss="non-saturating", penalty=1.0, decay=0.9,
        )  # fmt: skip

    compiled = jax.jit(step, static_argnames="level", donate_argnums=0)
    for level, side in ((0, 4), (1, 8)):
        real = jax.random.uniform(getkey(), (4, side, side, 1), jnp.float32)
        for fade in (0.1, 0.7, 1.0):
            state, _ = compiled(state, real, jnp.float32(fade), jnp.float32(1e-2), level=level)
        state = training.with_fresh_moments(state, transform)
    state, _ = compiled(state, real, jnp.float32(1), jnp.float32(1e-3), level=1)
    assert traces == [0, 1]


def test_a_generator_that_ignores_its_latents_has_no_diversity(getkey):
    structure, state, transform = networks()
    dead = jax.tree.map(jnp.zeros_like, state.generator)
    real = jax.random.uniform(getkey(), (4, 4, 4, 1), jnp.float32)
    step = functools.partial(
        training.adversarial_step, structure, transform, level=0,
        loss="non-saturating", penalty=1.0, decay=0.9,
    )  # fmt: skip
    _, scalars = jax.jit(step)(
        state._replace(generator=dead), real, getkey(), jnp.float32(1), jnp.float32(0)
    )
    assert float(scalars.diversity) == 0
