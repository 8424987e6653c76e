"""A trained progressive GAN: latents to images, and what tells these from real ones."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.errors import InputError
from idml_jax.models import Discriminator, Generator
from idml_jax.training.adversarial_state import AdversarialState, Networks, initial_state
from idml_jax.training.batches import in_batches
from idml_jax.training.checkpoint import newest_state, options_of
from idml_jax.training.progressive_recipe import Recipe
from idml_jax.typing import Conditions, Images, Latents, NoiseNumbers

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
        def generate(parameters, latents, conditions, noise):
            images = nnx.merge(structure, parameters)(latents, conditions, noise=noise)
            return jnp.clip(images, 0, 1)

        @jax.jit
        def truncated(parameters, latents, conditions, noise, truncation):
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
            style = means + truncation * (style - means)
            return jnp.clip(network.draw(style, noise=noise), 0, 1)

        self._generate, self._truncated = generate, truncated

    def __call__(
        self,
        latents: Latents,
        conditions: Conditions | None = None,
        *,
        noise: NoiseNumbers | None = None,
        truncation: float = 1.0,
    ) -> Images:
        """Images of latent vectors; differentiable, and to be used under jit as well.

        Parameters
        ----------
        latents : array of shape (batch, latent_features)
        conditions : array of shape (batch, conditions), optional
            What is wanted of each image, codes included, where the recipe has any.
        noise : integers of shape (batch,), optional
            Numbers of the noise that each image has; by default that of number 0 for all, so that
            equal latents give equal images.
        truncation : float
            Below 1 images are more typical and less varied, as what the first layer makes of
            latents is drawn to its mean over many of them, given the conditions; at 0 they are all
            the same. The truncation of Karras et al., CVPR 2019, appendix B, at the first layer.
        """
        latents = jnp.asarray(latents, jnp.float32)
        if conditions is not None:
            conditions = jnp.asarray(conditions, jnp.float32)
        numbers = jnp.zeros(len(latents), jnp.uint32) if noise is None else jnp.asarray(noise)
        given = self._parameters, latents, conditions, numbers.astype(jnp.uint32)
        if truncation == 1:
            return self._generate(*given)
        return self._truncated(*given, jnp.float32(truncation))

    def sample(
        self,
        key: PRNGKeyArray,
        count: int,
        *,
        conditions: Conditions | None = None,
        batch: int = 32,
        truncation: float = 1.0,
    ) -> Float[np.ndarray, "count rows cols channels"]:
        """`count` images of random latents and noise, on the host, made `batch` at a time.

        Parameters
        ----------
        key : key
            Source of the latents and the noise.
        count : int
        conditions : array of shape (count, conditions), optional
            What is wanted of each image, codes included, where the recipe has any.
        batch : int
            Images in memory at a time.
        truncation : float
            As of a call.
        """
        latents = np.asarray(jax.random.normal(key, (count, self.latent_features), jnp.float32))
        noise = np.asarray(jax.random.bits(jax.random.fold_in(key, 1), (count,), jnp.uint32))

        def made(latents: Latents, conditions: Conditions | None, noise: NoiseNumbers) -> Images:
            return self(latents, conditions, noise=noise, truncation=truncation)

        return in_batches(made, batch, latents, conditions, noise)


def load_progressive_gan(run: str | pathlib.Path) -> ProgressiveGAN:
    """The generator of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of a generator, or one without a checkpoint.
    """
    recipe, networks, state = _trained(pathlib.Path(run))
    return ProgressiveGAN(nnx.merge(networks.generator, state.average), recipe)


def load_discriminator(run: str | pathlib.Path) -> Discriminator:
    """The network that told a run's images from real ones, as its newest checkpoint has it.

    Called with images, and conditions where the recipe has any, it gives the score of each: higher
    looks more real. It knows the training crops, of which it may have learned some by heart.

    Raises
    ------
    InputError
        If the folder holds no run of a generator, or one without a checkpoint: a generator that is
        one file, or comes with the toolkit, has left it behind.
    """
    run = pathlib.Path(run)
    if run.is_file() or not run.exists():
        raise InputError(
            f"{run}: holds no discriminator; give the folder of the generator's training."
        )
    _, networks, state = _trained(run)
    return nnx.merge(networks.discriminator, state.discriminator)


def _trained(run: pathlib.Path) -> tuple[Recipe, Networks, AdversarialState]:
    recipe = Recipe.from_plain(options_of(run / "generator.json", "generator"))
    networks, state = initial_state(*recipe.networks(), recipe.transform())
    return recipe, networks, newest_state(run, state)
