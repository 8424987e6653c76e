"""Grey values in units of how they vary around: micrographs of any light and contrast alike."""

import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.typing import Array, Images

SPAN = 8.0
"""Standard deviations that grey values from 0 to 1 stand for; what lies outside is clipped."""

FLOOR = 1 / 255
"""Standard deviation below which surroundings count as even: a step of 8 bits."""


def local_contrast(images: Images, window: int) -> Images:
    r"""Images whose grey values say by how much they differ from those around.

    The mean of the square around each pixel is taken away, and what is left divided by its own root
    mean square over the square, so that uneven light, and how bright and how contrasted a
    micrograph was taken, is gone [1]_. Beyond the sides an image goes on by its mirror image.

    Parameters
    ----------
    images : array of shape (batch, rows, cols, channels)
        Values in [0, 1].
    window : int
        Side of the square, in pixels; of an even number one more. Large beside what is to be seen:
        of what is larger, only the boundaries are left.

    Returns
    -------
    images : array of the same shape
        0.5 where a pixel is as those around; a standard deviation is an eighth, and what is more
        than four away is clipped to 0 and 1.

    Raises
    ------
    ValueError
        If the window is smaller than 3.

    References
    ----------
    .. [1] K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, "What is the best multi-stage
       architecture for object recognition?", ICCV 2009, section 2 (local contrast normalization;
       there with a Gaussian window, here with a square one).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> image = jnp.tile(jnp.array([0.2, 0.6], jnp.float32), 8).reshape(1, 1, 16, 1)
    >>> faint = 0.3 + 0.1 * image
    >>> bool(jnp.allclose(local_contrast(image, 9), local_contrast(faint, 9), atol=1e-3))
    True
    """
    if window < 3:
        raise ValueError(f"`window` (={window}) must be at least 3 pixels.")
    half = window // 2
    # About 0.5, so that sums of many lose fewer digits.
    apart = jnp.asarray(images) - 0.5
    apart = apart - _mean_around(apart, half)
    deviation = jnp.sqrt(jnp.maximum(_mean_around(apart**2, half), FLOOR**2))
    return jnp.clip(0.5 + apart / (SPAN * deviation), 0, 1)


def local_contrast_reach(window: int) -> int:
    """Pixels up to which others matter to a pixel of `local_contrast`."""
    return 2 * (window // 2)


def _mean_around(
    values: Float[Array, "batch rows cols channels"], half: int
) -> Float[Array, "batch rows cols channels"]:
    """Of the square of `half` pixels on either side."""
    side = 2 * half + 1
    for axis in (1, 2):
        count = values.shape[axis]
        margins = [(0, 0)] * values.ndim
        margins[axis] = (half, half)
        sums = jnp.cumsum(jnp.pad(values, margins, mode="symmetric"), axis=axis)
        ends = jnp.take(sums, jnp.arange(side - 1, side - 1 + count), axis=axis)
        before = jnp.pad(sums, [(1, 0) if each == axis else (0, 0) for each in range(values.ndim)])
        values = (ends - jnp.take(before, jnp.arange(count), axis=axis)) / side
    return values
