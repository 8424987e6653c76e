"""Train a progressive GAN on micrographs; a trained one as a function of latents."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from idml_jax.data import Micrograph, Resident, keep_on_device, random_crops
from idml_jax.models import Discriminator, Generator, downsample, upsample
from idml_jax.report import claim
from idml_jax.training.adversarial import (
    AdversarialState,
    Loss,
    adversarial_step,
    initial_state,
    with_fresh_moments,
)
from idml_jax.training.checkpoint import newest_state, options_of
from idml_jax.training.growth import Growth
from idml_jax.training.loop import train
from idml_jax.typing import Images, Latents

FIRST_SIZE = 8
"""Side of the coarsest images, in pixels."""

QUICK_GROWTH = Growth(images=(1600, 4000, 7200, 6400), batches=(16, 16, 8, 8))
"""8 to 64 pixels in about six minutes on two CPU cores."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a trained generator was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    latent_features : int
        Length of a latent vector.
    features : tuple of int
        Feature channels of each level from 8 pixels on; their number gives the size.
    channels : int
        Channels of an image.
    periodic : bool
        Whether the generator's images tile the plane.
    growth : Growth
        Images and batch size at each level.
    loss : {"non-saturating", "wasserstein"}
    penalties : tuple of float
        At each level, weight of the gradient penalty, R1 or WGAN-GP's.
    learning_rates : tuple of float
        At each level, of Adam with momentum 0.5 and 0.99, for both networks. Large,
        because equalized layers keep weights of order one and a short training has
        to move them; at the finest level small, or its new layers undo what the
        levels below have learned.
    half_life : int
        Images after which the generator's average has forgotten half.
    precision : {"float32", "bfloat16"}
        Type that the convolutions compute in.
    seed : int
    """

    latent_features: int = 16
    features: tuple[int, ...] = (64, 64, 32, 16)
    channels: int = 1
    periodic: bool = True
    growth: Growth = QUICK_GROWTH
    loss: Loss = "non-saturating"
    penalties: tuple[float, ...] = (0.1, 0.1, 0.1, 0.2)
    learning_rates: tuple[float, ...] = (4e-3, 4e-3, 4e-3, 1e-3)
    half_life: int = 1000
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self):
        given = {
            "features": len(self.features),
            "growth": len(self.growth.images),
            "learning_rates": len(self.learning_rates),
            "penalties": len(self.penalties),
        }
        if len(set(given.values())) != 1:
            raise ValueError(f"give every level one entry of each; the levels given are {given}.")

    @property
    def size(self) -> int:
        """Side of the finest images, in pixels."""
        return FIRST_SIZE * 2 ** (len(self.features) - 1)

    def networks(self) -> tuple[Generator, Discriminator]:
        """Both networks with the initial values of the seed."""
        dtype: DTypeLike | None = jnp.bfloat16 if self.precision == "bfloat16" else None
        shared = {
            "features": self.features,
            "first_size": FIRST_SIZE,
            "channels": self.channels,
            "dtype": dtype,
        }
        generator = Generator(
            self.latent_features, periodic=self.periodic, rngs=nnx.Rngs(self.seed), **shared
        )
        return generator, Discriminator(rngs=nnx.Rngs(self.seed + 1), **shared)

    def transform(self) -> optax.GradientTransformation:
        """The optimizer of both networks, without its learning rate."""
        return optax.scale_by_adam(b1=0.5, b2=0.99)


class ProgressiveGAN:
    """A trained generator: latent vectors in, images in [0, 1] out.

    Parameters
    ----------
    generator : Generator
        With the averaged parameters.
    size : int
        Side of its images, in pixels.
    """

    def __init__(self, generator: Generator, *, size: int):
        self.generator = generator
        self.size = size
        self.latent_features = generator.latent_features
        structure, self._parameters = nnx.split(generator)

        @jax.jit
        def generate(parameters, latents):
            return jnp.clip(nnx.merge(structure, parameters)(latents), 0, 1)

        self._generate = generate

    def __call__(self, latents: Latents) -> Images:
        """Images of latent vectors; differentiable, and to be used under jit as well."""
        return self._generate(self._parameters, jnp.asarray(latents, jnp.float32))

    def sample(
        self, key: PRNGKeyArray, count: int, *, batch: int = 32
    ) -> Float[np.ndarray, "count rows cols channels"]:
        """`count` images of random latents, on the host, made `batch` at a time."""
        latents = jax.random.normal(key, (count + -count % batch, self.latent_features))
        made = [np.asarray(self(part)) for part in latents.reshape(-1, batch, latents.shape[-1])]
        return np.concatenate(made)[:count]


def train_progressive_gan(
    micrographs: Sequence[Micrograph],
    *,
    run: str | pathlib.Path,
    recipe: Recipe | None = None,
    save_every: int = 100,
    show: Callable[[Images, int], None] | None = None,
) -> ProgressiveGAN:
    """Train a progressive GAN on random crops of micrographs; go on where a run stopped.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Each at least as large as the images to make.
    run : path
        The run's folder: checkpoints, records, options. A run found there goes on.
    recipe : Recipe, optional
        Networks and training; by default 64 pixels in about six minutes on two
        CPU cores.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(images, steps_done)`` after each checkpoint, with the averaged
        generator's images of 16 latents that stay the same.

    Returns
    -------
    gan : ProgressiveGAN
        With the averaged parameters, at full size.

    Raises
    ------
    InputError
        If a micrograph is too small, the run belongs to other options, the
        losses are no longer finite, or a checkpoint cannot be written.
    """
    run = pathlib.Path(run)
    recipe = recipe or Recipe()
    resident = keep_on_device(micrographs, size=recipe.size)
    claim(run / "generator.json", dataclasses.asdict(recipe))
    transform = recipe.transform()
    networks, state = initial_state(*recipe.networks(), transform)
    key = jax.random.key(recipe.seed)
    growth = recipe.growth

    @functools.partial(jax.jit, static_argnames="level", donate_argnums=0)
    def compiled(state, resident, key, fade, learning_rate, *, level):
        crop_key, step_key = jax.random.split(key)
        batch = growth.batches[level]
        real = level_batch(crop_key, resident, fade, recipe=recipe, level=level)
        return adversarial_step(
            networks,
            transform,
            state,
            real,
            step_key,
            fade,
            learning_rate,
            level=level,
            loss=recipe.loss,
            penalty=recipe.penalties[level],
            decay=0.5 ** (batch / recipe.half_life),
            penalized=max(2, batch // 4),
        )

    def step(state: AdversarialState, number: int):
        stage = growth.stage(number)
        if stage.first:
            state = with_fresh_moments(state, transform)
        number_key = jax.random.fold_in(key, number)
        fade, rate = jnp.float32(stage.fade), jnp.float32(recipe.learning_rates[stage.level])
        return compiled(state, resident, number_key, fade, rate, level=stage.level)

    grid = jax.random.normal(jax.random.fold_in(key, 2**31), (16, recipe.latent_features))

    def show_state(state: AdversarialState, done: int) -> None:
        if show is not None:
            stage = growth.stage(done - 1)
            generator = nnx.merge(networks.generator, state.average)
            images = jax.jit(generator.__call__, static_argnames="level")(
                grid, level=stage.level, fade=jnp.float32(stage.fade)
            )
            show(jnp.clip(images, 0, 1), done)

    state = train(
        state,
        step,
        steps=growth.steps,
        images=lambda number: growth.batches[growth.stage(number).level],
        run=run,
        save_every=save_every,
        show=show_state,
        title="training",
    )
    return ProgressiveGAN(nnx.merge(networks.generator, state.average), size=recipe.size)


def load_progressive_gan(run: str | pathlib.Path) -> ProgressiveGAN:
    """The generator of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of a generator, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    options = options_of(run / "generator.json", "generator")
    growth = Growth(**{name: _tupled(value) for name, value in options.pop("growth").items()})
    recipe = Recipe(growth=growth, **{name: _tupled(value) for name, value in options.items()})
    networks, state = initial_state(*recipe.networks(), recipe.transform())
    state = newest_state(run, state)
    return ProgressiveGAN(nnx.merge(networks.generator, state.average), size=recipe.size)


def level_batch(
    key: PRNGKeyArray,
    resident: Resident,
    fade: Float[jax.Array, ""],
    *,
    recipe: Recipe,
    level: int,
) -> Images:
    """Real images for a step: crops of full size, averaged down to the level's size.

    While a level fades in, the real images fade in as well (Karras et al. 2018,
    appendix A), so that the discriminator is not told real from fake by sharpness.
    """
    images = random_crops(key, resident, count=recipe.growth.batches[level], size=recipe.size)
    for _ in range(len(recipe.features) - 1 - level):
        images = downsample(images)
    if level == 0:
        return images
    below = upsample(downsample(images))
    return below + fade * (images - below)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
