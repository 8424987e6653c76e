"""The adversarial step: its penalties in closed form, its average, its compilations."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from idml_jax import models, training
from idml_jax.training.adversarial import in_parts, with_codes

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
    options = {"features": (6, 4), "first_size": (4, 4)}
    transform = optax.scale_by_adam(b1=0.5)
    generator = models.Generator(3, rngs=nnx.Rngs(0), **options)
    discriminator = models.Discriminator(rngs=nnx.Rngs(1), **options)
    return *training.initial_state(generator, discriminator, transform), transform


@functools.cache
def step_of(options):
    """One step, compiled; two of the same options share it."""
    structure, _, transform = initial()
    return jax.jit(
        lambda state, real, key, fade, rate, number: training.adversarial_step(
            structure, transform, options, state, real, key, fade, rate, number
        )
    )


PLAIN = training.StepOptions(level=1, loss="non-saturating", penalty=1.0, decay=0.75)


def run(options, real, key, *, state=None, fade=0.5, rate=1e-2, number=0):
    state = initial()[1] if state is None else state
    return step_of(options)(
        state, real, key, jnp.float32(fade), jnp.float32(rate), jnp.int32(number)
    )


@pytest.fixture
def real(getkey):
    return jax.random.uniform(getkey(), (4, 8, 8, 1), jnp.float32)


@pytest.mark.parametrize("loss", ["non-saturating", "wasserstein"])
def test_a_step_moves_every_parameter_of_its_level_and_the_average_follows(loss, real, getkey):
    state = initial()[1]
    after, scalars = run(dataclasses.replace(PLAIN, loss=loss), real, getkey())
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
    assert int(after.health.bad_step) == -1


def test_a_level_compiles_once_however_far_it_has_faded_in(getkey):
    structure, state, transform = initial()
    state = jax.tree.map(jnp.copy, state)
    traces = []

    def step(state, real, fade, rate, *, level):
        traces.append(level)
        options = dataclasses.replace(PLAIN, level=level)
        return training.adversarial_step(
            structure, transform, options, state, real, jax.random.key(0), fade, rate, jnp.int32(0)
        )

    compiled = jax.jit(step, static_argnames="level", donate_argnums=0)
    for level, side in ((0, 4), (1, 8)):
        real = jax.random.uniform(getkey(), (4, side, side, 1), jnp.float32)
        for fade in (0.1, 0.7, 1.0):
            state, _ = compiled(state, real, jnp.float32(fade), jnp.float32(1e-2), level=level)
        state = training.with_fresh_moments(state, transform)
    state, _ = compiled(state, real, jnp.float32(1), jnp.float32(1e-3), level=1)
    assert traces == [0, 1]


def test_a_generator_that_ignores_its_latents_has_no_diversity(real, getkey):
    state = initial()[1]
    dead = state._replace(generator=jax.tree.map(jnp.zeros_like, state.generator))
    _, scalars = run(PLAIN, real, getkey(), state=dead, rate=0)
    assert float(scalars.diversity) == 0


@pytest.mark.parametrize("where", ["image", "parameter"])
def test_a_step_whose_numbers_are_not_finite_changes_nothing_and_neither_do_later_ones(
    where, real, getkey
):
    state = initial()[1]
    if where == "image":
        given = real.at[2, 3, 4].set(jnp.nan)
    else:
        given = real
        poisoned = jax.tree.map(lambda x: x.at[(0,) * x.ndim].set(jnp.inf), state.discriminator)
        state = state._replace(discriminator=poisoned)
    after, _ = run(PLAIN, given, getkey(), state=state, number=7)
    assert int(after.health.bad_step) == 7
    later, _ = run(PLAIN, real, getkey(), state=after, number=8)
    assert int(later.health.bad_step) == 7
    for part in ("generator", "discriminator", "generator_moments", "average"):
        for old, new in zip(
            jax.tree.leaves(getattr(state, part)),
            jax.tree.leaves(getattr(later, part)),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)


def test_parts_of_a_batch_have_the_gradient_of_the_whole(getkey):
    weights = jax.random.normal(getkey(), (5, 3))
    batch = jax.random.normal(getkey(), (6, 5)), jax.random.normal(getkey(), (6, 3))

    def loss(weights, parts):
        def of_part(x, y):
            return ((jnp.tanh(x @ weights) - y) ** 2).sum(axis=1), x[:, 0]

        found, first = in_parts(of_part, parts, batch)
        return found.mean(), first

    whole, cut = (
        jax.value_and_grad(lambda w, parts=parts: loss(w, parts), has_aux=True)(weights)
        for parts in (1, 3)
    )
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    # The networks in parts: images of a part only are compared with each other.
    _, scalars = run(dataclasses.replace(PLAIN, parts=2), jnp.ones((4, 8, 8, 1), "f4"), getkey())
    assert all(np.isfinite(value) for value in scalars)


def test_codes_are_of_unit_variance_and_stand_behind_the_conditions(getkey):
    wanted = jax.random.normal(getkey(), (4000, 2), jnp.float32)
    found = with_codes(getkey(), wanted, 3, 4000)
    assert found.shape == (4000, 5)
    np.testing.assert_array_equal(found[:, :2], wanted)
    np.testing.assert_allclose(found[:, 2:].std(axis=0), 1, atol=0.05)
    assert with_codes(getkey(), None, 0, 4) is None


def test_what_an_image_tells_of_its_codes_is_learned_by_both_networks(getkey):
    """The discriminator's guess gets better than that of one who cannot know, whose error is 1."""
    options = {"features": (6,), "first_size": (4, 4), "conditions": 1}
    transform = optax.scale_by_adam(b1=0.5)
    structure, state = training.initial_state(
        models.Generator(3, rngs=nnx.Rngs(0), **options),
        models.Discriminator(codes=1, rngs=nnx.Rngs(1), **options),
        transform,
    )
    chosen = training.StepOptions(0, "non-saturating", penalty=0.1, decay=0.9, codes=1)
    real = jax.random.uniform(getkey(), (16, 4, 4, 1), jnp.float32)

    @jax.jit
    def steps(state):
        def step(state, number):
            key = jax.random.fold_in(jax.random.key(3), number)
            return training.adversarial_step(
                structure, transform, chosen, state, real, key,
                jnp.float32(1), jnp.float32(1e-2), number,
            )  # fmt: skip

        return jax.lax.scan(step, state, jnp.arange(150, dtype=jnp.int32))[1].code_loss

    errors = steps(state)
    assert errors[-20:].mean() < 0.3 < 0.8 < errors[0], errors


def test_a_discriminator_that_overfits_is_shown_more_changes(real, getkey):
    options = dataclasses.replace(PLAIN, augmented=True, images_to_full=40)
    state = initial()[1]
    bias = state.discriminator["score"]["bias"]
    for sign, expected in ((50.0, 0.1), (-50.0, 0.0)):
        bias.set_value(jnp.full_like(bias.get_value(), sign))
        after, scalars = run(options, real, getkey(), state=state)
        assert float(after.augmentation) == pytest.approx(expected)
        assert float(scalars.told_apart) == 0.5
