"""Resampling by two: the fused convolutions are the ones they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import models


def test_downsample_undoes_upsample(getkey):
    x = jax.random.normal(getkey(), (2, 3, 4, 5))
    np.testing.assert_array_equal(models.downsample(models.upsample(x)), x)


def test_downsample_averages_two_by_two():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(models.downsample(x)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_convolution_is_the_sum_over_its_taps(getkey):
    x = jax.random.normal(getkey(), (2, 5, 6, 3))
    kernel = jax.random.normal(getkey(), (3, 2, 3, 4))
    expected = sum(
        x[:, row : row + 3, col : col + 5] @ kernel[row, col] for row in range(3) for col in (0, 1)
    )
    np.testing.assert_allclose(models.convolution(x, kernel), expected, rtol=1e-10)


@pytest.fixture
def kernel(getkey):
    return jax.random.normal(getkey(), (3, 3, 3, 5))


def test_convolution_of_the_upsampled_image(kernel, getkey):
    x = jax.random.normal(getkey(), (2, 4 + 2, 6 + 2, 3))
    expected = models.convolution(models.upsample(x)[:, 1:-1, 1:-1], kernel)
    assert expected.shape == (2, 8, 12, 5)
    np.testing.assert_allclose(models.convolution_of_upsampled(x, kernel), expected, rtol=1e-10)


def test_downsampled_convolution(kernel, getkey):
    x = jax.random.normal(getkey(), (2, 8 + 2, 12 + 2, 3))
    expected = models.downsample(models.convolution(x, kernel))
    assert expected.shape == (2, 4, 6, 5)
    np.testing.assert_allclose(models.downsampled_convolution(x, kernel), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "fused, plain",
    [
        (
            models.convolution_of_upsampled,
            lambda x, kernel: models.convolution(models.upsample(x)[:, 1:-1, 1:-1], kernel),
        ),
        (
            models.downsampled_convolution,
            lambda x, kernel: models.downsample(models.convolution(x, kernel)),
        ),
    ],
)
def test_gradients_are_those_of_the_two_steps(fused, plain, kernel, getkey):
    x = jax.random.normal(getkey(), (2, 6, 8, 3))
    weights = jax.random.normal(getkey(), plain(x, kernel).shape)

    def gradients(function):
        return jax.jit(
            jax.grad(lambda x, kernel: (weights * function(x, kernel) ** 2).sum(), argnums=(0, 1))
        )(x, kernel)

    for found, expected in zip(gradients(fused), gradients(plain), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("space", [(7,), (7, 9), (5, 6, 7)], ids=str)
def test_taps_of_a_dilated_convolution_lie_apart(space, getkey):
    x = jax.random.normal(getkey(), (2, *space, 3))
    kernel = jax.random.normal(getkey(), (*(3,) * len(space), 3, 4))
    found = models.convolution(x, kernel, dilation=2)
    expected = sum(
        x[:, *(slice(2 * tap, side - 4 + 2 * tap) for tap, side in zip(taps, space, strict=True))]
        @ kernel[taps]
        for taps in np.ndindex(kernel.shape[:-2])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_downsample_averages_blocks_of_a_volume():
    x = jnp.arange(64.0).reshape(1, 4, 4, 4, 1)
    blocks = np.asarray(x).reshape(2, 2, 2, 2, 2, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(models.downsample(x)[0, ..., 0], blocks)
