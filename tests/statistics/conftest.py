"""What the tests of statistics share: pairs of pixels one at a time, smooth balls, and refusals."""

import functools

import numpy as np
import pytest


@pytest.fixture(scope="session")
def pairs_at():
    """Flat indices of both ends of every pair of pixels at a displacement, found one at a time."""

    @functools.cache
    def find(shape, displacement, periodic):
        ends = []
        for point in np.ndindex(shape):
            other = np.add(point, displacement)
            if periodic:
                other = other % shape
            elif (other < 0).any() or (other >= shape).any():
                continue
            ends.append([np.ravel_multi_index(end, shape) for end in (point, tuple(other))])
        return np.array(ends).T

    return find


@pytest.fixture(scope="session")
def all_pairs(pairs_at):
    """The same for each displacement of a centred field, in the order of its pixels."""

    def find(shape, periodic):
        middle = [side // 2 for side in shape]
        for index in np.ndindex(shape):
            yield pairs_at(shape, tuple(np.subtract(index, middle).tolist()), periodic)

    return find


@pytest.fixture(scope="session")
def soft_ball():
    """Share of each pixel inside a ball in the middle of a window."""

    def draw(shape, radius, samples):
        offsets = (np.arange(samples) + 0.5) / samples - 0.5
        squares = [(np.arange(n)[:, None] - n // 2 + offsets).ravel() ** 2 for n in shape]
        inside = functools.reduce(np.add.outer, squares) < radius**2
        for axis, n in enumerate(shape):
            inside = inside.reshape(*inside.shape[:axis], n, samples, *inside.shape[axis + 1 :])
            inside = inside.mean(axis=axis + 1)
        return inside

    return draw
