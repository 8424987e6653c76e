"""`idml_jax.statistics.n_point` against the definition, closed forms and other statistics."""

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

from idml_jax.data.synthetic import checkerboard, gaussian_random_field
from idml_jax.statistics import (
    n_point_correlation,
    n_point_window,
    three_point_correlation,
    two_point_correlation,
    volume_fraction,
)

law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
each_shape = pytest.mark.parametrize("shape", [(4, 5), (5, 3), (3, 4, 2)], ids=str)


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def brute_force(phase, displacements, mask=None, *, periodic):
    """The definition: products over sums of weights, one pixel at a time."""
    mask = np.ones(phase.shape) if mask is None else mask
    hits = tried = 0.0
    for point in np.ndindex(phase.shape):
        points = [point, *(np.add(point, step) for step in displacements)]
        if periodic:
            points = [np.mod(place, phase.shape) for place in points]
        elif any((p < 0).any() or (p >= phase.shape).any() for p in map(np.asarray, points)):
            continue
        weight = math.prod(float(mask[tuple(place)]) for place in points)
        tried += weight
        hits += weight * math.prod(float(phase[tuple(place)]) for place in points)
    return hits / tried if tried else math.nan


def draw(seed, shape, points, count=6):
    """Sets of displacements: half of them short, the others reach beyond the image."""
    rng = np.random.default_rng(seed)
    short = rng.integers(-1, 2, (count // 2, points - 1, len(shape)))
    size = (count - count // 2, points - 1)
    return np.concatenate([short, np.stack([rng.integers(-n, n + 1, size) for n in shape], -1)])


# --- the definition -----------------------------------------------------------------------------


@periodic_or_not
@each_shape
@pytest.mark.parametrize("points", [2, 3, 4])
@pytest.mark.parametrize(
    ("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-6), (bool, 1e-12)]
)
def test_matches_the_definition(dtype, atol, points, shape, periodic):
    phase = random(0, shape) > 0.3 if dtype is bool else random(0, shape, dtype)
    mask = random(1, shape) > 0.2 if dtype is bool else random(1, shape, dtype)
    sets = draw(points, shape, points)
    for known in (None, mask):
        found = n_point_correlation(phase, sets, periodic=periodic, mask=known)
        expected = [brute_force(phase, steps, known, periodic=periodic) for steps in sets]
        assert found.dtype == (float if dtype is bool else dtype)
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
        assert np.isfinite(expected).any()


@periodic_or_not
@pytest.mark.parametrize(
    ("shape", "points", "reach"),
    [((6, 7), 3, 2), ((5, 4), 4, 1), ((3, 5, 4), 3, 1), ((7, 5), 2, 2)],
)
def test_a_window_holds_the_correlation_of_every_set(shape, points, reach, periodic):
    phase = random(0, shape) > 0.4
    found = n_point_window(phase, points=points, reach=reach, periodic=periodic)
    steps = list(itertools.product(range(-reach, reach + 1), repeat=len(shape)))
    sets = np.array(list(itertools.product(steps, repeat=points - 1)))
    expected = n_point_correlation(phase, sets, periodic=periodic)
    assert found.shape == (2 * reach + 1,) * (len(shape) * (points - 1))
    np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-12)


@periodic_or_not
def test_a_small_budget_changes_the_memory_and_not_the_answer(periodic):
    phase = random(0, (12, 13))
    window = functools.partial(n_point_window, phase, points=3, reach=3, periodic=periodic)
    whole, bit_by_bit = window(), window(budget=40_000)
    np.testing.assert_allclose(bit_by_bit, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [49, 441])
def test_the_memory_of_a_window_stays_within_the_budget(count):
    """What the compiler sets aside, beside arguments and result, for two sizes of window."""
    from idml_jax.statistics.n_point import _window

    reach, budget = (3, 2**22) if count == 49 else (10, 2**22)
    shape = (128, 128)
    each = 5 * math.prod(shape) * 4
    compiled = _window.lower(
        jax.ShapeDtypeStruct(shape, bool),
        jax.ShapeDtypeStruct((count, 1, 2), np.int32),
        reach=reach,
        dtype=jnp.dtype(np.float32),
        periodic=True,
        at_once=budget // each,
    ).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1.1 * budget


def test_three_points_are_two_displacements():
    phase = random(0, (6, 7))
    first, second = np.array([[1, 2], [0, 1], [-2, 3]]), np.array([[0, 0], [2, 2], [1, -1]])
    found = three_point_correlation(phase, first, second)
    for value, a, b in zip(found, first, second, strict=True):
        one = three_point_correlation(phase, tuple(a.tolist()), tuple(b.tolist()))
        assert one.shape == () and float(one) == pytest.approx(float(value), abs=1e-14)
        expected = (phase * np.roll(phase, -a, (0, 1)) * np.roll(phase, -b, (0, 1))).mean()
        assert float(value) == pytest.approx(expected, abs=1e-12)


# --- laws ---------------------------------------------------------------------------------------

steps = st.tuples(*[st.integers(-3, 3)] * 2)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (5, 6)), step=steps)
def test_coinciding_points_count_once(phase, step, periodic):
    """S3(0, 0) is the volume fraction; S3(0, r) = S3(r, r) = S2(r)."""
    s3 = functools.partial(three_point_correlation, phase, periodic=periodic)
    assert float(s3((0, 0), (0, 0))) == pytest.approx(float(volume_fraction(phase)), abs=1e-12)
    s2 = float(n_point_correlation(phase, [step], periodic=periodic))
    for first, second in (((0, 0), step), (step, step)):
        assert float(s3(first, second)) == pytest.approx(s2, abs=1e-12)


@law
@given(phase=hnp.arrays(bool, (5, 6)), first=steps, second=steps)
def test_any_of_the_three_points_may_be_the_first(phase, first, second):
    s3 = functools.partial(three_point_correlation, phase)
    back = tuple(-s for s in first)
    between = tuple(b - a for a, b in zip(first, second, strict=True))
    expected = float(s3(first, second))
    assert float(s3(second, first)) == pytest.approx(expected, abs=1e-12)
    assert float(s3(back, between)) == pytest.approx(expected, abs=1e-12)


@law
@given(phase=hnp.arrays(bool, (5, 6)), first=steps, second=steps)
def test_what_is_in_and_what_is_out_add_up(phase, first, second):
    """Inclusion and exclusion: S3 of the complement from S1, S2 and S3 of the phase."""
    between = tuple(b - a for a, b in zip(first, second, strict=True))
    s2 = sum(float(n_point_correlation(phase, [step])) for step in (first, second, between))
    s3 = float(three_point_correlation(phase, first, second))
    expected = 1 - 3 * float(volume_fraction(phase)) + s2 - s3
    assert float(three_point_correlation(~phase, first, second)) == pytest.approx(
        expected, abs=1e-12
    )


@periodic_or_not
def test_two_points_are_the_two_point_correlation(periodic):
    phase = random(0, (9, 8)) > 0.5
    s2 = two_point_correlation(phase, periodic=periodic)
    window = n_point_window(phase, points=2, reach=3, periodic=periodic)
    np.testing.assert_allclose(window, s2[1:8, 1:8], rtol=0, atol=1e-12)


# --- closed forms -------------------------------------------------------------------------------


def test_random_pixels_are_independent():
    """S3 of distinct points is the cube of the probability, within three standard errors."""
    phases = random(0, (32, 64, 64)) < 0.6
    sets = np.array([[[1, 0], [0, 1]], [[3, 5], [-7, 2]], [[0, 30], [30, 0]]])
    found = np.asarray(jax.vmap(lambda phase: n_point_correlation(phase, sets))(phases))
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - 0.6**3) < 3 * error).all() and error.max() < 0.003


def test_level_cut_of_a_gaussian_field_has_the_orthant_probability():
    """S3 = 1/8 + (the arcsines of the three correlations) / (4 pi), over 32 realizations.

    The error is that of the mean, and falls as one over the root of their number.
    """
    length = 4.0
    sets = np.array([[[3, 0], [0, 3]], [[2, 2], [6, 0]], [[0, 10], [10, 0]], [[1, 0], [2, 0]]])

    def measure(key):
        return n_point_correlation(gaussian_random_field(key, (128, 128), length=length) > 0, sets)

    found = np.asarray(jax.lax.map(measure, jax.random.split(jax.random.key(0), 32)))
    sides = np.concatenate([sets, sets[:, 1:] - sets[:, :1]], axis=1)
    correlations = np.exp(-(sides**2).sum(axis=-1) / (2 * length**2))
    expected = 1 / 8 + np.arcsin(correlations).sum(axis=1) / (4 * np.pi)
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert error.max() < 0.01
    assert (np.abs(found.mean(axis=0) - expected) < 3 * error).all()


def test_three_corners_of_a_checkerboard_are_seldom_of_one_colour():
    board = checkerboard((12, 12), side=2)
    assert float(three_point_correlation(board, (2, 2), (4, 0))) == 0.5
    assert float(three_point_correlation(board, (2, 0), (0, 2))) == 0.0
    # One pixel over: half of the pixels of each square see the next column, a quarter both.
    assert float(three_point_correlation(board, (1, 0), (0, 1))) == 0.125


# --- compiled, batched, differentiated ----------------------------------------------------------


@periodic_or_not
def test_runs_under_jit_and_vmap(periodic):
    batch, sets = random(0, (3, 6, 7)) > 0.5, draw(0, (3, 3), 3)
    correlate = functools.partial(n_point_correlation, periodic=periodic)
    one_by_one = jnp.stack([correlate(phase, sets) for phase in batch])
    compiled = jax.jit(jax.vmap(correlate, in_axes=(0, None)))
    np.testing.assert_allclose(compiled(batch, sets), one_by_one, atol=1e-12)
    window = functools.partial(n_point_window, points=3, reach=1, periodic=periodic)
    one_by_one = jnp.stack([window(phase) for phase in batch])
    np.testing.assert_allclose(jax.jit(jax.vmap(window))(batch), one_by_one, atol=1e-12)


@periodic_or_not
def test_gradient_matches_finite_differences(periodic):
    phase, mask = random(0, (4, 5)), random(1, (4, 5))
    sets = draw(0, (2, 2), 3)
    check_grads(
        lambda p, m: n_point_correlation(
            jnp.asarray(p), sets, mask=jnp.asarray(m), periodic=periodic
        ),
        (phase, mask),
        order=1,
    )
    check_grads(
        lambda p: n_point_window(jnp.asarray(p), points=3, reach=1, periodic=periodic),
        (phase,),
        order=1,
    )


# --- what is refused ----------------------------------------------------------------------------


def test_displacements_that_are_none_are_refused():
    phase = np.ones((4, 5), bool)
    with pytest.raises(ValueError, match=r"`displacements` has the shape \(2, 3\)"):
        n_point_correlation(phase, [(1, 0, 0), (0, 1, 0)])
    with pytest.raises(TypeError, match="whole numbers of pixels, got float"):
        n_point_correlation(phase, [(0.5, 0.0)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 1, "reach": 1}, "`points` .=1. must be at least 2"),
        ({"points": 3, "reach": 3}, "`reach` .=3. must lie between 0 and 2"),
        ({"points": 3, "reach": 1, "budget": 100}, "`budget` .=100. is below the"),
    ],
)
def test_windows_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        n_point_window(np.ones((6, 7)), **options)
