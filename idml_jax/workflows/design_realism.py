"""How real designs look to the network that learned to tell generated images from real ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from idml_jax import design, properties, training
from idml_jax.errors import InputError
from idml_jax.typing import Array, Image
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_subject import Subject

NAME = "realism"

TYPICAL = 256
"""Random images of the generator, whose scores are the unit."""


def realism_of(config: Config, aim: design.Aim, subject: Subject) -> dict[str, properties.Property]:
    """The discriminator's score of an image, in deviations from the mean of typical images.

    Nothing where the aim does not ask for it.

    Raises
    ------
    InputError
        If the generator came without its discriminator, or is told numbers that the search chooses:
        the score is of an image and of what it was to be.
    """
    if NAME not in aim.outputs:
        return {}
    if config.command is not None:
        raise InputError(f"{NAME}: is of what the toolkit computes, and not of --command.")
    if subject.free:
        raise InputError(
            f"{NAME}: is of an image and what it was to be; say all of it by --wanted: "
            f"{', '.join(one.name for one in subject.free)}."
        )
    discriminator = training.load_discriminator(training.find_generator(config.generator))

    def score(image: Image) -> Array:
        # Each by itself: the network looks at how the images of a batch vary, too.
        return discriminator(image[None], subject.told_to(1))[0]

    @functools.cache
    def typical() -> tuple[float, float]:
        # Asked for while a measurement is traced, whose constants these numbers are.
        with jax.ensure_compile_time_eval():
            images = subject.sample(TYPICAL, seed=config.seed)
            scores = np.asarray(jax.jit(lambda all: jax.lax.map(score, all, batch_size=32))(images))
        return float(scores.mean()), float(scores.std()) or 1.0

    def standardized(image: Image) -> Array:
        mean, deviation = typical()
        return (score(jnp.asarray(image)) - mean) / deviation

    return {NAME: properties.Property(standardized, NAME)}
