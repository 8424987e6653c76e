"""What an adversarial step changes, reports, and is told once for all."""

import dataclasses
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, PyTree

from idml_jax.models import Discriminator, Generator
from idml_jax.training.health import Health, healthy
from idml_jax.typing import Array

Loss: TypeAlias = Literal["non-saturating", "wasserstein"]


class AdversarialState(NamedTuple):
    """Everything that a step changes: what a checkpoint holds, and nothing else."""

    generator: PyTree
    discriminator: PyTree
    generator_moments: PyTree
    discriminator_moments: PyTree
    average: PyTree
    """Exponential moving average of the generator's parameters: the one that is sampled."""
    augmentation: Float[Array, ""]
    """Probability of each change of an image that the discriminator is shown."""
    health: Health


class Scalars(NamedTuple):
    """What a step reports."""

    generator_loss: Float[Array, ""]
    discriminator_loss: Float[Array, ""]
    gradient_penalty: Float[Array, ""]
    code_loss: Float[Array, ""]
    """Mean square of what was guessed of the codes, less them: 1 where nothing can be."""
    real_score: Float[Array, ""]
    fake_score: Float[Array, ""]
    told_apart: Float[Array, ""]
    """Share of real and generated images whose score has the right sign: 1 is saturation."""
    augmentation: Float[Array, ""]
    diversity: Float[Array, ""]
    """Pixel deviation over a generated batch divided by that over the real one: 0 is collapse."""


class Networks(NamedTuple):
    """The structure of both networks; their parameters are in the state."""

    generator: nnx.GraphDef
    discriminator: nnx.GraphDef


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """What stays the same from one step of a level to the next.

    Parameters
    ----------
    level : int
        Resolution.
    loss : {"non-saturating", "wasserstein"}
        Logistic loss with R1 (Mescheder et al. 2018), or Wasserstein loss with gradient penalty
        (Gulrajani et al. 2017).
    penalty : float
        Weight of the gradient penalty.
    decay : float
        Of the generator's average, a step.
    parts : int
        Parts that the batch is cut into, one in memory at a time: their gradients are added up.
    penalized : int, optional
        Images of a part that the gradient penalty is measured on, by default all: fewer estimate
        the same mean, for less than half of the time.
    augmented : bool
        Whether the discriminator sees changed images, so that it cannot learn a small set by
        heart. With the non-saturating loss only: it needs scores that have a sign.
    colour : bool
        Whether brightness and contrast are among the changes.
    images_to_full : int
        Real images after which the probability of a change can have gone from 0 to 1.
    codes : int
        Numbers of the conditions, the last ones, that are drawn at random and guessed from the
        image.
    """

    level: int
    loss: Loss
    penalty: float
    decay: float
    parts: int = 1
    penalized: int | None = None
    augmented: bool = False
    colour: bool = True
    images_to_full: int = 50_000
    codes: int = 0


def initial_state(
    generator: Generator, discriminator: Discriminator, transform: optax.GradientTransformation
) -> tuple[Networks, AdversarialState]:
    """Take two networks apart into their structure and the state of a first step."""
    generator_structure, generator_parameters = nnx.split(generator)
    discriminator_structure, discriminator_parameters = nnx.split(discriminator)
    state = AdversarialState(
        generator=generator_parameters,
        discriminator=discriminator_parameters,
        generator_moments=transform.init(generator_parameters),
        discriminator_moments=transform.init(discriminator_parameters),
        # A copy: the state is donated, and a buffer can be given away once only.
        average=jax.tree.map(jnp.copy, generator_parameters),
        augmentation=jnp.zeros((), jnp.float32),
        health=healthy(),
    )
    return Networks(generator_structure, discriminator_structure), state


def with_fresh_moments(
    state: AdversarialState, transform: optax.GradientTransformation
) -> AdversarialState:
    """The state with Adam's memory wiped, as at the start of each level (Karras et al. 2018)."""
    return state._replace(
        generator_moments=transform.init(state.generator),
        discriminator_moments=transform.init(state.discriminator),
    )
