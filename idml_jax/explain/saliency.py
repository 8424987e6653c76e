"""Saliency: how much an answer changes with each pixel."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from idml_jax.typing import Array


def saliency(
    function: Callable[[Float[Array, "*shape"]], Float[Array, ""]],
    x: Float[Array, "*shape"],
    *,
    noise: float = 0.0,
    samples: int = 16,
    key: PRNGKeyArray | None = None,
) -> Float[Array, "*shape"]:
    r"""Magnitude of the derivative of an answer with respect to each pixel.

    Parameters
    ----------
    function : callable
        From one array to a scalar: a network, a solver, a score of a class.
    x : float array
        Where the derivative is taken: an image, a volume, a soft phase.
    noise : float
        Standard deviation of a Gaussian noise on `x`, over which the derivative is averaged
        before its magnitude is taken (SmoothGrad [2]_): that of a network is rough. By default
        none.
    samples : int
        Draws of the noise.
    key : key, optional
        Source of the noise; needed where there is any.

    Returns
    -------
    saliency : float array of the shape of `x`
        :math:`|\partial f / \partial x|` [1]_, not negative.

    Raises
    ------
    ValueError
        If `noise` is negative, or there is noise without a key.

    Notes
    -----
    Memory: one derivative at a time. Of a solver's property it is the exact sensitivity; of a
    network it says what the network looks at, right or wrong.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks: visualising
       image classification models and saliency maps", ICLR workshop 2014, section 3.
    .. [2] D. Smilkov et al., "SmoothGrad: removing noise by adding noise", arXiv 1706.03825.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> saliency(lambda x: (x[0] - 3 * x[1]) ** 2, jnp.array([1.0, 1.0, 1.0])).tolist()
    [4.0, 12.0, 0.0]
    """
    if not noise >= 0:
        raise ValueError(f"`noise` (={noise}) must not be negative.")
    x, slope = jnp.asarray(x), jax.grad(function)
    if noise == 0:
        return jnp.abs(slope(x))
    if key is None:
        raise ValueError("give a `key` for the noise.")

    def at(key: PRNGKeyArray) -> Float[Array, "*shape"]:
        return slope(x + noise * jax.random.normal(key, x.shape, x.dtype))

    return jnp.abs(jax.lax.map(at, jax.random.split(key, samples)).mean(axis=0))
