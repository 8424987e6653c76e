"""An autoencoder whose code tells how an object lies from what it is."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.models.autoencoders import (
    ConvolutionalEncoder,
    Likelihood,
    Posterior,
    bounded,
    normal_divergence,
)
from idml_jax.models.layers import EqualizedLinear
from idml_jax.typing import Array, Conditions, Images, Latents

WIDEST_ANGLE = math.pi / 4
"""Bound of the standard deviation of an angle's posterior: a normal one then fits on one turn."""


def own_coordinates(
    shape: Sequence[int], angle: Float[Array, " batch"], shift: Float[Array, "batch 2"]
) -> Float[Array, "batch rows cols 2"]:
    r"""Where each pixel lies in the frame of an object that was turned and shifted.

    .. math:: R(-\theta) (x - t)

    Parameters
    ----------
    shape : pair of int
        Rows and cols.
    angle : array of shape (batch,)
        Of the object, in radians, counter-clockwise as an image is displayed.
    shift : array of shape (batch, 2)
        Of the object along rows and cols, in half the longer side.

    Returns
    -------
    coordinates : array of shape (batch, rows, cols, 2)
        Along rows and cols, in half the longer side, zero at the object's centre.

    Notes
    -----
    Source: Bepler et al., NeurIPS 2019, section 2.2. A quarter turn more is `numpy.rot90` of
    the coordinates of a square image that is not shifted.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> turned = own_coordinates((1, 3), jnp.array([jnp.pi / 2]), jnp.zeros((1, 2)))
    >>> turned[0, :, 0, 0].round(3).tolist()
    [-0.667]
    """
    rows, cols = shape
    longer = max(shape)
    grid = jnp.meshgrid(
        *((2 * jnp.arange(side, dtype=angle.dtype) + 1 - side) / longer for side in (rows, cols)),
        indexing="ij",
    )
    row, col = (axis[None] - shift[:, at, None, None] for at, axis in enumerate(grid))
    cosine, sine = (each(angle)[:, None, None] for each in (jnp.cos, jnp.sin))
    return jnp.stack([cosine * row + sine * col, cosine * col - sine * row], axis=-1)


def laid_upright(
    images: Images, angle: Float[Array, " batch"], shift: Float[Array, "batch 2"]
) -> Images:
    """Square images as they look in the frame of an object that was turned and shifted.

    What `own_coordinates` calls (row, col) lies at that place; values between pixels are
    interpolated, those from outside are the nearest ones. Source: M. Jaderberg et al., "Spatial
    transformer networks", NeurIPS 2015, section 3.
    """
    side = images.shape[1]
    # The way back of x -> R(-a) (x - t) is u -> R(a) (u + R(-a) t), of the same form.
    cosine, sine = (each(angle)[:, None] for each in (jnp.cos, jnp.sin))
    row, col = shift[:, :1], shift[:, 1:]
    undone = -jnp.concatenate([cosine * row + sine * col, cosine * col - sine * row], axis=-1)
    places = own_coordinates((side, side), -angle, undone) * (side / 2) + (side - 1) / 2

    def one(image, place):
        at = list(jnp.moveaxis(place, -1, 0))
        sampled = functools.partial(
            jax.scipy.ndimage.map_coordinates, coordinates=at, order=1, mode="nearest"
        )
        return jax.vmap(sampled, in_axes=-1, out_axes=-1)(image)

    return jax.vmap(one)(jnp.asarray(images), places.astype(images.dtype))


class RotationInvariantVAE(nnx.Module):
    r"""Square images to an angle, a shift, and latents of what is left: the object's form.

    The decoder is a function of a place in the object's own frame and of the form [1]_, so that
    the form is the same however an object lies; images need not be turned to train it [2]_. The
    latents are, in this order, the angle in radians, the shift along rows and cols in units of
    `shift`, and the form.

    Parameters
    ----------
    shape : pair of int
        Rows and cols, the same; see `ConvolutionalEncoder`.
    channels, latent_features : int
        Channels of an image, and numbers of its form, which may be none.
    features : sequence of int
        Channels of the encoder at each resolution, the finest first.
    hidden : sequence of int
        Widths of the decoder's layers.
    frequency : float
        Of the waves that the decoder is made of at first, in radians in half a side: one over
        the size of the finest detail.
    shift : float
        Standard deviation of the shift's prior, in half sides.
    likelihood : Likelihood
        Of an image given its latents.
    rngs : nnx.Rngs
        Source of the initial values.

    Raises
    ------
    ValueError
        If the image is not square.

    Notes
    -----
    Priors: uniform over the turn for the angle, normal for the shift, standard normal for the
    form. The angle's posterior is normal, wrapped around the turn; its deviation :math:`\sigma`
    is kept below pi / 4, where the part beyond one turn is less than 1e-4, and its divergence
    is :math:`\ln 2 \pi - \tfrac12 \ln(2 \pi e \sigma^2)`, at least 0.66 nats.

    The original encoders return the angle as one number, which jumps somewhere on the turn
    while images do not; here the mean angle is the direction of two numbers. The encoder looks
    at the image in each of its four quarter turns and takes the mean of the directions and
    shifts, each turned back. Then it lays the image upright by them and looks again, for the rest
    of the angle and the form. So a quarter turn of the image adds exactly pi / 2 to the angle,
    turns the shift and keeps the form. An object that is its own image after a turn has as many
    angles that are alike, and the form of a chiral one is not that of its mirror image.

    References
    ----------
    .. [1] T. Bepler, E. Zhong, K. Kelley, E. Brignole, B. Berger, "Explicitly disentangling
       image content from translation and rotation with spatial-VAE", NeurIPS 2019.
    .. [2] S. V. Kalinin, O. Dyck, S. Jesse, M. Ziatdinov, "Exploring order parameters and dynamic
       processes in disordered systems via variational autoencoders", Science Advances 7,
       eabd5084 (2021).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = RotationInvariantVAE((8, 8), 1, 2, features=(4, 8), hidden=(8,), rngs=nnx.Rngs(0))
    >>> network.encode(jnp.zeros((3, 8, 8, 1), jnp.float32)).mean.shape
    (3, 5)
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        latent_features: int,
        *,
        features: Sequence[int] = (16, 32),
        hidden: Sequence[int] = (64, 64),
        frequency: float = 5.0,
        shift: float = 0.1,
        likelihood: Likelihood | None = None,
        rngs: nnx.Rngs,
    ):
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"`shape` (={tuple(shape)}) is square: an image is turned in place.")
        self.shape = tuple(shape)
        self.form_features = latent_features
        self.latent_features = 3 + latent_features
        self.frequency, self.shift = frequency, shift
        self.likelihood = likelihood or Likelihood()
        # Two vectors: a direction and the shift.
        self.encoder = ConvolutionalEncoder(
            shape, channels, 4, features=features, periodic=False, rngs=rngs
        )
        # The rest of the angle, the form's mean, and a log variance of each latent.
        self.closer = ConvolutionalEncoder(
            shape,
            channels,
            1 + latent_features + self.latent_features,
            features=features,
            periodic=False,
            rngs=rngs,
        )
        self.place = EqualizedLinear(2, hidden[0], rngs=rngs)
        phases = jax.random.uniform(rngs.params(), (hidden[0],), jnp.float32, maxval=2 * math.pi)
        self.place.bias[...] = phases
        self.form = (
            EqualizedLinear(latent_features, hidden[0], rngs=rngs) if latent_features else None
        )
        self.middle = nnx.List(
            EqualizedLinear(*pair, rngs=rngs) for pair in zip(hidden[:-1], hidden[1:], strict=True)
        )
        self.last = EqualizedLinear(hidden[-1], channels, gain=1.0, rngs=rngs)

    def encode(self, images: Images, conditions: Conditions | None = None) -> Posterior:
        """Distribution of the latents of each image."""
        _refuse(conditions)
        turned = jnp.concatenate([jnp.rot90(images, turns, (1, 2)) for turns in range(4)])
        vectors = self.encoder(turned).reshape(4, len(images), 2, 2)
        # Of (row, col) displacements: what a quarter turn of the image makes of them, undone.
        back = _quarter_turns(vectors.dtype)
        direction, shift = jnp.einsum("tij,tbvj->vbi", back, vectors) / 4
        angle = _safe_angle(-direction[:, 0], direction[:, 1])
        # Gradients pass by the angle and the shift themselves: those of pixels are noisy.
        laid = jax.lax.stop_gradient((angle, self.shift * shift))
        seen = self.closer(laid_upright(images, *laid))
        more, form, log_variance = jnp.split(seen, [1, 1 + self.form_features], axis=-1)
        angle = _on_turn(angle[:, None] + bounded(more, -math.pi / 4, math.pi / 4))
        of_angle = bounded(log_variance[:, :1], -10.0, 2 * math.log(WIDEST_ANGLE))
        others = bounded(log_variance[:, 1:], -10.0, 10.0)
        return Posterior(
            jnp.concatenate([angle, shift, form], axis=-1),
            jnp.concatenate([of_angle, others], axis=-1),
        )

    def outputs(self, latents: Latents) -> Images:
        """What the likelihood takes of each pixel."""
        angle, shift, form = latents[:, 0], self.shift * latents[:, 1:3], latents[:, 3:]
        coordinates = self.frequency * own_coordinates(self.shape, angle, shift)
        x = self.place(coordinates)
        if self.form is not None:
            x = x + self.form(form)[:, None, None]
        x = jnp.sin(x)
        for layer in self.middle:
            x = jnp.tanh(layer(x))
        return self.last(x)

    def decode(self, latents: Latents, conditions: Conditions | None = None) -> Images:
        """Mean image of each latent vector."""
        _refuse(conditions)
        return self.likelihood.mean(self.outputs(latents))

    def negative_log_likelihood(
        self,
        latents: Latents,
        images: Images,
        conditions: Conditions | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, " batch"], Images]:
        """Of each image given its latents, in nats, and the mean images; needs no `key`."""
        _refuse(conditions)
        outputs = self.outputs(latents)
        return self.likelihood.negative_log(outputs, images), self.likelihood.mean(outputs)

    def divergence(self, posterior: Posterior) -> Latents:
        """Of each latent's posterior from its prior, in nats."""
        # ln 2 pi - ln(2 pi e sigma^2) / 2
        of_angle = 0.5 * (math.log(2 * math.pi) - 1 - posterior.log_variance[:, :1])
        others = normal_divergence(Posterior(*(each[:, 1:] for each in posterior)))
        return jnp.concatenate([of_angle, others], axis=-1)

    def difference(self, one: Latents, other: Latents) -> Latents:
        """What leads from the one to the other, the shorter way around the turn."""
        whole = other - one
        return jnp.concatenate([_on_turn(whole[:, :1]), whole[:, 1:]], axis=-1)

    def prior(self, key: PRNGKeyArray, count: int) -> Latents:
        """Latents of no image in particular."""
        angle_key, key = jax.random.split(key)
        angle = jax.random.uniform(
            angle_key, (count, 1), jnp.float32, minval=-math.pi, maxval=math.pi
        )
        rest = jax.random.normal(key, (count, self.latent_features - 1), jnp.float32)
        return jnp.concatenate([angle, rest], axis=-1)


def _quarter_turns(dtype: jnp.dtype) -> Float[Array, "4 2 2"]:
    """Matrices of (row, col) displacements that undo no, one, two and three quarter turns."""
    # A quarter turn brings (0, 1) to (-1, 0) and (1, 0) to (0, 1): undone, clockwise.
    back = jnp.array([[0, 1], [-1, 0]], dtype)
    identity = jnp.eye(2, dtype=dtype)
    return jnp.stack([identity, back, back @ back, back @ back @ back])


def _safe_angle(y: Float[Array, " batch"], x: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Direction of vectors; of the zero vector zero, with a gradient that is finite."""
    tiny = (x == 0) & (y == 0)
    return jnp.where(tiny, 0, jnp.arctan2(jnp.where(tiny, 0, y), jnp.where(tiny, 1, x)))


def _on_turn(angle: Float[Array, "batch 1"]) -> Float[Array, "batch 1"]:
    """The same angle, between -pi and pi."""
    return jnp.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _refuse(conditions: Conditions | None) -> None:
    if conditions is not None:
        raise ValueError("this network takes no `conditions`; `VariationalAutoencoder` does.")
