"""Both networks of the progressive GAN, by the equalities that growing rests on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax import models

FEATURES = (12, 8, 6)


@nnx.jit(static_argnames="level")
def apply(network, x, *, level=None, fade=1.0):
    return network(x, level=level, fade=fade)


@nnx.jit(static_argnames=("dtype", "periodic"))
def make_generator(dtype=None, periodic=True):
    return models.Generator(
        5, features=FEATURES, first_size=4, dtype=dtype, periodic=periodic, rngs=nnx.Rngs(0)
    )


@nnx.jit(static_argnames="dtype")
def make_discriminator(dtype=None):
    return models.Discriminator(features=FEATURES, first_size=4, dtype=dtype, rngs=nnx.Rngs(1))


@pytest.fixture
def generator():
    return make_generator()


@pytest.fixture
def discriminator():
    return make_discriminator()


@pytest.fixture
def latents(getkey):
    return jax.random.normal(getkey(), (4, 5), jnp.float32)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_images_have_the_side_of_their_level(generator, latents, level):
    assert apply(generator, latents, level=level).shape == (4, 4 * 2**level, 4 * 2**level, 1)


@pytest.mark.parametrize("level", [1, 2])
def test_no_fade_gives_the_level_below_upsampled(generator, latents, level):
    below = models.upsample(apply(generator, latents, level=level - 1))
    found = apply(generator, latents, level=level, fade=jnp.float32(0))
    np.testing.assert_allclose(found, below, atol=1e-6)


@pytest.mark.parametrize("level", [1, 2])
def test_half_a_fade_is_half_way_between(generator, latents, level):
    ends = [apply(generator, latents, level=level, fade=jnp.float32(fade)) for fade in (0, 1)]
    half = apply(generator, latents, level=level, fade=jnp.float32(0.5))
    np.testing.assert_allclose(half, (ends[0] + ends[1]) / 2, atol=1e-6)


def test_full_fade_does_not_depend_on_the_head_below(generator, latents):
    before = apply(generator, latents)
    kernel = generator.to_image[1].kernel
    kernel[...] = kernel[...] + 1
    np.testing.assert_allclose(apply(generator, latents), before, atol=1e-6)
    assert not np.allclose(apply(generator, latents, level=1), before[:, ::2, ::2], atol=1e-3)


@pytest.mark.parametrize("level", [1, 2])
def test_a_discriminator_that_is_not_faded_in_looks_at_the_level_below(
    discriminator, level, getkey
):
    images = jax.random.uniform(getkey(), (4, 4 * 2**level, 4 * 2**level, 1), jnp.float32)
    found = apply(discriminator, images, level=level, fade=jnp.float32(0))
    below = apply(discriminator, models.downsample(images), level=level - 1)
    np.testing.assert_allclose(found, below, rtol=1e-4, atol=1e-5)


def test_only_the_direction_of_a_latent_matters(generator, latents):
    np.testing.assert_allclose(apply(generator, 3 * latents), apply(generator, latents), atol=1e-5)


def test_periodic_blocks_commute_with_a_roll(generator, getkey):
    x = jax.random.normal(getkey(), (2, 4, 4, FEATURES[0]), jnp.float32)
    block = nnx.jit(generator.blocks[0])
    found = block(jnp.roll(x, (1, 2), (1, 2)))
    np.testing.assert_allclose(found, jnp.roll(block(x), (2, 4), (1, 2)), atol=1e-5)


def test_zero_padded_blocks_do_not_commute_with_a_roll(getkey):
    generator = make_generator(periodic=False)
    x = jax.random.normal(getkey(), (2, 4, 4, FEATURES[0]), jnp.float32)
    block = nnx.jit(generator.blocks[0])
    assert not np.allclose(block(jnp.roll(x, 1, 1)), jnp.roll(block(x), 2, 1), atol=1e-3)


@pytest.mark.slow
def test_bfloat16_keeps_parameters_and_answers_in_float32(latents):
    generator = make_generator(dtype=jnp.bfloat16)
    discriminator = make_discriminator(dtype=jnp.bfloat16)
    images = apply(generator, latents)
    assert images.dtype == apply(discriminator, images).dtype == jnp.float32
    leaves = jax.tree.leaves(nnx.state((generator, discriminator), nnx.Param))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    expected = apply(make_generator(), latents)
    # Root mean square: pixel norm magnifies the rounding of the few pixels with small features.
    assert float(jnp.sqrt(jnp.mean((images - expected) ** 2)) / expected.std()) < 0.02
