"""The adversarial step: one update of a discriminator, then of a generator."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, Int, Key, PRNGKeyArray, PyTree

from idml_jax.models import Discriminator
from idml_jax.training.adversarial_state import (
    AdversarialState,
    Networks,
    Scalars,
    StepOptions,
)
from idml_jax.training.augmentation import augment, steered
from idml_jax.training.health import after_step
from idml_jax.training.penalties import r1_penalty, wasserstein_penalty
from idml_jax.typing import Array, Conditions, Images, Latents, NoiseNumbers


def adversarial_step(
    networks: Networks,
    transform: optax.GradientTransformation,
    options: StepOptions,
    state: AdversarialState,
    real: Images,
    key: PRNGKeyArray,
    fade: Float[Array, ""],
    learning_rate: Float[Array, ""],
    number: Int[Array, ""],
    conditions: Conditions | None = None,
) -> tuple[AdversarialState, Scalars]:
    """One update of both networks and of the generator's average.

    Parameters
    ----------
    networks, transform, options
        Structure of the networks, the optimizer of both without its learning rate, such as
        `optax.scale_by_adam`, and what is compiled in.
    state : AdversarialState
    real : array of shape (batch, rows, cols, channels)
        Images of the level's size, in [0, 1].
    key : key
        Source of the latents, the noise and of all else that is random.
    fade : float
        How much of the level is blended in. A new value costs no compilation, nor does one of the
        next two.
    learning_rate : float
        What the transform's updates are multiplied by.
    number : int
        Of the step, by which one whose numbers are not finite is remembered.
    conditions : array of shape (batch, conditions), optional
        Of the real images, without the codes; the generated ones are made for the same.

    Returns
    -------
    state : AdversarialState
        The one given, but for its health, where a number was not finite.
    scalars : Scalars
    """
    latent_key, code_key, penalty_key, noise_key, *augment_keys = jax.random.split(key, 7)
    wanted = with_codes(code_key, conditions, options.codes, len(real))

    def shown(key: PRNGKeyArray, images: Images) -> Images:
        if not options.augmented:
            return images
        return augment(key, images, state.augmentation, colour=options.colour)

    def synthesize(parameters: PyTree) -> Images:
        generator = nnx.merge(networks.generator, parameters)
        shape = (len(real), generator.latent_features)
        latents = jax.random.normal(latent_key, shape, jnp.float32)
        noise = jax.random.bits(noise_key, (len(real),), jnp.uint32)

        def made(latents: Latents, wanted: Conditions | None, noise: NoiseNumbers) -> Images:
            return generator(latents, wanted, noise=noise, level=options.level, fade=fade)

        return in_parts(made, options.parts, (latents, wanted, noise))

    # One forward pass of the generator serves both updates.
    fake, pull_back = jax.vjp(synthesize, state.generator)
    images = shown(augment_keys[0], real), shown(augment_keys[1], fake)

    def discriminator_loss(parameters: PyTree) -> tuple[Float[Array, ""], tuple]:
        discriminator = nnx.merge(networks.discriminator, parameters)

        def of_part(
            real: Images, fake: Images, wanted: Conditions | None, keys: Key[jax.Array, " part"]
        ) -> tuple[Float[Array, " part"], ...]:
            return _judged(discriminator, options, fade, real, fake, wanted, keys)

        keys = jax.random.split(penalty_key, len(real))
        found = in_parts(of_part, options.parts, (*images, wanted, keys))
        value, gradient, codes = (part.mean() for part in found[:3])
        total = value + options.penalty * gradient + (codes if options.codes else 0)
        return total, (value, gradient, codes, *found[3:])

    (_, judged), gradients = jax.value_and_grad(discriminator_loss, has_aux=True)(
        state.discriminator
    )
    discriminator, discriminator_moments = _updated(
        transform, state.discriminator, state.discriminator_moments, gradients, learning_rate
    )
    critic = nnx.merge(networks.discriminator, discriminator)

    def generator_loss(fake: Images) -> tuple[Float[Array, ""], Float[Array, ""]]:
        def of_part(fake: Images, wanted: Conditions | None):
            seen = critic.seen(fake, level=options.level, fade=fade)
            scores = critic.score_of(seen, wanted)
            value = -scores if options.loss == "wasserstein" else jax.nn.softplus(-scores)
            return value, _missed(critic, seen, wanted)

        changed = shown(augment_keys[2], fake)
        value, missed = (x.mean() for x in in_parts(of_part, options.parts, (changed, wanted)))
        return value + (missed if options.codes else 0), value

    image_gradients, generator_value = jax.grad(generator_loss, has_aux=True)(fake)
    (gradients,) = pull_back(image_gradients)
    generator, generator_moments = _updated(
        transform, state.generator, state.generator_moments, gradients, learning_rate
    )
    value, gradient, codes, real_scores, fake_scores = judged
    probability = state.augmentation
    if options.augmented:
        probability = steered(probability, real_scores, images_to_full=options.images_to_full)
    after = AdversarialState(
        generator,
        discriminator,
        generator_moments,
        discriminator_moments,
        average=optax.incremental_update(generator, state.average, 1 - options.decay),
        augmentation=probability,
        health=state.health,
    )
    scalars = Scalars(
        generator_loss=generator_value,
        discriminator_loss=value,
        gradient_penalty=gradient,
        code_loss=codes,
        real_score=real_scores.mean(),
        fake_score=fake_scores.mean(),
        told_apart=((real_scores > 0).mean() + (fake_scores < 0).mean()) / 2,
        augmentation=probability,
        diversity=fake.std(axis=0).mean() / (real.std(axis=0).mean() + 1e-8),
    )
    kept, health = after_step(state.health, number, state, after, scalars)
    return kept._replace(health=health), scalars


def _judged(
    discriminator: Discriminator,
    options: StepOptions,
    fade: Float[Array, ""],
    real: Images,
    fake: Images,
    wanted: Conditions | None,
    keys: Key[jax.Array, " part"],
) -> tuple[Float[Array, " part"], ...]:
    """Of each image of a part its loss, gradient penalty and error of codes, and both scores."""

    def seen(images: Images) -> Float[Array, "part width"]:
        return discriminator.seen(images, level=options.level, fade=fade)

    few = slice(options.penalized)

    def critic(images: Images) -> Float[Array, " few"]:
        return discriminator.score_of(seen(images), None if wanted is None else wanted[few])

    seen_fake = seen(fake)
    real_scores = discriminator.score_of(seen(real), wanted)
    fake_scores = discriminator.score_of(seen_fake, wanted)
    if options.loss == "wasserstein":
        # The small drift term keeps the scores near zero (Karras et al. 2018, appendix A.1).
        value = fake_scores - real_scores + 1e-3 * real_scores**2
        gradient = wasserstein_penalty(critic, real[few], fake[few], keys[0])
    else:
        value = jax.nn.softplus(fake_scores) + jax.nn.softplus(-real_scores)
        gradient = r1_penalty(critic, real[few])
    gradients = jnp.broadcast_to(gradient, value.shape)
    missed = _missed(discriminator, seen_fake, wanted)
    return value, gradients, missed, real_scores, fake_scores


def _missed(
    discriminator: Discriminator, seen: Float[Array, "part width"], wanted: Conditions | None
) -> Float[Array, " part"]:
    """Mean square of what is guessed of the codes of generated images, less them."""
    if discriminator.guess is None or wanted is None:
        return jnp.zeros(len(seen), seen.dtype)
    guessed = discriminator.guess(seen)
    return ((guessed - wanted[:, -guessed.shape[1] :]) ** 2).mean(axis=1)


def with_codes(
    key: PRNGKeyArray, conditions: Conditions | None, codes: int, count: int
) -> Float[Array, "batch wanted"] | None:
    """Conditions with random codes behind them, uniform and of unit variance."""
    if not codes:
        return conditions
    drawn = jax.random.uniform(key, (count, codes), jnp.float32, -(3**0.5), 3**0.5)
    return drawn if conditions is None else jnp.concatenate([conditions, drawn], axis=1)


def in_parts(function: Callable, parts: int, arrays: tuple[Any, ...]) -> Any:
    """A function of a batch, one part after the other; a derivative computes each part anew."""
    if parts == 1:
        return function(*arrays)
    cut = jax.tree.map(lambda x: x.reshape(parts, len(x) // parts, *x.shape[1:]), arrays)
    found = jax.lax.map(lambda part: jax.checkpoint(function)(*part), cut)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), found)


def _updated(
    transform: optax.GradientTransformation,
    parameters: PyTree,
    moments: PyTree,
    gradients: PyTree,
    learning_rate: Float[Array, ""],
) -> tuple[PyTree, PyTree]:
    """Parameters and moments after a step of the optimizer."""
    updates, moments = transform.update(gradients, moments)
    return optax.apply_updates(parameters, optax.tree.scale(-learning_rate, updates)), moments
