"""`idml_jax.statistics.minkowski` against shapes whose measures are known, and scikit-image."""

import functools
import itertools
import math

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.spatial
import skimage.measure
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.statistics import euler_number, minkowski_functionals
from idml_jax.statistics.minkowski import crofton_weights

# A new shape is a new compilation: hypothesis draws the pixels, not the shape.
SHAPES = [(5, 4), (3, 4, 2)]
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
faces_or_all = pytest.mark.parametrize("faces", [True, False], ids=["faces", "all"])


@functools.partial(jax.jit, static_argnames="periodic")
def measure_both(phase, *, periodic):
    """With either connectivity: one compilation for a shape instead of two."""
    return [
        minkowski_functionals(phase, periodic=periodic, connectivity=connectivity)
        for connectivity in (1, None)
    ]


def measure(phase, *, periodic=False, faces=False):
    return measure_both(jnp.asarray(phase), periodic=periodic)[0 if faces else 1]


lone_euler_number = jax.jit(euler_number, static_argnames=("periodic", "connectivity"))


def ball(shape, radius, centre=None):
    """Pixels whose middle is less than `radius` from a point, by default the middle one."""
    centre = [side // 2 for side in shape] if centre is None else centre
    offsets = [np.arange(side) - at for side, at in zip(shape, centre, strict=True)]
    squares = [offset**2 for offset in np.meshgrid(*offsets, indexing="ij")]
    return sum(squares) < radius**2


def torus(shape=(9, 25, 25), radius=8, thickness=3):
    planes, rows, cols = np.indices(shape) - np.reshape([s // 2 for s in shape], (3, 1, 1, 1))
    return (np.hypot(rows, cols) - radius) ** 2 + planes**2 < thickness**2


# --- Euler number -------------------------------------------------------------------------------


@periodic_or_not
@faces_or_all
def test_euler_number_of_a_known_shape(faces, periodic):
    plane, space = (20, 22), (11, 25, 25)
    disk, solid = ball(plane, 6), ball(space, 5)
    for phase, expected in [
        (disk, 1),
        (disk & ~ball(plane, 4), 0),  # a ring
        (ball(plane, 3, (5, 5)) | ball(plane, 3, (12, 15)), 2),
        (solid, 1),
        (solid & ~ball(space, 3), 2),  # hollow
        (torus(space), 0),
        (np.zeros(space, bool), 0),
    ]:
        assert int(measure(phase, periodic=periodic, faces=faces).euler_number) == expected


@law
@given(phase=phases)
def test_euler_number_alone_is_that_of_the_functionals(phase):
    for which in (True, False):
        alone = lone_euler_number(phase, periodic=which, connectivity=1 if which else None)
        assert int(alone) == int(measure(phase, periodic=which, faces=which).euler_number)


@faces_or_all
@pytest.mark.parametrize("shape", [(12, 17), (7, 8, 9), (1, 6), (2, 1, 5)], ids=str)
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8])
def test_euler_number_is_that_of_scikit_image(shape, fraction, faces):
    phase = np.random.default_rng(0).random(shape) < fraction
    expected = skimage.measure.euler_number(phase, 1 if faces else len(shape))
    assert int(measure(phase, faces=faces).euler_number) == expected


@pytest.mark.parametrize("fraction", [0.3, 0.7])
def test_euler_number_is_components_less_holes(fraction):
    """Counted by labelling: components of the phase, and bounded ones of the other."""
    phase = np.pad(np.random.default_rng(1).random((14, 15)) < fraction, 1)
    for faces, of_phase, of_other in [(True, 1, 2), (False, 2, 1)]:
        structure = [scipy.ndimage.generate_binary_structure(2, k) for k in (of_phase, of_other)]
        components = scipy.ndimage.label(phase, structure[0])[1]
        holes = scipy.ndimage.label(~phase, structure[1])[1] - 1
        assert int(measure(phase, faces=faces).euler_number) == components - holes


@law
@given(phase=phases)
def test_the_other_phase_has_the_opposite_connectivity(phase):
    """On a torus the two Euler numbers are opposite in 2-D and equal in 3-D."""
    faces = measure(phase, periodic=True, faces=True).euler_number
    every = measure(~phase, periodic=True).euler_number
    assert int(faces) == (-1) ** (phase.ndim - 1) * int(every)


# --- laws ---------------------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases, shift=st.tuples(*[st.integers(0, 6)] * 3))
def test_translation_changes_nothing(periodic, phase, shift):
    if not periodic:
        phase = np.pad(phase, (0, 6))
    moved = np.roll(phase, shift[: phase.ndim], tuple(range(phase.ndim)))
    found, expected = (measure(x, periodic=periodic) for x in (moved, phase))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@periodic_or_not
@faces_or_all
@law
@given(phase=st.sampled_from([(4, 4), (3, 3, 3)]).flatmap(lambda s: hnp.arrays(bool, s)))
def test_turning_and_mirroring_change_nothing(faces, periodic, phase):
    expected = measure(phase, periodic=periodic, faces=faces)
    for moved in (np.swapaxes(phase, 0, -1), np.flip(phase, 0), np.rot90(phase)):
        found = measure(np.ascontiguousarray(moved), periodic=periodic, faces=faces)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@periodic_or_not
@faces_or_all
@law
@given(
    two=st.sampled_from([(8, 9), (5, 4, 6)]).flatmap(
        lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
    )
)
def test_union_and_intersection_add_up_to_both(faces, periodic, two):
    """Exactly so, where what only one has is nowhere beside what only the other has."""
    first, second = two
    structure = np.ones((3,) * first.ndim, bool)
    mode = "wrap" if periodic else "constant"
    beside = scipy.ndimage.maximum_filter(first & ~second, footprint=structure, mode=mode)
    second = second & ~(beside & ~first)
    values = [
        measure(phase, periodic=periodic, faces=faces)
        for phase in (first | second, first & second, first, second)
    ]
    union, intersection, one, other = map(np.array, values)
    np.testing.assert_allclose(union + intersection, one + other, atol=1e-10)


def test_pixels_that_touch_are_not_additive():
    """What the law above leaves out does break it: two neighbours make one component, not two."""
    first, second = np.zeros((2, 3, 4), bool)
    first[1, 1] = second[1, 2] = True
    assert int(measure(first | second).euler_number) == 1
    assert int(measure(first).euler_number) + int(measure(second).euler_number) == 2


@law
@given(phase=phases)
def test_both_sides_of_a_boundary_have_the_same_length(phase):
    """The perimeter or surface is that of the other phase too; the mean breadth turns its sign."""
    one, other = (measure(x, periodic=True, faces=f) for x, f in ((phase, True), (~phase, False)))
    assert float(one[1]) == pytest.approx(float(other[1]), abs=1e-12)
    if phase.ndim == 3:
        assert float(one[2]) == pytest.approx(-float(other[2]), abs=1e-12)
    assert int(one[0]) + int(other[0]) == phase.size


# --- perimeter, surface, breadth ----------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_perimeter_is_the_one_of_scikit_image(fraction):
    phase = np.random.default_rng(2).random((31, 24)) < fraction
    expected = skimage.measure.perimeter_crofton(phase, directions=4)
    assert float(measure(phase).perimeter) == pytest.approx(expected, rel=1e-12)


def test_share_of_each_direction_is_its_spherical_voronoi_cell():
    """Against a count of random points by the direction nearest to them; 3 standard errors."""
    steps, weights = crofton_weights((1.0, 1.0, 1.0))
    lengths = np.linalg.norm(steps, axis=1)
    shares = weights * lengths / 2
    assert shares.sum() == pytest.approx(1, rel=1e-12)
    points = np.random.default_rng(0).normal(size=(100_000, 3))
    nearest = np.abs(points @ (np.array(steps) / lengths[:, None]).T).argmax(axis=1)
    found = np.bincount(nearest, minlength=13) / len(points)
    error = np.sqrt(shares * (1 - shares) / len(points))
    assert (np.abs(found - shares) < 3 * error).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 2.5), (1.0,) * 3, (2.0, 1.0, 0.7)], ids=str)
def test_weights_measure_an_isotropic_surface_right(spacing):
    """A change of phase at each step, as often as randomly turned lines of unit density have it.

    The mean over all orientations of a flat boundary of unit size is 1.
    """
    steps, weights = crofton_weights(spacing)
    vectors = np.array(steps) * spacing
    # A step of length l across a boundary with the normal n changes phase in |n . l| of the
    # volume, and so in as many over that of a pixel.
    mean_cosine = 2 / math.pi if len(spacing) == 2 else 0.5
    changes = np.linalg.norm(vectors, axis=1) * mean_cosine / math.prod(spacing)
    assert (weights * changes).sum() == pytest.approx(1, rel=1e-12)


def test_upright_squares_and_cubes_have_the_stated_bias():
    """The error of the form, without that of the corners, which falls with the size."""
    for shape, stated in [((402, 402), 0.0519), ((122, 122, 122), 0.0734)]:
        side = shape[0] - 2
        phase = np.pad(np.ones((side,) * len(shape), bool), 1)
        found = measure(phase)
        true = 4 * side if len(shape) == 2 else 6 * side**2
        assert float(found[1]) / true == pytest.approx(1 - stated, abs=1.5 / side)
        if len(shape) == 3:
            assert float(found.mean_breadth) / (1.5 * side) == pytest.approx(
                1 - stated, abs=1.5 / side
            )


def errors_of_balls(dimensions, radii, *, faces):
    """Root mean square, over positions of the centre, of the relative errors."""
    rng = np.random.default_rng(0)
    errors = []
    for radius in radii:
        shape = (2 * radius + 3,) * dimensions
        found = []
        for _ in range(8):
            phase = ball(shape, radius, radius + 1 + rng.random(dimensions))
            values = measure(phase, faces=faces)
            assert int(values.euler_number) == 1
            found.append([float(value) for value in values[1:-1]])
        true = [2 * math.pi * radius] if dimensions == 2 else [4 * math.pi * radius**2, 2 * radius]
        errors.append(np.sqrt(np.mean((np.array(found) / true - 1) ** 2, axis=0)))
    return np.array(errors)


@faces_or_all
def test_perimeter_of_a_disk_gets_right_as_it_grows(faces):
    errors = errors_of_balls(2, (8, 32, 128), faces=faces)
    assert (errors[1:] < errors[:-1] / 2.5).all() and errors[-1] < 1e-3, errors


@faces_or_all
def test_surface_and_mean_breadth_of_a_ball_get_right_as_it_grows(faces):
    errors = errors_of_balls(3, (4, 12, 36), faces=faces)
    assert (errors[1:] < errors[:-1] / 2).all() and (errors[-1] < [5e-4, 2e-3]).all(), errors


def test_a_plane_that_percolates_is_flat_and_has_no_ends():
    """Periodic slab: two faces of the stated bias, no curvature, the topology of a torus."""
    phase = np.zeros((12, 9, 10), bool)
    phase[3:8] = True
    volume, surface, breadth, euler = measure(phase, periodic=True)
    flat = 0.9266230
    assert int(volume) == 5 * 90 and int(euler) == 0
    assert float(surface) == pytest.approx(flat * 2 * 90, rel=1e-6)
    assert float(breadth) == pytest.approx(0, abs=1e-12)


def test_a_cylinder_that_percolates_has_the_curvature_of_its_length():
    """Periodic cylinder of length L: mean breadth L / 2, with the bias of an axis."""
    length, radius = 12, 9
    phase = np.broadcast_to(ball((25, 25), radius), (length, 25, 25))
    _, surface, breadth, euler = measure(phase, periodic=True)
    assert int(euler) == 0
    assert float(breadth) == pytest.approx(0.9266230 * length / 2, rel=1e-6)
    # Its two ends are not surface; with them, not periodic, it would have that of two disks more.
    assert float(surface) == pytest.approx(2 * math.pi * radius * length, rel=0.06)
    assert float(measure(phase).surface) > 1.2 * float(surface)


def test_a_torus_has_the_surface_and_breadth_of_pappus():
    """Surface 4 pi^2 R r; the integral of its mean curvature is 2 pi^2 R, so the breadth pi R."""
    radius, thickness = 24, 9
    _, surface, breadth, euler = measure(torus((23, 71, 71), radius, thickness))
    assert int(euler) == 0
    assert float(surface) == pytest.approx(4 * math.pi**2 * radius * thickness, rel=0.03)
    assert float(breadth) == pytest.approx(math.pi * radius, rel=0.03)


# --- a random medium ----------------------------------------------------------------------------

SIDE, RADIUS, DISKS = 400, 8.0, 280


def boolean_model(rng, side, radius, mean_number):
    """Overlapping disks at the points of a Poisson process on a torus, sampled at the pixels."""
    centres = side * rng.random((rng.poisson(mean_number), 2))
    phase = np.zeros((side, side), bool)
    reach = np.arange(-math.ceil(radius), math.ceil(radius) + 2)
    for centre in centres:
        rows, cols = np.floor(centre).astype(int)[:, None] + reach
        inside = (rows - centre[0])[:, None] ** 2 + (cols - centre[1]) ** 2 < radius**2
        phase[np.ix_(rows % side, cols % side)] |= inside
    return phase


def area_of_union(points, radius, *, samples=4000):
    """Area within `radius` of any of a few points close together, in polar coordinates."""
    angles = (np.arange(samples) + 0.5) * 2 * math.pi / samples
    directions = np.array([np.cos(angles), np.sin(angles)])
    centred = np.array(points) - np.mean(points, axis=0)
    along = centred @ directions
    reach = along + np.sqrt(radius**2 - ((centred**2).sum(axis=1)[:, None] - along**2))
    return (reach.max(axis=0) ** 2).mean() * math.pi


def lattice_law(density, radius):
    """Expected area fraction, perimeter and Euler numbers a pixel, exact for the lattice.

    A set of pixels is free of disks with the probability exp(-density x the area within reach of
    any of them), so that the mean number of each kind of neighbourhood is known.
    """
    window = [(0, 0), (0, 1), (1, 0), (1, 1)]
    free = {
        points: math.exp(-density * area_of_union(points, radius))
        for count in range(1, 5)
        for points in itertools.combinations(window, count)
    }
    one, square = free[(0, 0),], free[tuple(window)]
    side, diagonal, corner = free[(0, 0), (0, 1)], free[(0, 0), (1, 1)], free[tuple(window[:3])]
    perimeter = math.pi / 4 * (2 * (one - side) + math.sqrt(2) * (one - diagonal))
    all_neighbours = -(one - 2 * side + square)
    faces_only = -(one - 2 * side - 2 * diagonal + 4 * corner - square)
    return np.array([1 - one, perimeter, faces_only, all_neighbours])


def miles(density, radius):
    """The same in the continuum."""
    free = math.exp(-density * math.pi * radius**2)
    euler = density * free * (1 - density * math.pi * radius**2)
    return np.array([1 - free, 2 * math.pi * radius * density * free, euler, euler])


def test_boolean_model_has_the_expected_measures():
    """Within three standard errors of 32 realizations, exact at these pixels."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(32):
        phase = boolean_model(rng, SIDE, RADIUS, DISKS)
        area, perimeter, euler = measure(phase, periodic=True)
        faces = measure(phase, periodic=True, faces=True).euler_number
        found.append(np.array([float(x) for x in (area, perimeter, faces, euler)]) / SIDE**2)
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / math.sqrt(32)
    expected = lattice_law(DISKS / SIDE**2, RADIUS)
    # The law tells connectivities and the continuum apart at this precision.
    assert (error < [0.01, 0.01, 0.05, 0.05] * expected).all()
    assert abs(expected[2] - expected[3]) > 6 * error[2]
    assert (np.abs(mean - expected) < 3 * error).all(), (mean - expected) / error


def test_boolean_model_at_fine_pixels_follows_miles_but_for_the_stated_bias():
    """The perimeter tends to Miles' formula at first order; the Euler number keeps a bias.

    The exact law at finer and finer pixels: no sampling, so a convergence and not a test of luck.
    """
    coverage = 0.8
    errors = []
    for radius in (25.0, 100.0, 400.0):
        density = coverage / (math.pi * radius**2)
        found, true = lattice_law(density, radius), miles(density, radius)
        errors.append(abs(found[1] / true[1] - 1))
        free = math.exp(-coverage)
        excess = (found[2:] / (density * free) - 1) / (-density * radius**2)
        np.testing.assert_allclose(excess, [8 * math.sqrt(2) - 8, 4], rtol=8 / radius)
    assert all(finer < coarser / 3.5 for coarser, finer in zip(errors, errors[1:], strict=False))
    assert errors[-1] < 2e-3


# --- how it runs --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 2)], ids=str)
@periodic_or_not
def test_runs_under_jit_and_vmap(periodic, shape):
    batch = jnp.asarray(np.random.default_rng(0).random((3, *shape)) > 0.5)
    together = jax.vmap(functools.partial(measure_both, periodic=periodic))(batch)[1]
    for index, phase in enumerate(batch):
        found = [value[index] for value in together]
        np.testing.assert_allclose(found, measure(phase, periodic=periodic), rtol=1e-12)


def test_a_float_phase_of_zeros_and_ones_is_taken_in_its_own_precision():
    phase = np.random.default_rng(0).random((5, 4)) > 0.5
    found = minkowski_functionals(jnp.asarray(phase, jnp.float32))
    assert found.perimeter.dtype == jnp.float32
    np.testing.assert_allclose(found, measure(phase, periodic=True), rtol=1e-6)
    assert jnp.issubdtype(found.area.dtype, jnp.integer)


@pytest.mark.parametrize("function", [minkowski_functionals, euler_number])
def test_bad_input_is_refused(function, unchecked):
    with pytest.raises(ValueError, match=r"`connectivity` \(=2\) must be 1, .* or 3,"):
        function(np.ones((3, 3, 3), bool), connectivity=2)
    with pytest.raises(ValueError, match="`phase` has 1 axes"):
        function(np.ones(3, bool))
    with pytest.raises(ValueError, match="no pixels"):
        function(np.ones((3, 0), bool))
    with pytest.raises(ValueError, match="not binary"):
        function(np.full((3, 3), 0.5))
    with pytest.raises(TypeError, match="a phase is a boolean array"):
        function(np.ones((3, 3), int))
    with pytest.raises(TypeError, match="counts whole pixels"):
        jax.jit(function)(np.ones((3, 3)))
