"""Upsampling and downsampling by two, alone and as one with a convolution.

Upsampling repeats pixels and downsampling averages two by two. A 3 x 3 convolution
beside either one is a 2 x 2 convolution between a pixel and its four parts as
channels, on the coarse grid: the same numbers for less than half the products.
"""

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


def downsample(x: Float[Array, "batch rows cols f"]) -> Float[Array, "batch rows//2 cols//2 f"]:
    """Halve both sides by averaging two by two pixels."""
    batch, rows, cols, features = x.shape
    return x.reshape(batch, rows // 2, 2, cols // 2, 2, features).mean(axis=(2, 4))


def convolution(
    x: Float[Array, "batch *padded in"], kernel: Float[Array, "*taps in out"]
) -> Float[Array, "batch *space out"]:
    """Cross-correlate images of any dimension with a kernel, where it fits in whole.

    Computes in the images' type, whatever the kernel's.
    """
    space = "DHW"[5 - x.ndim :]
    return jax.lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(kernel, x.dtype),
        window_strides=(1,) * len(space),
        padding="VALID",
        dimension_numbers=(f"N{space}C", f"{space}IO", f"N{space}C"),
    )


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
    batch, rows, cols, features = x.shape
    x = x.reshape(batch, rows // 2, 2, cols // 2, 2, features).swapaxes(2, 3)
    x = x.reshape(batch, rows // 2, cols // 2, 4 * features)
    return convolution(x, parts.reshape(2, 2, 4 * features, -1))
