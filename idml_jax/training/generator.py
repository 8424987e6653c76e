"""A trained progressive GAN: latents to images."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.models import Generator
from idml_jax.training.adversarial_state import initial_state
from idml_jax.training.batches import in_batches
from idml_jax.training.checkpoint import newest_state, options_of
from idml_jax.training.progressive_recipe import Recipe
from idml_jax.typing import Conditions, Images, Latents

_MANY = 256
"""Latents that the mean style is taken over."""


class ProgressiveGAN:
    """A trained generator: latent vectors in, images in [0, 1] out.

    Parameters
    ----------
    generator : Generator
        With the averaged parameters.
    recipe : Recipe
        What it was made with.
    """

    def __init__(self, generator: Generator, recipe: Recipe):
        self.generator = generator
        self.recipe = recipe
        self.size = recipe.size
        self.latent_features = generator.latent_features
        structure, self._parameters = nnx.split(generator)

        @jax.jit
        def generate(parameters, latents, conditions):
            return jnp.clip(nnx.merge(structure, parameters)(latents, conditions), 0, 1)

        @jax.jit
        def truncated(parameters, latents, conditions, truncation):
            network = nnx.merge(structure, parameters)
            many = jax.random.normal(jax.random.key(0), (_MANY, self.latent_features), jnp.float32)

            def mean_style(wanted: Float[jax.Array, " conditions"] | None):
                told = None if wanted is None else jnp.tile(wanted[None], (_MANY, 1))
                return network.style(many, told).mean(axis=0)

            if conditions is None:
                means = mean_style(None)[None]
            else:
                means = jax.lax.map(mean_style, conditions)
            style = network.style(latents, conditions)
            return jnp.clip(network.draw(means + truncation * (style - means)), 0, 1)

        self._generate, self._truncated = generate, truncated

    def __call__(
        self,
        latents: Latents,
        conditions: Conditions | None = None,
        *,
        truncation: float = 1.0,
    ) -> Images:
        """Images of latent vectors; differentiable, and to be used under jit as well.

        Parameters
        ----------
        latents : array of shape (batch, latent_features)
        conditions : array of shape (batch, conditions), optional
            What is wanted of each image, codes included, where the recipe has any.
        truncation : float
            Below 1 images are more typical and less varied, as what the first layer makes of
            latents is drawn to its mean over many of them, given the conditions; at 0 they are all
            the same. The truncation of Karras et al., CVPR 2019, appendix B, at the first layer.
        """
        latents = jnp.asarray(latents, jnp.float32)
        if conditions is not None:
            conditions = jnp.asarray(conditions, jnp.float32)
        if truncation == 1:
            return self._generate(self._parameters, latents, conditions)
        return self._truncated(self._parameters, latents, conditions, jnp.float32(truncation))

    def sample(
        self,
        key: PRNGKeyArray,
        count: int,
        *,
        conditions: Conditions | None = None,
        batch: int = 32,
        truncation: float = 1.0,
    ) -> Float[np.ndarray, "count rows cols channels"]:
        """`count` images of random latents, on the host, made `batch` at a time.

        Parameters
        ----------
        key : key
            Source of the latents.
        count : int
        conditions : array of shape (count, conditions), optional
            What is wanted of each image, codes included, where the recipe has any.
        batch : int
            Images in memory at a time.
        truncation : float
            As of a call.
        """
        latents = np.asarray(jax.random.normal(key, (count, self.latent_features), jnp.float32))

        def made(latents: Latents, conditions: Conditions | None) -> Images:
            return self(latents, conditions, truncation=truncation)

        return in_batches(made, batch, latents, conditions)


def load_progressive_gan(run: str | pathlib.Path) -> ProgressiveGAN:
    """The generator of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of a generator, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    recipe = Recipe.from_plain(options_of(run / "generator.json", "generator"))
    networks, state = initial_state(*recipe.networks(), recipe.transform())
    state = newest_state(run, state)
    return ProgressiveGAN(nnx.merge(networks.generator, state.average), recipe)
