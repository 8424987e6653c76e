"""Variational autoencoders: images to a few latent numbers and back.

A posterior of the latents for each image, a likelihood of an image given its latents, and the
convolutional networks between them. `RotationInvariantVAE` has the same methods.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.models.layers import EqualizedConv, EqualizedLinear, leaky
from idml_jax.models.resampling import downsample
from idml_jax.typing import Array, Conditions, Latents

Pixels: TypeAlias = Float[Array, "batch *space channels"]
"""Images or volumes, or what a decoder says of each of their pixels."""

Penalty: TypeAlias = Callable[[Pixels, Pixels], Float[Array, " batch"]]
"""How unlike images and their reconstructions are, in nats an image."""


class Posterior(NamedTuple):
    """Independent normal distributions of the latents, given an image."""

    mean: Latents
    log_variance: Latents

    def sample(self, key: PRNGKeyArray) -> Latents:
        """Latents drawn so that gradients pass: mean + deviation x normal noise [1]_.

        References
        ----------
        .. [1] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014,
           section 2.4.
        """
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + jnp.exp(self.log_variance / 2) * noise


def normal_divergence(posterior: Posterior) -> Latents:
    r"""Kullback-Leibler divergence of each latent's posterior from a standard normal one.

    .. math:: \tfrac12 (\mu^2 + \sigma^2 - 1 - \ln \sigma^2)

    Parameters
    ----------
    posterior : Posterior
        Means and logarithms of variances, each of shape (batch, latents).

    Returns
    -------
    divergence : array of shape (batch, latents)
        In nats; 0 where the posterior is the prior, and the image says nothing.

    Notes
    -----
    Source: Kingma & Welling, ICLR 2014, appendix B.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> normal_divergence(Posterior(jnp.array([[0.0, 2.0]]), jnp.zeros((1, 2)))).tolist()
    [[0.0, 2.0]]
    """
    mean, log_variance = posterior
    # expm1 keeps the digits where the variance is nearly one.
    return 0.5 * (mean**2 + jnp.expm1(log_variance) - log_variance)


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """Probability of the pixels of an image, each for itself, given what a decoder says.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli", "categorical"}
        Grey values around the decoder's, normally distributed; grey values as probabilities of
        a bright pixel, given its logit; or memberships of phases, the channels, given the
        logits of a soft-max.
    deviation : float
        Standard deviation of the grey values around the decoder's, if "gaussian".

    Notes
    -----
    Of grey values between 0 and 1 "bernoulli" is a cross entropy that is no probability density;
    it is one of black and white images. So is "categorical" of memberships other than 0 and 1.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> four = jnp.ones((1, 2, 2, 1))
    >>> round(float(Likelihood("bernoulli").negative_log(0 * four, four)[0]), 4)  # 4 ln 2
    2.7726
    """

    kind: Literal["gaussian", "bernoulli", "categorical"] = "bernoulli"
    deviation: float = 0.1

    def __post_init__(self):
        if not self.deviation > 0:
            raise ValueError(f"`deviation` (={self.deviation}) is positive.")

    def negative_log(self, outputs: Pixels, images: Pixels) -> Float[Array, " batch"]:
        """Minus the logarithm of the probability (density) of each image, in nats."""
        images = jnp.asarray(images, outputs.dtype)
        if self.kind == "gaussian":
            constant = math.log(self.deviation) + 0.5 * math.log(2 * math.pi)
            each = 0.5 * ((images - outputs) / self.deviation) ** 2 + constant
        elif self.kind == "bernoulli":
            each = optax.sigmoid_binary_cross_entropy(outputs, images)
        else:
            each = optax.softmax_cross_entropy(outputs, images)
        return each.sum(axis=tuple(range(1, each.ndim)))

    def mean(self, outputs: Pixels) -> Pixels:
        """Grey values in [0, 1], or memberships of phases that add up to one."""
        if self.kind == "gaussian":
            return jnp.clip(outputs, 0, 1)
        return jax.nn.sigmoid(outputs) if self.kind == "bernoulli" else jax.nn.softmax(outputs)


def bounded(x: Float[Array, "*shape"], low: float, high: float) -> Float[Array, "*shape"]:
    """Between two bounds, smoothly, so that no exponential overflows and no gradient stops."""
    middle, half = (low + high) / 2, (high - low) / 2
    return middle + half * jnp.tanh((x - middle) / half)


class ConvolutionalEncoder(nnx.Module):
    """Images to numbers: convolutions to coarser and coarser grids, then two dense layers.

    Where `periodic`, `trunk` commutes with `jax.numpy.roll` by whole pixels of the coarsest grid.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        outputs: int,
        *,
        features: Sequence[int] = (16, 32, 64),
        conditions: int = 0,
        periodic: bool = True,
        rngs: nnx.Rngs,
    ):
        coarse = coarsest(shape, len(features))
        kernel, options = (3,) * len(shape), {"periodic": periodic, "rngs": rngs}
        # A halving that is one with the convolution exists for planes alone.
        self.fused = len(shape) == 2
        self.first = EqualizedConv(channels, features[0], kernel, **options)
        self.coarser = nnx.List(
            EqualizedConv(fine, wide, kernel, resample="down" if self.fused else None, **options)
            for fine, wide in zip(features[:-1], features[1:], strict=True)
        )
        width = 2 * features[-1]
        self.dense = EqualizedLinear(math.prod(coarse) * features[-1], width, rngs=rngs)
        self.known = EqualizedLinear(conditions, width, rngs=rngs) if conditions else None
        self.last = EqualizedLinear(width, outputs, gain=1.0, rngs=rngs)

    def trunk(self, images: Pixels) -> Float[Array, "batch *coarse features"]:
        """Features on the coarsest grid."""
        x = leaky(self.first(images))
        for layer in self.coarser:
            x = leaky(layer(x) if self.fused else downsample(layer(x)))
        return x

    def __call__(
        self, images: Pixels, conditions: Conditions | None = None
    ) -> Float[Array, "batch outputs"]:
        x = self.trunk(images)
        x = self.dense(x.reshape(len(x), -1))
        return self.last(leaky(_with_conditions(x, self.known, conditions)))


class ConvolutionalDecoder(nnx.Module):
    """Latents to what a `Likelihood` takes of each pixel: the encoder's mirror image."""

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        latent_features: int,
        *,
        features: Sequence[int] = (16, 32, 64),
        conditions: int = 0,
        periodic: bool = True,
        rngs: nnx.Rngs,
    ):
        self.coarse = (*coarsest(shape, len(features)), features[-1])
        self.fused = len(shape) == 2
        width = math.prod(self.coarse)
        kernel, options = (3,) * len(shape), {"periodic": periodic, "rngs": rngs}
        self.dense = EqualizedLinear(latent_features, width, rngs=rngs)
        self.wanted = EqualizedLinear(conditions, width, rngs=rngs) if conditions else None
        wide, fine = features[:0:-1], features[-2::-1]
        self.finer = nnx.List(
            EqualizedConv(*pair, kernel, resample="up" if self.fused else None, **options)
            for pair in zip(wide, fine, strict=True)
        )
        self.smooth = nnx.List(EqualizedConv(each, each, kernel, **options) for each in fine)
        self.last = EqualizedLinear(features[0], channels, gain=1.0, rngs=rngs)

    def trunk(self, x: Float[Array, "batch *coarse features"]) -> Pixels:
        """Features on the coarsest grid to numbers at each pixel."""
        for up, smooth in zip(self.finer, self.smooth, strict=True):
            x = leaky(up(x) if self.fused else up(_doubled(x)))
            x = leaky(smooth(x))
        return self.last(x)

    def __call__(self, latents: Latents, conditions: Conditions | None = None) -> Pixels:
        x = _with_conditions(self.dense(latents), self.wanted, conditions)
        return self.trunk(leaky(x).reshape(-1, *self.coarse))


class VariationalAutoencoder(nnx.Module):
    """Convolutional variational autoencoder, of images alone or of images and conditions.

    Parameters
    ----------
    shape : sequence of int
        Sides of an image, multiples of ``2**(len(features) - 1)``; three of them for volumes.
    channels, latent_features : int
        Channels of an image, or phases, and length of a latent vector. The prior of each latent
        is standard normal [1]_.
    features : sequence of int
        Channels of both networks at each resolution, the finest first.
    likelihood : Likelihood
        Of an image given its latents.
    conditions : int
        Numbers known of an image, each of unit size, that both networks are told [2]_: a volume
        fraction, or one for each class. The latents need not hold them then.
    periodic : bool
        Whether images tile the plane.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014.
    .. [2] K. Sohn, H. Lee, X. Yan, "Learning structured output representation using deep
       conditional generative models", NeurIPS 2015, section 4.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = VariationalAutoencoder((8, 8), 1, 3, features=(4, 8), rngs=nnx.Rngs(0))
    >>> posterior = network.encode(jnp.zeros((2, 8, 8, 1), jnp.float32))
    >>> network.decode(posterior.mean).shape
    (2, 8, 8, 1)
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: int,
        latent_features: int,
        *,
        features: Sequence[int] = (16, 32, 64),
        likelihood: Likelihood | None = None,
        conditions: int = 0,
        periodic: bool = True,
        rngs: nnx.Rngs,
    ):
        self.latent_features = latent_features
        self.likelihood = likelihood or Likelihood()
        options = {"features": features, "conditions": conditions, "periodic": periodic}
        outputs = 2 * latent_features
        self.encoder = ConvolutionalEncoder(shape, channels, outputs, rngs=rngs, **options)
        self.decoder = ConvolutionalDecoder(shape, channels, latent_features, rngs=rngs, **options)

    def encode(self, images: Pixels, conditions: Conditions | None = None) -> Posterior:
        """Distribution of the latents of each image."""
        mean, log_variance = jnp.split(self.encoder(images, conditions), 2, axis=-1)
        return Posterior(mean, bounded(log_variance, -10.0, 10.0))

    def decode(self, latents: Latents, conditions: Conditions | None = None) -> Pixels:
        """Mean image of each latent vector."""
        return self.likelihood.mean(self.decoder(latents, conditions))

    def negative_log_likelihood(
        self,
        latents: Latents,
        images: Pixels,
        conditions: Conditions | None = None,
        *,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, " batch"], Pixels]:
        """Of each image given its latents, in nats, and the mean images; needs no `key`."""
        outputs = self.decoder(latents, conditions)
        return self.likelihood.negative_log(outputs, images), self.likelihood.mean(outputs)

    def divergence(self, posterior: Posterior) -> Latents:
        """Of each latent's posterior from its prior, in nats."""
        return normal_divergence(posterior)

    def difference(self, one: Latents, other: Latents) -> Latents:
        """What leads from the one to the other."""
        return other - one

    def prior(self, key: PRNGKeyArray, count: int) -> Latents:
        """Latents of no image in particular."""
        return jax.random.normal(key, (count, self.latent_features), jnp.float32)


class Bound(NamedTuple):
    """Minus a lower bound of the logarithm of the evidence, and its parts, in nats an image."""

    total: Float[Array, ""]
    negative_log_likelihood: Float[Array, ""]
    divergence: Float[Array, " latents"]
    """Of each latent, unweighted."""
    penalty: Float[Array, ""]


def negative_evidence_bound(
    network: Any,
    images: Pixels,
    conditions: Conditions | None = None,
    *,
    key: PRNGKeyArray,
    beta: Float[Array, ""] | float = 1.0,
    penalty: Penalty | None = None,
) -> Bound:
    r"""Minus the evidence's lower bound, estimated with one draw of the latents of each image.

    .. math:: -\mathrm{E}_{q(z | x)} \ln p(x | z) + \beta D(q(z | x) \| p(z))

    Parameters
    ----------
    network : VariationalAutoencoder or RotationInvariantVAE
        Or another with methods `encode`, `negative_log_likelihood` and `divergence`.
    images : array of shape (batch, *space, channels)
    conditions : array of shape (batch, conditions), optional
    key : key
        Of the draw.
    beta : float
        Weight of the divergence.
    penalty : callable, optional
        ``penalty(images, reconstructions)``, for each image, added.

    Returns
    -------
    bound : Bound
        Means over the batch.

    Notes
    -----
    Source: Kingma & Welling, ICLR 2014, equation 7; beta of Higgins et al., ICLR 2017, equation
    4. With beta = 1 and no penalty its mean is at least minus the log evidence, and equal where
    the posterior is exact.
    """
    draw_key, key = jax.random.split(key)
    posterior = network.encode(images, conditions)
    latents = posterior.sample(draw_key)
    likelihood, made = network.negative_log_likelihood(latents, images, conditions, key=key)
    divergence = network.divergence(posterior).mean(axis=0)
    extra = jnp.zeros(()) if penalty is None else penalty(images, made).mean()
    likelihood = likelihood.mean()
    total = likelihood + beta * divergence.sum() + extra.astype(likelihood.dtype)
    return Bound(total, likelihood, divergence, extra)


def coarsest(shape: Sequence[int], levels: int) -> tuple[int, ...]:
    """Sides of the coarsest of so many grids, each half as fine as the one before.

    A side that cannot be halved so many times is refused.
    """
    factor = 2 ** (levels - 1)
    if len(shape) not in (2, 3) or any(side % factor or side < factor for side in shape):
        raise ValueError(
            f"`shape` (={tuple(shape)}) has two or three sides, multiples of {factor} for "
            f"`features` at {levels} resolutions: crop the images, or give fewer."
        )
    return tuple(side // factor for side in shape)


def _with_conditions(
    x: Float[Array, "batch width"], layer: EqualizedLinear | None, conditions: Conditions | None
) -> Float[Array, "batch width"]:
    if layer is None and conditions is None:
        return x
    if layer is None or conditions is None:
        told = "no `conditions`" if layer is None else "`conditions`, an array (batch, conditions)"
        raise ValueError(f"this network takes {told}.")
    return x + layer(conditions)


def _doubled(x: Float[Array, "batch *space f"]) -> Float[Array, "batch *fine f"]:
    """All sides twice as long, by repeating pixels."""
    for axis in range(1, x.ndim - 1):
        x = jnp.repeat(x, 2, axis=axis)
    return x
