"""Adaptive discriminator augmentation: what small sets of images need, and no more of it.

A discriminator that has few real images learns them by heart. Here it sees every image, real and
generated, changed at random, and the probability of a change follows how far it overfits. As
long as that probability stays below one, changes do not leak into what is generated: T. Karras,
M. Aittala, J. Hellsten, S. Laine, J. Lehtinen, T. Aila, "Training generative adversarial networks
with limited data", NeurIPS 2020, sections 2.2 and 3.1.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from idml_jax.typing import Array, Images

HIGHEST = 0.8
"""Probability that is not passed: above it changes begin to leak (section 2.2)."""

TARGET = 0.6
"""Mean sign of the scores of real images that the probability is steered to (section 3.1)."""


def augment(
    key: PRNGKeyArray, images: Images, probability: Float[Array, ""], *, colour: bool
) -> Images:
    """Images turned, scaled, moved, of another brightness and contrast, and with a hole.

    Parameters
    ----------
    key : key
        Source of the changes.
    images : array of shape (batch, rows, cols, channels)
    probability : float
        Of each change of an image. At 0 nothing changes.
    colour : bool
        Whether brightness and contrast change: not of memberships of phases.

    Returns
    -------
    images : array of the same shape
        Differentiable in the images. What comes in from beyond a border is mirrored.

    Notes
    -----
    Turns by any angle, scales by 2^N(0, 0.2), moves by up to an eighth of a side; brightness by
    N(0, 0.1) and contrast by 2^N(0, 0.5) about the middle grey; a square of half the side of the
    mean value. Section B of the supplement, for grey values in [0, 1], without its filters.
    """
    keys = jax.random.split(key, len(images))

    def changed(images: Images) -> Images:
        return jax.vmap(lambda key, image: _changed(key, image, probability, colour))(keys, images)

    return jax.lax.cond(probability > 0, changed, lambda images: images, images)


def steered(
    probability: Float[Array, ""],
    real_scores: Float[Array, " batch"],
    *,
    images_to_full: int,
) -> Float[Array, ""]:
    """The probability after a step: a little up if the discriminator overfits, else down.

    Parameters
    ----------
    probability : float
    real_scores : array of shape (batch,)
        Of real images, by a discriminator whose scores are above 0 for what it takes for real.
    images_to_full : int
        Real images shown after which the probability can have gone from 0 to 1.

    Returns
    -------
    probability : float
        In [0, 0.8].
    """
    overfitting = jnp.sign(real_scores).mean()
    step = len(real_scores) / images_to_full * jnp.sign(overfitting - TARGET)
    return jnp.clip(probability + step, 0, HIGHEST).astype(probability.dtype)


def _changed(
    key: PRNGKeyArray,
    image: Float[jax.Array, "rows cols channels"],
    probability: Float[Array, ""],
    colour: bool,
) -> Float[Array, "rows cols channels"]:
    """One image; each change comes with the probability."""
    chance, turn, scale, move, light, contrast, hole = jax.random.split(key, 7)
    happens = jax.random.uniform(chance, (6,), image.dtype) < probability
    rows, cols, _ = image.shape
    extent = jnp.array((rows, cols), image.dtype)
    angle = jax.random.uniform(turn, (), image.dtype, maxval=2 * jnp.pi)
    octaves = 0.2 * jax.random.normal(scale, (), image.dtype)
    shift = jax.random.uniform(move, (2,), image.dtype, -1 / 8, 1 / 8) * extent
    image = seen_through(
        image,
        jnp.where(happens[0], angle, 0),
        jnp.exp2(jnp.where(happens[1], octaves, 0)),
        jnp.where(happens[2], shift, 0),
    )
    if colour:
        octaves = 0.5 * jax.random.normal(contrast, (), image.dtype)
        brighter = 0.1 * jax.random.normal(light, (), image.dtype)
        stretched = 0.5 + jnp.exp2(jnp.where(happens[3], octaves, 0)) * (image - 0.5)
        image = stretched + jnp.where(happens[4], brighter, 0)
    centre = jax.random.uniform(hole, (2,), image.dtype) * extent
    inside = happens[5]
    for axis, side in enumerate((rows, cols)):
        places = jnp.arange(side, dtype=image.dtype)
        near = jnp.abs(places + 0.5 - centre[axis]) < side / 4
        inside = inside & jnp.expand_dims(near, [k for k in range(3) if k != axis])
    return jnp.where(inside, 1 / 2 if colour else 1 / image.shape[-1], image)


def seen_through(
    image: Float[jax.Array, "rows cols channels"],
    angle: Float[Array, ""],
    factor: Float[Array, ""],
    shift: Float[Array, " 2"],
) -> Float[jax.Array, "rows cols channels"]:
    """The image turned about its centre, enlarged and moved, between pixels linearly."""
    rows, cols, _ = image.shape
    down, right = jnp.meshgrid(
        jnp.arange(rows, dtype=image.dtype) - (rows - 1) / 2 - shift[0],
        jnp.arange(cols, dtype=image.dtype) - (cols - 1) / 2 - shift[1],
        indexing="ij",
    )
    cosine, sine = jnp.cos(angle) / factor, jnp.sin(angle) / factor
    source = (
        _mirrored(cosine * down - sine * right + (rows - 1) / 2, rows),
        _mirrored(sine * down + cosine * right + (cols - 1) / 2, cols),
    )
    return jax.vmap(
        lambda channel: jax.scipy.ndimage.map_coordinates(channel, source, order=1),
        in_axes=-1,
        out_axes=-1,
    )(image)


def _mirrored(places: Float[Array, "rows cols"], side: int) -> Float[Array, "rows cols"]:
    """Places beyond the first and last pixel as their mirror images."""
    period = 2 * (side - 1)
    places = jnp.mod(places, period)
    return jnp.minimum(places, period - places)
