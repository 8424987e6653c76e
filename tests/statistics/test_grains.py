"""`idml_jax.statistics.grains` and `.particles` on known grains, ASTM's table and scikit-image."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial
import skimage.measure
from skimage.io import imread

from idml_jax.statistics import (
    grain_size_by_area,
    grain_size_by_intercept,
    minkowski_functionals,
    particle_table,
)

ALL = ("rows", "cols", "diagonal", "antidiagonal")


def squares(side, count, offset=0):
    """Square grains of a side, `count` of them along each axis of the image."""
    rows, cols = (np.indices((side * count,) * 2) + offset) // side
    return (count + 1) * rows + cols


def voronoi(rng, side, mean_count, *, margin=40, periodic=False):
    """Cells about the points of a Poisson process, of which a window shows so many in the mean."""
    wide = side if periodic else side + 2 * margin
    points = wide * rng.random((rng.poisson(mean_count * (wide / side) ** 2), 2))
    pixels = np.indices((side, side)).reshape(2, -1).T + (0.5 if periodic else margin + 0.5)
    tree = scipy.spatial.cKDTree(points, boxsize=wide if periodic else None)
    return tree.query(pixels)[1].reshape(side, side), len(points)


def intercept_number(millimetres):
    return -6.643856 * math.log10(millimetres) - 3.288


def area_number(per_square_millimetre):
    return 3.321928 * math.log10(per_square_millimetre) - 2.954


# --- intercepts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("millimetres", "number"), [(0.3200, 0), (0.1600, 2), (0.0800, 4), (0.0200, 8), (0.0050, 12)]
)
def test_intercept_of_squares_has_the_number_of_the_table(millimetres, number):
    """ASTM E112, table 4: grain size numbers and the mean intercepts that belong to them."""
    labels = squares(10, 8, offset=3)[:71, :71]
    size = grain_size_by_intercept(
        labels, pixel_size=millimetres * 1e-3 / 10, lines=("rows", "cols")
    )
    assert size.mean_intercept == pytest.approx(millimetres * 1e-3, rel=1e-12)
    assert size.number == pytest.approx(number, abs=0.01)
    assert size.along == pytest.approx((millimetres * 1e-3,) * 2, rel=1e-12)
    assert size.intersections == 2 * 71 * 7


@pytest.mark.parametrize("offset", [0, 4, 9])
def test_squares_that_tile_space_have_their_side_wherever_they_lie(offset):
    size = grain_size_by_intercept(
        squares(10, 6, offset), pixel_size=1e-6, lines=("rows",), periodic=True
    )
    wrapped = 7 if offset else 6  # cut grains have two labels, and one boundary more
    assert size.mean_intercept == pytest.approx(60e-6 / wrapped, rel=1e-12)


def test_diagonals_cross_squares_at_both_kinds_of_sides():
    labels = squares(10, 8)[:71, :71]
    size = grain_size_by_intercept(labels, pixel_size=1e-6, lines=("diagonal",))
    # Of ten lines one runs through the corners, and crosses both boundaries at once.
    assert size.mean_intercept == pytest.approx(10e-6 * math.sqrt(2) / 1.9, rel=1e-12)
    size = grain_size_by_intercept(labels, pixel_size=(1e-6, 3e-6), lines=("rows", "cols"))
    ratio = size.along[1] / size.along[0]
    assert ratio == pytest.approx(3, rel=1e-12)
    assert size.mean_intercept == pytest.approx(1.5e-5, rel=1e-12)


def test_crossings_match_a_walk_along_every_line():
    """Pixel by pixel, with unknown ones and with a label of boundary pixels between."""
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 3, (9, 11))
    steps = {"rows": (1, 0), "cols": (0, 1), "diagonal": (1, 1), "antidiagonal": (1, -1)}
    for name, step in steps.items():
        for periodic in (False, True):
            length = crossed = 0
            for index in np.ndindex(labels.shape):
                after = np.add(index, step)
                if periodic:
                    after %= labels.shape
                elif (after < 0).any() or (after >= labels.shape).any():
                    continue
                if labels[index] < 0 or labels[tuple(after)] < 0:
                    continue
                length += math.hypot(*(np.array(step) * (2.0, 1.0)))
                crossed += labels[index] != labels[tuple(after)]
            size = grain_size_by_intercept(
                labels, pixel_size=(2.0, 1.0), lines=(name,), periodic=periodic
            )
            assert size.intersections == crossed
            assert size.mean_intercept == pytest.approx(length / crossed, rel=1e-12)


def test_boundary_pixels_belong_to_the_nearest_grain():
    labels = squares(10, 8) + 1
    rows, cols = np.indices(labels.shape) % 10
    drawn = np.where((rows == 0) | (cols == 0), 0, labels)
    found = grain_size_by_intercept(drawn, pixel_size=1e-6, boundary=0, lines=("rows", "cols"))
    expected = grain_size_by_intercept(labels, pixel_size=1e-6, lines=("rows", "cols"))
    assert found.mean_intercept == pytest.approx(expected.mean_intercept, rel=0.02)
    # Without it the network would be one more grain, crossed twice as often.
    wrong = grain_size_by_intercept(drawn, pixel_size=1e-6, lines=("rows", "cols"))
    assert wrong.mean_intercept < 0.6 * expected.mean_intercept


def test_voronoi_cells_have_the_intercept_and_the_area_of_theory():
    """Mean intercept pi / (4 sqrt(density)): 32 realizations, three standard errors.

    So G by intercept lies 0.363 above G by area, for cells of unequal size; ASTM's relation is
    for equal ones. The pixels' bias, a fifth of one, is within the errors here.
    """
    rng = np.random.default_rng(1)
    inverse, difference = [], []
    for _ in range(32):
        labels, points = voronoi(rng, 256, 60, periodic=True)
        by_intercept = grain_size_by_intercept(labels, pixel_size=1e-6, periodic=True)
        by_area = grain_size_by_area(labels, pixel_size=1e-6, periodic=True)
        assert by_area.grains == points
        assert by_area.mean_area == pytest.approx((256e-6) ** 2 / points, rel=1e-12)
        assert by_area.number == pytest.approx(area_number(points / 0.256**2), rel=1e-12)
        true = math.pi / 4 * 256e-6 / math.sqrt(points)
        inverse.append(true / by_intercept.mean_intercept)
        difference.append(by_intercept.number - by_area.number)
    for values, expected in ((inverse, 1), (difference, 0.363)):
        error = np.std(values, ddof=1) / math.sqrt(32)
        assert error < 0.01 and abs(np.mean(values) - expected) < 3 * error, (values, error)


def test_confidence_interval_holds_the_materials_value():
    """On 60 windows of about 100 cells: 95 % of them, within three standard errors."""
    rng = np.random.default_rng(2)
    true = intercept_number(math.pi / 4 * 192e-3 / math.sqrt(100))
    held, widths = [], []
    for _ in range(60):
        size = grain_size_by_intercept(voronoi(rng, 192, 100)[0], pixel_size=1e-6)
        low, high = size.interval
        assert low < size.number < high
        held.append(low <= true <= high)
        widths.append(high - low)
    assert np.mean(held) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 60)
    # An interval that held everything would be no use.
    assert 0.2 < np.mean(widths) < 0.7


# --- areas --------------------------------------------------------------------------------------


def test_planimetric_number_of_the_table():
    """ASTM E112, table 4: G = 1 at 15.50 grains a square millimetre, G = 8 at 1984."""
    labels = squares(10, 6, offset=5)[:60, :60]
    for number, density in ((1, 15.50), (8, 1984.0)):
        side = 1e-3 / math.sqrt(density) / 10
        size = grain_size_by_area(labels, pixel_size=side)
        # Half and quarter grains at the border make up 6 x 6 whole ones.
        assert size.grains == 36
        assert size.density == pytest.approx(density * 1e6, rel=1e-12)
        assert size.mean_area * size.density == pytest.approx(1, rel=1e-12)
        assert size.number == pytest.approx(number, abs=0.01)


def test_grains_in_a_window_are_counted_without_bias():
    """60 windows on Voronoi cells: the mean count is the density's, within 3 standard errors."""
    rng = np.random.default_rng(3)
    ratios = [
        grain_size_by_area(voronoi(rng, 160, 30)[0], pixel_size=1.0).grains / 30 for _ in range(60)
    ]
    error = np.std(ratios, ddof=1) / math.sqrt(60)
    # Without the quarter at corners it would be one grain of 30 more.
    assert error < 1 / 30 / 1.5
    assert abs(np.mean(ratios) - 1) < 3 * error


def test_grains_cut_by_unknown_pixels_count_half():
    labels = squares(10, 6)
    hidden = labels.copy()
    hidden[:, 30:] = -1
    size = grain_size_by_area(hidden, pixel_size=1.0)
    # Of 6 rows of 3: a column at the border, one inside, one beside the unknown.
    assert size.grains == 2 * 0.25 + 4 * 0.5 + 2 * 0.5 + 4 * 1 + 2 * 0.5 + 4 * 0.5
    assert size.mean_area == pytest.approx(60 * 30 / size.grains)
    wrapped = grain_size_by_area(hidden, pixel_size=1.0, periodic=True)
    assert wrapped.grains == 6 * 0.5 + 6 * 1 + 6 * 0.5


def test_nickel_superalloy(real_data):
    """109 grains of a measured map, 0.12 um a step: both methods, within each other's reach."""
    labels = imread(real_data / "ebsd-maps" / "ni-superalloy-defdap" / "grain_id.png").astype(int)
    by_intercept = grain_size_by_intercept(labels, pixel_size=0.12e-6)
    by_area = grain_size_by_area(labels, pixel_size=0.12e-6)
    assert 80 < by_area.grains < len(np.unique(labels)) == 109
    # Twins make the grains unequal and long, which raises the number by intercept.
    assert 0 < by_intercept.number - by_area.number < 1
    low, high = by_intercept.interval
    assert low < by_intercept.number < high < low + 1


# --- particles ----------------------------------------------------------------------------------


def blobs(shape, seed=0, fraction=0.35):
    rng = np.random.default_rng(seed)
    field = sum(np.roll(rng.random(shape), s, a) for a in range(len(shape)) for s in (0, 1, 2))
    return field > np.quantile(field, 1 - fraction)


@pytest.mark.parametrize("pixel_size", [1.0, 0.25], ids=str)
@pytest.mark.parametrize("connectivity", [1, 2])
def test_particles_of_a_plane_are_those_of_scikit_image(connectivity, pixel_size):
    phase = blobs((40, 33))
    table = particle_table(phase, pixel_size=pixel_size, connectivity=connectivity)
    regions = skimage.measure.regionprops(
        skimage.measure.label(phase, connectivity=connectivity), spacing=(pixel_size,) * 2
    )
    assert len(regions) == len(table["label"]) > 10
    for row, region in enumerate(regions):
        assert table["label"][row] == region.label
        assert table["area"][row] == pytest.approx(region.area)
        assert table["equivalent_diameter"][row] == pytest.approx(region.equivalent_diameter_area)
        centroid = [table["centroid_rows"][row], table["centroid_cols"][row]]
        assert centroid == pytest.approx(region.centroid)
        perimeter = skimage.measure.perimeter_crofton(np.pad(region.image, 1)) * pixel_size
        assert table["perimeter"][row] == pytest.approx(perimeter)
        axes = [region.axis_major_length, region.axis_minor_length]
        # The pixel's own moment, 1/12 of its area, is ours alone.
        ratio = math.sqrt(
            (axes[0] ** 2 / 16 + pixel_size**2 / 12) / (axes[1] ** 2 / 16 + pixel_size**2 / 12)
        )
        assert table["aspect_ratio"][row] == pytest.approx(ratio)
        if ratio > 1.01:
            difference = (table["orientation"][row] - region.orientation) % math.pi
            assert min(difference, math.pi - difference) < 1e-6
    assert (np.abs(table["orientation"]) <= math.pi / 2).all()


def test_particles_in_space():
    """Volume and surface of each are its Minkowski functionals; the axis of a rod is known."""
    labels = skimage.measure.label(blobs((10, 12, 11), fraction=0.15), connectivity=1)
    table = particle_table(labels, background=0)
    assert len(table["label"]) == labels.max() > 5
    measure = jax.jit(lambda particle: minkowski_functionals(particle, periodic=False))
    for row, label in enumerate(table["label"]):
        volume, surface, _, _ = measure(jnp.asarray(labels == label))
        assert table["volume"][row] == float(volume)
        assert table["surface"][row] == pytest.approx(float(surface), rel=1e-12)
        centroid = np.argwhere(labels == label).mean(axis=0)
        found = [table[f"centroid_{axis}"][row] for axis in ("planes", "rows", "cols")]
        assert found == pytest.approx(list(centroid))
    rod = np.zeros((9, 9, 9), bool)
    for step in range(7):
        rod[1 + step, 1 + step, 4] = True
    (axis,) = np.stack(
        [particle_table(rod, connectivity=3)[f"axis_{a}"] for a in ("planes", "rows", "cols")], -1
    )
    np.testing.assert_allclose(axis, [math.sqrt(0.5), math.sqrt(0.5), 0], atol=1e-12)
    assert len(particle_table(rod, connectivity=1)["label"]) == 7


def test_shapes_whose_table_is_known():
    phase = np.zeros((12, 20), bool)
    phase[1, 1] = True
    phase[3, 2:6] = True
    phase[5:11, 9:12] = True
    table = particle_table(phase, pixel_size=(2.0, 1.0))
    np.testing.assert_allclose(table["area"], [2, 8, 36])
    np.testing.assert_allclose(table["aspect_ratio"], [2, 2, 4])
    np.testing.assert_allclose(table["orientation"], [0, math.pi / 2, 0], atol=1e-12)
    np.testing.assert_allclose(table["centroid_rows"], [2, 6, 15])
    np.testing.assert_allclose(table["centroid_cols"], [1, 3.5, 10])
    np.testing.assert_allclose(table["equivalent_diameter"], 2 * np.sqrt(table["area"] / math.pi))


def test_which_labels_are_particles():
    labels = np.zeros((6, 7), int)
    labels[0, 0], labels[2:4, 2:4], labels[4, 5] = 7, 3, -1
    assert particle_table(labels)["label"].tolist() == [0, 3, 7]
    assert particle_table(labels, background=0)["label"].tolist() == [3, 7]
    cleared = particle_table(labels, background=0, clear_border=True)
    assert cleared["label"].tolist() == [3]
    assert cleared["area"].tolist() == [4]


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)], ids=str)
def test_a_table_without_particles_has_its_columns(shape):
    empty = particle_table(np.zeros(shape, bool))
    full = particle_table(np.ones(shape, bool))
    assert list(empty) == list(full)
    assert {len(column) for column in empty.values()} == {0}
    assert {len(column) for column in full.values()} == {1}
    assert {len(c) for c in particle_table(np.ones(shape, bool), clear_border=True).values()} == {0}


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [grain_size_by_intercept, grain_size_by_area])
def test_bad_grains_are_refused(measure, unchecked):
    labels = squares(3, 3)
    with pytest.raises(ValueError, match="3 axes; a grain size is measured on a section"):
        measure(np.zeros((3, 3, 3), int), pixel_size=1.0)
    with pytest.raises(TypeError, match="integers"):
        measure(labels.astype(float), pixel_size=1.0)
    with pytest.raises(ValueError, match="no grain"):
        measure(np.full((3, 3), -1), pixel_size=1.0)
    with pytest.raises(ValueError, match="no grain"):
        measure(np.full((3, 3), 2), pixel_size=1.0, boundary=2)
    with pytest.raises(ValueError, match="`pixel_size`"):
        measure(labels, pixel_size=0.0)
    with pytest.raises(TypeError, match="runs on the host"):
        jax.jit(lambda x: measure(x, pixel_size=1.0).number)(labels)


def test_lines_that_cannot_tell_are_refused(unchecked):
    with pytest.raises(ValueError, match="`lines` .* some of rows, cols"):
        grain_size_by_intercept(squares(3, 3), pixel_size=1.0, lines=("horizontal",))
    with pytest.raises(ValueError, match="`lines`"):
        grain_size_by_intercept(squares(3, 3), pixel_size=1.0, lines=())
    layers = np.tile(np.arange(8)[:, None] // 2, (1, 8))
    with pytest.raises(ValueError, match="along cols cross no grain boundary"):
        grain_size_by_intercept(layers, pixel_size=1.0)


def test_bad_particles_are_refused(unchecked):
    with pytest.raises(ValueError, match="not binary"):
        particle_table(np.full((3, 3), 0.5))
    with pytest.raises(ValueError, match=r"`connectivity` \(=3\) .* 1 .* to 2"):
        particle_table(np.ones((3, 3), bool), connectivity=3)
    with pytest.raises(ValueError, match="4 axes"):
        particle_table(np.ones((3, 3, 3, 3), int))
    with pytest.raises(TypeError, match="runs on the host"):
        jax.jit(lambda x: particle_table(x)["area"])(np.ones((3, 3), bool))
