"""`idml_jax.statistics.surfaces` and its correlations against the definition and closed forms."""

import functools
import itertools
import math

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.statistics import (
    interfacial_surface,
    minkowski_functionals,
    radial_average,
    specific_surface,
    surface_surface_correlation,
    surface_void_correlation,
    triple_phase_boundary_density,
    two_point_correlation,
)

# A new shape is a new compilation: hypothesis draws the pixels, not the shape.
SHAPES = [(5, 4), (3, 4, 2)]
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
labels_of_four = st.sampled_from(SHAPES).flatmap(
    lambda shape: hnp.arrays(int, shape, elements=st.integers(-1, 3))
)
law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
each_method = pytest.mark.parametrize("method", ["faces", "crofton", "gradient"])

surface_of = jax.jit(specific_surface, static_argnames=("periodic", "method", "pixel_size"))
between = jax.jit(
    interfacial_surface, static_argnames=("first", "second", "periodic", "pixel_size")
)
triple = jax.jit(
    triple_phase_boundary_density,
    static_argnames=("phases", "periodic", "isotropic", "pixel_size"),
)


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def squared_distance(shape, centre=None):
    centre = [side // 2 for side in shape] if centre is None else centre
    offsets = [np.arange(side) - at for side, at in zip(shape, centre, strict=True)]
    return sum(offset**2 for offset in np.meshgrid(*offsets, indexing="ij"))


def neighbours(shape, axis, periodic):
    """Pairs of indices one step apart along an axis, one at a time."""
    for index in np.ndindex(shape):
        following = list(index)
        following[axis] += 1
        if following[axis] == shape[axis]:
            if not periodic:
                continue
            following[axis] = 0
        yield index, tuple(following)


# --- specific surface ---------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases)
def test_faces_match_the_definition(periodic, phase):
    sides = (1.0, 2.0, 4.0)[: phase.ndim]
    area = 0.0
    for axis, side in enumerate(sides):
        for one, other in neighbours(phase.shape, axis, periodic):
            area += (phase[one] != phase[other]) * math.prod(sides) / side
    found = surface_of(phase, periodic=periodic, pixel_size=sides)
    assert float(found) == pytest.approx(area / (phase.size * math.prod(sides)), abs=1e-12)


def test_faces_of_a_cube_and_of_a_square():
    cube = np.zeros((20, 20, 20), bool)
    cube[3:13, 5:15, :10] = True
    assert float(surface_of(cube)) == pytest.approx(0.075, abs=1e-12)
    # The border of an image that does not tile is no interface of its own.
    assert float(surface_of(cube, periodic=False)) == pytest.approx(0.0625, abs=1e-12)
    assert float(surface_of(cube[:, :, 0])) == pytest.approx(40 / 400, abs=1e-12)


@law
@given(phase=phases)
def test_faces_are_the_fall_of_the_two_point_correlation_at_one_pixel(phase):
    s2 = np.asarray(two_point_correlation(phase))
    centre = tuple(side // 2 for side in phase.shape)
    fall = 0.0
    for axis in range(phase.ndim):
        neighbour = list(centre)
        neighbour[axis] -= 1
        fall += s2[centre] - s2[tuple(neighbour)]
    assert float(surface_of(phase)) == pytest.approx(2 * fall, abs=1e-12)


@pytest.mark.parametrize(("method", "periodic"), [("faces", True), ("crofton", False)])
def test_surface_of_a_soft_phase_is_the_mean_over_all_thresholds(method, periodic):
    soft = random(0, (3, 4, 2))
    levels = np.unique(np.concatenate([[0, 1], soft.ravel()]))
    expected = 0.0
    for low, high in itertools.pairwise(levels):
        cut = surface_of(soft > (low + high) / 2, periodic=periodic, method=method)
        expected += (high - low) * float(cut)
    found = surface_of(soft, periodic=periodic, method=method)
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 5)], ids=str)
def test_crofton_is_the_minkowski_functional_where_the_border_is_empty(shape):
    phase = np.pad(random(1, [side - 2 for side in shape]) > 0.4, 1)
    expected = float(jax.jit(minkowski_functionals)(phase)[1])
    for periodic in (True, False):
        found = float(surface_of(phase, periodic=periodic, method="crofton")) * phase.size
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("pixel_size", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)], ids=str)
def test_crofton_measures_a_ball_whatever_the_sides_of_a_voxel(pixel_size):
    """The error falls with the voxel; faces stay 3 / 2 too large."""
    errors = []
    for radius in (6, 24):
        shape = tuple(int(2 * (radius + 3) / side) for side in pixel_size)
        offsets = [
            (np.arange(n) - n // 2 + 0.2) * side for n, side in zip(shape, pixel_size, strict=True)
        ]
        squares = [offset**2 for offset in np.meshgrid(*offsets, indexing="ij")]
        ball = sum(squares) < radius**2
        volume = ball.size * math.prod(pixel_size)
        true = 4 * math.pi * radius**2
        found = [
            float(surface_of(ball, method=method, pixel_size=pixel_size)) * volume / true
            for method in ("crofton", "faces")
        ]
        errors.append(abs(found[0] - 1))
        assert found[1] == pytest.approx(1.5, rel=0.05)
    assert errors[1] < 2e-3 and errors[1] < errors[0], errors


@periodic_or_not
def test_gradient_of_a_smooth_step_is_its_length_at_second_order(periodic):
    """A logistic disk: the mean of the perimeters of its level sets, 2 pi R, as pixels get fine."""
    errors = []
    for scale in (1, 2, 4):
        side, radius, width = 60 * scale, 15 * scale, 0.4 * scale
        distance = np.sqrt(squared_distance((side, side), (side / 2 + 0.3, side / 2 + 0.1)))
        soft = 1 / (1 + np.exp((distance - radius) / width))
        found = float(surface_of(soft, method="gradient", periodic=periodic)) * side**2
        errors.append(abs(found / (2 * math.pi * radius) - 1))
    assert (np.array(errors) < [2e-3, 1e-4, 4e-5]).all(), errors


def test_gradient_of_a_sharp_phase_has_the_stated_bias():
    layers = np.tile(np.arange(16)[:, None] // 4 % 2 == 0, (1, 16))
    flat = surface_of(layers, method="gradient")
    assert float(flat) == pytest.approx(4 / 16, abs=1e-12)
    rows, cols = np.indices((16, 16))
    slanted = (rows + cols) % 16 < 8
    found = surface_of(slanted, method="gradient")
    assert float(found) == pytest.approx(2 * math.sqrt(2) / 16, abs=1e-12)
    disk = squared_distance((128, 128), (64.3, 63.9)) < 50**2
    found = surface_of(disk, method="gradient") * disk.size / (2 * math.pi * 50)
    assert float(found) == pytest.approx(1.055, abs=0.01)
    # Blind to what alternates, which the other methods see.
    alternating = np.tile([[0.0, 1.0], [1.0, 0.0]], (4, 4))
    assert float(surface_of(alternating, method="gradient")) == 0
    assert float(surface_of(alternating, method="crofton")) == pytest.approx(math.pi / 4)


def test_gradient_at_a_border_is_one_sided():
    """Equal to numpy's central differences, also where they have no second side."""
    soft = random(0, (6, 5))
    expected = np.hypot(*np.gradient(soft)).mean()
    found = surface_of(soft, method="gradient", periodic=False)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    line = random(0, (1, 5))
    found = surface_of(line, method="gradient", periodic=False)
    assert float(found) == pytest.approx(np.abs(np.gradient(line[0])).mean(), rel=1e-12)


@each_method
@law
@given(phase=phases)
def test_both_sides_have_the_same_surface_wherever_they_are(method, phase):
    found = float(surface_of(phase, method=method))
    assert found == pytest.approx(float(surface_of(~phase, method=method)), abs=1e-12)
    moved = np.roll(phase, 1, axis=0)
    assert found == pytest.approx(float(surface_of(moved, method=method)), abs=1e-12)


@each_method
def test_pixel_size_turns_pixels_into_metres(method):
    phase = random(0, (5, 4)) > 0.5
    expected = float(surface_of(phase, method=method))
    found = surface_of(phase, method=method, pixel_size=5e-9)
    assert float(found) * 5e-9 == pytest.approx(expected, rel=1e-12)
    single = surface_of(phase.astype(np.float32), method=method, pixel_size=5e-9)
    assert single.dtype == jnp.float32
    assert float(single) * 5e-9 == pytest.approx(expected, rel=1e-6)


@each_method
@pytest.mark.parametrize(("shape", "periodic"), [((5, 4), False), ((3, 4, 2), True)], ids=str)
def test_surface_has_a_gradient(shape, periodic, method):
    measure = functools.partial(surface_of, periodic=periodic, method=method)
    check_grads(measure, (jnp.asarray(random(2, shape)),), order=1, modes=["rev"])
    flat = jax.grad(measure)(jnp.full(shape, 0.5))
    np.testing.assert_array_equal(flat, np.zeros(shape))


# --- between two phases -------------------------------------------------------------------------


@periodic_or_not
@law
@given(labels=labels_of_four)
def test_interface_between_two_phases_matches_the_definition(periodic, labels):
    sides = (1.0, 2.0, 4.0)[: labels.ndim]
    area = 0.0
    for axis, side in enumerate(sides):
        for one, other in neighbours(labels.shape, axis, periodic):
            area += {labels[one], labels[other]} == {0, 2} and math.prod(sides) / side
    volume = (labels >= 0).sum() * math.prod(sides)
    expected = area / volume if volume else math.nan
    found = between(labels, 0, 2, periodic=periodic, pixel_size=sides)
    assert float(found) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    swapped = between(labels, 2, 0, periodic=periodic, pixel_size=sides)
    np.testing.assert_array_equal(found, swapped)


@periodic_or_not
@law
@given(labels=labels_of_four)
def test_interface_is_half_of_what_both_have_more_than_together(periodic, labels):
    labels = np.abs(labels)
    surfaces = [
        float(surface_of(phase, periodic=periodic))
        for phase in (labels == 0, labels == 1, (labels == 0) | (labels == 1))
    ]
    found = float(between(labels, 0, 1, periodic=periodic))
    assert found == pytest.approx((surfaces[0] + surfaces[1] - surfaces[2]) / 2, abs=1e-12)


# --- triple phase boundary ----------------------------------------------------------------------


def triple_brute_force(labels, phases, periodic, sides):
    """Every edge, or in 2-D corner, and the four pixels around it, one at a time."""
    length = 0.0
    for plane in itertools.combinations(range(labels.ndim), 2):
        for index in np.ndindex(labels.shape):
            around = set()
            for steps in itertools.product((0, 1), repeat=2):
                place = list(index)
                for axis, step in zip(plane, steps, strict=True):
                    place[axis] += step
                if not periodic and np.greater_equal(place, labels.shape).any():
                    around = set()
                    break
                around.add(labels[tuple(np.mod(place, labels.shape))])
            if around >= set(phases):
                length += math.prod(sides) / math.prod(sides[axis] for axis in plane)
    return length / ((labels >= 0).sum() * math.prod(sides))


@periodic_or_not
@law
@given(labels=labels_of_four.filter(lambda labels: (labels >= 0).any()))
def test_triple_phase_boundary_matches_the_definition(periodic, labels):
    sides = (1.0, 2.0, 4.0)[: labels.ndim]
    expected = triple_brute_force(labels, (3, 1, 0), periodic, sides)
    found = triple(labels, (3, 1, 0), periodic=periodic, pixel_size=sides)
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_three_sectors_meet_in_one_straight_line():
    """A line along an axis is exact: its length over the volume, in each direction."""
    corner = np.zeros((7, 9), int)
    corner[3:, :4], corner[3:, 4:] = 1, 2
    assert float(triple(corner, periodic=False)) == pytest.approx(1 / 63, rel=1e-12)
    for axis in range(3):
        labels = np.stack([corner] * 5, axis=axis)
        found = triple(labels, periodic=False)
        assert float(found) == pytest.approx(5 / (5 * 63), rel=1e-12)
        found = triple(labels, periodic=False, pixel_size=1e-6)
        assert float(found) == pytest.approx(1e12 / 63, rel=1e-12)
        # By stereology: one direction of three is cut, and stands for two thirds.
        found = triple(labels, periodic=False, isotropic=True)
        assert float(found) == pytest.approx(2 / 3 / 63, rel=1e-12)
    # Periodic, the layers meet again across the border, in four lines.
    assert float(triple(np.stack([corner] * 5))) == pytest.approx(4 / 63, rel=1e-12)


def test_a_slanted_line_is_as_much_too_long_as_stated():
    """Three sectors of 120 degrees about a line: |u_1| + |u_2| + |u_3| times its length, and 1.5 %.

    Over twenty directions, the mean within three standard errors of at most 3 %.
    """
    rng = np.random.default_rng(0)
    side, radius = 60, 26
    middles = np.stack(np.indices((side,) * 3), axis=-1) - (side - 1) / 2
    excess = []
    for _ in range(20):
        along, first, second = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        offset = middles - rng.random(3)
        angle = np.arctan2(offset @ second, offset @ first) + math.pi
        sector = (angle / (2 * math.pi / 3)).astype(int) % 3
        # Only what is in a ball, where the line is as long in every direction.
        labels = np.where((offset**2).sum(axis=-1) < radius**2, sector, 3)
        length = float(triple(labels, periodic=False)) * labels.size
        excess.append(length / (2 * radius * np.abs(along).sum()) - 1)
    error = np.std(excess, ddof=1) / math.sqrt(len(excess))
    assert error < 0.01
    assert -3 * error < np.mean(excess) < 0.03 + 3 * error, (np.mean(excess), error)


def test_anode_of_a_fuel_cell(real_data):
    """Pairs of phases share all of the surface, and the lines lie on all three interfaces."""
    labels = tifffile.imread(real_data / "superres-electrodes" / "SOFC_lr_input.tif").astype(int)
    assert set(np.unique(labels)) == {0, 1, 2}
    total = sum(float(surface_of(labels == phase, periodic=False)) for phase in range(3))
    pairs = [float(between(labels, *two, periodic=False)) for two in ((0, 1), (0, 2), (1, 2))]
    assert sum(pairs) == pytest.approx(total / 2, rel=1e-12) and min(pairs) > 0
    edges = float(triple(labels, periodic=False))
    isotropic = float(triple(labels, periodic=False, isotropic=True))
    assert 0 < isotropic == pytest.approx(edges * 2 / 3, rel=1e-12)
    # An edge with all three phases about it takes faces of each kind, which have four edges each.
    assert edges < 4 * min(pairs)


# --- surface correlations -----------------------------------------------------------------------


def of_a_disk(radius, distance):
    """Closed forms of a disk, times the area of the window.

    Two circles a distance apart cross in two points, and of a circle about a point of the interface
    the rest of a lens is outside of the disk.
    """
    surface = 4 * radius**2 / (distance * np.sqrt(4 * radius**2 - distance**2))
    void = 2 * radius * (math.pi - np.arccos(distance / (2 * radius)))
    return surface, void


def test_surface_correlations_of_a_disk(soft_ball):
    """The error is of second order in the width over the radius."""
    errors = []
    for radius in (24, 48, 96):
        side = 5 * radius
        disk = soft_ball((side, side), radius, 8)
        lines = [
            np.asarray(correlate(disk, width=2.0))[side // 2, side // 2 :] * side**2
            for correlate in (surface_surface_correlation, surface_void_correlation)
        ]
        r = np.arange(radius // 2, 3 * radius // 2)
        expected = of_a_disk(radius, r)
        errors.append(
            [np.abs(line[r] / true - 1).max() for line, true in zip(lines, expected, strict=True)]
        )
    errors = np.array(errors)
    assert (errors[1:] < errors[:-1] / 3.2).all() and (errors[-1] < [2e-3, 2e-4]).all(), errors
    # Beyond the diameter there is no second interface, and void only.
    np.testing.assert_allclose(lines[0][2 * radius + 20 :], 0, atol=1e-6)
    np.testing.assert_allclose(lines[1][2 * radius + 20 :], 2 * math.pi * radius, rtol=1e-3)


def test_surface_correlations_of_a_sharp_disk_are_right_on_rings():
    radius, side = 48, 240
    disk = squared_distance((side, side)) < radius**2
    expected = of_a_disk(radius, np.arange(24, 73))
    for correlate, true, tolerance in zip(
        (surface_surface_correlation, surface_void_correlation), expected, (0.03, 3e-3), strict=True
    ):
        distances, values = radial_average(correlate(disk, width=2.0))
        found = np.interp(np.arange(24, 73), distances, np.asarray(values)) * side**2
        np.testing.assert_allclose(found, true, rtol=tolerance)


def test_surface_correlations_of_a_ball(soft_ball):
    """In 3-D F_ss is 2 pi R^2 / r up to 2 R, and F_sv is pi R (2 R + r): each radius by hand.

    Of a sphere's surface the share pi r^2 (of pi 4 R^2) is nearer than r to a point of it; of the
    sphere of radius r about it, the share (1 + r / 2R) / 2 is outside of the ball.
    """
    radius, side = 10, 48
    ball = soft_ball((side,) * 3, radius, 4)
    ss, sv = (
        np.asarray(jax.jit(correlate, static_argnames="width")(ball, width=1.0))[
            side // 2, side // 2, side // 2 :
        ]
        * side**3
        for correlate in (surface_surface_correlation, surface_void_correlation)
    )
    r = np.arange(6, 16)
    np.testing.assert_allclose(ss[r], 2 * math.pi * radius**2 / r, rtol=0.06)
    np.testing.assert_allclose(sv[r], math.pi * radius * (2 * radius + r), rtol=0.02)


@pytest.mark.parametrize(("shape", "periodic"), [((20, 21), False), ((10, 11, 12), True)], ids=str)
def test_what_the_surface_sees_is_void_or_phase(shape, periodic):
    phase = jnp.asarray(random(0, shape) > 0.6)
    void, rest = (
        surface_void_correlation(one, periodic=periodic, width=1.5) for one in (phase, ~phase)
    )
    surface = surface_surface_correlation(phase, periodic=periodic, width=1.5)
    if periodic:
        specific = math.sqrt(float(surface.mean()))
        np.testing.assert_allclose(void + rest, np.full(shape, specific), rtol=1e-9)
        # F_sv averages to s times the volume fraction of the void.
        assert float(void.mean()) == pytest.approx(
            specific * (1 - np.asarray(phase).mean()), rel=1e-9
        )
    other = surface_surface_correlation(~phase, periodic=periodic, width=1.5)
    np.testing.assert_allclose(surface, other, rtol=1e-9)


def test_a_mirrored_border_is_no_interface():
    layers = np.tile(np.arange(24)[:, None] < 8, (1, 20))
    surface = surface_surface_correlation(layers, periodic=False, width=1.0)
    # Along the layers: one interface a window 24 high, with a Gaussian profile. The variance of a
    # pixel is missing from it.
    expected = 1 / (2 * math.sqrt(math.pi * (1 - 1 / 12))) / 24
    np.testing.assert_allclose(surface[12], np.full(20, expected), rtol=2e-3)


@pytest.mark.parametrize(
    ("correlate", "periodic"),
    [(surface_surface_correlation, True), (surface_void_correlation, False)],
    ids=["surface", "void"],
)
def test_surface_correlations_have_a_gradient(correlate, periodic):
    measure = jax.jit(functools.partial(correlate, periodic=periodic))
    soft = jnp.asarray(random(0, (5, 6)))
    check_grads(measure, (soft,), order=1, modes=["rev"])
    flat = jax.grad(lambda phase: measure(phase).sum())(jnp.full((5, 6), 0.5))
    np.testing.assert_allclose(flat, np.zeros((5, 6)), atol=1e-12)
    assert float(jnp.abs(measure(jnp.full((5, 6), 0.5))).max()) == 0
    batch = jnp.asarray(random(1, (2, 5, 6)))
    np.testing.assert_allclose(jax.vmap(measure)(batch)[1], measure(batch[1]), atol=1e-12)


# --- what is refused ----------------------------------------------------------------------------


def test_bad_input_is_refused(unchecked):
    phase, labels = np.ones((4, 5)), np.ones((4, 5), int)
    for function in (specific_surface, surface_surface_correlation, surface_void_correlation):
        with pytest.raises(ValueError, match="`phase` has 1 axes"):
            function(np.ones(4))
        with pytest.raises(ValueError, match="memberships of a phase"):
            function(2 * phase)
        with pytest.raises(TypeError, match="a phase is a boolean array"):
            function(labels)
    with pytest.raises(ValueError, match="`method` .*'faced'.* is one of"):
        specific_surface(phase, method="faced")
    for size in (0.0, -1.0, math.inf, (1.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="`pixel_size` .* positive number, or one for each"):
            specific_surface(phase, pixel_size=size)
    for width in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="`width` .* positive"):
            surface_surface_correlation(phase, width=width)
    for first, second in ((1, 1), (-1, 0)):
        with pytest.raises(ValueError, match="must be different labels"):
            interfacial_surface(labels, first, second)
    with pytest.raises(ValueError, match="must be different labels"):
        triple_phase_boundary_density(labels, (0, 1, 1))
    with pytest.raises(ValueError, match="must be three"):
        triple_phase_boundary_density(labels, (0, 1))
    with pytest.raises(TypeError, match="integers"):
        triple_phase_boundary_density(phase)
