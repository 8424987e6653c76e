"""How wide a phase is at each of its pixels: the local thickness of Hildebrand and Rüegsegger."""

import itertools
import math

import numpy as np
from jaxtyping import Float, Int

from idml_jax.statistics.phases import real_dtype
from idml_jax.statistics.pores import (
    Lengths,
    SizeDistribution,
    distribute_sizes,
    phase_on_host,
    squared_distances,
)
from idml_jax.typing import Phase

# Writes to memory that are prepared together: enough to forget the cost of a call.
_BATCH = 2**20


def local_thickness(
    phase: Phase, *, periodic: bool = True, radii: Lengths | None = None
) -> Float[np.ndarray, "*space"]:
    r"""Local thickness of a phase: how wide it is at each of its pixels.

    The diameter of the largest ball that lies in the phase and holds the pixel.

    Parameters
    ----------
    phase, periodic
        As in `distance_to_interface`.
    radii : sequence of float, optional
        Radii of balls to try, in pixels, instead of all: the thickness is then twice one of
        them, or 0 where none of the balls gets.

    Returns
    -------
    thickness : float NumPy array of the shape of `phase`
        Diameters in pixels, and 0 outside of the phase.

    Raises
    ------
    ValueError, TypeError
        As `distance_to_interface` does; and if a radius is not positive.

    Notes
    -----
    The definition of Hildebrand and Rüegsegger [1]_ for balls around the centres of
    pixels. The ball around a pixel at the distance :math:`\delta` from the interface, as
    `distance_to_interface` gives it, has the diameter :math:`2 \delta`. It holds all
    pixels whose centres are nearer than the nearest one outside of the phase, which is
    :math:`\delta + 1/2` away. So a slab has its own width if that is odd, and one pixel
    less if it is even, as no ball has its centre between pixels. With `radii`, a ball of
    radius :math:`r` lies in the phase if :math:`r \le \delta`, and holds what is nearer
    than :math:`r + 1/2`. Without periodic borders a ball may reach beyond the image.

    Exact, for all radii that occur. Only balls that lie in no larger one around a pixel
    beside theirs are drawn [2]_, by two writes for each row of their pixels. So the time
    is :math:`O(n \log R + c R^{d-1})` for :math:`n` pixels in :math:`d` dimensions and
    :math:`c` such balls of radii up to :math:`R`; `radii` saves none of it, as a rule.
    Memory: that of the distances, and :math:`4 (\log_2 R + 2)` bytes for each pixel of the
    image with :math:`R` more on every side. Runs on the host. Not differentiable.

    References
    ----------
    .. [1] T. Hildebrand, P. Rüegsegger, "A new method for the model-independent assessment
       of thickness in three-dimensional images", Journal of Microscopy 185, 67 (1997).
    .. [2] E. Remy, E. Thiel, "Exact medial axis with Euclidean distance", Image and Vision
       Computing 23, 167 (2005).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slabs = jnp.tile(jnp.array([0, 1, 1, 1, 0, 1, 1, 1, 1, 1], bool), (3, 1))
    >>> local_thickness(slabs)[0].tolist()
    [0.0, 3.0, 3.0, 3.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    """
    inside = phase_on_host(phase)
    squared = squared_distances(inside, periodic)
    if radii is None:
        limits = np.unique(squared[inside])
        diameters = 2 * np.sqrt(limits) - 1
    else:
        each = np.unique(np.asarray(radii, float))
        if not (each.size and (each > 0).all() and np.isfinite(each).all()):
            raise ValueError(f"`radii` are lengths above 0 in pixels, at least one; got {radii}.")
        # A radius that is a rounded distance still fits where it comes from.
        limits, diameters = np.ceil((1 - 1e-6) * (each + 0.5) ** 2).astype(int), 2 * each
    limits, diameters = np.insert(limits, 0, 0), np.insert(diameters, 0, 0.0)

    # The ball that fits around each pixel, and the largest of those that hold it.
    fits = np.searchsorted(limits, squared, side="right") - 1
    holds = np.searchsorted(limits, _paint(limits[fits], periodic), side="right") - 1
    return diameters[holds].astype(real_dtype(phase))


def thickness_distribution(
    phase: Phase, *, periodic: bool = True, bins: int | Lengths | None = None
) -> SizeDistribution:
    """Distribution of the volume of a phase, as of pores, over its local thickness.

    Parameters
    ----------
    phase, periodic
        As in `local_thickness`.
    bins : int or sequence of float, optional
        As in `pore_size_function`; by default bins of two pixels, one of radius, from 0.

    Returns
    -------
    sizes : SizeDistribution
        Of the diameters: `cumulative` is the share of the phase that is in reach of balls
        of more than the diameter at the edge, when they move about in the phase.

    Raises
    ------
    ValueError, TypeError
        As `local_thickness` does; and if the phase has no pixel, or the edges of bins do
        not ascend.

    Notes
    -----
    That of the values of `local_thickness`, with its convention, time and memory. Without
    periodic borders pores that the border cuts count as they are seen: there is no
    correction as in `pore_size_function`. Not differentiable.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slabs = jnp.tile(jnp.array([0, 1, 1, 1, 0, 1, 1, 1, 1, 1], bool), (3, 1))
    >>> sizes = thickness_distribution(slabs)
    >>> sizes.edges.tolist(), sizes.cumulative.tolist(), sizes.mean
    ([0.0, 2.0, 4.0, 6.0], [1.0, 1.0, 0.625, 0.0], 4.25)
    """
    inside = phase_on_host(phase, wanted=True)
    thickness = local_thickness(inside, periodic=periodic)[inside].astype(float)
    return distribute_sizes(thickness, np.ones(thickness.shape), bins, 2, real_dtype(phase))


def _paint(limits: Int[np.ndarray, "*space"], periodic: bool) -> Int[np.ndarray, "*space"]:
    """The largest limit of the balls around all pixels that hold each pixel.

    A ball holds what is at a squared distance below its limit: a run of pixels in each row,
    covered by two runs with a power of two as length. Each length has a table, where the
    first pixel stands for the run; from the longest to the shortest they are then halved.
    """
    radius = math.isqrt(max(int(limits.max()) - 1, 0))
    # No farther than all pixels of the image, or one image of each of them, are.
    reach = [min(radius, side // 2 if periodic else side - 1) for side in limits.shape]
    shape = tuple(side + 2 * more for side, more in zip(limits.shape, reach, strict=True))
    tables = np.zeros(((2 * reach[-1] + 1).bit_length(), math.prod(shape)), np.int32)
    written = tables.reshape(-1)
    balls = _largest_balls(limits, periodic)
    centres = np.asarray(np.ravel_multi_index(tuple(balls + np.array(reach)[:, None]), shape))
    found = limits[tuple(balls)]
    # A larger ball is written over a smaller one.
    for limit in np.unique(found):
        here, runs = centres[found == limit], _runs(int(limit), reach, shape)
        step = max(1, _BATCH // runs.size)
        for first in range(0, here.size, step):
            written[here[first : first + step, None] + runs[None]] = limit
    for level in range(len(tables) - 1, 0, -1):
        half, longer, shorter = 2 ** (level - 1), tables[level], tables[level - 1]
        np.maximum(shorter, longer, out=shorter)
        np.maximum(shorter[half:], longer[:-half], out=shorter[half:])
    painted = tables[0].reshape(shape)
    for axis, (side, more) in enumerate(zip(limits.shape, reach, strict=True)):
        lines = np.moveaxis(painted, axis, 0)
        inner = lines[more : more + side].copy()
        if periodic and more:
            # At most half a side on each side: no pixel gets more than one from either.
            inner[-more:] = np.maximum(inner[-more:], lines[:more])
            inner[:more] = np.maximum(inner[:more], lines[-more:])
        painted = np.moveaxis(inner, 0, axis)
    return painted


def _runs(limit: int, reach: list[int], shape: tuple[int, ...]) -> Int[np.ndarray, " runs"]:
    """Where to write a ball, from its centre, in the tables of `_paint`, end to end."""
    radius = math.isqrt(limit - 1)
    across = [np.arange(-min(radius, more), min(radius, more) + 1) for more in reach[:-1]]
    lines = np.stack(np.meshgrid(*across, indexing="ij"))
    left = limit - 1 - (lines**2).sum(axis=0)
    lines, left = lines[:, left >= 0], left[left >= 0]
    half = np.minimum(np.sqrt(left).astype(int), reach[-1])
    row = np.asarray([math.prod(shape[axis + 1 :]) for axis in range(len(across))]) @ lines
    level = np.frexp(2 * half + 1)[1].astype(int) - 1
    ends = np.concatenate([row - half, row + half + 1 - 2**level])
    return np.tile(level, 2) * math.prod(shape) + ends


def _largest_balls(
    limits: Int[np.ndarray, "*space"], periodic: bool
) -> Int[np.ndarray, "axes balls"]:
    """Centres of the balls that lie in no larger one around a pixel beside theirs."""
    dimensions, most = limits.ndim, int(limits.max())
    padded = np.pad(limits, 1, mode="wrap" if periodic else "constant")
    strides = np.asarray([math.prod(padded.shape[axis + 1 :]) for axis in range(dimensions)])
    centres = np.flatnonzero(np.pad(limits, 1))
    around = padded.ravel()
    # By symmetry one octant of the balls tells at which limit one holds its neighbour.
    octant = np.indices((math.isqrt(most) + 1,) * dimensions)
    squared = (octant**2).sum(axis=0)
    octant, squared = octant[:, squared < most], squared[squared < most]
    for apart in range(1, dimensions + 1):
        farthest = np.zeros(most + 1, int)
        np.maximum.at(farthest, squared + 1, squared + 2 * octant[:apart].sum(axis=0) + apart)
        farthest = np.maximum.accumulate(farthest)
        for step in itertools.product((-1, 0, 1), repeat=dimensions):
            if np.abs(step).sum() == apart:
                beside = around[centres + int(strides @ step)]
                centres = centres[beside <= farthest[around[centres]]]
    return np.stack(np.unravel_index(centres, padded.shape)) - 1
