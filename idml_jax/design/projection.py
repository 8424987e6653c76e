"""From an image back to the latents that make the image most like it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float
from tqdm import tqdm

from idml_jax.design.latents import on_sphere, random_latents
from idml_jax.design.measuring import GeneratorOfLatents
from idml_jax.typing import Array, Images, Latents

COARSEST = 8
"""Shorter side, in pixels, of the coarsest images that are compared."""


class Projection(NamedTuple):
    """What a generator makes that is most like given images."""

    latents: Float[np.ndarray, "count dim"]
    """Of typical length."""
    images: Float[np.ndarray, "count rows cols channels"]
    """Made of the latents."""
    errors: Float[np.ndarray, " count"]
    """Root mean square difference of the pixels from the images given."""
    start_errors: Float[np.ndarray, " count"]
    """The same of the latents that the descent began with."""


def project(
    generator: GeneratorOfLatents,
    images: Images,
    *,
    guesses: Latents | None = None,
    drawn: int = 256,
    starts: int = 4,
    steps: int = 200,
    learning_rate: float = 0.1,
    batch: int = 8,
    seed: int = 0,
) -> Projection:
    """Find latents whose image is most like each of some images, by gradient.

    Of many random latents, and a guess where there is one, the nearest few are the starts of
    descents; of all that these pass the best is kept, so that no answer is worse than its start.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images and is differentiable; ``generator.latent_features`` is
        the length of a latent vector.
    images : array of shape (count, rows, cols, channels)
        Of the generator's size, in [0, 1].
    guesses : array of shape (count, latent_features), optional
        Latents to begin with as well: an encoder's, for instance.
    drawn : int
        Random latents that the starts are chosen from.
    starts : int
        Descents for each image.
    steps : int
        Of each descent, by Adam with a rate that falls to nothing by half a cosine.
    learning_rate : float
        At first; latents are numbers of unit size.
    batch : int
        Images looked for at a time.
    seed : int
        Of the random latents.

    Returns
    -------
    projection : Projection

    Raises
    ------
    ValueError
        If the images do not have the size of the generator's.

    Notes
    -----
    Images are compared at full size and averaged to every half of it down to 8 pixels, each with
    the same weight: coarse grids lead the way, as in the projection of T. Karras et al.,
    "Analyzing and improving the image quality of StyleGAN", CVPR 2020, section 5, which compares
    features of a network in place of averages.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> class Slope:
    ...     latent_features = 2
    ...     def __call__(self, latents):
    ...         angle = jnp.arctan2(latents[:, 1], latents[:, 0])
    ...         return (angle[:, None, None, None] / 7 + 0.5) * jnp.ones((1, 8, 8, 1), angle.dtype)
    >>> found = project(Slope(), Slope()(jnp.array([[1.0, 2.0]])), drawn=4, steps=100)
    >>> bool(found.errors[0] < 1e-3)
    True
    """
    images = np.asarray(images, np.float32)
    features = generator.latent_features
    draws = random_latents(drawn, features, seed=seed)

    @jax.jit
    def made(latents: Latents) -> Images:
        return generator(latents)

    candidates = _made(made, draws, 32)
    if candidates.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"`images` of {images.shape[1:]} (rows, cols, channels); the generator makes "
            f"{candidates.shape[1:]}: crop them to it."
        )
    known = _pyramid(jnp.asarray(candidates))

    @jax.jit
    def nearest(part: Images) -> Array:
        return jax.lax.map(lambda one: _unlike(known, one[None]), _pyramid(part))

    schedule = optax.schedules.cosine_decay_schedule(learning_rate, steps)
    optimizer = optax.chain(optax.scale_by_adam(), optax.scale_by_learning_rate(schedule))

    @jax.jit
    def descend(begin: Float[Array, "part starts dim"], part: Images):
        wanted = _pyramid(part)

        def errors(latents: Float[Array, "part starts dim"]) -> Float[Array, "part starts"]:
            flat = _pyramid(generator(latents.reshape(-1, features)))
            return _unlike(flat.reshape(*latents.shape[:2], -1), wanted[:, None])

        def total(latents):
            found = errors(latents)
            return found.sum(), found

        def step(carry, _):
            latents, moments, best, least = carry
            (_, found), slope = jax.value_and_grad(total, has_aux=True)(latents)
            better = found < least
            best = jnp.where(better[..., None], latents, best)
            updates, moments = optimizer.update(slope, moments)
            return (latents + updates, moments, best, jnp.where(better, found, least)), None

        worst = jnp.full(begin.shape[:2], jnp.inf, begin.dtype)
        carry = begin, optimizer.init(begin), begin, worst
        (latents, _, best, least), _ = jax.lax.scan(step, carry, None, length=steps)
        # The last step has not been judged yet.
        found = errors(latents)
        best = jnp.where((found < least)[..., None], latents, best)
        chosen = jnp.minimum(found, least).argmin(axis=1)
        return jnp.take_along_axis(best, chosen[:, None, None], axis=1)[:, 0]

    projected, began = [], []
    bar = tqdm(total=len(images), desc="projection", unit="img", delay=2)
    with bar:
        for first in range(0, len(images), batch):
            part = images[first : first + batch]
            missing = batch - len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            order = np.argsort(np.asarray(nearest(filled)), axis=1)
            begin = draws[order[:, :starts]]
            if guesses is not None:
                guessed = on_sphere(np.asarray(guesses, np.float32)[first : first + batch])
                guessed = np.concatenate([guessed, np.repeat(guessed[-1:], missing, axis=0)])
                begin = np.concatenate([guessed[:, None], begin[:, : starts - 1]], axis=1)
            # optax mixes the types of its counters and moments.
            with jax.numpy_dtype_promotion("standard"):
                latents = np.asarray(descend(begin, filled))
            projected.append(on_sphere(latents)[: len(part)])
            began.append(begin[: len(part), 0])
            bar.update(len(part))
    latents, start = np.concatenate(projected), np.concatenate(began)
    found, before = _made(made, latents, 32), _made(made, start, 32)
    return Projection(latents, found, _deviation(found, images), _deviation(before, images))


def _made(
    generator: Callable[[Latents], Images], latents: Float[np.ndarray, "count dim"], batch: int
) -> Float[np.ndarray, "count rows cols channels"]:
    """Images of many latents, on the host."""
    parts = [latents[first : first + batch] for first in range(0, len(latents), batch)]
    return np.concatenate([np.asarray(generator(part)) for part in parts])


def _deviation(
    ours: Float[np.ndarray, "count *image"], theirs: Float[np.ndarray, "count *image"]
) -> Float[np.ndarray, " count"]:
    return np.sqrt(((ours - theirs) ** 2).reshape(len(ours), -1).mean(axis=1))


def _pyramid(images: Images) -> Float[Array, "count numbers"]:
    """Images at full size and averaged to halves, each scaled to count alike, in one vector."""
    levels = []
    while True:
        flat = images.reshape(len(images), -1)
        levels.append(flat / flat.shape[1] ** 0.5)
        rows, cols = images.shape[1:3]
        if min(rows, cols) < 2 * COARSEST or rows % 2 or cols % 2:
            break
        halves = images.reshape(len(images), rows // 2, 2, cols // 2, 2, -1)
        images = halves.mean(axis=(2, 4))
    return jnp.concatenate(levels, axis=1) / len(levels) ** 0.5


def _unlike(one: Float[Array, "*many numbers"], other: Float[Array, "*few numbers"]) -> Array:
    """Mean square difference of images, over the levels of their pyramids."""
    return ((one - other) ** 2).sum(axis=-1)
