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
        5, features=FEATURES, first_size=(4, 4), dtype=dtype, periodic=periodic, rngs=nnx.Rngs(0)
    )


@nnx.jit(static_argnames="dtype")
def make_discriminator(dtype=None):
    return models.Discriminator(features=FEATURES, first_size=(4, 4), dtype=dtype, rngs=nnx.Rngs(1))


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


def told(conditions=2, codes=0):
    """Networks of oblong images of three phases that are told what is wanted."""
    options = {"features": (8, 6), "first_size": (2, 4), "channels": 3, "conditions": conditions}
    return (
        models.Generator(5, output="phases", rngs=nnx.Rngs(0), **options),
        models.Discriminator(codes=codes, rngs=nnx.Rngs(1), **options),
    )


@pytest.mark.parametrize("fade", [0.3, 1.0])
def test_phases_of_oblong_images_add_up_to_one_and_follow_their_conditions(latents, fade):
    generator, _ = told()
    make = nnx.jit(lambda network, wanted: network(latents, wanted, fade=jnp.float32(fade)))
    zero = jnp.zeros((4, 2), jnp.float32)
    images = make(generator, zero)
    assert images.shape == (4, 4, 8, 3) and images.min() >= 0
    np.testing.assert_allclose(images.sum(axis=-1), 1, rtol=1e-6)
    assert np.abs(make(generator, zero.at[:, 0].set(1)) - images).max() > 1e-3
    with pytest.raises(ValueError, match="give it `conditions`"):
        generator(latents)


def test_a_score_is_that_of_the_image_and_a_product_with_what_is_wanted(getkey):
    """Miyato and Koyama's projection; codes are guessed and not told."""
    _, discriminator = told(conditions=3, codes=1)
    images = jax.random.uniform(getkey(), (4, 4, 8, 3), jnp.float32)
    wanted = jax.random.normal(getkey(), (4, 3), jnp.float32)
    score = nnx.jit(lambda network, wanted: network(images, wanted))
    seen = nnx.jit(lambda network: network.seen(images))(discriminator)
    plain = np.asarray(discriminator.score(seen))[:, 0]
    direction = discriminator.wanted(wanted[:, :2])
    expected = plain + (np.asarray(direction) * np.asarray(seen)).sum(axis=1) / np.sqrt(8)
    np.testing.assert_allclose(score(discriminator, wanted), expected, rtol=1e-4, atol=1e-5)
    other_code = wanted.at[:, 2].add(5)
    np.testing.assert_array_equal(score(discriminator, other_code), score(discriminator, wanted))
    assert discriminator.guess(seen).shape == (4, 1)
    with pytest.raises(ValueError, match="give it `conditions`"):
        discriminator(images)


@nnx.jit(static_argnames="noise_from")
def make_noisy(noise_from=0):
    """A generator whose layers add noise, as after some training."""
    generator = models.Generator(
        5,
        features=FEATURES,
        first_size=(4, 6),
        noise=True,
        noise_from=noise_from,
        rngs=nnx.Rngs(0),
    )
    for _, module in nnx.iter_modules(generator):
        if isinstance(module, models.AddedNoise):
            module.strength[...] += 0.3
    return generator


@nnx.jit(static_argnames="level")
def made(generator, latents, noise, *, level=None, fade=1.0):
    return generator(latents, noise=noise, level=level, fade=fade)


def test_equal_numbers_are_equal_noise_and_others_are_not(latents):
    generator = make_noisy()
    same = jnp.tile(latents[:1], (4, 1))
    images = made(generator, same, jnp.array([7, 3, 7, 0], jnp.uint32))
    np.testing.assert_allclose(images[2], images[0], atol=1e-6)
    assert all(np.abs(images[k] - images[0]).max() > 0.05 for k in (1, 3))
    # By default the noise of number 0.
    np.testing.assert_allclose(apply(generator, same)[0], images[3], atol=1e-6)
    below = made(generator, latents, jnp.arange(4), level=1)
    found = made(generator, latents, jnp.arange(4), level=2, fade=jnp.float32(0))
    np.testing.assert_allclose(found, models.upsample(below), atol=1e-6)


def test_noise_is_white_and_independent_between_images_and_layers():
    fields = make_noisy().noise_fields(np.arange(40))
    assert [field.shape[1:] for field in fields] == [(4, 6), *[(8, 12)] * 2, *[(16, 24)] * 2]
    for field in fields:
        flat = np.asarray(field).reshape(40, -1)
        assert abs(flat.mean()) < 4 / flat.size**0.5
        assert flat.std() == pytest.approx(1, abs=4 / flat.size**0.5)
        covariance = np.cov(flat)[np.triu_indices(40, 1)]
        assert np.abs(covariance).mean() < 1 / flat.shape[1] ** 0.5
    assert abs(np.corrcoef(fields[1].ravel(), fields[2].ravel())[0, 1]) < 4 / fields[1].size ** 0.5


def test_noise_of_no_strength_changes_nothing(generator, latents):
    """As before the first step; and a generator without noise has no fields of it."""
    quiet = models.Generator(5, features=FEATURES, first_size=(4, 4), noise=True, rngs=nnx.Rngs(0))
    for number in (0, 5):
        images = made(quiet, latents, jnp.full(4, number))
        np.testing.assert_allclose(images, apply(generator, latents), atol=1e-6)
    assert generator.noise_fields(np.arange(4)) == [None] * 5


def test_noise_from_a_level_on_leaves_the_levels_below_as_they_are(latents):
    generator = make_noisy(noise_from=2)
    whole = make_noisy().noise_fields(np.arange(4))
    fields = generator.noise_fields(np.arange(4))
    assert [field is None for field in fields] == [True] * 3 + [False] * 2
    for field, expected in zip(fields[3:], whole[3:], strict=True):
        np.testing.assert_array_equal(field, expected)
    same, numbers = jnp.tile(latents[:1], (4, 1)), jnp.arange(4)
    coarse = made(generator, same, numbers, level=1)
    np.testing.assert_allclose(coarse, jnp.broadcast_to(coarse[:1], coarse.shape), atol=1e-6)
    fine = made(generator, same, numbers)
    assert all(np.abs(fine[k] - fine[0]).max() > 0.05 for k in (1, 2, 3))


def test_a_level_that_is_not_there_cannot_begin_the_noise():
    with pytest.raises(ValueError, match=r"`noise_from` \(=3\) is a level, and these are 0 to 2"):
        make_noisy(noise_from=3)


@nnx.jit
def make_detected():
    """A generator with a detector, and the same without it."""
    shared = {"features": FEATURES, "first_size": (4, 6)}
    return (
        models.Generator(5, detector=True, rngs=nnx.Rngs(0), **shared),
        models.Generator(5, rngs=nnx.Rngs(0), **shared),
    )


def test_a_detector_exposes_each_image_and_adds_white_noise(latents):
    """Of what the generator makes without one it gives each image's grey values a line."""
    generator, plain = make_detected()
    generator.detector.strength[...] = generator.detector.strength[...] * 0 + 0.05
    for level, side in ((1, 8), (2, 16)):
        expected = np.asarray(made(plain, latents, jnp.arange(4), level=level))
        images = np.stack(
            [made(generator, latents, jnp.full(4, k), level=level) for k in range(40)]
        )
        mean, noise = images.mean(axis=0), images - images.mean(axis=0)
        assert noise.shape[2] == side
        assert noise.std() == pytest.approx(0.05 * (39 / 40) ** 0.5, rel=0.02)
        beside = (noise[..., 1:, :] * noise[..., :-1, :]).mean() / noise.var()
        assert abs(beside) < 0.02
        lines = []
        for k in range(4):
            slope, offset = np.polyfit(expected[k].ravel(), mean[k].ravel(), 1)
            left = mean[k] - slope * expected[k] - offset
            assert left.std() < 0.05 / 40**0.5 * 1.2
            lines.append((slope, offset))
        assert np.std(lines, axis=0).min() > 0.01


def test_the_detector_of_equal_numbers_is_the_same_noise(latents):
    generator, _ = make_detected()
    same = jnp.tile(latents[:1], (3, 1))
    images = made(generator, same, jnp.array([4, 2, 4], jnp.uint32))
    np.testing.assert_allclose(images[2], images[0], atol=1e-6)
    assert np.abs(images[1] - images[0]).max() > 0.02
