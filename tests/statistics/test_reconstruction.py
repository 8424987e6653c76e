"""`idml_jax.statistics.reconstruction` and `annealing`: what comes out has what was asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data.synthetic import gaussian_random_field
from idml_jax.statistics import (
    Target,
    anneal,
    brightest,
    correlated_start,
    lineal_path,
    lineal_path_target,
    plane_target,
    reconstruct,
    two_point_correlation,
    two_point_target,
    volume_fraction,
)


def blobs(seed, shape=(32, 32), length=2.5, level=0.3):
    return gaussian_random_field(jax.random.key(seed), shape, length=length) > level


def mean_square(a, b):
    return float(np.mean((np.asarray(a) - np.asarray(b)) ** 2))


def shuffled(phase, seed=0):
    flat = np.random.default_rng(seed).permutation(np.asarray(phase).ravel())
    return flat.reshape(phase.shape)


# --- by gradient --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_reconstruction_has_the_correlation_and_the_path_of_its_original():
    """Twenty times nearer than another sample of the same medium."""
    original, sibling = blobs(0), blobs(1)
    s2 = two_point_correlation(original)
    paths = [lineal_path(original, axis=axis, longest=15) for axis in (0, 1)]
    targets = [two_point_target(s2), *(lineal_path_target(p, axis=a) for a, p in enumerate(paths))]
    found = reconstruct(jax.random.key(0), targets, shape=(32, 32), levels=2)
    assert found.errors[0] < mean_square(two_point_correlation(sibling), s2) / 20
    assert found.errors[0] == pytest.approx(mean_square(two_point_correlation(found.phase), s2))
    for axis, path in enumerate(paths):
        error = mean_square(lineal_path(found.phase, axis=axis, longest=15), path)
        assert found.errors[1 + axis] == pytest.approx(error)
        assert error < 1e-4
    assert len(found.history) == 100 and found.history[-1] < found.history[0]
    assert found.phase.dtype == bool


@pytest.mark.slow
def test_grids_that_are_coarse_begin_the_search_nearer_to_its_end():
    target = two_point_target(two_point_correlation(blobs(0, length=4.0)))
    first = [
        reconstruct(jax.random.key(0), [target], shape=(32, 32), levels=k, iterations=20).history[0]
        for k in (1, 2)
    ]
    assert first[1] < first[0] / 10


def test_a_start_with_the_right_correlation_is_near_at_once():
    original = blobs(0, (64, 64), length=4.0)
    s2 = two_point_correlation(original)
    start = correlated_start(jax.random.key(1), s2)
    assert float((start > 0).mean()) == pytest.approx(float(original.mean()), abs=2e-3)
    sibling = mean_square(two_point_correlation(blobs(1, (64, 64), length=4.0)), s2)
    assert mean_square(two_point_correlation(start > 0), s2) < sibling / 10
    target = two_point_target(s2)
    found = reconstruct(
        jax.random.key(0), [target], shape=(64, 64), levels=1, iterations=40, start=start
    )
    assert found.errors[0] < 1e-5


def test_only_the_window_of_the_correlation_that_is_given_counts():
    """PyMKS's array of an even side is a pixel shorter: its window is ours."""
    original = blobs(0)
    s2 = two_point_correlation(original)
    pymks = s2[1:, 1:]
    found = reconstruct(jax.random.key(0), [two_point_target(pymks)], shape=(32, 32), levels=1)
    ours = two_point_correlation(found.phase)
    assert found.errors[0] == pytest.approx(mean_square(ours[1:, 1:], pymks))
    assert found.errors[0] < 1e-5


def test_displacements_that_are_not_known_do_not_count():
    original = blobs(0)
    s2 = np.array(two_point_correlation(original))
    holed = np.where(np.random.default_rng(0).random(s2.shape) < 0.5, s2, np.nan)
    found = reconstruct(jax.random.key(0), [two_point_target(holed)], shape=(32, 32), levels=1)
    ours = np.asarray(two_point_correlation(found.phase))
    assert found.errors[0] == pytest.approx(np.nanmean((ours - holed) ** 2))
    assert found.errors[0] < 1e-5


@pytest.mark.slow
def test_a_volume_is_made_from_the_correlation_of_its_sections():
    """From one image, taken for isotropic: the same in the planes across each axis."""
    s2 = two_point_correlation(blobs(0, (16, 16), length=2.0))
    turned = [s2, s2.T, *(jnp.roll(a[::-1], 1, axis=0) for a in (s2, s2.T))]
    target = two_point_target(sum(turned) / 4)
    targets = [plane_target(target, axis=axis) for axis in range(3)]
    found = reconstruct(jax.random.key(0), targets, shape=(16, 16, 16), levels=2, iterations=60)
    assert found.phase.shape == (16, 16, 16)
    planes = jax.vmap(two_point_correlation)(jnp.moveaxis(found.phase, 1, 0)).mean(axis=0)
    assert found.errors[1] == pytest.approx(mean_square(planes, target.value), rel=1e-6)
    shuffled_planes = jax.vmap(two_point_correlation)(jnp.asarray(shuffled(found.phase)))
    assert found.errors.max() < mean_square(shuffled_planes.mean(axis=0), target.value) / 20


def test_any_statistic_with_a_gradient_is_a_target():
    """The number of edges of a soft phase, and how much of it there is."""

    def edges(phase):
        return jnp.abs(phase - jnp.roll(phase, 1, axis=1)).mean()

    targets = [Target(edges, jnp.asarray(0.1)), Target(volume_fraction, jnp.asarray(0.25))]
    found = reconstruct(jax.random.key(0), targets, shape=(16, 16), levels=1)
    assert float(found.phase.mean()) == pytest.approx(0.25, abs=0.02)
    assert found.errors.shape == (2,)


def test_the_brightest_are_as_many_as_asked_for():
    field = np.random.default_rng(0).random((9, 8))
    chosen = brightest(jnp.asarray(field), jnp.asarray(0.25))
    assert int(chosen.sum()) == 18
    assert field[np.asarray(chosen)].min() > field[~np.asarray(chosen)].max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": []}, "`targets` is empty"),
        ({"levels": 4}, "multiples of 8; `shape` is .12, 12."),
        ({"start": jnp.zeros((12, 12)), "levels": 2}, "goes with `levels=1`"),
        ({"start": jnp.zeros((4, 4)), "levels": 1}, "has the shape .4, 4."),
        (
            {"targets": [Target(volume_fraction, jnp.zeros(2))]},
            r"target 0: .* shape \(\) .* \(2,\)",
        ),
        ({"targets": [Target(volume_fraction, jnp.asarray(jnp.nan))]}, "holds no number"),
        ({"targets": [Target(volume_fraction, jnp.zeros(()))], "levels": 2}, "use `levels=1`"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(options, message):
    target = two_point_target(jnp.zeros((12, 12)))
    with pytest.raises(ValueError, match=message):
        reconstruct(
            jax.random.key(0), **{"targets": [target], "shape": (12, 12), "levels": 1, **options}
        )


# --- by annealing -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 9), (4, 5, 6)], ids=str)
def test_annealing_keeps_its_counts_right(shape):
    """After many exchanges the energy it carries is that of the microstructure it returns."""
    original = blobs(0, shape, length=1.5)
    s2 = two_point_correlation(original)
    paths = {axis: lineal_path(original, axis=axis) for axis in range(len(shape))}
    start = jnp.asarray(shuffled(original))
    found = anneal(
        jax.random.key(0), start, s2, lineal_paths=paths, weight=0.5, exchanges=400, records=20
    )
    error = mean_square(two_point_correlation(found.phase), s2)
    errors = [mean_square(lineal_path(found.phase, axis=a), p) for a, p in paths.items()]
    np.testing.assert_allclose(found.errors, [error, *errors], rtol=1e-9)
    assert int(found.phase.sum()) == int(original.sum())
    assert float(found.history.min()) == pytest.approx(error + 0.5 * sum(errors), rel=1e-9)


def test_annealing_without_heat_never_gets_worse():
    original = blobs(0, (16, 16))
    start = jnp.asarray(shuffled(original))
    s2 = two_point_correlation(original)
    found = anneal(jax.random.key(0), start, s2, exchanges=4000, acceptance=0.0)
    assert (np.diff(found.history) <= 0).all()
    assert found.errors[0] < mean_square(two_point_correlation(start), s2) / 10


@pytest.mark.slow
def test_annealing_with_heat_takes_steps_for_the_worse_and_cools_down():
    original = blobs(0, (16, 16))
    s2 = two_point_correlation(original)
    start = jnp.asarray(shuffled(original))
    found = anneal(jax.random.key(0), start, s2, exchanges=10_000, acceptance=0.5)
    assert (np.diff(found.history[:50]) > 0).any()
    assert (np.diff(found.history[-20:]) <= 0).all()
    assert found.errors[0] < mean_square(two_point_correlation(start), s2) / 10


@pytest.mark.parametrize(
    ("start", "s2", "paths", "message"),
    [
        (np.ones((4, 4), bool), np.ones((4, 4)), None, "wholly in the phase"),
        (np.eye(4, dtype=bool), np.ones((4, 5)), None, r"`s2` has the shape \(4, 5\)"),
        (np.full((4, 4), 0.5), np.ones((4, 4)), None, "`start` is not binary"),
        (np.eye(4, dtype=bool), np.ones((4, 4)), {2: np.ones(3)}, "`axis` .=2. is out of range"),
        (np.eye(4, dtype=bool), np.ones((4, 4)), {0: np.ones(5)}, "has 5 lengths"),
    ],
)
def test_what_cannot_be_annealed_is_refused(start, s2, paths, message, unchecked):
    with pytest.raises(ValueError, match=message):
        anneal(jax.random.key(0), start, s2, lineal_paths=paths)
