"""Saliency, where the derivative is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.explain import saliency
from idml_jax.properties import conduction_fields, effective_conductivity


def test_saliency_of_a_conductivity_is_the_local_energy():
    """The derivative of the effective conductivity is the squared gradient over the pixels."""
    conductivity = 1 + 4 * np.random.default_rng(0).random((8, 9))
    found = saliency(lambda k: effective_conductivity(k, tolerance=1e-9)[0, 0], conductivity)
    gradient = conduction_fields(conductivity, np.array([1.0, 0.0]), tolerance=1e-9).gradient
    # The energy of a pixel, which is linear in its conductivity, by its derivative.
    total = (found * conductivity).sum()
    assert float(total) == pytest.approx(
        float(effective_conductivity(conductivity, tolerance=1e-9)[0, 0]), rel=1e-6
    )
    assert np.corrcoef(found.ravel(), (gradient**2).sum(axis=0).ravel())[0, 1] > 0.99


def test_noise_averages_what_is_rough(getkey):
    """Of a sum of squares it is that at `x`; a fast ripple on it is averaged away."""
    x = jnp.array([[1.0, -2.0], [0.5, 3.0]])

    def rippled(x):
        return (x**2).sum() + 0.01 * jnp.sin(1e4 * x).sum()

    # The ripple's slope is 100: after 4000 draws its mean has a standard error of 1.1.
    found = saliency(rippled, x, noise=0.05, samples=4000, key=getkey())
    np.testing.assert_allclose(found, 2 * jnp.abs(x), atol=6.0)
    assert float(jnp.abs(saliency(rippled, x) - 2 * jnp.abs(x)).max()) > 30
    again = saliency(lambda x: (x**2).sum(), x, noise=0.05, samples=4000, key=getkey())
    np.testing.assert_allclose(again, 2 * jnp.abs(x), atol=6 * 2 * 0.05 / np.sqrt(4000))


def test_noise_needs_a_key_and_is_not_negative():
    with pytest.raises(ValueError, match="`key`"):
        saliency(jnp.sum, jnp.ones(3), noise=0.1)
    with pytest.raises(ValueError, match="`noise`"):
        saliency(jnp.sum, jnp.ones(3), noise=-0.1, key=jax.random.key(0))
