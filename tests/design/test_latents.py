"""Latents of typical length."""

import numpy as np
import pytest

from idml_jax import design


@pytest.mark.parametrize("features", [2, 16])
@pytest.mark.parametrize("draw", [design.sobol_latents, design.random_latents])
def test_latents_have_the_moments_and_the_length_of_random_ones(draw, features):
    latents = draw(8192, features, seed=0)
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(latents.std(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(np.linalg.norm(latents, axis=1), np.sqrt(features), rtol=1e-5)


def test_a_sobol_start_is_spread_more_evenly_than_a_random_one():
    """Of the means of 64 latents, those of a balanced sequence are closer to zero."""
    means = [
        np.abs(draw(64, 8, seed=seed).mean(axis=0)).mean()
        for draw in (design.sobol_latents, design.random_latents)
        for seed in range(5)
    ]
    assert max(means[:5]) < min(means[5:]) / 2


def test_random_draws_and_a_sobol_start_of_one_seed_share_nothing():
    assert not np.isin(
        design.sobol_latents(16, 4, seed=3), design.random_latents(16, 4, seed=3)
    ).any()


def test_a_latent_without_a_direction_is_refused():
    with pytest.raises(ValueError, match="no direction"):
        design.on_sphere(np.array([[1.0, 2.0], [0.0, 0.0]]))
