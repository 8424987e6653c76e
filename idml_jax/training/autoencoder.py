"""Train variational autoencoders; a trained one as an encoder and a generator."""

import collections
import functools
import hashlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.data import Micrograph, keep_on_device, random_crops
from idml_jax.models import Penalty, Pixels, Posterior, negative_evidence_bound
from idml_jax.report import claim
from idml_jax.training.autoencoder_recipe import AutoencoderRecipe, Network
from idml_jax.training.batches import in_batches
from idml_jax.training.checkpoint import newest_state, options_of
from idml_jax.training.loop import train
from idml_jax.training.optimization import FitState
from idml_jax.typing import Array, Conditions, Latents


class Autoencoder:
    """A trained autoencoder: images to codes, codes to images.

    Called with latents it is a generator, as `decode` without conditions.
    """

    def __init__(self, network: Network):
        self.network = network
        self.latent_features = network.latent_features
        structure, self._parameters = nnx.split(network)

        @functools.partial(jax.jit, static_argnums=0)
        def call(method, parameters, *given):
            return getattr(nnx.merge(structure, parameters), method)(*given)

        self._call = call

    def __call__(self, latents: Latents) -> Pixels:
        """Mean images of latents; differentiable, and to be used under jit as well."""
        return self.decode(latents)

    def encode(self, images: Pixels, conditions: Conditions | None = None) -> Posterior:
        """Mean and logarithm of the variance of each image's latents."""
        images = jnp.asarray(images, jnp.float32)
        return self._call("encode", self._parameters, images, _as_float32(conditions))

    def decode(self, latents: Latents, conditions: Conditions | None = None) -> Pixels:
        """Mean image of each latent vector: grey values, or memberships of phases, in [0, 1]."""
        latents = jnp.asarray(latents, jnp.float32)
        return self._call("decode", self._parameters, latents, _as_float32(conditions))

    def reconstruct(
        self, images: Pixels, conditions: Conditions | None = None, *, batch: int = 32
    ) -> Float[np.ndarray, "batch *space channels"]:
        """Images of the mean latents of images, on the host, computed `batch` at a time."""

        def one_batch(images, conditions):
            return self.decode(self.encode(images, conditions).mean, conditions)

        return in_batches(one_batch, batch, images, conditions)

    def sample(
        self,
        key: PRNGKeyArray,
        count: int,
        conditions: Conditions | None = None,
        *,
        batch: int = 32,
    ) -> Float[np.ndarray, "count *space channels"]:
        """`count` images of latents drawn from the prior, on the host, made `batch` at a time."""
        latents = np.asarray(self.network.prior(key, count))
        return in_batches(self.decode, batch, latents, conditions)

    def interpolate(
        self,
        one: Float[Array, "*space channels"],
        other: Float[Array, "*space channels"],
        steps: int,
        conditions: Float[Array, "2 conditions"] | None = None,
    ) -> Float[np.ndarray, "steps *space channels"]:
        """Images on the way from one image to another, those of their own codes at the ends.

        `steps` counts all of them; conditions of the two are passed through as the codes are.

        Notes
        -----
        On the straight line between the mean latents, an angle the shorter way around. Means of
        posteriors are shorter than random latents, and near zero where a latent is not used, so
        that there is no sphere to stay on: an arc would turn such latents at random.
        """
        posterior = self.encode(np.stack([one, other]), conditions)
        start, end = posterior.mean[:1], posterior.mean[1:]
        share = jnp.linspace(0, 1, steps, dtype=start.dtype)[:, None]
        latents = start + share * self.network.difference(start, end)
        if conditions is not None:
            both = jnp.asarray(conditions, start.dtype)
            conditions = both[:1] + share * (both[1:] - both[:1])
        return np.asarray(self.decode(latents, conditions))


def train_autoencoder(
    examples: Pixels | Sequence[Micrograph],
    recipe: AutoencoderRecipe,
    *,
    run: str | pathlib.Path,
    conditions: Float[Array, "count conditions"] | None = None,
    penalty: Penalty | None = None,
    save_every: int = 200,
    show: Callable[[Autoencoder, int], None] | None = None,
) -> Autoencoder:
    """Train an autoencoder on images, or on crops of micrographs; go on where a run stopped.

    Parameters
    ----------
    examples : array of shape (count, *space, channels), or sequence of Micrograph
        Values in [0, 1], kept on the device in 8 bits; or micrographs, of which square crops are
        drawn at random, turned by quarters and mirrored.
    recipe : AutoencoderRecipe
        Network and training.
    run : path
        The run's folder: checkpoints, options, and records of the loss and its parts: a latent
        whose divergence stays at nothing is not used. A run found there goes on, if it is of the
        same recipe and images.
    conditions : array of shape (count, conditions), optional
        What is known of each image.
    penalty : callable, optional
        ``penalty(images, reconstructions)``, in nats for each image, added to the loss: a
        statistic's difference, for instance.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(autoencoder, steps_done)`` after each checkpoint.

    Returns
    -------
    autoencoder : Autoencoder

    Raises
    ------
    ValueError
        If images, conditions and recipe do not go together.
    InputError
        If a micrograph is too small, the run belongs to another recipe or other images, the loss
        is no longer finite, or a checkpoint cannot be written.
    """
    run = pathlib.Path(run)
    source, draw, digest = _source(examples, conditions, recipe)
    claim(run / "autoencoder.json", recipe.plain() | {"examples": digest})
    transform, network = recipe.transform(), recipe.network()
    structure, parameters = nnx.split(network)
    state = FitState.of(parameters, transform)
    key = jax.random.key(recipe.seed)
    scalars = _scalars(network.latent_features)

    @functools.partial(jax.jit, donate_argnums=0)
    def compiled(state, source, number):
        draw_key, step_key = jax.random.split(jax.random.fold_in(key, number))
        images, known = draw(draw_key, source)
        warmth = (number + 1).astype(jnp.float32) / max(1, recipe.warm_up)
        beta = recipe.beta * jnp.minimum(1.0, warmth)

        def loss(parameters):
            network = nnx.merge(structure, parameters)
            options = {"key": step_key, "beta": beta, "penalty": penalty}
            found = negative_evidence_bound(network, images, known, **options)
            return found.total, found

        slopes, found = jax.grad(loss, has_aux=True)(state.parameters)
        sums = found.total, found.negative_log_likelihood, found.divergence.sum(), found.penalty
        return state.stepped(slopes, transform), scalars(*sums, *found.divergence)

    def show_state(state: FitState, done: int) -> None:
        if show is not None:
            show(Autoencoder(nnx.merge(structure, state.parameters)), done)

    state = train(
        state,
        lambda state, number: compiled(state, source, jnp.int32(number)),
        steps=recipe.steps,
        images=lambda _: recipe.batch,
        run=run,
        save_every=save_every,
        show=show_state,
        title="training",
    )
    return Autoencoder(nnx.merge(structure, state.parameters))


def load_autoencoder(run: str | pathlib.Path) -> Autoencoder:
    """The autoencoder of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of an autoencoder, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    options = options_of(run / "autoencoder.json", "autoencoder")
    del options["examples"]
    recipe = AutoencoderRecipe.from_plain(options)
    structure, parameters = nnx.split(recipe.network())
    state = FitState.of(parameters, recipe.transform())
    return Autoencoder(nnx.merge(structure, newest_state(run, state).parameters))


def _source(
    examples: Pixels | Sequence[Micrograph],
    conditions: Conditions | None,
    recipe: AutoencoderRecipe,
) -> tuple[Any, Callable[..., tuple[Pixels, Conditions | None]], str]:
    """What stays on the device, how a batch is drawn from it under jit, and its digest."""
    _check(examples, conditions, recipe)

    def drawn_crops(key, source):
        count, size = recipe.batch, recipe.shape[0]
        return random_crops(key, source, count=count, size=size, turns=recipe.turns), None

    def drawn_images(key, source):
        chosen = jax.random.choice(key, len(examples), (recipe.batch,), replace=False)
        images, known = jax.tree.map(lambda each: each[chosen], source)
        return images.astype(jnp.float32) / jnp.float32(255), known

    if isinstance(examples, np.ndarray | jax.Array):
        images = np.rint(255 * np.asarray(examples)).astype(np.uint8)
        source, draw = (jnp.asarray(images), _as_float32(conditions)), drawn_images
    else:
        source, draw = keep_on_device(examples, size=recipe.shape[0]), drawn_crops
    digest = hashlib.sha256(
        b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(source))
    )
    return source, draw, digest.hexdigest()[:16]


def _check(
    examples: Pixels | Sequence[Micrograph],
    conditions: Conditions | None,
    recipe: AutoencoderRecipe,
) -> None:
    """Refuse images that the recipe, or training, has no use for."""
    told = 0 if conditions is None else np.shape(conditions)[-1]
    if told != recipe.conditions:
        raise ValueError(f"the recipe has {recipe.conditions} `conditions`, the images {told}.")
    if not isinstance(examples, np.ndarray | jax.Array):
        if told or recipe.kind != "convolutional" or set(recipe.shape) != {recipe.shape[0]}:
            raise ValueError(
                "crops of micrographs are square, mirrored at random and without `conditions`: for "
                "other recipes cut them yourself and give an array (count, rows, cols, channels)."
            )
        return
    wanted = (*recipe.shape, recipe.channels)
    if examples.shape[1:] != wanted:
        raise ValueError(f"`examples` have the shape {examples.shape[1:]}, the recipe {wanted}.")
    if len(examples) < recipe.batch:
        raise ValueError(f"{len(examples)} images are fewer than a batch of {recipe.batch}.")
    if not (examples.min() >= 0 and examples.max() <= 1):
        raise ValueError("`examples` has values outside of [0, 1], or not finite: scale them.")
    if conditions is not None:
        if len(conditions) != len(examples) or not np.isfinite(conditions).all():
            raise ValueError(f"`conditions` has {len(examples)} rows of finite numbers.")


def _as_float32(conditions: Conditions | None) -> Conditions | None:
    return None if conditions is None else jnp.asarray(conditions, jnp.float32)


def _scalars(latents: int) -> Any:
    """The named tuple of what is recorded of a step, with one entry for each latent."""
    each = [f"divergence_{number}" for number in range(latents)]
    names = ["loss", "negative_log_likelihood", "divergence", "penalty", *each]
    return collections.namedtuple("AutoencoderScalars", names)
