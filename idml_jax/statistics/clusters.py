"""What is connected with what: clusters of a phase, percolation, and the cluster function."""

import collections
import functools
import math
from collections.abc import Iterable, Iterator
from typing import cast

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from idml_jax.statistics.pairs import overlaps
from idml_jax.statistics.phases import check_axis, check_binary, check_on_host, real_dtype
from idml_jax.typing import Phase

# Pixels that are transformed together: enough to forget the cost of a call, and small in memory.
_BATCH = 2**18


def label_clusters(
    phase: Phase, *, periodic: bool = True, connectivity: int = 1
) -> Int[np.ndarray, "*space"]:
    """Clusters, or connected components, of a phase, numbered from 1.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Boolean, or float and everywhere 0 or 1.
    periodic : bool
        Whether the image tiles space, so that pixels on opposite faces are neighbours.
    connectivity : int
        How many coordinates of neighbours may differ, by one: 1 for common faces (edges
        of pixels in 2-D), up to the number of axes for common corners as well. 4 and 8
        neighbours in 2-D are 1 and 2; 6, 18 and 26 in 3-D are 1, 2 and 3.

    Returns
    -------
    labels : int32 NumPy array of the shape of `phase`
        0 outside of the phase, and 1 to K in its K clusters, in the order in which a scan
        of the array, its last axis fastest, first meets them.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, no pixels, or values other than 0 and 1,
        or if `connectivity` is not 1 to the number of axes.
    TypeError
        If it is neither boolean nor float, or traced: clusters are found on the host.

    Notes
    -----
    `scipy.ndimage.label` of the array with its first faces repeated behind its last ones;
    the labels of a pixel and its copy are then joined. Time and memory grow with the
    number of pixels: about 20 bytes for each. Not differentiable.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> phase = jnp.array([[1, 0, 1, 0, 1], [0, 0, 0, 1, 0]], bool)
    >>> label_clusters(phase).tolist()
    [[1, 0, 2, 0, 1], [0, 0, 0, 3, 0]]
    >>> label_clusters(phase, periodic=False, connectivity=2).tolist()
    [[1, 0, 2, 0, 2], [0, 0, 0, 2, 0]]
    """
    inside, neighbours = _check(phase, connectivity)
    labels, count = _label(inside, neighbours, periodic)
    if periodic:
        seams = [_seam(labels, axis) for axis in range(labels.ndim)]
        joined = _join(np.concatenate(seams, axis=1), count)
        labels = joined[labels[tuple(slice(n) for n in inside.shape)]]
    found = labels[inside]
    first = np.full(count + 1, found.size)
    # Of assignments to one place the last one stays: backwards, that is the first pixel.
    first[found[::-1]] = np.arange(found.size)[::-1]
    number = np.empty(count + 1, np.int32)
    number[np.argsort(first, kind="stable")] = np.arange(1, count + 2)
    clusters = np.zeros(inside.shape, np.int32)
    clusters[inside] = number[found]
    return clusters


def largest_cluster_share(phase: Phase, *, periodic: bool = True, connectivity: int = 1) -> float:
    """Share of the pixels of a phase that lie in its largest cluster.

    Parameters
    ----------
    phase, periodic, connectivity
        As in `label_clusters`.

    Returns
    -------
    share : float
        From near 0, for many small clusters, to 1, for a single one.

    Raises
    ------
    ValueError, TypeError
        As `label_clusters` does; and if the phase has no pixel.

    Notes
    -----
    The order parameter of percolation, for a cell of finite size. Time and memory are those
    of `label_clusters`. Not differentiable.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> largest_cluster_share(jnp.array([[1, 1, 0, 1, 0]], bool))
    0.6666666666666666
    """
    clusters = label_clusters(phase, periodic=periodic, connectivity=connectivity)
    sizes = np.bincount(clusters[clusters > 0])
    if sizes.size == 0:
        raise ValueError("`phase` has no pixel, and so no largest cluster.")
    return float(sizes.max() / sizes.sum())


def percolates(phase: Phase, *, axis: int, periodic: bool = False, connectivity: int = 1) -> bool:
    """Whether a cluster of a phase goes all the way through, along one axis.

    Parameters
    ----------
    phase, connectivity
        As in `label_clusters`.
    axis : int
        The axis to go along.
    periodic : bool
        If False, the default, a cluster goes through if it has a pixel on the first and
        one on the last face, and no neighbours across borders count. If True, the image
        tiles space along all axes, and a cluster goes through if it wraps around: if a
        path in it leads from a pixel to an image of that pixel which is displaced along
        `axis`, by any number of periods but zero, and along other axes by any number.

    Returns
    -------
    through : bool
        False for a phase without pixels.

    Raises
    ------
    ValueError, TypeError
        As `label_clusters` does; and if `axis` is out of range.

    Notes
    -----
    A cluster on both faces does not wrap around where its ends do not meet, and one that
    wraps around may be cut by the borders into pieces, none of which is on both faces.
    Winding is found from how many periods each piece lies away from the first one: a
    piece that is met again at another distance closes a way around, also if that takes
    several rounds [1]_. Time and memory are those of `label_clusters`. Not differentiable.

    References
    ----------
    .. [1] M. E. J. Newman, R. M. Ziff, "Fast Monte Carlo algorithm for site or bond
       percolation", Physical Review E 64, 016706 (2001).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stairs = jnp.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0]], bool)
    >>> percolates(stairs, axis=0), percolates(stairs, axis=0, periodic=True)
    (True, True)
    >>> percolates(stairs.at[1, 1].set(False), axis=0)
    False
    """
    inside, neighbours = _check(phase, connectivity)
    axis = check_axis(axis, inside.shape)
    labels, count = _label(inside, neighbours, periodic)
    if not periodic:
        return bool(np.intersect1d(labels.take(0, axis), labels.take(-1, axis)).any())
    others = [_seam(labels, other) for other in range(labels.ndim) if other != axis]
    joined = _join(np.concatenate(others, axis=1), count)
    return _winds(joined[_seam(labels, axis)])


def two_point_cluster(
    phase: Phase, *, periodic: bool = True, connectivity: int = 1
) -> Float[np.ndarray, "*space"]:
    r"""Two-point cluster function :math:`C_2(\mathbf{r})` of a phase.

    The probability that a point and the point displaced from it by :math:`\mathbf{r}` lie
    in one and the same cluster of the phase, over every pair of pixels that far apart.

    Parameters
    ----------
    phase, connectivity
        As in `label_clusters`.
    periodic : bool
        Whether the image tiles space: clusters then go on across its borders, and pairs
        wrap. If False, pairs that would cross the border are left out.

    Returns
    -------
    c2 : float NumPy array of the shape of `phase`
        Laid out as `two_point_correlation` is: zero displacement at index ``n // 2`` of
        each axis, in pixels. In the float type of `phase`; of a boolean one, the default.

    Raises
    ------
    ValueError, TypeError
        As `label_clusters` does.

    Notes
    -----
    Exact: whole numbers of pairs, divided by that of all pairs which exist. Its value at
    zero is the volume fraction, and :math:`C_2 \le S_2`, with equality for a phase of one
    cluster. Its range is the size of clusters, and diverges at the percolation threshold,
    which :math:`S_2` does not see [1]_. In a periodic image a pair counts if any images of
    its two pixels are connected.

    The sum of the autocorrelations of all clusters, by Fourier transforms in double
    precision. A large one, of more than a sixteenth of all pixels, takes a transform of
    the whole cell; small ones are transformed in batches, each in a box that holds it and
    zeros enough. So the time is :math:`O(n \log n)` for :math:`n` pixels, and grows
    little with the number of clusters. Memory: 50 to 90 bytes a pixel, twice that in 3-D
    without periodic borders. Runs on the host. Not differentiable.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 2.7.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> two_bars = jnp.tile(jnp.array([True, True, False, False]), (4, 2))
    >>> two_point_cluster(two_bars)[2].tolist()
    [0.0, 0.0, 0.0, 0.25, 0.5, 0.25, 0.0, 0.0]
    """
    labels = label_clusters(phase, periodic=periodic, connectivity=connectivity)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = sizes > labels.size / 16
    pairs = np.zeros(labels.shape)
    if large.any():
        grid = tuple(_sides(np.array([n]), n, periodic).item() for n in labels.shape)
        fields = ((labels == label)[None].astype(float) for label in np.flatnonzero(large))
        _add_pairs(pairs, fields, grid, labels.shape)
    # What is left is numbered again, from 1.
    large[0] = True
    small = np.where(large, 0, np.cumsum(~large)).astype(np.int32)[labels]
    for fields, grid, box in _groups(small, periodic):
        _add_pairs(pairs, fields, grid, box)
    exist = functools.reduce(np.multiply.outer, overlaps(labels.shape, periodic))
    return (pairs / exist).astype(real_dtype(phase))


def _check(
    phase: Phase, connectivity: int
) -> tuple[Bool[np.ndarray, "*space"], Bool[np.ndarray, "*neighbours"]]:
    """The phase on the host, and which of the pixels around one are its neighbours."""
    check_on_host(phase)
    inside = np.asarray(check_binary(phase))
    if not 1 <= connectivity <= inside.ndim:
        raise ValueError(
            f"`connectivity` (={connectivity}) is the number of coordinates in which neighbours "
            f"may differ: 1 (common faces) to {inside.ndim} (common corners) for this array."
        )
    return inside, scipy.ndimage.generate_binary_structure(inside.ndim, connectivity)


def _label(
    inside: Bool[np.ndarray, "*space"], neighbours: Bool[np.ndarray, "*neighbours"], periodic: bool
) -> tuple[Int[np.ndarray, "*wider"], int]:
    """Labels of the open cell; if periodic, with its first faces once more behind the last."""
    # So all pairs of neighbours across a border are there, also across edges and corners.
    wider = np.pad(inside, (0, 1), mode="wrap") if periodic else inside
    labels, count = cast(tuple[np.ndarray, int], scipy.ndimage.label(wider, neighbours))
    return labels, count


def _seam(labels: Int[np.ndarray, "*wider"], axis: int) -> Int[np.ndarray, "2 pairs"]:
    """Labels of the pixels of the phase in the last face, and of the same ones in the first."""
    last, first = labels.take(-1, axis), labels.take(0, axis)
    return np.stack([last[last > 0], first[last > 0]])


def _join(pairs: Int[np.ndarray, "2 pairs"], count: int) -> Int[np.ndarray, " labels"]:
    """For each of the labels 0 to `count` the number of the set that the pairs put it in."""
    ones = np.ones(pairs.shape[1], bool)
    graph = coo_array((ones, (pairs[0], pairs[1])), shape=(count + 1, count + 1))
    return connected_components(graph, directed=False)[1]


def _winds(steps: Int[np.ndarray, "2 pairs"]) -> bool:
    """Whether steps of one period, from first to second, lead around to another period."""
    links = collections.defaultdict(list)
    for low, high in np.unique(steps, axis=1).T.tolist():
        links[low].append((high, 1))
        links[high].append((low, -1))
    period: dict[int, int] = {}
    for start in links:
        waiting = [] if start in period else [start]
        period.setdefault(start, 0)
        while waiting:
            here = waiting.pop()
            for there, step in links[here]:
                if there not in period:
                    period[there] = period[here] + step
                    waiting.append(there)
                elif period[there] != period[here] + step:
                    return True
    return False


def _sides(
    length: Int[np.ndarray, "*clusters"], n: int, periodic: bool
) -> Int[np.ndarray, "*clusters"]:
    """Sides of transforms in which no pair of a cluster of that length is taken for another."""
    # Powers of two and three quarters of them, so that few sizes serve many clusters, up to
    # what serves all: the period itself, or the whole side with zeros enough behind it.
    if periodic:
        wanted, most = 2 * length - 1, n
    else:
        most = cast(int, scipy.fft.next_fast_len(n + n // 2, real=True))
        wanted = length + np.minimum(length - 1, n // 2)
    power = 2 ** np.ceil(np.log2(wanted)).astype(int)
    return np.minimum(np.where(4 * wanted <= 3 * power, 3 * power // 4, power), most)


def _add_pairs(
    pairs: Float[np.ndarray, "*space"],
    batches: Iterable[Float[np.ndarray, "batch *box"]],
    grid: tuple[int, ...],
    box: tuple[int, ...],
) -> None:
    """Adds the autocorrelations of all fields, which are no longer than `box`, to the pairs."""
    power = np.zeros((*grid[:-1], grid[-1] // 2 + 1))
    for fields in batches:
        transform = np.asarray(scipy.fft.rfftn(fields, grid, axes=range(1, fields.ndim)))
        power += np.einsum("b...,b...->...", transform, transform.conj()).real
    found = np.rint(np.asarray(scipy.fft.irfftn(power, grid)))
    here, there = [], []
    for n, side, longest in zip(pairs.shape, grid, box, strict=True):
        apart = np.arange(-min(longest - 1, n // 2), min(longest - 1, (n - 1) // 2) + 1)
        here.append(apart + n // 2)
        there.append(apart % side)
    pairs[np.ix_(*here)] += found[np.ix_(*there)]


def _extents(
    owner: Int[np.ndarray, " pixels"], coordinate: Int[np.ndarray, " pixels"], count: int, n: int
) -> tuple[Int[np.ndarray, " clusters"], Int[np.ndarray, " clusters"]]:
    """Where each cluster begins on an axis and how long it is there, across the border or not."""
    first, last = np.full(count, n), np.zeros(count, int)
    np.minimum.at(first, owner, coordinate)
    np.maximum.at(last, owner, coordinate)
    length = last - first + 1
    # On both faces it may lie across the border. Being connected it has no gap but one.
    both = np.flatnonzero(length == n)
    row = np.full(count, -1)
    row[both] = np.arange(both.size)
    here = row[owner] >= 0
    occupied = np.zeros((both.size, n), bool)
    occupied[row[owner[here]], coordinate[here]] = True
    first[both] = np.argmax(occupied & ~np.roll(occupied, 1, axis=1), axis=1)
    length[both] = occupied.sum(axis=1)
    return first, length


def _groups(
    labels: Int[np.ndarray, "*space"], periodic: bool
) -> Iterator[tuple[Iterable[Float[np.ndarray, "batch *box"]], tuple[int, ...], tuple[int, ...]]]:
    """Clusters of about one size: themselves in batches, the side of a transform, the longest."""
    place = np.flatnonzero(labels)
    if place.size == 0:
        return
    owner = labels.ravel()[place] - 1
    count = int(owner.max()) + 1
    lengths, local = [], []
    for n, coordinate in zip(labels.shape, np.unravel_index(place, labels.shape), strict=True):
        start, length = _extents(owner, coordinate, count, n)
        local.append((coordinate - start[owner]) % n)
        lengths.append(length)
    sides = [_sides(length, n, periodic) for length, n in zip(lengths, labels.shape, strict=True)]
    grids, group = np.unique(np.stack(sides, axis=1), axis=0, return_inverse=True)

    # Clusters in the order of their groups, and pixels in that of their clusters.
    clusters = np.argsort(group, kind="stable")
    rank = np.argsort(clusters)[owner]
    pixels = np.argsort(rank)
    rank, local = rank[pixels], [coordinate[pixels] for coordinate in local]

    def batches(grid: tuple[int, ...], begin: int, end: int) -> Iterator[np.ndarray]:
        step = max(1, _BATCH // math.prod(grid))
        for first in range(begin, end, step):
            last = min(first + step, end)
            some = slice(*np.searchsorted(rank, [first, last]))
            fields = np.zeros((last - first, *grid))
            fields[rank[some] - first, *(coordinate[some] for coordinate in local)] = 1
            yield fields

    ends = np.cumsum(np.bincount(group)).tolist()
    for grid, begin, end in zip(map(tuple, grids.tolist()), [0, *ends], ends, strict=False):
        box = tuple(int(length[clusters[begin:end]].max()) for length in lengths)
        yield batches(grid, begin, end), grid, box
