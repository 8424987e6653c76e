"""`idml_jax.statistics.segments` against the definition, closed forms and one another."""

import functools
import itertools
import math

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.data.synthetic import checkerboard
from idml_jax.statistics import (
    chord_length_distribution,
    chord_lengths,
    lineal_path,
    two_point_correlation,
    volume_fraction,
)

SHAPES = [(4, 5), (5, 3), (3, 4, 2)]
law = settings(max_examples=15, deadline=None, derandomize=True)
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def lines_of(phase, axis):
    return np.moveaxis(np.asarray(phase), axis, -1).reshape(-1, phase.shape[axis])


def brute_force(phase, axis, periodic):
    """The definition: the mean product of the memberships over every segment, one at a time."""
    path = []
    for z in range(phase.shape[axis]):
        found = []
        for line in lines_of(phase, axis):
            starts = range(len(line)) if periodic else range(len(line) - z)
            found += [
                math.prod(float(line[(x + k) % len(line)]) for k in range(z + 1)) for x in starts
            ]
        path.append(np.mean(found))
    return path


# --- lineal path --------------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases)
def test_lineal_path_of_a_boolean_phase_matches_the_definition(phase, periodic):
    for axis in range(phase.ndim):
        found = lineal_path(phase, axis=axis, periodic=periodic)
        np.testing.assert_allclose(found, brute_force(phase, axis, periodic), rtol=0, atol=1e-12)


@periodic_or_not
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_lineal_path_of_a_soft_phase_matches_the_definition(shape, dtype, atol, periodic):
    phase = 0.5 + random(0, shape, dtype) / 2
    for axis in range(phase.ndim):
        found = lineal_path(phase, axis=axis, periodic=periodic)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, brute_force(phase, axis, periodic), rtol=0, atol=atol)


@periodic_or_not
@law
@given(phase=phases)
def test_counted_and_multiplied_paths_agree(phase, periodic):
    counted = lineal_path(phase, axis=-1, periodic=periodic)
    multiplied = lineal_path(phase.astype(float), axis=phase.ndim - 1, periodic=periodic)
    np.testing.assert_allclose(counted, multiplied, rtol=0, atol=1e-12)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (3, 9)))
def test_a_path_begins_at_the_volume_fraction_and_never_exceeds_the_correlation(phase, periodic):
    path = lineal_path(phase, axis=1, periodic=periodic)
    assert float(path[0]) == pytest.approx(float(volume_fraction(phase)), abs=1e-12)
    s2 = two_point_correlation(phase, periodic=periodic)[1, 4:]
    assert (np.asarray(path[:5]) <= np.asarray(s2) + 1e-12).all()
    if periodic:
        assert (np.diff(path) <= 1e-12).all()


def test_checkerboard_of_two_voxel_cells_tells_the_path_from_the_correlation():
    board = checkerboard((60, 60, 60), side=2)
    for axis in range(3):
        path = lineal_path(board, axis=axis)
        np.testing.assert_allclose(path[:8], [0.5, 0.25, 0, 0, 0, 0, 0, 0], rtol=0, atol=1e-12)


def disks(rng, shape, density, radius):
    """Overlapping disks of a periodic Boolean model, by the distance from each centre."""
    inside = np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    for centre in rng.random((rng.poisson(density * math.prod(shape)), 2)) * shape:
        away = [
            np.abs((grid - place + side / 2) % side - side / 2)
            for grid, place, side in zip((rows, cols), centre, shape, strict=True)
        ]
        inside |= away[0] ** 2 + away[1] ** 2 <= radius**2
    return inside


def covered(radius, z):
    """Pixels that a disk covers of z + 1 in a row, on average over its place: their union."""
    fine = 16
    axis = (np.arange(-(radius + 2) * fine, (radius + 2) * fine) + 0.5) / fine
    rows = axis[:, None]
    hit = np.zeros((len(axis), len(axis) + z * fine), bool)
    cols = (np.arange(hit.shape[1]) + 0.5) / fine + axis[0]
    for k in range(z + 1):
        hit |= rows**2 + (cols - k) ** 2 <= radius**2
    return hit.mean() * (len(axis) / fine) * (hit.shape[1] / fine)


def test_matrix_of_overlapping_disks_has_an_exponential_path():
    """L(z) = exp(-density x area swept by a disk along z), within three standard errors.

    Of z + 1 points in a row, as pixels are, the swept area is the union of as many disks.
    It differs from the pi R^2 + 2 R z of a whole segment by less than z / (6 R).
    """
    density, radius, lengths = 0.004, 6.0, np.array([0, 1, 3, 6, 12, 24])
    rng = np.random.default_rng(0)
    found = np.array(
        [lineal_path(~disks(rng, (128, 128), density, radius), axis=0)[lengths] for _ in range(32)]
    )
    areas = np.array([covered(6, z) for z in lengths])
    segments = math.pi * radius**2 + 2 * radius * lengths
    assert (np.abs(areas - segments) <= lengths / (6 * radius) + 0.05).all()
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert error.max() < 0.01
    assert (np.abs(found.mean(axis=0) - np.exp(-density * areas)) < 3 * error).all()


@periodic_or_not
def test_a_longest_length_cuts_the_path_off(periodic):
    phase = random(0, (6, 7)) > 0.3
    for kind in (phase, phase.astype(float)):
        whole = lineal_path(kind, axis=1, periodic=periodic)
        short = lineal_path(kind, axis=1, periodic=periodic, longest=2)
        np.testing.assert_array_equal(short, whole[:3])


@periodic_or_not
def test_paths_run_under_jit_and_vmap(periodic):
    batch = random(0, (3, 6, 7)) > 0.3
    path = functools.partial(lineal_path, axis=0, periodic=periodic)
    one_by_one = jnp.stack([path(phase) for phase in batch])
    np.testing.assert_allclose(jax.jit(jax.vmap(path))(batch), one_by_one, atol=1e-12)


@periodic_or_not
def test_gradient_of_the_path_matches_finite_differences(periodic):
    soft = 0.5 + random(0, (4, 5)) / 2
    path = functools.partial(lineal_path, axis=1, periodic=periodic)
    check_grads(lambda phase: path(jnp.asarray(phase)), (soft,), order=1)


# --- chords -------------------------------------------------------------------------------------


def runs(line):
    """Lengths of the runs of a line, and whether the border cuts them."""
    found, place = [], 0
    for inside, pixels in itertools.groupby(line):
        length = len(list(pixels))
        if inside:
            found.append((length, place == 0 or place + length == len(line)))
        place += length
    return found


@law
@given(phase=phases)
def test_chords_are_the_runs_of_each_line(phase):
    for axis in range(phase.ndim):
        expected = [run for line in lines_of(phase, axis) for run in runs(line)]
        kept = chord_lengths(phase, axis=axis)
        assert kept.tolist() == [length for length, _ in expected]
        dropped = chord_lengths(phase, axis=axis, cut="drop")
        assert dropped.tolist() == [length for length, cut in expected if not cut]


@law
@given(phase=hnp.arrays(bool, (3, 6)), shift=st.integers(0, 5))
def test_chords_of_a_periodic_image_do_not_see_its_border(phase, shift):
    """Rolled so that each line begins outside the phase, no run is cut."""
    found = chord_lengths(phase, axis=1, periodic=True)
    expected = []
    for line in phase:
        if not line.all():
            expected += [length for length, _ in runs(np.roll(line, -int(line.argmin())))]
    assert found.tolist() == expected
    moved = chord_lengths(np.roll(phase, shift, axis=1), axis=1, periodic=True)
    assert sorted(moved) == sorted(found)


@pytest.mark.parametrize(("periodic", "cut"), [(True, "keep"), (False, "keep"), (False, "drop")])
@law
@given(phase=phases)
def test_distribution_counts_the_chords(phase, periodic, cut):
    for axis in range(phase.ndim):
        lengths = chord_lengths(phase, axis=axis, periodic=periodic, cut=cut)
        found = chord_length_distribution(phase, axis=axis, periodic=periodic, cut=cut)
        assert float(found.number) == pytest.approx(len(lengths) / phase.size, abs=1e-12)
        if len(lengths) == 0:
            assert np.isnan(found.mean) and np.isnan(found.probabilities).all()
            continue
        counts = np.bincount(lengths, minlength=phase.shape[axis] + 1)[1:]
        np.testing.assert_allclose(found.probabilities, counts / len(lengths), atol=1e-12)
        assert float(found.mean) == pytest.approx(lengths.mean(), abs=1e-12)


def test_weighed_chords_are_unbiased_where_kept_and_dropped_ones_are_not():
    """Windows of a long line, over all of their places: the density of each length comes out.

    The average over every window of the number of chords of each length, as they are weighed,
    equals the number in the whole periodic line, exactly.
    """
    side = 12
    line = random(3, (1, 400)) < 0.6
    whole = chord_lengths(line, axis=1, periodic=True)
    truth = np.bincount(whole, minlength=side + 1)[1 : side + 1] / line.size
    windows = np.stack([np.roll(line[0], -start)[:side] for start in range(line.size)])

    def densities(cut):
        each = chord_length_distribution(windows, axis=1, cut=cut)
        return np.asarray(each.probabilities * each.number)

    np.testing.assert_allclose(densities("weigh")[: side - 2], truth[: side - 2], atol=1e-12)
    for cut in ("keep", "drop"):
        assert np.abs(densities(cut)[: side - 2] - truth[: side - 2]).max() > 0.01


def test_chords_of_random_pixels_are_geometric():
    """Within three standard errors over 32 realizations, from windows as short as the chords."""
    inside, side = 0.8, 16
    batch = random(0, (32, 400, side)) < inside
    found = jax.vmap(lambda p: chord_length_distribution(p, axis=1))(batch)
    number = np.asarray(found.probabilities * found.number[:, None])[:, : side - 2]
    error = number.std(axis=0, ddof=1) / math.sqrt(len(number))
    expected = inside ** np.arange(1, side - 1) * (1 - inside) ** 2
    assert (np.abs(number.mean(axis=0) - expected) < 3 * error).all()


@pytest.mark.parametrize(("dimensions", "radii"), [(2, (60, 240)), (3, (30, 60))])
def test_chords_of_a_ball_have_its_mean_and_deviation(dimensions, radii):
    """Disk: pi R / 2 and R sqrt((32 - 3 pi^2) / 12). Ball: 4 R / 3 and R sqrt(2) / 3.

    The error is that of counting pixels and missing the shortest chords: of order 1 / R.
    """
    mean, deviation = {
        2: (math.pi / 2, math.sqrt((32 - 3 * math.pi**2) / 12)),
        3: (4 / 3, math.sqrt(2) / 3),
    }[dimensions]
    for radius in radii:
        square = (np.arange(2 * radius + 3) - radius - 1.0) ** 2
        squares = functools.reduce(np.add.outer, [square] * dimensions)
        lengths = chord_lengths(squares <= radius**2, axis=0)
        assert lengths.mean() == pytest.approx(mean * radius, rel=1 / radius)
        assert lengths.std() == pytest.approx(deviation * radius, rel=3.3 / radius)


def test_a_phase_without_pixels_has_no_chord():
    nothing = np.zeros((4, 5), bool)
    assert chord_lengths(nothing, axis=0).shape == (0,)
    assert np.isnan(chord_length_distribution(nothing, axis=0).mean)
    assert float(chord_length_distribution(nothing, axis=0).number) == 0


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("statistic", [lineal_path, chord_lengths, chord_length_distribution])
@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_is_not_there_is_refused(statistic, axis):
    with pytest.raises(ValueError, match=rf"`axis` \(={axis}\) is out of range"):
        statistic(np.ones((4, 5), bool), axis=axis)


@pytest.mark.parametrize("statistic", [chord_lengths, chord_length_distribution])
def test_chords_of_a_soft_phase_are_refused(statistic):
    with pytest.raises(ValueError, match="`phase` is not binary"):
        statistic(np.full((4, 5), 0.5), axis=0)
    with pytest.raises(TypeError, match="in a compiled function|on the host"):
        jax.jit(lambda phase: statistic(phase, axis=0))(jnp.ones((4, 5)))


def test_options_out_of_range_are_refused():
    phase = np.ones((4, 5), bool)
    with pytest.raises(ValueError, match="`longest` .=5. must lie between 0 and 4"):
        lineal_path(phase, axis=1, longest=5)
