"""Layers of the progressive GAN, by the laws that they are made for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax import models


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (3, 3, 3)])
def test_equalized_convolution_keeps_unit_variance(kernel, getkey):
    layer = models.EqualizedConv(32, 64, kernel, gain=1.0, periodic=True, rngs=nnx.Rngs(0))
    x = jax.random.normal(getkey(), (8, *(8,) * len(kernel), 32), jnp.float32)
    assert abs(float(layer(x).var()) - 1) < 0.1


def test_equalized_linear_keeps_unit_variance(getkey):
    layer = models.EqualizedLinear(256, 512, gain=1.0, rngs=nnx.Rngs(0))
    assert abs(float(layer(jax.random.normal(getkey(), (64, 256), jnp.float32)).var()) - 1) < 0.1


def test_pixel_norm_gives_unit_mean_square(getkey):
    x = 7 * jax.random.normal(getkey(), (2, 3, 4, 5))
    np.testing.assert_allclose((models.pixel_norm(x) ** 2).mean(axis=-1), 1, rtol=1e-6)


def test_equalized_linear_is_a_convolution_of_one_pixel(getkey):
    convolution = models.EqualizedConv(3, 5, (1, 1), gain=1.0, rngs=nnx.Rngs(0))
    linear = models.EqualizedLinear(3, 5, gain=1.0, rngs=nnx.Rngs(1))
    linear.kernel[...] = convolution.kernel[...][0, 0]
    x = jax.random.normal(getkey(), (2, 4, 6, 3), jnp.float32)
    np.testing.assert_allclose(linear(x), convolution(x), atol=1e-6)


def test_periodic_layer_continues_the_image_by_its_opposite_side(getkey):
    layer = models.EqualizedConv(2, 3, periodic=True, rngs=nnx.Rngs(0))
    x = jax.random.normal(getkey(), (1, 4, 6, 2), jnp.float32)
    expected = sum(
        jnp.roll(x, (1 - row, 1 - col), (1, 2)) @ (layer.scale * layer.kernel[...][row, col])
        for row in range(3)
        for col in range(3)
    )
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_bfloat16_convolution_errs_by_its_roundings_alone(resample, getkey):
    narrow, wide = (
        models.EqualizedConv(16, 8, resample=resample, dtype=dtype, rngs=nnx.Rngs(0))
        for dtype in (jnp.bfloat16, jnp.float32)
    )
    x = jax.random.normal(getkey(), (2, 8, 8, 16), jnp.float32)
    expected, found = wide(x), narrow(x)
    assert found.dtype == jnp.bfloat16
    error = np.abs(np.asarray(found, np.float32) - np.asarray(expected))
    wide.kernel[...] = jnp.abs(wide.kernel[...])
    # Image and kernel are rounded to half a unit in the last of 8 places, 2**-9, and what comes
    # out as well, twice; the products are summed in float32.
    bound = 2**-8 * np.asarray(wide(jnp.abs(x))) + 2**-8 * np.abs(np.asarray(expected))
    assert (error <= 1.01 * bound).all()
    assert error.max() > 0


def test_minibatch_deviation_is_zero_for_equal_images_and_not_for_different_ones(getkey):
    image = jax.random.normal(getkey(), (1, 4, 4, 3))
    same = models.append_minibatch_deviation(jnp.tile(image, (8, 1, 1, 1)))
    assert same.shape == (8, 4, 4, 4)
    np.testing.assert_allclose(same[..., -1], 0, atol=2e-4)
    batch = jax.random.normal(getkey(), (8, 4, 4, 3))
    np.testing.assert_array_equal(models.append_minibatch_deviation(batch)[..., :3], batch)
    # Images i, i + 2, i + 4, i + 6 make a group of four.
    expected = np.asarray(batch)[::2].std(axis=0).mean()
    found = models.append_minibatch_deviation(batch)[::2, ..., -1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_layers_of_one_shape_share_one_compilation():
    one, two = (models.EqualizedConv(2, 3, rngs=nnx.Rngs(seed)) for seed in (0, 1))
    assert nnx.graphdef(one) == nnx.graphdef(two)
    assert hash(nnx.graphdef(one)) == hash(nnx.graphdef(two))
