"""`idml_jax.statistics.pores` and `thickness`: the definitions, closed forms, SciPy's openings."""

import functools
import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.statistics import (
    distance_to_interface,
    local_thickness,
    pore_size_function,
    thickness_distribution,
)

SHAPES = [(5, 7), (8, 6), (1, 9), (4, 5, 3)]
phases = (
    st.sampled_from(SHAPES)
    .flatmap(lambda shape: hnp.arrays(bool, shape, elements=st.sampled_from([True] * 4 + [False])))
    .filter(lambda phase: not phase.all())
)
law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
each_function = pytest.mark.parametrize(
    "function", [distance_to_interface, pore_size_function, local_thickness, thickness_distribution]
)


def blobs(seed, shape, fraction=0.6, width=2.0):
    """A random phase with pores of many sizes, which goes on across the borders."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = scipy.ndimage.gaussian_filter(noise, width, mode="wrap")
    return smooth > np.quantile(smooth, 1 - fraction)


def between(points, others, shape, periodic):
    """Squared distance of each point from each of the others."""
    apart = np.abs(points[:, None] - others[None])
    if periodic:
        apart = np.minimum(apart, np.array(shape) - apart)
    return (apart**2).sum(axis=-1)


def squared_distances(phase, periodic):
    """From each pixel of the phase to the nearest one outside, all of them tried."""
    inside, outside = np.argwhere(phase), np.argwhere(~phase)
    return between(inside, outside, phase.shape, periodic).min(axis=1, initial=10**6)


def largest_balls(phase, periodic, radii=None):
    """The definition of local thickness: of all balls that hold a pixel the largest.

    The one around a pixel gets up to half a pixel before the nearest outside.
    """
    points = np.argwhere(phase)
    squared = squared_distances(phase, periodic)
    apart = between(points, points, phase.shape, periodic)
    thickness = np.zeros(phase.shape)
    if radii is None:
        balls = [(2 * np.sqrt(squared) - 1, apart < squared)]
    else:
        fits = [(squared >= (radius + 0.5) ** 2) for radius in radii]
        balls = [
            (np.where(fit, 2 * radius, 0), apart < (radius + 0.5) ** 2)
            for radius, fit in zip(radii, fits, strict=True)
        ]
    best = [np.where(holds, diameter, 0).max(axis=1, initial=0) for diameter, holds in balls]
    thickness[phase] = np.max(best, axis=0)
    return thickness


def distances_from_centre(shape, centre):
    """Distance of each pixel's centre from a point."""
    squares = [(np.arange(side) - c) ** 2 for side, c in zip(shape, centre, strict=True)]
    return np.sqrt(functools.reduce(np.add.outer, squares))


def overlapping_disks(generator, side, radius, density):
    """Matrix around disks at random places of a periodic cell; the number of them is random."""
    matrix = np.ones((side, side), bool)
    pixels = np.arange(side)
    for centre in side * generator.random((generator.poisson(density * side**2), 2)):
        rows, cols = ((np.abs(pixels - c + side / 2) % side - side / 2) ** 2 for c in centre)
        matrix &= np.add.outer(rows, cols) >= radius**2
    return matrix


def union_of_disks(reach, radius, *, samples=8):
    """Area of the union of disks around all pixels within `reach` of one."""
    outside = math.ceil(reach + radius) + 1
    offsets = (np.arange(2 * outside * samples) + 0.5) / samples - outside
    near = np.arange(-math.floor(reach), math.floor(reach) + 1)
    covered = np.zeros((offsets.size, offsets.size), bool)
    for row in near:
        for col in near[np.hypot(row, near) <= reach]:
            covered |= np.add.outer((offsets - row) ** 2, (offsets - col) ** 2) < radius**2
    return covered.mean() * (2 * outside) ** 2


# --- the definitions ----------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases)
def test_distance_matches_the_definition(periodic, phase):
    found = distance_to_interface(phase, periodic=periodic)
    expected = np.zeros(phase.shape)
    expected[phase] = np.sqrt(squared_distances(phase, periodic)) - 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@periodic_or_not
@law
@given(phase=phases)
def test_local_thickness_matches_the_definition(periodic, phase):
    found = local_thickness(phase, periodic=periodic)
    np.testing.assert_allclose(found, largest_balls(phase, periodic), rtol=0, atol=1e-12)


@periodic_or_not
@pytest.mark.parametrize("shape", [(22, 19), (3, 40), (11, 8, 9), (2, 12, 13)], ids=str)
@pytest.mark.parametrize("fraction", [0.6, 0.9, 0.99])
def test_local_thickness_of_large_pores_matches_the_definition(shape, fraction, periodic):
    """Balls larger than the cell too, which go around it."""
    phase = blobs(0, shape, fraction)
    found = local_thickness(phase, periodic=periodic)
    np.testing.assert_allclose(found, largest_balls(phase, periodic), rtol=0, atol=1e-12)
    radii = [2.2, 1, 1.3, 4]
    some = local_thickness(phase, periodic=periodic, radii=radii)
    expected = largest_balls(phase, periodic, radii)
    np.testing.assert_allclose(some, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_float_phases_are_measured_in_their_own_precision(dtype, atol):
    phase = blobs(0, (20, 21))
    for function in (distance_to_interface, local_thickness):
        found = function(phase.astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found, function(phase), rtol=atol, atol=0)
    for function in (pore_size_function, thickness_distribution):
        found = function(phase.astype(dtype))
        assert found.density.dtype == found.edges.dtype == found.cumulative.dtype == dtype
        np.testing.assert_allclose(found.density, function(phase).density, rtol=0, atol=atol)


@pytest.mark.parametrize("shape", [(40, 7), (23, 30), (12, 5, 9)], ids=str)
@pytest.mark.parametrize("fraction", [0.5, 0.95])
def test_periodic_distance_is_scipys_in_the_middle_of_many_images(shape, fraction):
    phase = blobs(1, shape, fraction)
    many = np.tile(phase, (3,) * len(shape))
    middle = tuple(slice(side, 2 * side) for side in shape)
    expected = scipy.ndimage.distance_transform_edt(many)[middle]
    found = distance_to_interface(phase)
    np.testing.assert_allclose(found[phase], expected[phase] - 0.5, rtol=0, atol=1e-12)
    alone = scipy.ndimage.distance_transform_edt(phase)
    found = distance_to_interface(phase, periodic=False)
    np.testing.assert_allclose(found[phase], alone[phase] - 0.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(60, 50), (18, 20, 22)], ids=str)
def test_local_thickness_is_that_of_scipys_openings_one_radius_after_the_other(shape):
    phase = blobs(2, shape, 0.7, width=3)
    distance = scipy.ndimage.distance_transform_edt(phase)
    expected = np.zeros(shape)
    for radius in np.unique(distance[phase]):
        # A little less than the radius: what is exactly that far is not inside.
        near = scipy.ndimage.distance_transform_edt(distance < radius) < radius - 1e-9
        expected[near] = 2 * radius - 1
    found = local_thickness(phase, periodic=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # All radii given, also with what rounding does to them.
    for dtype in (np.float64, np.float32):
        radii = np.unique(distance[phase]).astype(dtype) - dtype(0.5)
        every = local_thickness(phase, periodic=False, radii=radii)
        np.testing.assert_allclose(every, expected, rtol=1e-6)


@periodic_or_not
@law
@given(phase=phases.filter(lambda phase: phase.any()))
def test_pore_sizes_are_the_share_of_pixels_in_bins(periodic, phase):
    """Without borders each pixel counts once; else if its distance is known, for all like it."""
    distance = np.sqrt(squared_distances(phase, periodic))
    points = np.argwhere(phase)
    weights = np.ones(len(points))
    if not periodic:
        border = np.min([points + 1, np.array(phase.shape) - points], axis=(0, 2))
        everywhere = np.argwhere(np.ones(phase.shape, bool))
        all_borders = np.min([everywhere + 1, np.array(phase.shape) - everywhere], axis=(0, 2))
        weights = np.array(
            [
                1 / (all_borders >= far).sum() if far <= here else 0
                for far, here in zip(distance, border, strict=True)
            ]
        )
    found = pore_size_function(phase, periodic=periodic)
    width = np.diff(found.edges)
    np.testing.assert_array_equal(found.edges, np.arange(math.ceil(distance.max() - 0.5) + 1))
    for k, (low, high) in enumerate(zip(found.edges, found.edges[1:], strict=False)):
        here = (distance - 0.5 > low) & (distance - 0.5 <= high)
        expected = weights[here].sum() / weights.sum()
        assert found.density[k] * width[k] == pytest.approx(expected, abs=1e-12)
        above = weights[distance - 0.5 > low].sum() / weights.sum()
        assert found.cumulative[k] == pytest.approx(above, abs=1e-12)
    assert found.cumulative[0] == 1 and found.cumulative[-1] == 0
    assert found.mean == pytest.approx((weights * (distance - 0.5)).sum() / weights.sum())


def test_bins_are_a_number_or_edges():
    phase = blobs(0, (30, 31))
    thickness = local_thickness(phase)[phase]
    found = thickness_distribution(phase, bins=7)
    np.testing.assert_allclose(found.edges, np.linspace(0, thickness.max(), 8))
    assert found.cumulative[0] == 1 and found.cumulative[-1] == 0
    edges = [1.5, 3.0, 7.0]
    found = thickness_distribution(phase, bins=edges)
    np.testing.assert_array_equal(found.edges, edges)
    above = [(thickness > edge).mean() for edge in edges]
    np.testing.assert_allclose(found.cumulative, above, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.density, -np.diff(above) / np.diff(edges), atol=1e-12)
    assert found.mean == pytest.approx(thickness.mean(), abs=1e-12)
    default = thickness_distribution(phase).edges
    np.testing.assert_array_equal(default, 2 * np.arange(len(default)))
    assert default[-2] < thickness.max() <= default[-1]


# --- laws ---------------------------------------------------------------------------------------


@law
@given(phase=phases, shift=st.tuples(*[st.integers(0, 8)] * 3))
def test_translation_moves_the_fields_of_a_periodic_cell(phase, shift):
    move = functools.partial(np.roll, shift=shift[: phase.ndim], axis=tuple(range(phase.ndim)))
    for function in (distance_to_interface, local_thickness):
        np.testing.assert_allclose(function(move(phase)), move(function(phase)), atol=1e-12)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (4, 5, 3)).filter(lambda phase: not phase.all()))
def test_axes_of_the_fields_are_those_of_the_phase(periodic, phase):
    for function in (distance_to_interface, local_thickness):
        found = function(phase.transpose(1, 2, 0), periodic=periodic)
        expected = function(phase, periodic=periodic).transpose(1, 2, 0)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@periodic_or_not
@law
@given(phase=phases)
def test_thickness_is_at_least_twice_the_distance_and_has_the_same_maximum(periodic, phase):
    distance = distance_to_interface(phase, periodic=periodic)
    thickness = local_thickness(phase, periodic=periodic)
    assert (thickness >= 2 * distance - 1e-12).all()
    assert thickness.max() == pytest.approx(2 * distance.max(), abs=1e-12)
    assert ((thickness > 0) == phase).all() and ((distance > 0) == phase).all()


@law
@given(phase=phases)
def test_a_stack_of_equal_planes_is_as_wide_as_the_plane(phase):
    if phase.ndim == 3:
        phase = phase[0]
    if phase.all():
        return
    stack = np.broadcast_to(phase, (4, *phase.shape))
    np.testing.assert_allclose(distance_to_interface(stack)[2], distance_to_interface(phase))
    # Balls with a centre in another plane are no wider in this one.
    np.testing.assert_allclose(local_thickness(stack)[2], local_thickness(phase))


@pytest.mark.parametrize("periodic", [True, False])
def test_fewer_radii_give_no_wider_balls(periodic):
    phase = blobs(3, (40, 41), 0.7)
    whole = local_thickness(phase, periodic=periodic)
    some = local_thickness(phase, periodic=periodic, radii=[1, 2, 3])
    assert (some <= whole + 1e-12).all()
    assert set(np.unique(some)) <= {0, 2, 4, 6} and (some[phase] == 0).any()
    finer = local_thickness(phase, periodic=periodic, radii=[0.5, 1, 1.5, 2, 3])
    assert (finer >= some).all() and (finer[phase] > 0).all()


# --- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 4, 7])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slab_has_its_own_width(width, axis):
    """Exactly: F falls in a line, and the thickness is one pixel less where it is even."""
    phase = np.zeros((9, 10, 11), bool)
    # Across the border of the cell.
    np.moveaxis(phase, axis, 0)[np.arange(-2, width - 2)] = True
    sizes = pore_size_function(phase)
    expected = np.maximum(1 - 2 * sizes.edges / width, 0)
    np.testing.assert_allclose(sizes.cumulative, expected, rtol=0, atol=1e-12)
    assert sizes.mean == pytest.approx(width / 4 + (width % 2) / (4 * width), abs=1e-12)
    odd = width - 1 + width % 2
    np.testing.assert_allclose(local_thickness(phase)[phase], odd, rtol=0, atol=1e-12)
    assert thickness_distribution(phase).mean == pytest.approx(odd, abs=1e-12)


@pytest.mark.parametrize(("dimensions", "radii"), [(2, (8, 16, 32, 64)), (3, (5, 10, 20))])
def test_ball_has_its_pore_size_function(dimensions, radii):
    """F = (1 - delta / R)^d, mean R / (d + 1): the error is less than half a pixel.

    It is that of the interface's place, so relative to R it falls as 1 / R.
    """
    errors = []
    for radius in radii:
        shape = (2 * radius + 3,) * dimensions
        centre = radius + 1 + np.array([0.3, 0.1, 0.2])[:dimensions]
        sizes = pore_size_function(distances_from_centre(shape, centre) < radius, periodic=True)
        expected = np.maximum(1 - sizes.edges / radius, 0) ** dimensions
        error = np.abs(sizes.cumulative - expected).max()
        # Half a pixel more or less of distance, where F is steepest.
        assert error < dimensions * 0.5 / radius
        assert abs(sizes.mean - radius / (dimensions + 1)) < 0.35
        errors.append(error)
    assert all(finer < coarser / 1.5 for coarser, finer in zip(errors, errors[1:], strict=False))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_balls_of_two_sizes_have_their_diameters_everywhere(dimensions):
    """A digital ball of whole radius around a pixel is one ball, and the other is another."""
    shape = (40, 24, 26)[:dimensions]
    centres = [(12, 11, 13)[:dimensions], (30, 12, 12)[:dimensions]]
    large, small = (
        distances_from_centre(shape, centre) < radius
        for centre, radius in zip(centres, (10, 5), strict=True)
    )
    assert not (large & small).any()
    thickness = local_thickness(large | small)
    np.testing.assert_allclose(thickness[large], 19, rtol=0, atol=1e-12)
    np.testing.assert_allclose(thickness[small], 9, rtol=0, atol=1e-12)
    sizes = thickness_distribution(large | small, bins=[0, 5, 10, 15, 20])
    share = large.sum() / (large.sum() + small.sum())
    np.testing.assert_allclose(sizes.cumulative, [1, 1, share, share, 0], atol=1e-12)
    np.testing.assert_allclose(sizes.density, [0, (1 - share) / 5, 0, share / 5], atol=1e-12)


def test_neck_between_two_disks_is_as_thin_as_it_is():
    """Local thickness sees the disks from inside the neck's ends, and not in its middle."""
    shape = (50, 90)
    disks = [distances_from_centre(shape, (25, col)) < 15 for col in (20, 70)]
    phase = disks[0] | disks[1]
    phase[23:28, 20:70] = True
    thickness = local_thickness(phase)
    np.testing.assert_allclose(thickness[23:28, 40:51], 5, rtol=0, atol=1e-12)
    for disk in disks:
        assert (thickness[disk] >= 29 - 1e-12).all()


def test_matrix_of_overlapping_disks_has_its_pore_size_function():
    """F = exp(-density x area), within three standard errors over 32 realizations.

    The area is that of the union of the disks around all pixels up to half a pixel farther
    than delta, less one disk: exact on the grid of pixels, and in the limit of small pixels
    pi ((R + delta)^2 - R^2), from which it is half a pixel of distance away at most.
    """
    generator = np.random.default_rng(0)
    radius, density, edges = 6.0, 0.005, np.arange(1.0, 8.0)
    found = [
        pore_size_function(overlapping_disks(generator, 160, radius, density), bins=[0, *edges])
        for _ in range(32)
    ]
    cumulative = np.stack([sizes.cumulative for sizes in found])[:, 1:]
    error = cumulative.std(axis=0, ddof=1) / math.sqrt(32)
    area = np.array([union_of_disks(edge + 0.5, radius) for edge in edges])
    expected = np.exp(-density * (area - math.pi * radius**2))
    assert (np.abs(cumulative.mean(axis=0) - expected) < 3 * error).all()
    assert error.max() < 0.01
    equivalent = np.sqrt(area / math.pi) - radius
    assert (np.abs(equivalent - edges) < 0.5).all()


def test_union_of_disks_becomes_one_large_disk_as_pixels_get_small():
    """The area that the test above takes for granted."""
    for scale in (1, 4):
        area = union_of_disks(6.0 * scale + 0.5, 3.0 * scale, samples=4) / scale**2
        assert abs(math.sqrt(area / math.pi) - 9) < 0.5 / scale


def test_windows_of_a_medium_have_its_pore_size_function():
    """Within three standard errors over 64 windows; distances as they are seen are too long."""
    generator = np.random.default_rng(1)
    radius, density, edges = 5.0, 0.004, np.arange(1.0, 8.0)
    counted, seen = [], []
    for _ in range(64):
        window = overlapping_disks(generator, 110, radius, density)[:80, :80]
        sizes = pore_size_function(window, periodic=False, bins=[0, *edges])
        counted.append(sizes.cumulative[1:])
        distance = distance_to_interface(window, periodic=False)[window]
        seen.append([(distance > edge).mean() for edge in edges])
    area = np.array([union_of_disks(edge + 0.5, radius) for edge in edges])
    expected = np.exp(-density * (area - math.pi * radius**2))
    error = np.std(counted, axis=0, ddof=1) / 8
    assert (np.abs(np.mean(counted, axis=0) - expected) < 3 * error).all()
    assert (np.mean(seen, axis=0) - expected > 3 * np.std(seen, axis=0, ddof=1) / 8).any()


# --- what is refused ----------------------------------------------------------------------------


def test_a_phase_without_pixels_has_no_sizes():
    phase = np.zeros((4, 5), bool)
    for function in (distance_to_interface, local_thickness):
        assert not function(phase).any() and not function(phase, periodic=False).any()
    assert not local_thickness(phase, radii=[1]).any()
    for function in (pore_size_function, thickness_distribution):
        with pytest.raises(ValueError, match="`phase` has no pixel, and so no sizes"):
            function(phase)


@each_function
def test_a_phase_without_an_interface_is_refused(function):
    with pytest.raises(ValueError, match="`phase` is everywhere, and so has no interface"):
        function(np.ones((4, 5), bool))


@pytest.mark.parametrize("function", [pore_size_function, thickness_distribution])
@pytest.mark.parametrize("bins", [0, -2, [1.0], [], [0.0, 2.0, 1.0], [0.0, math.nan]], ids=str)
def test_bins_that_are_none_are_refused(function, bins):
    with pytest.raises(ValueError, match="`bins` .* a number above 0, or two edges or more"):
        function(np.eye(4, dtype=bool), bins=bins)


@pytest.mark.parametrize("radii", [[], [0.0], [1.0, -1.0], [math.nan], [math.inf]], ids=str)
def test_radii_that_are_none_are_refused(radii):
    with pytest.raises(ValueError, match="`radii` are lengths above 0"):
        local_thickness(np.eye(4, dtype=bool), radii=radii)
