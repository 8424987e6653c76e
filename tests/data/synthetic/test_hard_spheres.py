"""Packings of disks and balls that do not overlap."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data.synthetic import hard_spheres

CASES = [
    ((40, 44), 3.0, 0.5),
    ((20, 18, 22), 3.0, 0.3),
    ((40, 44), (2.0, 3.0, 6.0), 0.55),
]
each_case = pytest.mark.parametrize(("shape", "radius", "fraction"), CASES, ids=str)


def distances(points, others, shape):
    """From each to each, to the nearest image."""
    apart = np.asarray(points, float)[:, None] - np.asarray(others, float)[None]
    apart -= np.round(apart / shape) * shape
    return np.sqrt((apart**2).sum(axis=-1))


def volumes(radii, axes):
    return math.pi ** (axes / 2) / math.gamma(axes / 2 + 1) * np.asarray(radii) ** axes


@each_case
@pytest.mark.parametrize("sweeps", [0, 20])
def test_no_two_overlap(shape, radius, fraction, sweeps, getkey):
    packing = hard_spheres(getkey(), shape, radius=radius, volume_fraction=fraction, sweeps=sweeps)
    apart = distances(packing.centres, packing.centres, shape)
    np.fill_diagonal(apart, np.inf)
    radii = np.asarray(packing.radii)
    assert (apart >= (radii[:, None] + radii) * (1 - 1e-12)).all()
    assert set(radii) <= set(np.atleast_1d(radius)) and (np.diff(radii) <= 0).all()
    # As many as come nearest to the fraction: none more, none less would be nearer.
    filled = volumes(radii, len(shape)).sum() / np.prod(shape)
    step = volumes(np.max(radius), len(shape)) / np.prod(shape)
    assert abs(filled - fraction) <= step / 2


@each_case
def test_labels_are_the_balls(shape, radius, fraction, getkey):
    packing = hard_spheres(getkey(), shape, radius=radius, volume_fraction=fraction)
    labels = np.asarray(packing.labels)
    assert labels.dtype == np.int32 and packing.labels.shape == shape
    pixels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    apart = distances(pixels.reshape(-1, len(shape)), packing.centres, shape)
    inside = apart <= np.asarray(packing.radii)
    expected = np.where(inside.any(axis=1), inside.argmax(axis=1) + 1, 0)
    np.testing.assert_array_equal(labels.ravel(), expected)


def test_a_move_changes_most_places_and_nothing_else(getkey):
    key = getkey()
    still, moved = (
        hard_spheres(key, (40, 44), radius=3.0, volume_fraction=0.5, sweeps=sweeps)
        for sweeps in (0, 20)
    )
    np.testing.assert_array_equal(still.radii, moved.radii)
    shifts = np.asarray(still.centres) - np.asarray(moved.centres)
    assert (np.abs(shifts).max(axis=1) > 0).mean() > 0.9


def room_for_one_more(shape, radius, fraction, sweeps):
    """Probability that a disk at a random place would be free, in each of many packings."""
    found = []
    for key in jax.random.split(jax.random.key(5), 32):
        packing = hard_spheres(key, shape, radius=radius, volume_fraction=fraction, sweeps=sweeps)
        tried = np.random.default_rng(len(found)).random((4000, 2)) * shape
        found.append((distances(tried, packing.centres, shape) >= 2 * radius).all(axis=1).mean())
    return np.array(found), len(packing.radii)


def test_equilibrium_leaves_the_room_that_the_chemical_potential_gives_it(follows):
    """Widom: the share of places where one more disk fits is exp(-mu), mu from the pressure.

    In a finite cell it is mu half way from N to N + 1 disks. Without the moves the room is less.
    """
    shape, radius = (96, 96), 4.0
    added, _ = room_for_one_more(shape, radius, 0.4, 0)
    moved, count = room_for_one_more(shape, radius, 0.4, 100)
    fraction = (count + 0.5) * math.pi * radius**2 / math.prod(shape)
    steps = (np.arange(10000) + 0.5) / 10000 * fraction
    excess = ((1 + steps**2 / 8) / (1 - steps) ** 2 - 1) / steps
    pressure = (1 + fraction**2 / 8) / (1 - fraction) ** 2
    follows(moved, math.exp(-(excess.mean() * fraction + pressure - 1)))
    assert added.mean() < 0.75 * moved.mean()


def test_one_key_makes_one_packing(getkey):
    first, second = getkey(), getkey()
    make = [
        hard_spheres(key, (40, 44), radius=3.0, volume_fraction=0.5, sweeps=3).centres
        for key in (first, first, second)
    ]
    np.testing.assert_array_equal(make[0], make[1])
    assert (np.asarray(make[0]) != np.asarray(make[2])).all()


def test_no_ball_at_all_is_a_packing(getkey):
    packing = hard_spheres(getkey(), (12, 12), radius=3.0, volume_fraction=0.01)
    assert packing.centres.shape == (0, 2) and not packing.labels.any()


def test_a_fraction_above_saturation_is_refused_and_the_one_reached_is_named(getkey):
    for shape, fraction, low, high in [((40, 44), 0.7, 0.45, 0.57), ((20, 18, 22), 0.5, 0.26, 0.4)]:
        with pytest.raises(ValueError, match="not reached") as refusal:
            hard_spheres(getkey(), shape, radius=3.0, volume_fraction=fraction, attempts=20_000)
        reached = float(str(refusal.value).split("a fraction of ")[1].split(",")[0])
        assert low < reached < high


def test_what_is_no_packing_is_refused(getkey):
    given = {"radius": 2.0, "volume_fraction": 0.3}
    for changed, message in [
        ({"radius": 4.5}, r"`radius` \(=4.5\): a ball wider than the cell"),
        ({"radius": -1.0}, "`radius`"),
        ({"volume_fraction": 1.0}, "`volume_fraction`"),
        ({"sweeps": -1}, "`sweeps`"),
        ({"attempts": 0}, "`attempts`"),
    ]:
        with pytest.raises(ValueError, match=message):
            hard_spheres(getkey(), (8, 9), **(given | changed))
    with pytest.raises(TypeError, match="outside of `jax.jit`"):
        jax.jit(lambda key: jnp.sum(hard_spheres(key, (8, 9), **given).centres))(getkey())
