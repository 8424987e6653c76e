"""Latents of typical length: the sphere that a search moves on.

A generator that scales its latents looks at their direction alone, and random
latents of many features all have nearly one length. On that sphere no latent is
untypical, so that no property is gained by leaving what the generator learned.
"""

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, qmc


def on_sphere(vectors: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch dim"]:
    """Scale vectors to the root of their number of features, the length of a typical latent.

    Raises
    ------
    ValueError
        If a vector is zero: it has no direction to keep.

    Examples
    --------
    >>> import numpy as np
    >>> on_sphere(np.array([0.3, 0.3])).tolist()
    [1.0, 1.0]
    """
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not length.all():
        raise ValueError("a latent of zeros has no direction; give one that differs from zero.")
    return (np.sqrt(vectors.shape[-1]) * vectors / length).astype(np.float32)


def sobol_latents(count: int, features: int, *, seed: int) -> Float[np.ndarray, "count features"]:
    """Latents spread evenly over the sphere: normal quantiles of a scrambled Sobol sequence.

    Parameters
    ----------
    count : int
        Number of latents; the sequence is balanced where it is a power of two.
    features : int
        Length of a latent.
    seed : int
        Of the scrambling.

    Returns
    -------
    latents : array of shape (count, features)

    Examples
    --------
    >>> sobol_latents(5, 3, seed=0).shape
    (5, 3)
    """
    power = int(np.ceil(np.log2(count)))
    points = qmc.Sobol(features, rng=np.random.default_rng(seed)).random_base2(power)[:count]
    # The quantile is infinite at 0 and 1, which a scrambled sequence may touch.
    return on_sphere(norm.ppf(np.clip(points, 1e-6, 1 - 1e-6)))


def random_latents(count: int, features: int, *, seed: int) -> Float[np.ndarray, "count features"]:
    """Independent latents, each direction equally likely.

    Examples
    --------
    >>> random_latents(5, 3, seed=0).shape
    (5, 3)
    """
    # A stream of its own: that of a Sobol sequence of the same seed is another.
    return on_sphere(np.random.default_rng([seed, 1]).standard_normal((count, features)))
