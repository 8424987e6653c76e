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
    return (np.sqrt(vectors.shape[-1]) * _unit(vectors)).astype(np.float32)


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
    return from_uniform(points)


def from_uniform(uniform: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, "count dim"]:
    """Latents of typical length, of numbers in [0, 1]: their normal quantiles."""
    # The quantile is infinite at 0 and 1, which a scrambled sequence may touch.
    return on_sphere(norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6)))


def interpolate_latents(
    one: Float[np.ndarray, "*batch dim"], other: Float[np.ndarray, "*batch dim"], steps: int
) -> Float[np.ndarray, "*batch steps dim"]:
    """Latents between two, both included, equal angles apart on the sphere.

    Parameters
    ----------
    one, other : array of shape (..., dim)
        The ends; their direction counts.
    steps : int
        Latents in all, the ends among them: 2 at least.

    Returns
    -------
    latents : array of shape (..., steps, dim)
        Of typical length.

    Raises
    ------
    ValueError
        If there are fewer than two, or the ends are opposite to each other: no shortest way leads
        from one to the other then.

    Notes
    -----
    Spherical linear interpolation: K. Shoemake, "Animating rotation with quaternion curves",
    SIGGRAPH 1985, section 3.3. On a straight line the middle would be of untypical length.

    Examples
    --------
    >>> import numpy as np
    >>> between = interpolate_latents(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3)
    >>> between.astype(float).round(3).tolist()
    [[1.414, 0.0], [1.0, 1.0], [0.0, 1.414]]
    """
    if steps < 2:
        raise ValueError(f"`steps` (={steps}) count both ends: 2 at least.")
    one, other = _unit(one), _unit(other)
    if (np.linalg.norm(one + other, axis=-1) < 1e-4).any():
        raise ValueError("latents opposite to each other: go by way of a third one.")
    # Exact for small angles too, where an arc cosine loses half of the digits.
    angle = 2 * np.arctan2(
        np.linalg.norm(one - other, axis=-1), np.linalg.norm(one + other, axis=-1)
    )
    return turned(one, other, angle[..., None] * np.linspace(0, 1, steps))


def turned(
    latents: Float[np.ndarray, "*batch dim"],
    direction: Float[np.ndarray, "*direction dim"],
    angles: Float[np.ndarray, "*angles"],
) -> Float[np.ndarray, "*turned dim"]:
    """Latents turned towards a direction, by each of some angles.

    Parameters
    ----------
    latents : array of shape (..., dim)
    direction : array of shape (dim,) or (..., dim)
        Its part at right angles to a latent is what that one is turned towards: at a right angle
        nothing but it is left. A latent along it stays where it is.
    angles : array of shape (steps,) or (..., steps)
        In radians, one axis of them at the end; negative ones lead away from the direction.

    Returns
    -------
    latents : array of shape (..., steps, dim)
        Of typical length.

    Examples
    --------
    >>> import numpy as np
    >>> found = turned(np.array([1.0, 0.0]), np.array([0.0, 3.0]), np.array([0.0, np.pi / 2]))
    >>> found.astype(float).round(3).tolist()
    [[1.414, 0.0], [0.0, 1.414]]
    """
    unit = _unit(latents)
    across = direction - (unit * direction).sum(-1, keepdims=True) * unit
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    across = across / np.where(length > 1e-12, length, 1)
    cosine, sine = np.cos(angles)[..., None], np.sin(angles)[..., None]
    return on_sphere(cosine * unit[..., None, :] + sine * across[..., None, :])


def random_latents(count: int, features: int, *, seed: int) -> Float[np.ndarray, "count features"]:
    """Independent latents, each direction equally likely.

    Examples
    --------
    >>> random_latents(5, 3, seed=0).shape
    (5, 3)
    """
    # A stream of its own: that of a Sobol sequence of the same seed is another.
    return on_sphere(np.random.default_rng([seed, 1]).standard_normal((count, features)))


def _unit(vectors: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch dim"]:
    """Vectors of length one, in double precision."""
    vectors = np.asarray(vectors, np.float64)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not length.all():
        raise ValueError("a latent of zeros has no direction; give one that differs from zero.")
    return vectors / length
