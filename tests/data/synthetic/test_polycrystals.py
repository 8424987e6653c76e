"""Voronoi and Laguerre polycrystals."""

import math

import jax
import numpy as np
import pytest

from idml_jax.data.synthetic import hard_spheres, laguerre, tessellation, voronoi

SHAPES = [(13, 10), (6, 7, 5)]


def powers(shape, seeds, radii=0.0, stretch=1.0, *, periodic):
    """Of each seed at each pixel, by the definition; the nearest of all its images."""
    images = np.stack(np.meshgrid(*[(-1, 0, 1)] * len(shape)), axis=-1).reshape(-1, len(shape))
    images = images * shape if periodic else np.zeros((1, len(shape)))
    pixels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    apart = (pixels[..., None, None, :] - seeds[:, None] - images) / stretch
    return (apart**2).sum(axis=-1).min(axis=-1) - np.asarray(radii) ** 2


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    "radii", [None, (0.0, 1.0, 2.0, 0.5, 1.5, 3.0)], ids=["voronoi", "laguerre"]
)
@pytest.mark.parametrize("stretched", [False, True])
def test_a_pixel_belongs_to_the_seed_of_the_smallest_power(shape, periodic, radii, stretched):
    seeds = np.random.default_rng(2).random((6, len(shape))) * shape
    stretch = (1.0, 3.0, 2.0)[: len(shape)] if stretched else None
    radii = None if radii is None else np.array(radii)
    found = tessellation(shape, seeds, radii=radii, stretch=stretch, periodic=periodic)
    expected = powers(shape, seeds, 0 if radii is None else radii, stretch or 1, periodic=periodic)
    np.testing.assert_array_equal(found, expected.argmin(axis=-1))
    assert found.dtype == np.int32


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_radii_are_no_radii(shape):
    seeds = np.random.default_rng(0).random((7, len(shape))) * shape
    expected = tessellation(shape, seeds)
    for radius in (0.0, 4.0):
        np.testing.assert_array_equal(tessellation(shape, seeds, radii=[radius] * 7), expected)


def test_seeds_outside_a_periodic_cell_are_moved_into_it():
    shape, seeds = (13, 10), np.random.default_rng(0).random((5, 2)) * (13, 10)
    moved = seeds + np.array([[0, 0], [13, 0], [-26, 10], [0, -10], [13, 30]])
    np.testing.assert_array_equal(tessellation(shape, moved), tessellation(shape, seeds))
    # The cell is not closed: exactly its side is its beginning.
    edge = np.array([[13.0, 10.0], [-1e-18, 5.0]])
    np.testing.assert_array_equal(tessellation(shape, edge), tessellation(shape, edge % (13, 10)))


def test_each_disk_of_a_packing_lies_in_its_own_grain(getkey):
    packing = hard_spheres(getkey(), (60, 60), radius=(2.0, 5.0, 8.0), volume_fraction=0.55)
    grains = np.asarray(tessellation((60, 60), packing.centres, radii=packing.radii))
    disks = np.asarray(packing.labels)
    np.testing.assert_array_equal(grains[disks > 0], disks[disks > 0] - 1)


@pytest.mark.parametrize("periodic", [True, False])
def test_voronoi_has_as_many_grains_as_asked(periodic, getkey):
    labels = np.asarray(voronoi(getkey(), (64, 60), grains=20, periodic=periodic))
    assert set(labels.ravel()) == set(range(20))
    assert voronoi(getkey(), (5, 4), grains=1).tolist() == [[0] * 4] * 5


def test_stretched_grains_are_longer_along_their_axis(getkey):
    labels = np.asarray(voronoi(getkey(), (120, 120), grains=60, stretch=(1.0, 3.0)))
    borders = [(labels != np.roll(labels, 1, axis)).sum() for axis in (0, 1)]
    assert borders[0] / borders[1] == pytest.approx(3, rel=0.2)


def one_grain(shape, displacement, grains):
    """Probability that two points lie in one Voronoi grain, by quadrature over its seed."""
    cell = math.prod(shape)
    lines = np.linspace(-0.5, 0.5, 400, endpoint=False) + 1 / 800
    rows, cols = np.meshgrid(lines * shape[0], lines * shape[1], indexing="ij")
    first = np.hypot(rows, cols)
    second = np.hypot(rows - displacement[0], cols - displacement[1])
    distance = max(math.hypot(*displacement), 1e-12)
    # The lens that two disks of different radii, which meet at the seed, have in common.
    one = (distance**2 + first**2 - second**2) / (2 * distance * first)
    two = (distance**2 + second**2 - first**2) / (2 * distance * second)
    angle, other = np.arccos(np.clip(one, -1, 1)), np.arccos(np.clip(two, -1, 1))
    lens = first**2 * (angle - np.sin(angle) * np.cos(angle))
    lens += second**2 * (other - np.sin(other) * np.cos(other))
    area = np.pi * (first**2 + second**2) - lens
    return grains * np.mean(np.clip(1 - area / cell, 0, None) ** (grains - 1))


def test_two_points_lie_in_one_voronoi_grain_as_often_as_they_should(follows):
    shape, grains = (64, 64), 40
    keys = jax.random.split(jax.random.key(3), 48)
    labels = np.stack([np.asarray(voronoi(key, shape, grains=grains)) for key in keys])
    for displacement in [(0, 1), (3, 2), (0, 6), (8, -8)]:
        same = labels == np.roll(labels, np.negative(displacement), (1, 2))
        follows(same.mean(axis=(1, 2)), one_grain(shape, displacement, grains))


# --- grains of given volumes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "grains", "relaxations"),
    [((64, 60), 20, 3), ((80, 80), 40, 0), ((20, 24, 22), 15, 1)],
)
def test_grains_have_the_volumes_asked_for(shape, grains, relaxations, getkey):
    wanted = np.random.default_rng(1).lognormal(0, 0.5, grains)
    labels = np.asarray(laguerre(getkey(), shape, volumes=wanted, relaxations=relaxations))
    wanted *= labels.size / wanted.sum()
    found = np.bincount(labels.ravel(), minlength=grains)
    assert (np.abs(found - wanted) <= np.maximum(0.01 * wanted, 2)).all()
    # They differ by far more than that.
    assert wanted.max() > 3 * wanted.min()


def test_relaxed_grains_are_rounder(getkey):
    key, volumes = getkey(), np.ones(30)
    lengths = []
    for relaxations in (0, 6):
        labels = np.asarray(laguerre(key, (64, 64), volumes=volumes, relaxations=relaxations))
        lengths.append(sum((labels != np.roll(labels, 1, axis)).sum() for axis in (0, 1)))
    assert lengths[1] < 0.9 * lengths[0]


# --- one key, and what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda key: voronoi(key, (20, 20), grains=9),
        lambda key: laguerre(key, (24, 24), volumes=[1.0, 2.0, 3.0]),
    ],
)
def test_a_key_makes_one_polycrystal(make, getkey):
    first, second = getkey(), getkey()
    np.testing.assert_array_equal(make(first), make(first))
    assert (make(first) != make(second)).any()


def test_what_is_no_tessellation_is_refused(getkey, unchecked):
    seeds = np.ones((3, 2))
    for arguments, message in [
        ({"seeds": np.ones((3, 3))}, r"`seeds` has the shape \(3, 3\); give \(number, 2\)"),
        ({"seeds": np.ones((0, 2))}, "at least one"),
        ({"seeds": np.full((3, 2), np.nan)}, "not finite"),
        ({"radii": [1.0, 2.0]}, "`radii` must be 3 numbers"),
        ({"radii": [1.0, 2.0, -1.0]}, "none below zero"),
        ({"stretch": (1.0, 0.0)}, "`stretch` .* must be 2 positive numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            tessellation((8, 8), **({"seeds": seeds} | arguments))
    with pytest.raises(ValueError, match=r"`grains` \(=0\)"):
        voronoi(getkey(), (8, 8), grains=0)
    with pytest.raises(TypeError, match="outside of `jax.jit`"):
        jax.jit(lambda key: voronoi(key, (8, 8), grains=2).sum())(getkey())


def test_what_are_no_volumes_is_refused(getkey):
    for arguments, message in [
        ({"volumes": [1.0, 0.0]}, "positive numbers"),
        ({"volumes": []}, "positive numbers"),
        ({"volumes": [1.0, 100.0]}, "smallest of 2 grains has 2.5 pixels"),
        ({"volumes": [1.0, 1.0], "relaxations": -1}, "`relaxations`"),
        ({"volumes": [1.0, 1.0], "tolerance": 0.0}, "`tolerance`"),
    ]:
        with pytest.raises(ValueError, match=message):
            laguerre(getkey(), (16, 16), **arguments)
