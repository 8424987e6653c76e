"""Directions of the latent sphere that mean something: of most change, or of a property."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class PrincipalDirections(NamedTuple):
    """Directions along which what a generator makes changes most."""

    directions: Float[np.ndarray, "count dim"]
    """Of unit length, the largest change first; not at right angles in general."""
    explained: Float[np.ndarray, " count"]
    """Share of the variance of the features along each one's principal component."""
    determined: Float[np.ndarray, " count"]
    """Share of the variance of that component which the latent's part along the direction
    predicts (R squared): near 0 the component does not follow the latents in a straight line."""


def principal_directions(
    latents: Float[np.ndarray, "samples dim"],
    features: Float[np.ndarray, "samples *any"],
    count: int,
) -> PrincipalDirections:
    """Latent directions of the principal components of what the latents make.

    Parameters
    ----------
    latents : array of shape (samples, dim)
        Random ones, many more than they are long.
    features : array of shape (samples, ...)
        What counts as change: images, their two-point correlations, a network's features.
    count : int
        Directions to find, no more than a latent has numbers.

    Returns
    -------
    found : PrincipalDirections

    Raises
    ------
    ValueError
        If there are too few samples, or too many directions are asked for.

    Notes
    -----
    Of a generator that is not linear in its latents, the components are found among what it makes,
    and each one's direction by a least-squares fit of the latents to the coordinate along it:
    E. Härkönen, A. Hertzmann, J. Lehtinen, S. Paris, "GANSpace: Discovering interpretable GAN
    controls", NeurIPS 2020, section 2.2, equation 2.

    Examples
    --------
    >>> import numpy as np
    >>> latents = np.random.default_rng(0).standard_normal((2000, 3))
    >>> found = principal_directions(latents, latents * [1.0, 9.0, 3.0], 2)
    >>> np.abs(found.directions).argmax(axis=1).tolist()
    [1, 2]
    """
    samples, dimensions = latents.shape
    if samples <= dimensions + 1 or not 1 <= count <= dimensions:
        raise ValueError(
            f"{count} directions of {samples} latents of length {dimensions}: give more latents "
            "than two more than they are long, and ask for no more directions than that."
        )
    flat = np.asarray(features, np.float64).reshape(samples, -1)
    flat = flat - flat.mean(axis=0)
    coordinates, scales, _ = np.linalg.svd(flat, full_matrices=False)
    coordinates = coordinates[:, :count]
    centred = np.asarray(latents, np.float64) - np.mean(latents, axis=0)
    directions = coordinates.T @ centred
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = centred @ directions.T
    along /= np.linalg.norm(along, axis=0)
    determined = (along * coordinates).sum(axis=0) ** 2
    return PrincipalDirections(directions, scales[:count] ** 2 / (scales**2).sum(), determined)


class PropertyDirection(NamedTuple):
    """Direction along which a property rises fastest, in a straight-line fit."""

    direction: Float[np.ndarray, " dim"]
    """Of unit length."""
    slope: float
    """Change of the property for each unit of a latent along it."""
    determined: float
    """Share of the property's variance that the fit predicts of latents left out of it one at a
    time (R squared): what it says about new ones; below 0 nothing."""


def property_direction(
    latents: Float[np.ndarray, "samples dim"], values: Float[np.ndarray, " samples"]
) -> PropertyDirection:
    """The latent direction of a property, by linear regression.

    Parameters
    ----------
    latents : array of shape (samples, dim)
        Random ones, many more than they are long.
    values : array of shape (samples,)
        A property of what each of them makes.

    Returns
    -------
    found : PropertyDirection

    Raises
    ------
    ValueError
        If there are too few samples, or the property is not finite or does not vary.

    Notes
    -----
    Directions of attributes in latent space: Y. Shen, J. Gu, X. Tang, B. Zhou, "Interpreting the
    latent space of GANs for semantic face editing", CVPR 2020, section 3.1, for numbers in place
    of classes. The error of a left-out sample is its residual over one less its leverage (the
    PRESS statistic: D. M. Allen, Technometrics 16, 125-127, 1974).

    Examples
    --------
    >>> import numpy as np
    >>> latents = np.random.default_rng(0).standard_normal((50, 2))
    >>> found = property_direction(latents, 3 * latents[:, 0] - 4 * latents[:, 1] + 7)
    >>> found.direction.round(6).tolist(), round(found.slope, 6), round(found.determined, 6)
    ([0.6, -0.8], 5.0, 1.0)
    """
    samples, dimensions = latents.shape
    values = np.asarray(values, np.float64)
    if samples <= dimensions + 1:
        raise ValueError(
            f"{samples} latents of length {dimensions}: give more than two more than that."
        )
    if not (np.isfinite(values).all() and np.ptp(values) > 0):
        raise ValueError("`values` are finite and differ: look at the property.")
    design = np.column_stack([np.ones(samples), np.asarray(latents, np.float64)])
    orthogonal, triangle = np.linalg.qr(design)
    coefficients = np.linalg.solve(triangle, orthogonal.T @ values)
    left_out = (values - design @ coefficients) / (1 - (orthogonal**2).sum(axis=1))
    # A sample left out is left out of the mean that it is compared with as well.
    alone = (values - values.mean()) * samples / (samples - 1)
    slope = float(np.linalg.norm(coefficients[1:]))
    determined = float(1 - (left_out**2).sum() / (alone**2).sum())
    return PropertyDirection(coefficients[1:] / slope, slope, determined)
