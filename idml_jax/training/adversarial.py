"""The adversarial step: one update of a discriminator, then of a generator."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, PRNGKeyArray, PyTree

from idml_jax.models import Discriminator, Generator
from idml_jax.typing import Array, Images

Critic: TypeAlias = Callable[[Images], Float[Array, " batch"]]
Loss: TypeAlias = Literal["non-saturating", "wasserstein"]


class AdversarialState(NamedTuple):
    """Everything that a step changes: what a checkpoint holds, and nothing else."""

    generator: PyTree
    discriminator: PyTree
    generator_moments: PyTree
    discriminator_moments: PyTree
    average: PyTree
    """Exponential moving average of the generator's parameters: the one that is sampled."""


class Scalars(NamedTuple):
    """What a step reports."""

    generator_loss: Float[Array, ""]
    discriminator_loss: Float[Array, ""]
    gradient_penalty: Float[Array, ""]
    real_score: Float[Array, ""]
    fake_score: Float[Array, ""]
    diversity: Float[Array, ""]
    """Pixel deviation over a generated batch divided by that over the real one: 0 is collapse."""


class Networks(NamedTuple):
    """The structure of both networks; their parameters are in the state."""

    generator: nnx.GraphDef
    discriminator: nnx.GraphDef


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


def r1_penalty(critic: Critic, real: Images) -> Float[Array, ""]:
    """Mean squared norm of the critic's gradient at real images.

    For a linear critic it is the squared norm of its weights. Source: L.
    Mescheder, A. Geiger, S. Nowozin, "Which training methods for GANs do actually
    converge?", ICML 2018, equation 9.
    """
    return _penalty(critic, real, lambda gradient: jnp.sum(gradient**2, axis=(1, 2, 3)).mean())


def wasserstein_penalty(
    critic: Critic, real: Images, fake: Images, key: PRNGKeyArray
) -> Float[Array, ""]:
    """Mean of (gradient norm - 1)^2 at random points between real and fake images.

    Parameters
    ----------
    critic : callable
        From images to one score each.
    real, fake : array of shape (batch, rows, cols, channels)
        Ends of the lines that the points lie on.
    key : key
        Source of the places on them.

    Returns
    -------
    penalty : scalar

    Notes
    -----
    For a linear critic it is (norm of its weights - 1)^2. Source: I. Gulrajani et
    al., "Improved training of Wasserstein GANs", NeurIPS 2017, section 4.
    """
    share = jax.random.uniform(key, (real.shape[0], 1, 1, 1), real.dtype)
    between = real + share * (fake - real)

    def penalty(gradient):
        # The root has no gradient at zero.
        norm = jnp.sqrt(jnp.sum(gradient**2, axis=(1, 2, 3)) + 1e-12)
        return jnp.mean((norm - 1) ** 2)

    return _penalty(critic, between, penalty)


def _penalty(
    critic: Critic, images: Images, penalty: Callable[[Images], Float[Array, ""]]
) -> Float[Array, ""]:
    """A function of the critic's gradient at images; it can be differentiated once.

    Its derivative by the critic's parameters is that of the directional derivative
    of the critic along the penalty's own gradient, held fixed. One reverse pass over
    one forward pass: two reverse passes would give the same numbers, and convolutions
    that XLA has no fast program for on a CPU (they cost four times the others there).
    """

    def total(images):
        return critic(images).sum()

    gradient = jax.lax.stop_gradient(jax.grad(total)(images))
    value, direction = jax.value_and_grad(penalty)(gradient)
    _, along = jax.jvp(total, (images,), (direction,))
    return value + along - jax.lax.stop_gradient(along)


def adversarial_step(
    networks: Networks,
    transform: optax.GradientTransformation,
    state: AdversarialState,
    real: Images,
    key: PRNGKeyArray,
    fade: Float[Array, ""],
    learning_rate: Float[Array, ""],
    *,
    level: int,
    loss: Loss,
    penalty: float,
    decay: float,
    penalized: int | None = None,
) -> tuple[AdversarialState, Scalars]:
    """One update of both networks and of the generator's average.

    Parameters
    ----------
    networks, transform
        Structure of the networks, and the optimizer of both without its learning
        rate, such as `optax.scale_by_adam`.
    state : AdversarialState
    real : array of shape (batch, rows, cols, channels)
        Images of the level's size, in [0, 1].
    key : key
        Source of the latents.
    fade : float
        How much of the level is blended in. Traced, as is the next: a new value
        costs no compilation.
    learning_rate : float
        What the transform's updates are multiplied by.
    level : int
        Resolution. Static: each one compiles once.
    loss : {"non-saturating", "wasserstein"}
        Logistic loss with R1 (Mescheder et al. 2018), or Wasserstein loss with
        gradient penalty (Gulrajani et al. 2017).
    penalty : float
        Weight of the gradient penalty.
    decay : float
        Of the generator's average, a step.
    penalized : int, optional
        Images of the batch that the gradient penalty is measured on, by default
        all: fewer estimate the same mean, for less than half of the time.

    Returns
    -------
    state : AdversarialState
    scalars : Scalars
    """
    latent_key, penalty_key = jax.random.split(key)

    def synthesize(parameters):
        generator = nnx.merge(networks.generator, parameters)
        shape = (real.shape[0], generator.latent_features)
        latents = jax.random.normal(latent_key, shape, jnp.float32)
        return generator(latents, level=level, fade=fade)

    # One forward pass of the generator serves both updates.
    fake, pull_back = jax.vjp(synthesize, state.generator)

    def discriminator_loss(parameters):
        discriminator = nnx.merge(networks.discriminator, parameters)

        def critic(images):
            return discriminator(images, level=level, fade=fade)

        real_scores, fake_scores = critic(real), critic(fake)
        if loss == "wasserstein":
            # The small drift term keeps the scores near zero (Karras et al. 2018, appendix A.1).
            value = fake_scores.mean() - real_scores.mean() + 1e-3 * jnp.mean(real_scores**2)
            gradient = wasserstein_penalty(critic, real[:penalized], fake[:penalized], penalty_key)
        else:
            value = jax.nn.softplus(fake_scores).mean() + jax.nn.softplus(-real_scores).mean()
            gradient = r1_penalty(critic, real[:penalized])
        return value + penalty * gradient, (value, gradient, real_scores, fake_scores)

    (_, (discriminator_value, gradient, real_scores, fake_scores)), gradients = jax.value_and_grad(
        discriminator_loss, has_aux=True
    )(state.discriminator)
    updates, discriminator_moments = transform.update(gradients, state.discriminator_moments)
    discriminator_parameters = optax.apply_updates(
        state.discriminator, optax.tree.scale(-learning_rate, updates)
    )
    critic = nnx.merge(networks.discriminator, discriminator_parameters)

    def generator_loss(images):
        scores = critic(images, level=level, fade=fade)
        return -scores.mean() if loss == "wasserstein" else jax.nn.softplus(-scores).mean()

    generator_value, image_gradients = jax.value_and_grad(generator_loss)(fake)
    (gradients,) = pull_back(image_gradients)
    updates, generator_moments = transform.update(gradients, state.generator_moments)
    generator_parameters = optax.apply_updates(
        state.generator, optax.tree.scale(-learning_rate, updates)
    )

    state = AdversarialState(
        generator=generator_parameters,
        discriminator=discriminator_parameters,
        generator_moments=generator_moments,
        discriminator_moments=discriminator_moments,
        average=optax.incremental_update(generator_parameters, state.average, 1 - decay),
    )
    scalars = Scalars(
        generator_loss=generator_value,
        discriminator_loss=discriminator_value,
        gradient_penalty=gradient,
        real_score=real_scores.mean(),
        fake_score=fake_scores.mean(),
        diversity=fake.std(axis=0).mean() / (real.std(axis=0).mean() + 1e-8),
    )
    return state, scalars
