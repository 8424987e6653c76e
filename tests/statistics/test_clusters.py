"""`idml_jax.statistics.clusters` against flood fill, closed forms and scikit-image."""

import collections
import functools
import itertools
import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import skimage.measure
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.data.synthetic import checkerboard
from idml_jax.statistics import (
    label_clusters,
    largest_cluster_share,
    percolates,
    two_point_cluster,
    two_point_correlation,
)

SHAPES = [(4, 5), (6, 3), (1, 6), (3, 4, 2)]
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
each_connectivity = pytest.mark.parametrize("connectivity", [1, 2, 3])
each_function = pytest.mark.parametrize(
    "function",
    [
        label_clusters,
        largest_cluster_share,
        functools.partial(percolates, axis=0),
        two_point_cluster,
    ],
    ids=["label_clusters", "largest_cluster_share", "percolates", "two_point_cluster"],
)


def random(seed, shape, fraction):
    return np.random.default_rng(seed).random(shape) < fraction


def steps(dimensions, connectivity):
    """Ways from a pixel to its neighbours."""
    around = itertools.product((-1, 0, 1), repeat=dimensions)
    return [step for step in around if 1 <= np.abs(step).sum() <= connectivity]


def flood_fill(phase, periodic, connectivity):
    """Clusters one pixel after the other, numbered as a scan meets them."""
    labels = np.zeros(phase.shape, int)
    for start in zip(*np.nonzero(phase), strict=True):
        if labels[start]:
            continue
        labels[start] = label = labels.max() + 1
        waiting = [start]
        while waiting:
            here = waiting.pop()
            for step in steps(phase.ndim, connectivity):
                there = np.add(here, step)
                if periodic:
                    there = there % phase.shape
                elif (there < 0).any() or (there >= phase.shape).any():
                    continue
                there = tuple(there)
                if phase[there] and not labels[there]:
                    labels[there] = label
                    waiting.append(there)
    return labels


@pytest.fixture(scope="session")
def pairs_in_one_cluster(all_pairs):
    """The definition of C2: pairs in one cluster over pairs that exist, one after the other."""

    def share(labels, periodic):
        flat, values = labels.ravel(), []
        for start, end in all_pairs(labels.shape, periodic):
            values.append(((flat[start] > 0) & (flat[start] == flat[end])).mean())
        return np.array(values).reshape(labels.shape)

    return share


def wraps_around(phase, axis, connectivity):
    """Whether a walk through the images of the cell gets to another image of its start."""
    # A loop without repetition is no longer than this many periods.
    most = phase.size // phase.shape[axis] + 1
    for start in zip(*np.nonzero(phase), strict=True):
        reached = {(start, 0)}
        waiting = [(start, 0)]
        while waiting:
            here, period = waiting.pop()
            for step in steps(phase.ndim, connectivity):
                there = np.add(here, step)
                image = period + int(there[axis] // phase.shape[axis])
                there = tuple(there % phase.shape)
                if phase[there] and (there, image) not in reached and abs(image) < most:
                    if there == start and image:
                        return True
                    reached.add((there, image))
                    waiting.append((there, image))
    return False


# --- the definition -----------------------------------------------------------------------------


@periodic_or_not
@each_connectivity
@law
@given(phase=phases)
def test_labels_are_those_of_flood_fill(periodic, connectivity, phase):
    connectivity = min(connectivity, phase.ndim)
    found = label_clusters(phase, periodic=periodic, connectivity=connectivity)
    np.testing.assert_array_equal(found, flood_fill(phase, periodic, connectivity))
    assert found.dtype == np.int32


@periodic_or_not
@each_connectivity
@law
@given(phase=phases)
def test_two_point_cluster_matches_the_definition(
    pairs_in_one_cluster, periodic, connectivity, phase
):
    connectivity = min(connectivity, phase.ndim)
    found = two_point_cluster(phase, periodic=periodic, connectivity=connectivity)
    labels = flood_fill(phase, periodic, connectivity)
    expected = pairs_in_one_cluster(labels, periodic)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@periodic_or_not
def test_float_phases_are_counted_in_their_own_precision(
    pairs_in_one_cluster, periodic, dtype, atol
):
    phase = random(0, (6, 7), 0.5)
    found = two_point_cluster(phase.astype(dtype), periodic=periodic)
    assert found.dtype == dtype
    expected = pairs_in_one_cluster(flood_fill(phase, periodic, 1), periodic)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@periodic_or_not
@pytest.mark.parametrize("fraction", [0.1, 0.35, 0.55, 0.8])
@pytest.mark.parametrize("shape", [(64, 50), (31, 90), (18, 16, 11), (3, 40, 21)], ids=str)
def test_two_point_cluster_is_the_sum_of_the_correlations_of_the_clusters(
    shape, fraction, periodic
):
    """Of all sizes: single pixels, boxes across borders, clusters that wrap, and their ways."""
    phase = random(1, shape, fraction)
    labels = label_clusters(phase, periodic=periodic)
    grid = shape if periodic else tuple(2 * side for side in shape)
    axes = range(len(shape))
    power = sum(
        np.abs(np.fft.rfftn(labels == label, grid, axes)) ** 2
        for label in range(1, labels.max() + 1)
    )
    pairs, tried = np.fft.irfftn(power, grid, axes), np.full(shape, float(phase.size))
    if not periodic:
        tried = np.fft.irfftn(np.abs(np.fft.rfftn(np.ones(shape), grid, axes)) ** 2, grid, axes)
    # Zero displacement is first here, and at n // 2 of ours.
    centred = [
        np.arange(-(side // 2), side - side // 2) % wide
        for side, wide in zip(shape, grid, strict=True)
    ]
    expected = (pairs / np.maximum(tried, 1))[np.ix_(*centred)]
    found = two_point_cluster(phase, periodic=periodic)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shape", "fraction"), [((60, 70), 0.55), ((14, 15, 16), 0.1)], ids=str)
@each_connectivity
def test_open_labels_are_those_of_scikit_image(shape, fraction, connectivity):
    connectivity = min(connectivity, len(shape))
    phase = random(2, shape, fraction)
    found = label_clusters(phase, periodic=False, connectivity=connectivity)
    expected = skimage.measure.label(phase, connectivity=connectivity)
    together = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    assert together.shape[1] == found.max() + 1 == expected.max() + 1
    assert found.max() > 5


@law
@given(phase=phases, axis=st.integers(-2, 1), connectivity=st.integers(1, 2))
def test_percolation_of_an_open_cell_is_a_cluster_on_both_faces(phase, axis, connectivity):
    labels = flood_fill(phase, False, connectivity)
    both = set(labels.take(0, axis).ravel()) & set(labels.take(-1, axis).ravel())
    found = percolates(phase, axis=axis, connectivity=connectivity)
    assert found == bool(both - {0})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    phase=st.sampled_from([(3, 3), (4, 3), (2, 3, 2)]).flatmap(lambda s: hnp.arrays(bool, s)),
    axis=st.integers(0, 1),
    connectivity=st.integers(1, 2),
)
def test_percolation_of_a_periodic_cell_is_a_walk_to_another_image(phase, axis, connectivity):
    found = percolates(phase, axis=axis, periodic=True, connectivity=connectivity)
    assert found == wraps_around(phase, axis, connectivity)


def test_random_media_of_each_kind_percolate_as_walks_do():
    """All that hypothesis may not draw: cells near the threshold, of both answers."""
    answers = collections.Counter()
    for seed in range(30):
        phase = random(seed, (6, 5), 0.55)
        for axis, connectivity in [(0, 1), (1, 1), (0, 2)]:
            found = percolates(phase, axis=axis, periodic=True, connectivity=connectivity)
            assert found == wraps_around(phase, axis, connectivity)
            both_faces = percolates(phase, axis=axis, connectivity=connectivity)
            answers[found, both_faces] += 1
    assert min(answers[pair] for pair in [(True, True), (False, True), (False, False)]) > 3


@periodic_or_not
@law
@given(phase=phases)
def test_largest_share_is_that_of_the_most_frequent_label(periodic, phase):
    phase.flat[0] = True
    counts = collections.Counter(flood_fill(phase, periodic, 1)[phase].tolist())
    found = largest_cluster_share(phase, periodic=periodic)
    assert found == max(counts.values()) / phase.sum()


# --- worked examples ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "other", "needs"),
    [
        ((5, 6), (0, 5), 1),  # across a face
        ((5, 6), (4, 5), 2),  # across the corner
        ((5, 6, 7), (4, 5, 0), 2),  # across an edge
        ((5, 6, 7), (4, 5, 6), 3),  # across the corner
        ((5, 6, 7), (4, 1, 6), 3),  # across an edge, by a corner
        ((5, 6), (4, 1), 2),  # across a face, by a corner
    ],
    ids=str,
)
@each_connectivity
def test_two_pixels_are_neighbours_across_borders_if_they_are_of_that_kind(
    shape, other, needs, connectivity
):
    connectivity = min(connectivity, len(shape))
    phase = np.zeros(shape, bool)
    phase[(0,) * len(shape)] = phase[other] = True
    found = label_clusters(phase, connectivity=connectivity)
    assert found.max() == (1 if connectivity >= needs else 2)
    assert label_clusters(phase, periodic=False, connectivity=connectivity).max() == 2


def test_a_diagonal_wraps_around_along_both_axes_by_its_corners():
    diagonal = np.eye(6, dtype=bool)
    for axis in (0, 1):
        assert percolates(diagonal, axis=axis, periodic=True, connectivity=2)
        assert not percolates(diagonal, axis=axis, periodic=True)


def stairs(rows, cols, rounds):
    """A path of pixels that winds `rounds` times along the columns while once along the rows."""
    phase = np.zeros((rows, cols), bool)
    length = rounds * cols
    place = [(step * rows // length, step % cols) for step in range(length)]
    for (row, col), (following, _) in itertools.pairwise([*place, (rows, 0)]):
        phase[row, col] = phase[following % rows, col] = True
    return phase


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_stairs_wrap_around_along_both_axes_however_often_they_wind(rounds):
    phase = stairs(10, 12, rounds)
    assert label_clusters(phase).max() == 1 and phase.mean() < 0.6
    assert percolates(phase, axis=0, periodic=True)
    assert percolates(phase, axis=1, periodic=True)
    # Cut at one pixel, they go around no more.
    phase[0, 0] = False
    assert not percolates(phase, axis=0, periodic=True)
    assert not percolates(phase, axis=1, periodic=True)


def test_a_cluster_on_both_faces_need_not_wrap_around():
    phase = np.zeros((7, 7), bool)
    phase[:4, 1] = phase[3, 1:5] = phase[3:, 4] = True
    assert percolates(phase, axis=0) and not percolates(phase, axis=0, periodic=True)
    phase[0, 1:5] = True
    assert percolates(phase, axis=0, periodic=True)
    assert not percolates(phase, axis=1, periodic=True)


def test_a_cluster_may_wrap_around_in_pieces_of_which_none_is_on_both_faces():
    phase = np.zeros((6, 6), bool)
    phase[:3, 5] = phase[2:, 0] = phase[0, :] = False
    phase[:3, 5] = phase[2:, 0] = True
    phase[0, 5] = phase[5, 5] = True
    assert not percolates(phase, axis=0)
    assert percolates(phase, axis=0, periodic=True)
    assert not percolates(phase, axis=1, periodic=True)


@periodic_or_not
def test_a_phase_without_pixels_has_no_clusters(periodic):
    phase = np.zeros((4, 5), bool)
    assert not label_clusters(phase, periodic=periodic).any()
    assert not two_point_cluster(phase, periodic=periodic).any()
    assert not percolates(phase, axis=0, periodic=periodic)
    with pytest.raises(ValueError, match="`phase` has no pixel"):
        largest_cluster_share(phase, periodic=periodic)


@periodic_or_not
def test_a_phase_that_is_everywhere_is_one_cluster(periodic):
    phase = np.ones((3, 4, 5), bool)
    assert (label_clusters(phase, periodic=periodic) == 1).all()
    np.testing.assert_array_equal(two_point_cluster(phase, periodic=periodic), 1)
    assert largest_cluster_share(phase, periodic=periodic) == 1
    assert all(percolates(phase, axis=axis, periodic=periodic) for axis in range(3))


# --- laws ---------------------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (7, 8)))
def test_cluster_function_is_at_most_the_correlation_and_equal_between_neighbours(periodic, phase):
    c2 = two_point_cluster(phase, periodic=periodic)
    s2 = np.asarray(two_point_correlation(phase, periodic=periodic))
    assert (c2 <= s2 + 1e-12).all()
    for index in [(3, 4), (2, 4), (4, 4), (3, 3), (3, 5)]:
        assert c2[index] == pytest.approx(s2[index], abs=1e-12)
    assert c2[3, 4] == pytest.approx(phase.mean(), abs=1e-12)
    # An even side has no counterpart of its first displacement.
    np.testing.assert_allclose(c2[:, 1:], c2[::-1, :0:-1], atol=1e-12)


@law
@given(phase=phases, shift=st.tuples(*[st.integers(0, 6)] * 3))
def test_translation_changes_nothing_in_a_periodic_cell(phase, shift):
    moved = np.roll(phase, shift[: phase.ndim], tuple(range(phase.ndim)))
    np.testing.assert_allclose(two_point_cluster(moved), two_point_cluster(phase), atol=1e-12)
    for axis in range(phase.ndim):
        found = percolates(moved, axis=axis, periodic=True)
        assert found == percolates(phase, axis=axis, periodic=True)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (3, 4, 2)))
def test_axes_of_the_result_are_those_of_the_phase(periodic, phase):
    found = two_point_cluster(phase.transpose(1, 2, 0), periodic=periodic)
    expected = two_point_cluster(phase, periodic=periodic).transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    turned = percolates(phase.transpose(1, 2, 0), axis=0, periodic=periodic)
    assert turned == percolates(phase, axis=1, periodic=periodic)


@law
@given(phase=hnp.arrays(bool, (5, 6)))
def test_more_neighbours_join_clusters_and_never_part_them(phase):
    few, many = (label_clusters(phase, connectivity=connectivity) for connectivity in (1, 2))
    assert len(np.unique(np.stack([few.ravel(), many.ravel()]), axis=1).T) == few.max() + (
        not phase.all()
    )
    assert (two_point_cluster(phase) <= two_point_cluster(phase, connectivity=2) + 1e-12).all()


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3])
def test_two_balls_are_two_clusters(dimensions):
    """Twice the correlation of one, and nothing between them, where the correlation is not 0."""
    shape = (40, 24, 16)[:dimensions]
    squares = [(np.arange(side) - side // 2) ** 2 for side in shape]
    ball = functools.reduce(np.add.outer, squares) < 36
    two = np.roll(ball, 10, axis=0) | np.roll(ball, -10, axis=0)
    c2, s2 = two_point_cluster(two), np.asarray(two_point_correlation(two))
    np.testing.assert_allclose(c2, 2 * np.asarray(two_point_correlation(ball)), atol=1e-12)
    between = tuple(side // 2 - (20 if axis == 0 else 0) for axis, side in enumerate(shape))
    assert c2[between] == 0 and s2[between] == pytest.approx(two.mean(), abs=1e-12)


def test_checkerboard_falls_apart_without_corners():
    board = checkerboard((16, 16), side=2)
    whole = two_point_cluster(board, connectivity=2)
    np.testing.assert_allclose(whole, two_point_correlation(board), atol=1e-12)
    cells = two_point_cluster(board)
    np.testing.assert_allclose(cells[8, 8:], [0.5, 0.25, 0, 0, 0, 0, 0, 0], atol=1e-12)
    assert label_clusters(board).max() == 32 and label_clusters(board, connectivity=2).max() == 1


def test_stripes_wrap_and_count_at_every_distance_along_them():
    """Four stripes, each a cluster: all pairs along them, none from one to the next."""
    stripes = np.tile(np.array([True, False, False]), (9, 4))
    c2 = two_point_cluster(stripes)
    expected = np.zeros(12)
    expected[6] = 1 / 3
    np.testing.assert_allclose(c2, np.tile(expected, (9, 1)), atol=1e-12)


def test_chain_of_random_pixels_follows_its_power_law():
    """C2(r) = p^(r + 1) in one dimension, within three standard errors of 32 realizations.

    Two pixels are connected if all between them are in the phase. At the distance 4, where
    the correlation is p^2 all the same, they are told apart; four times the length halves
    the error.
    """
    fraction, lags = 0.7, np.arange(8)
    errors = []
    for length in (1024, 4096):
        found = np.stack(
            [
                two_point_cluster(random(seed, (1, length), fraction), periodic=False)[0]
                for seed in range(32)
            ]
        )[:, length // 2 + lags]
        error = found.std(axis=0, ddof=1) / math.sqrt(32)
        assert (np.abs(found.mean(axis=0) - fraction ** (lags + 1)) < 3 * error).all()
        assert 10 * error.max() < fraction**2 - fraction**5
        errors.append(error)
    assert np.median(errors[0] / errors[1]) == pytest.approx(2, rel=0.3)


# --- what is refused ----------------------------------------------------------------------------


@each_function
@pytest.mark.parametrize("connectivity", [0, 3, -1])
def test_connectivity_out_of_range_is_refused(function, connectivity):
    with pytest.raises(ValueError, match=rf"`connectivity` \(={connectivity}\) .* 1 .* to 2"):
        function(np.ones((3, 4), bool), connectivity=connectivity)


@pytest.mark.parametrize("axis", [2, -3])
def test_axis_out_of_range_is_refused(axis):
    with pytest.raises(ValueError, match=rf"`axis` \(={axis}\) is out of range"):
        percolates(np.ones((3, 4), bool), axis=axis)


# --- real material ------------------------------------------------------------------------------


def test_pore_space_of_berea_sandstone_is_connected(real_data):
    """Fluid flows through it along every axis, and nearly all of it is in reach."""
    rock = tifffile.imread(real_data / "porous-media-ct/berea.tif")[:150, :150, :150]
    pore = rock == 0
    assert 0.15 < pore.mean() < 0.25
    assert all(percolates(pore, axis=axis) for axis in range(3))
    assert largest_cluster_share(pore, periodic=False) > 0.9
