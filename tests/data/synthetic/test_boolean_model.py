"""Overlapping disks, balls and fibres, against the closed forms of the Boolean model.

Pixels are points of the medium, so that the laws hold at whole displacements without an error from
the size of the pixels: what is left is the standard error of 32 realisations.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from idml_jax.data.synthetic import boolean_model, fibres
from idml_jax.data.synthetic.cell import paint_balls
from idml_jax.data.synthetic.particles import _axes
from idml_jax.statistics import two_point_cluster, two_point_correlation


@functools.cache
def matrices(make, shape, count=32, **given):
    """The phase between the particles, in many realisations; each made once for all tests."""
    keys = jax.random.split(jax.random.key(1), count)
    return np.stack([~np.asarray(make(key, shape, **given)) for key in keys])


def share(phases, *displacements):
    """Of the places from which every displacement leads into the phase, in each realisation."""
    axes = tuple(range(1, phases.ndim))
    hit = np.ones_like(phases)
    for displacement in displacements:
        hit = hit & np.roll(phases, np.negative(displacement), axes)
    return hit.mean(axis=axes)


def common(distance, radius, axes):
    """Area, or volume, that two equal disks, or balls, have in common."""
    half = min(distance / (2 * radius), 1)
    if axes == 2:
        return 2 * radius**2 * (math.acos(half) - half * math.sqrt(1 - half**2))
    return 4 / 3 * math.pi * radius**3 * (1 - 1.5 * half + half**3 / 2)


def union(points, radius):
    """Area of the union of disks around the points, or volume of that of balls, by quadrature."""
    points = np.asarray(points, float)
    low, high = points.min(axis=0) - radius, points.max(axis=0) + radius
    lines = 2000 if points.shape[1] == 2 else 400
    grids = [
        low[k] + (np.arange(lines) + 0.5) / lines * (high - low)[k]
        for k in range(points.shape[1] - 1)
    ]
    across = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1)[..., None, :]
    squared = radius**2 - ((across - points[:, :-1]) ** 2).sum(axis=-1)
    half = np.sqrt(np.maximum(squared, 0))
    # Along each line the disks are intervals; those in order of their start close the gaps.
    starts, ends = points[:, -1] - half, points[:, -1] + half
    order = np.argsort(starts, axis=-1)
    starts, ends = (np.take_along_axis(each, order, axis=-1) for each in (starts, ends))
    length, reached = 0.0, -np.inf
    for k in range(len(points)):
        length = length + np.maximum(ends[..., k] - np.maximum(starts[..., k], reached), 0)
        reached = np.maximum(reached, ends[..., k])
    return length.mean() * np.prod((high - low)[:-1])


DISKS = (boolean_model, (96, 90), {"radius": 5.0, "volume_fraction": 0.4})
WINDOW = (boolean_model, (96, 90), {"radius": 5.0, "volume_fraction": 0.4, "periodic": False})
BALLS = (boolean_model, (32, 34, 30), {"radius": 4.0, "volume_fraction": 0.35})
SIZES = (boolean_model, (96, 90), {"radius": (2.0, 4.0, 9.0), "density": 0.004})


def named(medium):
    """A name for each medium that is the same in every process."""
    _, shape, given = medium
    return f"{shape} {given}"


media = pytest.mark.parametrize("medium", [DISKS, WINDOW, BALLS, SIZES], ids=named)


def law(medium, area):
    """Probability of the matrix, with `area(radius, axes)` that of the union of the disks."""
    _, shape, given = medium
    axes, radii = len(shape), np.atleast_1d(given["radius"])
    density = given.get("density")
    if density is None:
        volume = np.mean([common(0, radius, axes) for radius in radii])
        density = -math.log(1 - given["volume_fraction"]) / volume
    return math.exp(-density * np.mean([area(radius, axes) for radius in radii]))


def two_disks(distance):
    """Area of the union of two, as `law` takes it."""
    return lambda radius, axes: 2 * common(0, radius, axes) - common(distance, radius, axes)


def pad(displacement, axes):
    return (0,) * (axes - len(displacement)) + tuple(displacement)


def test_areas_of_unions_are_right():
    for axes in (2, 3):
        alone, apart = np.zeros(axes), pad((0, 2.5), axes)
        both = 2 * common(0, 3.0, axes) - common(2.5, 3.0, axes)
        assert union([alone], 3.0) == pytest.approx(common(0, 3.0, axes), rel=1e-4)
        assert union([alone, apart], 3.0) == pytest.approx(both, rel=1e-4)


@media
def test_volume_fraction_of_the_matrix(medium, follows):
    make, shape, given = medium
    phases = matrices(make, shape, **given)
    follows(share(phases, (0,) * len(shape)), law(medium, lambda r, d: common(0, r, d)))


@pytest.mark.parametrize("medium", [DISKS, BALLS, SIZES], ids=named)
def test_two_point_correlation_of_the_matrix(medium, follows):
    make, shape, given = medium
    s2 = np.asarray(jax.jit(jax.vmap(two_point_correlation))(matrices(make, shape, **given)))
    centre = tuple(side // 2 for side in shape)
    for lag in [(0, 1), (0, 3), (-2, 3), (5, 4), (10, 1), (0, 12)]:
        lag = pad(lag, len(shape))

        follows(s2[:, *np.add(centre, lag)], law(medium, two_disks(math.hypot(*lag))))


def test_two_point_correlation_of_a_window_up_to_its_corners(follows):
    make, shape, given = WINDOW
    phases = matrices(make, shape, **given)
    for i, j in [(0, 3), (4, 4), (60, 50)]:
        pairs = (phases[:, : 96 - i, : 90 - j] & phases[:, i:, j:]).mean(axis=(1, 2))
        follows(pairs, law(WINDOW, two_disks(math.hypot(i, j))))


@pytest.mark.parametrize("medium", [DISKS, BALLS, SIZES], ids=named)
def test_three_point_correlation_of_the_matrix(medium, follows):
    make, shape, given = medium
    phases = matrices(make, shape, **given)
    for first, second in [((0, 2), (2, 0)), ((1, 3), (-4, 2)), ((0, 4), (0, 8)), ((6, 0), (3, 6))]:
        points = [pad(point, len(shape)) for point in ((0, 0), first, second)]
        follows(share(phases, *points), law(medium, lambda r, d, points=points: union(points, r)))


@pytest.mark.parametrize("medium", [DISKS, BALLS, SIZES], ids=named)
def test_lineal_path_of_the_matrix(medium, follows):
    """Through pixels, which are points; the path through all points of the line lies below."""
    make, shape, given = medium
    phases = matrices(make, shape, **given)
    for z in (1, 2, 4, 7, 11):
        found = share(phases, *(pad((0, k), len(shape)) for k in range(z + 1)))

        def through_pixels(radius, axes, z=z):
            alone = common(0, radius, axes)
            return alone + z * (alone - common(1, radius, axes))

        def through_all(radius, axes, z=z):
            shadow = 2 * radius if axes == 2 else math.pi * radius**2
            return common(0, radius, axes) + z * shadow

        follows(found, law(medium, through_pixels))
        line = [pad((0, k), len(shape)) for k in range(z + 1)]
        expected = law(medium, lambda r, d, line=line: union(line, r))
        assert expected == pytest.approx(law(medium, through_pixels), rel=1e-3)
        assert law(medium, through_all) < law(medium, through_pixels)


def no_gap(cells, empty, longest):
    """Probability that of so many cells no `longest` in a row are empty, by their last run."""
    runs = np.eye(longest)[0]
    for _ in range(cells):
        runs = np.concatenate([[(1 - empty) * runs.sum()], empty * runs[:-1]])
    return runs.sum()


def test_cluster_function_of_rods_on_a_line(follows):
    """In one dimension it has a closed form: two points are connected by all that is between.

    A rod of L pixels covers a pixel if its middle lies in one of L cells of a pixel's length, and
    of z + 1 pixels in a row each is covered if no L of their L + z cells in a row are empty.
    """
    length, density, radius = 6, 0.12, 2.0
    given = {"length": float(length), "radius": radius, "density": density / (2 * radius)}
    given |= {"direction": (0.0, 1.0), "periodic": False}
    rods = ~matrices(fibres, (1, 400), **given)
    c2 = np.stack([two_point_cluster(each, periodic=False)[0] for each in rods])
    s2 = np.stack([two_point_correlation(each, periodic=False)[0] for each in rods])
    for z in (0, 1, 3, 6, 10, 16):
        follows(c2[:, 200 + z], no_gap(length + z, math.exp(-density), length))
        empty = math.exp(-density * length)
        follows(s2[:, 200 + z], 1 - 2 * empty + math.exp(-density * (length + min(z, length))))
    assert (c2[:, 210] < s2[:, 210]).all()


@pytest.mark.parametrize("medium", [DISKS, BALLS], ids=named)
def test_cluster_function_of_the_particles_lies_between_one_of_them_and_all(medium):
    """Two points in one particle are connected; where they are not in the phase they are not."""
    make, shape, given = medium
    particles = ~matrices(make, shape, **given)
    c2 = np.stack([two_point_cluster(each) for each in particles])
    s2 = np.asarray(jax.jit(jax.vmap(two_point_correlation))(particles))
    assert (c2 <= s2 + 1e-12).all()
    centre = tuple(side // 2 for side in shape)
    for lag in [(0, 0), (0, 3), (4, 4), (0, 7), (6, 6)]:
        lag = pad(lag, len(shape))
        one = 1 - law(medium, lambda r, d, lag=lag: common(math.hypot(*lag), r, d))
        values = c2[:, *np.add(centre, lag)]
        assert values.mean() > one - 3 * values.std(ddof=1) / math.sqrt(len(values))


def test_the_error_falls_as_one_over_the_root_of_the_number():
    """Means of 1, 4, 16 and 64 realisations are each half as far from the law as those before."""
    given = {"radius": 3.0, "volume_fraction": 0.4}
    phases = matrices(boolean_model, (40, 40), count=512, **given)
    medium = (boolean_model, (40, 40), given)
    deviations = []
    for lag in [(0, 0), (0, 1), (0, 3), (4, 4), (0, 9), (15, 15)]:
        expected = law(medium, two_disks(math.hypot(*lag)))
        deviations.append(share(phases, (0, 0), lag) - expected)
    sizes = [1, 4, 16, 64]
    errors = [
        np.sqrt(np.mean(np.reshape(deviations, (6, -1, size)).mean(axis=2) ** 2)) for size in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.07), errors


def test_a_pixel_is_in_a_disk_that_holds_its_centre():
    """By the distance from each ball to each pixel, over all images where the cell is periodic."""
    random = np.random.default_rng(0)
    for shape in [(11, 8), (6, 7, 5)]:
        for periodic in (True, False):
            centres = random.uniform(-3, 10, (5, len(shape)))
            radii = random.choice([0.6, 1.7, 2.4, 9.0], 5, p=[0.3, 0.3, 0.3, 0.1])
            found = paint_balls(shape, centres, radii, periodic=periodic) > 0
            images = np.stack(np.meshgrid(*[np.arange(-4, 5)] * len(shape)), axis=-1)
            images = images.reshape(-1, len(shape)) * shape if periodic else np.zeros((1, 1))
            for pixel in np.ndindex(shape):
                apart = centres[:, None] + images - pixel
                near = (apart**2).sum(axis=-1) <= radii[:, None] ** 2
                assert found[pixel] == near.any()


# --- fibres -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "direction"),
    [((80, 72), (1.0, 2.0)), ((80, 72), (0.0, -1.0)), ((36, 34, 32), (1.0, 2.0, 0.5))],
    ids=str,
)
@pytest.mark.parametrize("periodic", [True, False])
def test_aligned_fibres_follow_the_boolean_model(shape, direction, periodic, follows):
    length, radius, fraction, axes = 12.0, 1.6, 0.3, len(shape)
    phases = matrices(
        fibres,
        shape,
        length=length,
        radius=radius,
        volume_fraction=fraction,
        direction=direction,
        periodic=periodic,
    )
    unit = np.array(direction) / np.linalg.norm(direction)
    section = 2 * radius if axes == 2 else math.pi * radius**2
    density = -math.log(1 - fraction) / (length * section)
    for lag in [(0, 0), (0, 1), (1, 2), (-2, 1), (4, 8), (0, 10)]:
        lag = np.array(pad(lag, axes))
        along = abs(lag @ unit)
        across = math.sqrt(max(lag @ lag - along**2, 0))
        overlap = max(2 * radius - across, 0) if axes == 2 else common(across, radius, 2)
        expected = math.exp(-density * (2 * length * section - max(length - along, 0) * overlap))
        # Inside a window, both ends of a pair lie in it.
        sides = list(zip(lag, shape, strict=True))
        starts = tuple(slice(max(-step, 0), side - max(step, 0)) for step, side in sides)
        ends = tuple(slice(max(step, 0), side + min(step, 0)) for step, side in sides)
        pairs = phases[:, *starts] & phases[:, *ends]
        follows(pairs.mean(axis=tuple(range(1, axes + 1))), expected)


def test_isotropic_fibres_follow_the_boolean_model(follows):
    length, radius, density = 14.0, 1.3, 0.01
    phases = matrices(fibres, (80, 84), length=length, radius=radius, density=density)
    angles = (np.arange(20000) + 0.5) / 20000 * np.pi
    for lag in [(0, 0), (0, 2), (3, 3), (0, -9)]:
        distance = math.hypot(*lag)
        along, across = np.abs(distance * np.cos(angles)), np.abs(distance * np.sin(angles))
        overlap = np.maximum(length - along, 0) * np.maximum(2 * radius - across, 0)
        expected = math.exp(-density * (4 * length * radius - overlap.mean()))
        follows(share(phases, (0, 0), lag), expected)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("concentration", [None, -60.0, -3.0, 0.0, 0.5, 8.0, 300.0])
def test_directions_have_the_second_moment_of_their_distribution(axes, concentration, follows):
    direction = np.array([1.0, -2.0, 2.0][:axes])
    given = None if concentration is None else tuple(direction)
    units = _axes(np.random.default_rng(3), 4000, axes, given, concentration)
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-12)
    kappa = concentration or 0.0

    def moment(power):
        """Of the component along the direction; scaled so that the exponent is not positive."""
        measure = (lambda t: 1) if axes == 2 else math.sin
        shift = max(kappa, 0)
        return scipy.integrate.quad(
            lambda t: (
                math.cos(t) ** power * math.exp(kappa * math.cos(t) ** 2 - shift) * measure(t)
            ),
            0,
            math.pi / 2,
            epsabs=0,
            points=[math.pi / 2 - 0.2, 0.2],
        )[0]

    direction /= np.linalg.norm(direction)
    cosines = (units @ direction) ** 2
    expected = moment(2) / moment(0)
    follows(np.stack([cosines, cosines**2], axis=1), [expected, moment(4) / moment(0)])
    # Around the direction none is preferred.
    side = np.array([2.0, 1.0, 0.0][:axes]) / math.sqrt(5)
    follows((units @ side) ** 2, (1 - expected) / (axes - 1))
    assert abs(np.mean((units @ side) * (units @ direction))) < 0.02


def test_infinite_concentrations_are_the_direction_and_what_is_square_to_it():
    direction = (0.0, 3.0, 4.0)
    random = np.random.default_rng(0)
    for concentration, expected in [(None, 1), (math.inf, 1), (-math.inf, 0)]:
        units = _axes(random, 50, 3, direction, concentration)
        np.testing.assert_allclose(units @ direction / 5, expected, atol=1e-12)


# --- one key, and what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda key: boolean_model(key, (20, 20), radius=3.0, volume_fraction=0.4),
        lambda key: fibres(key, (20, 20), length=9.0, radius=1.0, volume_fraction=0.4),
    ],
)
def test_a_key_makes_one_medium(make, getkey):
    first, second = getkey(), getkey()
    np.testing.assert_array_equal(make(first), make(first))
    assert (make(first) != make(second)).any()


def test_none_and_nearly_all_of_the_cell_can_be_filled(getkey):
    assert not boolean_model(getkey(), (8, 8), radius=2.0, volume_fraction=0.0).any()
    assert not fibres(getkey(), (8, 8), length=2.0, radius=2.0, density=0.0).any()
    assert boolean_model(getkey(), (8, 8), radius=2.0, density=10.0).all()
    # A ball that is wider than the cell covers it.
    assert boolean_model(getkey(), (8, 9), radius=30.0, density=0.1).all()


def test_what_is_no_boolean_model_is_refused(getkey):
    for given, message in [
        ({"radius": 2.0}, "exactly one of `density`, `volume_fraction`; got none"),
        (
            {"radius": 2.0, "density": 0.1, "volume_fraction": 0.1},
            "got density and volume_fraction",
        ),
        ({"radius": 0.0, "density": 0.1}, r"`radius` \(=0.0\)"),
        ({"radius": [], "density": 0.1}, r"`radius` \(=\[\]\)"),
        ({"radius": 2.0, "density": -0.1}, r"`density` \(=-0.1\)"),
        (
            {"radius": 2.0, "volume_fraction": 1.0},
            r"`volume_fraction` \(=1.0\) must lie in \[0, 1\)",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            boolean_model(getkey(), (8, 8), **given)
    for shape in [(8,), (2, 2, 2, 2), (0, 4)]:
        with pytest.raises(ValueError, match="`shape`"):
            boolean_model(getkey(), shape, radius=2.0, density=0.1)


def test_what_are_no_fibres_is_refused(getkey):
    given = {"length": 5.0, "radius": 1.0, "density": 0.1}
    for changed, message in [
        ({"length": 0.0}, "`length`"),
        ({"concentration": 2.0}, r"`concentration` \(=2.0\) is about a `direction`"),
        ({"direction": (1.0, 0.0, 0.0)}, "`direction` .* must have 2 finite components"),
        ({"direction": (0.0, 0.0)}, "`direction`"),
    ]:
        with pytest.raises(ValueError, match=message):
            fibres(getkey(), (8, 8), **(given | changed))


def test_a_compiled_function_is_told_that_it_cannot(getkey):
    def make(key):
        return jnp.sum(boolean_model(key, (8, 8), radius=2.0, density=0.1))

    with pytest.raises(TypeError, match="outside of `jax.jit`"):
        jax.jit(make)(getkey())
