"""Upsampling and downsampling by two, alone and as one with a convolution.

Upsampling repeats pixels and downsampling averages two by two. A 3 x 3 convolution
beside either one is a 2 x 2 convolution between a pixel and its four parts as
channels, on the coarse grid: the same numbers for less than half the products.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.typing import Array

# Which taps of a 3-tap kernel act on which of two coarse neighbours, for each of the
# two fine pixels that a coarse one is upsampled to: axes (fine, coarse, tap).
_TAPS_OF_UPSAMPLED = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])

# The four taps of the average of a 3-tap kernel and its neighbour: axes (coarse, fine, tap).
_TAPS_OF_AVERAGE = np.array([[[1, 0, 0], [1, 1, 0]], [[0, 1, 1], [0, 0, 1]]]) / 2


def upsample(x: Float[Array, "batch rows cols f"]) -> Float[Array, "batch 2*rows 2*cols f"]:
    """Double both sides by repeating pixels."""
    batch, rows, cols, features = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (batch, rows, 2, cols, 2, features))
    return x.reshape(batch, 2 * rows, 2 * cols, features)


def downsample(x: Float[Array, "batch *space f"]) -> Float[Array, "batch *half f"]:
    """Halve all sides, which are even, by averaging blocks of two along each axis."""
    batch, *space, features = x.shape
    halves = [length for side in space for length in (side // 2, 2)]
    return x.reshape(batch, *halves, features).mean(axis=tuple(range(2, 2 * len(space) + 1, 2)))


def space_to_depth(x: Float[Array, "batch *space f"], factor: int) -> Float[Array, "batch *b c"]:
    """The pixels of blocks of `factor` along each axis, sides being multiples of it, as channels.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> space_to_depth(jnp.arange(8.0, dtype=jnp.float32).reshape(1, 2, 4, 1), 2).tolist()
    [[[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]]
    """
    batch, *space, features = x.shape
    dimensions = len(space)
    split = [length for side in space for length in (side // factor, factor)]
    # Axes: the batch, those of the blocks, those in a block, the channels.
    order = [0, *range(1, 2 * dimensions, 2), *range(2, 2 * dimensions + 1, 2), 2 * dimensions + 1]
    x = x.reshape(batch, *split, features).transpose(order)
    return x.reshape(*x.shape[: dimensions + 1], features * factor**dimensions)


def depth_to_space(x: Float[Array, "batch *space f"], factor: int) -> Float[Array, "batch *fine c"]:
    """Images of what `space_to_depth` made of them."""
    batch, *space, features = x.shape
    dimensions = len(space)
    x = x.reshape(batch, *space, *[factor] * dimensions, features // factor**dimensions)
    order = [0]
    for axis in range(1, dimensions + 1):
        order += [axis, axis + dimensions]
    x = x.transpose([*order, 2 * dimensions + 1])
    return x.reshape(batch, *(factor * side for side in space), x.shape[-1])


def convolution(
    x: Float[Array, "batch *padded in"],
    kernel: Float[Array, "*taps in out"],
    *,
    dilation: int = 1,
) -> Float[Array, "batch *space out"]:
    """Cross-correlate images of any dimension with a kernel, where it fits in whole.

    Computes in the images' type, whatever the kernel's. The taps of the kernel are `dilation`
    pixels apart.
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel, x.dtype)
    directly = functools.partial(_convolution, dilation=dilation)
    if x.ndim < 5:
        return directly(x, kernel)
    by_planes = functools.partial(_convolution_by_planes, dilation=dilation)
    return jax.lax.platform_dependent(x, kernel, cpu=by_planes, default=directly)


def _convolution(
    x: Float[jax.Array, "batch *padded in"],
    kernel: Float[jax.Array, "*taps in out"],
    *,
    dilation: int,
) -> Float[Array, "batch *space out"]:
    space = "DHW"[5 - x.ndim :]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1,) * len(space),
        padding="VALID",
        rhs_dilation=(dilation,) * len(space),
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


def _convolution_by_planes(
    x: Float[jax.Array, "batch planes rows cols in"],
    kernel: Float[jax.Array, "taps *taps in out"],
    *,
    dilation: int,
) -> Float[Array, "batch p r c out"]:
    """The same for volumes, as a sum of convolutions of planes.

    On a CPU XLA has no fast convolution in three dimensions: this one takes a seventh of the time
    forwards, and a third with its gradients.
    """
    batch, planes = len(x), x.shape[1] - dilation * (len(kernel) - 1)
    total = jnp.zeros((), x.dtype)
    for tap, of_plane in enumerate(kernel):
        part = x[:, tap * dilation : tap * dilation + planes]
        flat = part.reshape(batch * planes, *part.shape[2:])
        total = total + _convolution(flat, of_plane, dilation=dilation)
    return total.reshape(batch, planes, *total.shape[1:])


def convolution_of_upsampled(
    x: Float[Array, "batch rows cols in"], kernel: Float[Array, "3 3 in out"]
) -> Float[Array, "batch 2*rows-4 2*cols-4 out"]:
    """Convolution of the image upsampled by two.

    Parameters
    ----------
    x : array of shape (batch, rows, cols, in)
        Coarse image, padded by one pixel on each side.
    kernel : array of shape (3, 3, in, out)
        Acts on the fine grid.

    Returns
    -------
    x : array of shape (batch, 2 (rows - 2), 2 (cols - 2), out)
        ``convolution(upsample(x)[:, 1:-1, 1:-1], kernel)``.
    """
    taps = jnp.asarray(_TAPS_OF_UPSAMPLED, kernel.dtype)
    parts = jnp.einsum("apr,bqs,rsio->pqiabo", taps, taps, kernel)
    x = convolution(x, parts.reshape(*parts.shape[:3], -1))
    batch, rows, cols, _ = x.shape
    x = x.reshape(batch, rows, cols, 2, 2, -1)
    # The upper fine pixel of a row looks at the coarse neighbour above, the lower one below.
    fine = [
        [x[:, row : rows - 1 + row, col : cols - 1 + col, row, col] for col in (0, 1)]
        for row in (0, 1)
    ]
    x = jnp.stack([jnp.stack(row, axis=3) for row in fine], axis=2)
    return x.reshape(batch, 2 * (rows - 1), 2 * (cols - 1), -1)


def downsampled_convolution(
    x: Float[Array, "batch rows cols in"], kernel: Float[Array, "3 3 in out"]
) -> Float[Array, "batch rows//2-1 cols//2-1 out"]:
    """Convolution, downsampled by two.

    Parameters
    ----------
    x : array of shape (batch, rows, cols, in)
        Fine image, padded by one pixel on each side.
    kernel : array of shape (3, 3, in, out)

    Returns
    -------
    x : array of shape (batch, rows / 2 - 1, cols / 2 - 1, out)
        ``downsample(convolution(x, kernel))``.
    """
    taps = jnp.asarray(_TAPS_OF_AVERAGE, kernel.dtype)
    parts = jnp.einsum("par,qbs,rsio->pqabio", taps, taps, kernel)
    return convolution(space_to_depth(x, 2), parts.reshape(2, 2, 4 * x.shape[-1], -1))
