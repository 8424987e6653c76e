"""Train a progressive GAN on micrographs."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import PRNGKeyArray

from idml_jax.data import Cut, Micrograph, Resident
from idml_jax.report import claim
from idml_jax.training.adversarial import adversarial_step, with_codes
from idml_jax.training.adversarial_state import (
    AdversarialState,
    Scalars,
    initial_state,
    with_fresh_moments,
)
from idml_jax.training.devices import device_mesh, replicated, shared_out, whole
from idml_jax.training.feeding import RECORD, Way, feed_of, fingerprint
from idml_jax.training.generator import ProgressiveGAN
from idml_jax.training.loop import Guard, train
from idml_jax.training.processes import by_leader, check_alike, here
from idml_jax.training.progressive_recipe import Recipe
from idml_jax.training.real_images import RealImages, Wanted
from idml_jax.typing import Array, Conditions, Images


def train_progressive_gan(
    micrographs: Sequence[Micrograph],
    *,
    run: str | pathlib.Path,
    recipe: Recipe | None = None,
    conditions: Wanted | None = None,
    save_every: int = 100,
    show: Callable[[Images, int], None] | None = None,
    nonfinite: Literal["stop", "roll back"] = "stop",
    data: Way = "auto",
) -> ProgressiveGAN:
    """Train a progressive GAN on random crops of micrographs; go on where a run stopped.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Each at least as large as the images to make, values in [0, 1]; of phases one channel
        each, which add up to 1.
    run : path
        The run's folder: checkpoints, records, options. A run found there goes on. Several
        processes need one that they all reach.
    recipe : Recipe, optional
        Networks and training; by default 64 pixels in about six minutes on two
        CPU cores.
    conditions : array of shape (micrographs, conditions), callable, or a tuple of them, optional
        What the crops of each micrograph are told to be, or a function that finds it in a batch of
        crops of full size, such as their volume fractions; of several, one stands behind the
        other. Numbers of unit size: standardized scalars, or ones and zeros of classes.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(images, steps_done)`` after each checkpoint, with the averaged
        generator's images of 16 latents, and conditions, that stay the same.
    nonfinite : {"stop", "roll back"}
        What is done where a loss or parameter is not finite: see `Guard`.
    data : {"auto", "resident", "streamed"}
        Whether the micrographs stay on the device, or crops of them are cut on the host and sent to
        it; they may then be memory-mapped files. By default they stay if they fill no more than a
        quarter of the device's memory. The crops are of the same kinds, and not the same ones.

    Returns
    -------
    gan : ProgressiveGAN
        With the averaged parameters, at full size.

    Raises
    ------
    InputError
        If a micrograph cannot be used, the run belongs to other options, numbers are not finite,
        or a checkpoint cannot be written.
    Stopped
        If a signal asked for it.

    Notes
    -----
    Each of several devices computes a share of every batch: the same losses, up to rounding. So it
    is with the devices of several processes: each has called `jax.distributed.initialize`, calls
    this with the same arguments, and gets the same generator. Process 0 alone writes and shows.
    """
    run = pathlib.Path(run)
    recipe = dataclasses.replace(recipe or Recipe(), pixel_size=_common_pixel_size(micrographs))
    growth, transform = recipe.growth, recipe.transform()
    mesh = device_mesh(growth.batches)
    real = RealImages(recipe, conditions)
    real.check(len(micrographs))
    check_alike("the options", repr((recipe, data)).encode())
    feed = feed_of(micrographs, recipe, mesh, data, run)

    def claim_run() -> None:
        claim(run / "generator.json", recipe.plain())
        claim(run / RECORD, {"data": feed.way, "micrographs": fingerprint(micrographs)})

    by_leader(claim_run)
    networks, state = initial_state(*recipe.networks(), transform)
    key = jax.random.key(recipe.seed)

    def batch(
        fed: Resident | Cut, number: jax.Array, attempt: jax.Array, fade: jax.Array, level: int
    ) -> tuple[Images, Conditions | None, PRNGKeyArray]:
        """What a step is given. A key of a number of its own: a stopped run goes on alike."""
        attempt_key = jax.random.fold_in(jax.random.fold_in(key, number), attempt)
        crop_key, step_key = jax.random.split(attempt_key)
        return *real.of_step(fed, crop_key, fade, level=level), step_key

    # The state stays whole on every device: else a checkpoint, or another process, had parts of it.
    @functools.partial(
        jax.jit, static_argnames="level", donate_argnums=0, out_shardings=whole(mesh)
    )
    def compiled(state, fed, number, fade, rate, *, level):
        images, wanted, step_key = batch(fed, number, state.health.attempt, fade, level)
        images, wanted = shared_out((images, wanted), mesh)
        return adversarial_step(
            networks,
            transform,
            recipe.step_options(level),
            state,
            images,
            step_key,
            fade,
            rate,
            number,
            wanted,
        )

    def step(state: AdversarialState, number: int) -> tuple[AdversarialState, Scalars]:
        stage = growth.stage(number)
        if stage.first:
            # Where the others are: elsewhere the level would be compiled for each of both places.
            state = replicated(with_fresh_moments(state, transform), mesh)
        fade, rate = jnp.float32(stage.fade), jnp.float32(recipe.learning_rates[stage.level])
        fed = feed.of_step(number, state.health)
        return compiled(state, fed, jnp.int32(number), fade, rate, level=stage.level)

    def given(number: int, attempt: int) -> dict[str, Array]:
        """What is written down of a step whose numbers are not finite."""
        stage = growth.stage(number)
        place = jnp.int32(number), jnp.int32(attempt), jnp.float32(stage.fade)
        images, wanted, _ = batch(feed.again(number, attempt), *place, stage.level)
        return {"images": images} | ({} if wanted is None else {"conditions": wanted})

    sheet_key = jax.random.fold_in(key, 2**31)
    latents = jax.random.normal(sheet_key, (16, recipe.latent_features))
    told = with_codes(sheet_key, real.crops(feed.beside(16), sheet_key, 16)[1], recipe.codes, 16)

    def show_state(state: AdversarialState, done: int) -> None:
        if show is not None:
            stage = growth.stage(done - 1)
            generator = nnx.merge(networks.generator, here(state.average))
            images = jax.jit(generator.__call__, static_argnames="level")(
                latents,
                told,
                noise=jnp.arange(len(latents)),
                level=stage.level,
                fade=jnp.float32(stage.fade),
            )
            show(jnp.clip(images, 0, 1), done)

    with contextlib.closing(feed):
        state = train(
            replicated(state, mesh),
            step,
            steps=growth.steps,
            images=lambda number: growth.batches[growth.stage(number).level],
            run=run,
            save_every=save_every,
            show=show_state,
            title="training",
            guard=Guard(given, nonfinite),
        )
    return ProgressiveGAN(nnx.merge(networks.generator, here(state.average)), recipe)


def _common_pixel_size(micrographs: Sequence[Micrograph]) -> tuple[float, float] | None:
    """Of all micrographs, up to rounding; None where they differ, or one is not known."""
    sizes = [micrograph.pixel_size for micrograph in micrographs]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or not np.allclose(known, known[0], rtol=1e-3, atol=0):
        return None
    return known[0]
