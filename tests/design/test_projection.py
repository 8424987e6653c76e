"""From an image back to its latents: on generators whose latents are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax import design, models


class Waves:
    """Latents to smooth images that tell all directions apart."""

    latent_features = 4

    def __call__(self, latents):
        latents = jnp.asarray(latents, jnp.float32)
        z = 2 * latents / jnp.linalg.norm(latents, axis=1, keepdims=True)
        rows, cols = jnp.meshgrid(*2 * [jnp.arange(16.0, dtype=jnp.float32) / 16], indexing="ij")
        turn = 2 * jnp.pi
        bases = jnp.stack([jnp.sin(turn * rows), jnp.cos(turn * rows), jnp.sin(turn * cols),
                           jnp.cos(turn * 2 * cols)])  # fmt: skip
        return 0.5 + 0.1 * jnp.einsum("bk,krc->brc", z, bases)[..., None]


@pytest.fixture(scope="module")
def wanted():
    return design.random_latents(5, 4, seed=7)


def test_the_latents_of_generated_images_come_back(wanted):
    images = np.asarray(Waves()(wanted))
    found = design.project(Waves(), images, drawn=16, starts=2, steps=150, batch=2)
    np.testing.assert_allclose(found.latents, wanted, atol=0.01)
    np.testing.assert_allclose(found.images, images, atol=1e-3)
    assert found.errors.max() < 1e-3 < found.start_errors.min()
    assert np.linalg.norm(found.latents, axis=1) == pytest.approx(2.0)


def test_a_guess_is_a_start_and_no_answer_is_worse_than_it(wanted):
    """With a rate that leads astray the best of what was passed is kept."""
    images = np.asarray(Waves()(wanted))
    found = design.project(
        Waves(), images, guesses=wanted, starts=1, steps=5, learning_rate=50.0, drawn=4
    )
    np.testing.assert_allclose(found.latents, wanted, atol=1e-5)
    assert (found.errors <= found.start_errors).all() and found.start_errors.max() < 1e-6


def test_an_image_of_another_size_is_refused(wanted):
    with pytest.raises(ValueError, match=r"the generator makes \(16, 16, 1\)"):
        design.project(Waves(), np.zeros((1, 16, 8, 1), np.float32), drawn=4)


def test_latents_of_a_network_are_found_to_within_what_it_tells_apart():
    structure, parameters = nnx.split(models.Generator(6, features=(8, 8), rngs=nnx.Rngs(0)))

    class Network:
        latent_features = 6

        def __call__(self, latents):
            return nnx.merge(structure, parameters)(jnp.asarray(latents, jnp.float32))

    images = np.asarray(jax.jit(Network().__call__)(design.random_latents(2, 6, seed=3)))
    found = design.project(Network(), images, drawn=64, starts=2, steps=120, batch=2)
    between = np.sqrt(((images[:, None] - images) ** 2).mean(axis=(2, 3, 4)))[
        ~np.eye(2, dtype=bool)
    ]
    assert found.errors.max() < 0.02 * between.min()
