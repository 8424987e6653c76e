"""Layers of the progressive GAN: equalized learning rate, pixel norm, minibatch statistics."""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float

from idml_jax.typing import Array


@dataclasses.dataclass(frozen=True)
class _ScaledConvolution:
    """`jax.lax.conv_general_dilated`, its kernel multiplied by a constant.

    A frozen dataclass and not a closure, so that two layers of one shape have
    equal graph definitions and share one compilation.
    """

    scale: float

    def __call__(self, inputs, kernel, *args, **kwargs):
        return jax.lax.conv_general_dilated(inputs, self.scale * kernel, *args, **kwargs)


@dataclasses.dataclass(frozen=True)
class _ScaledProduct:
    """`jax.lax.dot_general`, its kernel multiplied by a constant."""

    scale: float

    def __call__(self, inputs, kernel, *args, **kwargs):
        return jax.lax.dot_general(inputs, self.scale * kernel, *args, **kwargs)


class EqualizedConv(nnx.Module):
    """Convolution whose kernel is drawn from N(0, 1) and scaled at each call.

    The He constant is applied at run time, so that Adam's step is the same
    relative size for every layer [1]_.

    Parameters
    ----------
    in_features, out_features : int
        Channels before and after.
    kernel_size : sequence of int
        Side of the kernel along each spatial axis; its length is the number
        of spatial axes.
    gain : float
        Standard deviation of the output for input of unit variance: sqrt(2)
        before a leaky rectifier, 1 for a linear layer.
    padding : {"SAME", "CIRCULAR"}
        Zeros, or the opposite side: a network of circular layers commutes
        with `jax.numpy.roll`, and its images tile the plane.
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
    >>> layer = EqualizedConv(1, 4, rngs=nnx.Rngs(0))
    >>> layer(jnp.zeros((2, 8, 8, 1), jnp.float32)).shape
    (2, 8, 8, 4)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_size: Sequence[int] = (3, 3),
        *,
        gain: float = math.sqrt(2),
        padding: str = "SAME",
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        scale = gain / math.sqrt(in_features * math.prod(kernel_size))
        self.conv = nnx.Conv(
            in_features,
            out_features,
            tuple(kernel_size),
            padding=padding,
            dtype=dtype,
            kernel_init=nnx.initializers.normal(1.0),
            conv_general_dilated=_ScaledConvolution(scale),
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "batch *space in"]) -> Float[Array, "batch *space out"]:
        return self.conv(jnp.asarray(x))


class EqualizedLinear(nnx.Module):
    """Dense layer whose kernel is drawn from N(0, 1) and scaled at each call.

    As `EqualizedConv`, without space.
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
        self.linear = nnx.Linear(
            in_features,
            out_features,
            dtype=dtype,
            kernel_init=nnx.initializers.normal(1.0),
            dot_general=_ScaledProduct(gain / math.sqrt(in_features)),
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "batch in"]) -> Float[Array, "batch out"]:
        return self.linear(jnp.asarray(x))


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


def upsample(x: Float[Array, "batch rows cols f"]) -> Float[Array, "batch 2*rows 2*cols f"]:
    """Double both sides by repeating pixels."""
    batch, rows, cols, features = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (batch, rows, 2, cols, 2, features))
    return x.reshape(batch, 2 * rows, 2 * cols, features)


def downsample(x: Float[Array, "batch rows cols f"]) -> Float[Array, "batch rows//2 cols//2 f"]:
    """Halve both sides by averaging two by two pixels."""
    batch, rows, cols, features = x.shape
    return x.reshape(batch, rows // 2, 2, cols // 2, 2, features).mean(axis=(2, 4))
