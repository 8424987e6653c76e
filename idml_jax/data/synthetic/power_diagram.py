"""Power diagrams on a grid of pixels, and the weights that give their cells wanted volumes."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from idml_jax.data.synthetic.cell import CHUNK

# An error of so many pixels is accepted of any cell, however small; and so many are left to be put
# right one by one, as Newton's method ends where single pixels count.
PIXELS, LEFT = 2, 8


def nearest(
    shape: tuple[int, ...],
    seeds: Float[np.ndarray, "cells axes"],
    weights: Float[np.ndarray, " cells"] | None = None,
    *,
    stretch: Sequence[float] | None = None,
    periodic: bool = True,
) -> Int[np.ndarray, "*space"]:
    """Seed of the smallest power, the squared distance less the weight, for every pixel."""
    found = _ranked(shape, seeds, weights, stretch=stretch, periodic=periodic)[1]
    return found[:, 0].reshape(shape)


def weights_for_volumes(
    shape: tuple[int, ...],
    seeds: Float[np.ndarray, "cells axes"],
    wanted: Float[np.ndarray, " cells"],
    weights: Float[np.ndarray, " cells"],
    *,
    tolerance: float,
) -> Float[np.ndarray, " cells"]:
    """Weights of the power diagram whose cells have the wanted volumes, or as near as it got.

    By Newton's method from the weights given, to the tolerance or to a few pixels.
    """

    def errors(labels):
        return np.bincount(labels.ravel(), minlength=len(seeds)) - wanted

    allowed = np.maximum(tolerance * wanted, LEFT)
    labels = nearest(shape, seeds, weights)
    if (errors(labels) + wanted).min() < 0.1 * wanted.min():
        # Without weights no cell is empty, as long as no two seeds lie in one pixel.
        weights = np.zeros(len(seeds))
        labels = nearest(shape, seeds, weights)
    error = errors(labels)
    smallest = 0.5 * min(wanted.min(), (error + wanted).min())
    improving = True
    while improving and (np.abs(error) > allowed).any():
        direction = -scipy.sparse.linalg.spsolve(_derivatives(labels, seeds), error)
        improving = False
        for step in 0.5 ** np.arange(8):
            labels = nearest(shape, seeds, weights + step * direction)
            trial = errors(labels)
            closer = np.linalg.norm(trial) <= (1 - step / 4) * np.linalg.norm(error)
            if closer and (trial + wanted).min() >= smallest:
                weights, error, improving = weights + step * direction, trial, True
                break
    return weights


def put_right(
    shape: tuple[int, ...],
    seeds: Float[np.ndarray, "cells axes"],
    wanted: Float[np.ndarray, " cells"],
    weights: Float[np.ndarray, " cells"],
    *,
    tolerance: float,
) -> Float[np.ndarray, " cells"]:
    """Weights that are nearly right, changed cell by cell by just the pixels that each is off.

    A cell takes from its neighbours the pixels that are nearest to its border, or leaves them, and
    each neighbour is off by a few of them. In one round no two that touch are changed.
    """
    allowed = np.maximum(tolerance * wanted, PIXELS)
    best, least = weights, math.inf
    for _ in range(40):
        distances, found = _ranked(shape, seeds, weights, count=2)
        error = np.bincount(found[:, 0], minlength=len(seeds)) - wanted
        worst = (np.abs(error) / allowed).max()
        if worst < least:
            best, least = weights, worst
        if worst <= 1:
            break
        margins = distances[:, 1] ** 2 - distances[:, 0] ** 2
        near = _touching(found[:, 0], found[:, 1], len(seeds))
        near = (near + near.T).tocsr()
        weights = weights.copy()
        free: Bool[np.ndarray, " cells"] = np.ones(len(seeds), bool)
        for cell in np.argsort(-np.abs(error) / allowed):
            pixels = round(float(abs(error[cell])))
            if not free[cell] or abs(error[cell]) <= PIXELS / 2 or pixels == 0:
                continue
            free[near[cell].indices] = False
            mine = np.sort(margins[found[:, 0 if error[cell] > 0 else 1] == cell])
            if pixels < len(mine):
                change = (mine[pixels - 1] + mine[pixels]) / 2
                weights[cell] -= math.copysign(change, error[cell])
    return best


def centroids(
    labels: Int[np.ndarray, "*space"], seeds: Float[np.ndarray, "cells axes"]
) -> Float[np.ndarray, "cells axes"]:
    """Middle of each cell of a periodic diagram; one without pixels keeps its seed."""
    flat = labels.ravel()
    counts = np.bincount(flat, minlength=len(seeds))
    moved = seeds.copy()
    for axis, side in enumerate(labels.shape):
        places = np.broadcast_to(
            np.arange(side).reshape([-1 if k == axis else 1 for k in range(labels.ndim)]),
            labels.shape,
        ).ravel()
        apart = places - seeds[flat, axis]
        apart -= np.round(apart / side) * side
        sums = np.bincount(flat, weights=apart, minlength=len(seeds))
        moved[:, axis] += sums / np.maximum(counts, 1)
    return moved % np.asarray(labels.shape)


def _ranked(
    shape: tuple[int, ...],
    seeds: Float[np.ndarray, "cells axes"],
    weights: Float[np.ndarray, " cells"] | None,
    *,
    stretch: Sequence[float] | None = None,
    periodic: bool = True,
    count: int = 1,
) -> tuple[Float[np.ndarray, "pixels count"], Int[np.ndarray, "pixels count"]]:
    """Distances, up to a common constant in their squares, and numbers of the nearest seeds."""
    scale = 1 / np.asarray(stretch if stretch is not None else [1.0] * len(shape), float)
    box = np.asarray(shape) * scale
    points = seeds * scale
    if periodic:
        points = points % box
        points[points >= box] = 0
    if weights is not None:
        # The weight is a height above the plane of the pixels: the nearest in one dimension more.
        points = np.column_stack([points, np.sqrt(weights.max() - weights)])
        box = np.append(box, 0)
    tree = KDTree(points, boxsize=box if periodic else None)
    distances = np.empty((math.prod(shape), count))
    found = np.empty((math.prod(shape), count), np.int32)
    for start in range(0, len(found), CHUNK):
        flat = np.arange(start, min(start + CHUNK, len(found)))
        pixels = np.column_stack(np.unravel_index(flat, shape)) * scale
        if weights is not None:
            pixels = np.column_stack([pixels, np.zeros(len(flat))])
        apart, which = tree.query(pixels, k=count, workers=-1)
        # Of a single one the axis is left out.
        distances[flat], found[flat] = (each.reshape(-1, count) for each in (apart, which))
    return distances, found


def _derivatives(
    labels: Int[np.ndarray, "*space"], seeds: Float[np.ndarray, "cells axes"]
) -> scipy.sparse.csc_matrix:
    """Derivatives of the volumes by the weights: area of each face over twice the seeds' distance.

    The area of a flat face is the length of the vector of the areas of its shadows along the
    axes, which are counts of pixels.
    """
    count = len(seeds)
    squares = scipy.sparse.csr_matrix((count, count))
    for axis in range(labels.ndim):
        shadow = _touching(labels.ravel(), np.roll(labels, -1, axis).ravel(), count)
        squares = squares + (shadow + shadow.T).power(2)
    faces = squares.power(0.5).tocoo()
    apart = seeds[faces.row] - seeds[faces.col]
    apart -= np.round(apart / labels.shape) * labels.shape
    values = faces.data / (2 * np.maximum(np.linalg.norm(apart, axis=1), 1e-3))
    couplings = scipy.sparse.csr_matrix((values, (faces.row, faces.col)), (count, count))
    total = np.asarray(couplings.sum(axis=1)).ravel()
    # A constant added to all weights changes nothing; a little on the diagonal decides for one.
    return scipy.sparse.csc_matrix(scipy.sparse.diags(total + 1e-6 * total.max()) - couplings)


def _touching(
    first: Int[np.ndarray, " pixels"], second: Int[np.ndarray, " pixels"], count: int
) -> scipy.sparse.csr_matrix:
    """How often each two different cells meet."""
    pairs = first != second
    ones = np.ones(int(pairs.sum()))
    return scipy.sparse.csr_matrix((ones, (first[pairs], second[pairs])), (count, count))
