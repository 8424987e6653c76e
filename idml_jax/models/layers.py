"""Layers that the networks share: equalized learning rate, pixel norm, minibatch statistics."""

import functools
import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from idml_jax.models.resampling import (
    convolution,
    convolution_of_upsampled,
    downsampled_convolution,
)
from idml_jax.typing import Array


class EqualizedConv(nnx.Module):
    """Convolution whose kernel is drawn from N(0, 1) and scaled at each call.

    The He constant is applied at run time, so that Adam's step is the same
    relative size for every layer [1]_.

    Parameters
    ----------
    in_features, out_features : int
        Channels before and after.
    kernel_size : sequence of int
        Side of the kernel along each spatial axis, odd; its length is the number
        of spatial axes.
    resample : {"up", "down"}, optional
        Convolve the image upsampled by two, or downsample by two what comes out:
        with a 3 x 3 kernel, as one convolution on the coarse grid.
    dilation : int
        Pixels from one tap of the kernel to the next, where nothing is resampled.
    gain : float
        Standard deviation of the output for input of unit variance: sqrt(2)
        before a leaky rectifier, 1 for a linear layer.
    periodic : bool
        Continue the image by its opposite side instead of by zeros: a network of
        periodic layers commutes with `jax.numpy.roll`, and its images tile the
        plane.
    dtype : dtype, optional
        Type that the convolution computes in; the parameters stay float32.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] T. Karras, T. Aila, S. Laine, J. Lehtinen, "Progressive growing of
       GANs for improved quality, stability, and variation", ICLR 2018,
       section 4.1.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> layer = EqualizedConv(1, 4, resample="up", rngs=nnx.Rngs(0))
    >>> layer(jnp.zeros((2, 8, 8, 1), jnp.float32)).shape
    (2, 16, 16, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Sequence[int] = (3, 3),
        *,
        resample: Literal["up", "down"] | None = None,
        dilation: int = 1,
        gain: float = math.sqrt(2),
        periodic: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        shape = (*kernel_size, in_features, out_features)
        self.kernel = nnx.Param(drawn_normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))
        self.scale = gain / math.sqrt(in_features * math.prod(kernel_size))
        if resample is not None and dilation != 1:
            raise ValueError(f"`dilation` (={dilation}) is 1 beside `resample` (={resample!r}).")
        self.resample, self.dilation = resample, dilation
        pads = [side // 2 * dilation for side in kernel_size]
        self.margins = ((0, 0), *((pad, pad) for pad in pads), (0, 0))
        self.padding = "wrap" if periodic else "constant"
        self.dtype = jnp.dtype(dtype or jnp.float32)

    def __call__(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch *fine out"]:
        x = jnp.pad(jnp.asarray(x, self.dtype), self.margins, mode=self.padding)
        kernel = self.scale * self.kernel[...]
        if self.resample is None:
            x = convolution(x, kernel, dilation=self.dilation)
        else:
            x = _RESAMPLED[self.resample](x, kernel)
        return _plus_bias(x, self.bias[...])


_RESAMPLED = {"up": convolution_of_upsampled, "down": downsampled_convolution}


class EqualizedLinear(nnx.Module):
    """Dense layer of the last axis whose kernel is drawn from N(0, 1) and scaled at each call.

    As `EqualizedConv`, without space; of the channels of an image it is a
    convolution with a kernel of one pixel.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        gain: float = math.sqrt(2),
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        shape = (in_features, out_features)
        self.kernel = nnx.Param(drawn_normal(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_features, jnp.float32))
        self.scale = gain / math.sqrt(in_features)
        self.dtype = jnp.dtype(dtype or jnp.float32)

    def __call__(self, x: Float[Array, "*lead in"]) -> Float[Array, "*lead out"]:
        kernel = (self.scale * self.kernel[...]).astype(self.dtype)
        return _plus_bias(jnp.asarray(x, self.dtype) @ kernel, self.bias[...])


class AddedNoise(nnx.Module):
    """Adds a noise field, the same to all channels, times a strength that each channel learns.

    What is random at every pixel, as grain and shot noise, need not be made of latents: T. Karras,
    S. Laine, T. Aila, "A style-based generator architecture for generative adversarial networks",
    CVPR 2019, section 3.2. The strengths begin at 0.

    Parameters
    ----------
    features : int
        Channels.
    """

    def __init__(self, features: int):
        self.strength = nnx.Param(jnp.zeros(features, jnp.float32))

    def __call__(
        self, x: Float[Array, "batch *space features"], noise: Float[Array, "batch *space"]
    ) -> Float[Array, "batch *space features"]:
        strength = self.strength[...].reshape((1,) * (x.ndim - 1) + (-1,))
        return x + (noise[..., None] * strength).astype(x.dtype)


class Detector(nnx.Module):
    """What a detector makes of an image: a contrast and a brightness of each shot, and noise.

    Features that are normalized at every pixel hardly vary in contrast as a whole, and noise that
    is added before a convolution is smoothed by it.

    Parameters
    ----------
    style_features : int
        Channels of the style that says how a shot is exposed.
    channels : int
        Of an image; each has noise of a strength of its own.
    levels : int
        Each has strengths of its own: coarser pixels are means of more electrons. They begin at
        0.02, since at 0 no gradient would say whether more is better.
    rngs : nnx.Rngs
        Source of the initial values.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> detector = Detector(8, channels=1, levels=4, rngs=nnx.Rngs(0))
    >>> image, style = jnp.ones((2, 16, 16, 1), "f4"), jnp.ones((2, 8, 8, 8), "f4")
    >>> detector(image, style, jnp.ones((2, 16, 16), "f4"), level=1).shape
    (2, 16, 16, 1)
    """

    def __init__(self, style_features: int, *, channels: int, levels: int, rngs: nnx.Rngs):
        self.exposure = EqualizedLinear(style_features, 2, gain=0.5, rngs=rngs)
        self.strength = nnx.Param(jnp.full((levels, channels), 0.02, jnp.float32))

    def __call__(
        self,
        images: Float[Array, "batch *space channels"],
        style: Float[Array, "batch *coarse features"],
        noise: Float[Array, "batch *space"],
        *,
        level: int,
    ) -> Float[Array, "batch *space channels"]:
        """The images, of the grey values 0 to 1, as exposed by the mean of their styles."""
        shot = self.exposure(style.mean(axis=tuple(range(1, style.ndim - 1))))
        contrast, brightness = shot.reshape(-1, 2, *(1,) * (images.ndim - 1)).swapaxes(0, 1)
        exposed = 0.5 + jnp.exp(contrast) * (images - 0.5) + 0.5 * brightness
        strength = self.strength[level].reshape((1,) * (images.ndim - 1) + (-1,))
        return exposed + strength * noise[..., None]


def drawn_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[jax.Array, "*shape"]:
    """Initial values from N(0, 1).

    Cut from a draw of one of few lengths: on a CPU each length that is drawn takes about a second
    to compile, and a network has dozens of shapes.
    """
    count = math.prod(shape)
    drawn = jax.random.normal(key, (max(2**16, 1 << (count - 1).bit_length()),), jnp.float32)
    return _cut(drawn, shape)


@functools.partial(jax.jit, static_argnames="shape")
def _cut(drawn: Float[jax.Array, " drawn"], shape: tuple[int, ...]) -> Float[jax.Array, "*shape"]:
    return drawn[: math.prod(shape)].reshape(shape)


def _plus_bias(
    x: Float[Array, "*lead features"], bias: Float[Array, " features"]
) -> Float[Array, "*lead features"]:
    # Reshaped, so that it works where JAX is told to refuse arrays of different ranks.
    return x + bias.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))


def pixel_norm(x: Float[Array, "*lead features"]) -> Float[Array, "*lead features"]:
    """Divide each feature vector by its root mean square.

    Computed in float32 whatever the input, so that bfloat16 features do not
    lose the small ones. Source: Karras et al. 2018, section 4.2.
    """
    wide = _at_least_float32(x)
    mean_square = jnp.mean(wide**2, axis=-1, keepdims=True)
    return (wide * jax.lax.rsqrt(mean_square + 1e-8)).astype(x.dtype)


def _at_least_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x


def leaky(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Leaky rectifier of slope 0.2, the one of progressive GANs."""
    return nnx.leaky_relu(x, 0.2)


def append_minibatch_deviation(
    x: Float[Array, "batch rows cols features"], *, group: int = 4
) -> Float[Array, "batch rows cols features+1"]:
    """Append one channel: how much the images of a group differ from each other.

    It lets the discriminator see a generator that makes one image only. The
    batch is cut into groups of `group` images (or is one group, where it does
    not divide); the standard deviation over the group is averaged over features
    and pixels. Source: Karras et al. 2018, section 3.
    """
    batch, rows, cols, features = x.shape
    group = group if batch % group == 0 else batch
    wide = _at_least_float32(x)
    grouped = wide.reshape(group, batch // group, rows, cols, features)
    deviation = jnp.sqrt(grouped.var(axis=0) + 1e-8).mean(axis=(1, 2, 3))
    channel = jnp.broadcast_to(
        deviation[None, :, None, None, None], (group, batch // group, rows, cols, 1)
    )
    return jnp.concatenate([x, channel.reshape(batch, rows, cols, 1).astype(x.dtype)], axis=-1)
