"""How far the pixels of a phase lie from its interface: distances and pore sizes."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Int

from idml_jax.statistics.phases import check_binary, check_on_host, real_dtype
from idml_jax.typing import Array, Phase

Lengths: TypeAlias = Sequence[float | int] | Float[Array, " lengths"] | Int[Array, " lengths"]
"""Lengths in pixels."""


class SizeDistribution(NamedTuple):
    """Distribution of a size over the pixels of a phase."""

    edges: Float[np.ndarray, " edges"]
    """Edges of the bins, in pixels. A size at an edge belongs to the bin below."""
    density: Float[np.ndarray, " bins"]
    """Probability density in each bin, per pixel of size."""
    cumulative: Float[np.ndarray, " edges"]
    """Share of the phase whose size is above each edge."""
    mean: float
    """Mean of the sizes in pixels, not rounded to bins."""


def distance_to_interface(phase: Phase, *, periodic: bool = True) -> Float[np.ndarray, "*space"]:
    """Distance of each pixel of a phase from the nearest point of its interface.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Boolean, or float and everywhere 0 or 1.
    periodic : bool
        Whether the image tiles space. If False, its borders are no interface, and what
        lies beyond them is not known: distances near them may be too long.

    Returns
    -------
    distance : float NumPy array of the shape of `phase`
        In pixels, from the pixel's centre, and 0 outside of the phase. In the float type
        of `phase`; of a boolean one, the default.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, no pixels, or values other than 0 and 1,
        or if there is no pixel outside of the phase, and so no interface.
    TypeError
        If it is neither boolean nor float, or traced: distances are found on the host.

    Notes
    -----
    The Euclidean distance to the nearest pixel centre outside of the phase, which is what
    `scipy.ndimage.distance_transform_edt` returns, less half a pixel. So it is exact for a
    flat interface along the faces of pixels, the values being 1/2, 3/2, ...; from an
    oblique or curved one it is too short by less than half a pixel, 0.1 to 0.3 on average.

    In a periodic image the transform takes in as much around it as can matter, and is exact
    too. Time and memory grow with the number of pixels, those around included: about 60
    bytes for each. Runs on the host. Not differentiable.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slab = jnp.tile(jnp.array([False, True, True, True, True]), (3, 1))
    >>> distance_to_interface(slab)[0].tolist()
    [0.0, 0.5, 1.5, 1.5, 0.5]
    """
    squared = squared_distances(phase_on_host(phase), periodic)
    return np.maximum(np.sqrt(squared) - 0.5, 0).astype(real_dtype(phase))


def pore_size_function(
    phase: Phase, *, periodic: bool = True, bins: int | Lengths | None = None
) -> SizeDistribution:
    r"""Pore-size function :math:`P(\delta)` of a phase, and its cumulative :math:`F(\delta)`.

    The distribution of the distance :math:`\delta` from a random point of the phase to the
    nearest point of its interface. :math:`F(\delta)`, the probability that it is longer
    than :math:`\delta`, is that of room for a ball of this radius around the point.

    Parameters
    ----------
    phase, periodic
        As in `distance_to_interface`.
    bins : int or sequence of float, optional
        Number of equal bins from 0 to the longest distance, or their edges in pixels,
        ascending. By default bins of one pixel, from 0.

    Returns
    -------
    sizes : SizeDistribution
        Of the distances: `density` is :math:`P`, `cumulative` is :math:`F` at the edges,
        and `mean` the mean pore size :math:`\langle\delta\rangle`.

    Raises
    ------
    ValueError, TypeError
        As `distance_to_interface` does; and if the phase has no pixel, or the edges of
        bins do not ascend.

    Notes
    -----
    Exact for the distances of `distance_to_interface`, whose convention it has: a slab of
    the width :math:`w` gets its :math:`F(\delta) = 1 - 2 \delta / w` at edges at whole
    pixels. :math:`F(0) = 1`, and :math:`P(0)` is the specific surface over the volume
    fraction [1]_.

    Without periodic borders the nearest interface of a pixel may lie outside of the image.
    Then only those pixels count that are no farther from their interface than from the
    border, each weighed by the inverse of how many pixels are that far from the border:
    an estimate without bias, up to the normalization, for any window of a homogeneous
    medium [2]_. Distances that no pixel is from the border do not occur.

    Time and memory are those of `distance_to_interface`. Not differentiable.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 2.6.
    .. [2] K.-H. Hanisch, "Some remarks on estimators of the distribution function of
       nearest neighbour distance in stationary spatial point processes", Mathematische
       Operationsforschung und Statistik, series Statistics 15, 409 (1984).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slab = jnp.tile(jnp.array([False, True, True, True, True]), (3, 1))
    >>> sizes = pore_size_function(slab)
    >>> sizes.cumulative.tolist(), sizes.mean
    ([1.0, 0.5, 0.0], 1.0)
    """
    inside = phase_on_host(phase, wanted=True)
    distance = np.sqrt(squared_distances(inside, periodic)[inside])
    weights = np.ones(distance.shape)
    if not periodic:
        # The first pixels that the image does not show are one behind the border.
        for side, position in zip(inside.shape, np.nonzero(inside), strict=True):
            weights *= np.minimum(position + 1, side - position) >= distance
            weights /= np.maximum(side - 2 * (np.ceil(distance) - 1), 1)
    return distribute_sizes(distance - 0.5, weights, bins, 1, real_dtype(phase))


def phase_on_host(phase: Phase, *, wanted: bool = False) -> Bool[np.ndarray, "*space"]:
    """The phase on the host, if it is not everywhere, nor empty where pixels are wanted."""
    check_on_host(phase)
    inside = np.asarray(check_binary(phase))
    if inside.all():
        raise ValueError("`phase` is everywhere, and so has no interface to be distant from.")
    if wanted and not inside.any():
        raise ValueError("`phase` has no pixel, and so no sizes.")
    return inside


def squared_distances(
    inside: Bool[np.ndarray, "*space"], periodic: bool
) -> Int[np.ndarray, "*space"]:
    """Squared distance between each pixel's centre and the nearest one outside of the phase."""
    transform = scipy.ndimage.distance_transform_edt
    distance = np.asarray(transform(inside))
    if periodic:
        # What lies around the image matters if it is nearer than what lies in it.
        widths = []
        for axis, side in enumerate(inside.shape):
            farthest = np.moveaxis(distance, axis, 0).reshape(side, -1).max(axis=1)
            border = np.minimum(np.arange(side), np.arange(side)[::-1])
            widths.append(min(max(math.ceil((farthest - border).max()) - 1, 0), side // 2))
        wider = np.pad(inside, [(width, width) for width in widths], mode="wrap")
        middle = (slice(width, width + n) for width, n in zip(widths, inside.shape, strict=True))
        distance = np.asarray(transform(wider))[*middle]
    return np.rint(distance**2).astype(int)


def distribute_sizes(
    sizes: Float[np.ndarray, " pixels"],
    weights: Float[np.ndarray, " pixels"],
    bins: int | Lengths | None,
    width: int,
    dtype: np.dtype,
) -> SizeDistribution:
    """Weighed distribution of sizes above 0, in bins that are open below and closed above."""
    if bins is None:
        edges = width * np.arange(math.ceil(sizes.max() / width) + 1.0)
    elif isinstance(bins, int):
        edges = np.linspace(0, sizes.max(), max(bins, 0) + 1)
    else:
        edges = np.asarray(bins, float)
    if not (edges.ndim == 1 and edges.size > 1 and (np.diff(edges) > 0).all()):
        raise ValueError(f"`bins` (={bins}) are a number above 0, or two edges or more, ascending.")
    order = np.argsort(sizes)
    # Shares of what comes after 0, 1, 2, ... of the pixels, so that the last is 0 exactly.
    after = np.append(np.cumsum(weights[order][::-1])[::-1], 0)
    cumulative = (after / after[0])[np.searchsorted(sizes[order], edges, side="right")]
    density = -np.diff(cumulative) / np.diff(edges)
    arrays = (array.astype(dtype) for array in (edges, density, cumulative))
    return SizeDistribution(*arrays, mean=float(np.average(sizes, weights=weights)))
