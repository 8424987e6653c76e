"""Polycrystals: Voronoi tessellations, and Laguerre ones whose grains have given volumes."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import check_shape, host_generator
from idml_jax.data.synthetic.power_diagram import (
    centroids,
    nearest,
    put_right,
    weights_for_volumes,
)
from idml_jax.typing import Array


def voronoi(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    grains: int,
    stretch: Sequence[float] | None = None,
    periodic: bool = True,
) -> Int[Array, "*space"]:
    r"""Voronoi polycrystal: each pixel belongs to the nearest of random seeds.

    Parameters
    ----------
    key : key
        Source of the seeds, which lie anywhere in the cell, independently.
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    grains : int
        Number of seeds N. The mean area, or volume, of a grain is that of the cell
        over N, exactly.
    stretch : sequence of float, optional
        How elongated grains are along each axis of the array, up to a common
        factor: (1, 3) are three times as wide as high, as after rolling.
    periodic : bool
        Whether the image tiles space.

    Returns
    -------
    labels : int32 array of the shape `shape`
        The number of the grain, from 0 to N - 1. A grain that is smaller than a
        pixel can hold none.

    Raises
    ------
    ValueError
        If there is no seed, or a value is out of its range.
    TypeError
        In a traced function: made on the host.

    Notes
    -----
    Two pixels at the displacement r lie in one grain with the probability :math:`N / V
    \int (1 - U(x) / V)^{N - 1} dx`, where U is the volume of the union of the two balls
    around them that reach to the point x, and V that of the cell; exactly, where the
    balls that count are smaller than the cell. Of many seeds, of the density
    :math:`\rho`, known are for equiaxed grains [1]_:

    - 2-D: 6 neighbours on average, boundary of length :math:`2 \sqrt\rho` in an area,
      triple points :math:`2 \rho`, standard deviation of the areas 0.529 of their mean.
    - 3-D: 15.54 neighbours, boundary of area :math:`2.910\, \rho^{1/3}` in a volume, triple
      lines of length :math:`5.832\, \rho^{2/3}`, standard deviation of the volumes 0.423.

    By a k-d tree: :math:`O(n \log N)` for n pixels.

    References
    ----------
    .. [1] A. Okabe, B. Boots, K. Sugihara, S. N. Chiu, *Spatial Tessellations*, Wiley,
       2000, chapter 5.

    Examples
    --------
    >>> import jax
    >>> labels = voronoi(jax.random.key(0), (32, 32), grains=5)
    >>> labels.shape, sorted(set(labels.ravel().tolist()))
    ((32, 32), [0, 1, 2, 3, 4])
    """
    check_shape(shape)
    if grains < 1:
        raise ValueError(f"`grains` (={grains}) must be at least 1.")
    seeds = host_generator(key).random((grains, len(shape))) * np.asarray(shape)
    if not periodic:
        # A pixel reaches half its side around its centre.
        seeds -= 0.5
    return tessellation(shape, seeds, stretch=stretch, periodic=periodic)


def tessellation(
    shape: tuple[int, ...],
    seeds: Float[Array, "grains axes"],
    *,
    radii: Float[Array, " grains"] | Sequence[float] | None = None,
    stretch: Sequence[float] | None = None,
    periodic: bool = True,
) -> Int[Array, "*space"]:
    r"""Voronoi or, with radii, Laguerre tessellation of given seeds.

    The pixel at x belongs to the seed i of the smallest power :math:`|x - x_i|^2 -
    r_i^2`: where the balls of these radii do not overlap, each lies in its own grain.

    Parameters
    ----------
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    seeds : float array of shape (N, axes)
        Coordinates along the axes of the array, in pixels; the centre of pixel i is
        at i.
    radii : float array of shape (N,), optional
        Radii :math:`r_i \ge 0` in pixels, such as those of a packing. Equal ones are a Voronoi
        tessellation. A small one among large ones can lose all its pixels.
    stretch : sequence of float, optional
        Distances along each axis are divided by it.
    periodic : bool
        Whether the image tiles space; a seed outside it is then moved into it.

    Returns
    -------
    labels : int32 array of the shape `shape`
        The number of the seed, from 0; of two that are equally near, either.

    Raises
    ------
    ValueError
        If there is no seed, or shapes or values do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> tessellation((1, 6), np.array([[0.0, 1.0], [0.0, 4.0]])).tolist()
    [[0, 0, 0, 1, 1, 1]]
    """
    check_shape(shape)
    seeds = np.asarray(seeds, float)
    if seeds.ndim != 2 or seeds.shape[1] != len(shape) or not len(seeds):
        raise ValueError(
            f"`seeds` has the shape {seeds.shape}; give (number, {len(shape)}), with at least one."
        )
    if not np.isfinite(seeds).all():
        raise ValueError("`seeds` has coordinates that are not finite.")
    if radii is not None:
        radii = np.asarray(radii, float)
        if radii.shape != (len(seeds),) or not (np.isfinite(radii) & (radii >= 0)).all():
            raise ValueError(f"`radii` must be {len(seeds)} numbers, one a seed, none below zero.")
    if stretch is not None and (
        len(stretch) != len(shape) or not all(0 < factor < math.inf for factor in stretch)
    ):
        raise ValueError(
            f"`stretch` (={tuple(stretch)}) must be {len(shape)} positive numbers, one an axis."
        )
    weights = None if radii is None else radii**2
    return jnp.asarray(nearest(shape, seeds, weights, stretch=stretch, periodic=periodic))


def laguerre(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    volumes: Float[Array, " grains"] | Sequence[float],
    relaxations: int = 5,
    tolerance: float = 0.01,
) -> Int[Array, "*space"]:
    r"""Laguerre polycrystal whose grains have given areas, or volumes.

    Around random seeds, the weights of the power diagram are found that give each
    grain its volume (semi-discrete optimal transport [1]_, [2]_). Seeds then move to
    the middle of their grains, a few times, which makes the grains equiaxed.

    Parameters
    ----------
    key : key
        Source of the seeds.
    shape : tuple of int
        Pixels or voxels along each axis, periodic; 2 or 3 axes.
    volumes : float array of shape (N,)
        Of the grains, in any unit: they are scaled to fill the cell.
    relaxations : int
        How often seeds move to the middle of their grains; 0 leaves them where they
        were drawn, and grains irregular.
    tolerance : float
        Largest error of a volume, relative to it; an error of two pixels is
        accepted of any grain.

    Returns
    -------
    labels : int32 array of the shape `shape`
        From 0; grain i has the volume ``volumes[i]``.

    Raises
    ------
    ValueError
        If a volume is not positive, or is less than ten pixels once scaled; if the
        tolerance is not met.
    TypeError
        In a traced function: made on the host.

    Notes
    -----
    The weights maximize a concave function whose gradient are the errors of the
    volumes, by Newton's method with the step halved wherever a grain would vanish
    [1]_. Its second derivatives are the areas of the faces between grains, over twice
    the distances of their seeds. At the end single grains are put right by the few pixels
    that they are off. Each step is one k-d tree query of all pixels, :math:`O(n \log N)`;
    thirty to fifty in all.

    References
    ----------
    .. [1] J. Kitagawa, Q. Merigot, B. Thibert, J. Eur. Math. Soc. 21, 2603 (2019).
    .. [2] D. P. Bourne, P. J. J. Kok, S. M. Roper, W. D. T. Spanjer, Philos. Mag. 100,
       2677 (2020).

    Examples
    --------
    >>> import jax, numpy as np
    >>> labels = laguerre(jax.random.key(0), (64, 64), volumes=[1.0, 1.0, 2.0, 4.0])
    >>> (np.bincount(labels.ravel()) / 512).round(1).tolist()
    [1.0, 1.0, 2.0, 4.0]
    """
    check_shape(shape)
    wanted = np.asarray(volumes, float)
    if wanted.ndim != 1 or not len(wanted) or not ((wanted > 0) & (wanted < math.inf)).all():
        raise ValueError("`volumes` must be a list of positive numbers, one a grain.")
    wanted = wanted * (math.prod(shape) / wanted.sum())
    if wanted.min() < 10:
        raise ValueError(
            f"`volumes`: the smallest of {len(wanted)} grains has {wanted.min():.2g} pixels; fewer "
            " than ten do not show a grain: make the cell larger."
        )
    if relaxations < 0 or not tolerance > 0:
        raise ValueError(
            f"`relaxations` (={relaxations}) must not be negative and `tolerance` (={tolerance}) "
            "must be positive."
        )
    seeds = host_generator(key).random((len(wanted), len(shape))) * np.asarray(shape)
    weights = np.zeros(len(wanted))
    for _ in range(relaxations):
        weights = weights_for_volumes(shape, seeds, wanted, weights, tolerance=0.1)
        seeds = centroids(nearest(shape, seeds, weights), seeds)
    weights = weights_for_volumes(shape, seeds, wanted, weights, tolerance=tolerance)
    weights = put_right(shape, seeds, wanted, weights, tolerance=tolerance)
    labels = nearest(shape, seeds, weights)
    error = np.abs(np.bincount(labels.ravel(), minlength=len(wanted)) - wanted)
    excess = error / np.maximum(tolerance * wanted, 2)
    worst = excess.argmax()
    if excess[worst] > 1:
        raise ValueError(
            f"`volumes`: grain {worst} is off by {error[worst]:.0f} of {wanted[worst]:.0f} pixels; "
            "raise `tolerance` or `relaxations`, or make the cell larger."
        )
    return jnp.asarray(labels)
