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
