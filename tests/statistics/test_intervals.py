"""`idml_jax.statistics.intervals` against textbooks, the definition and media that are known."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from idml_jax.data.synthetic import (
    gaussian_field_correlation,
    gaussian_random_field,
    level_cut_two_point,
)
from idml_jax.statistics import (
    radial_average,
    statistic_interval,
    two_point_correlation,
    two_point_interval,
    volume_fraction_interval,
)

periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
# A Gaussian field exceeds the second with the probability of the first.
LEVELS = {0.5: 0.0, 0.1: 1.2815515655446004}


def random(seed, shape):
    return np.random.default_rng(seed).random(shape)


@functools.cache
def cuts(side, length, count, window=None):
    """Gaussian fields cut at two levels, or windows of them: a stack for each fraction."""

    def cut(key):
        field = gaussian_random_field(key, (side, side), length=length)[:window, :window]
        return jnp.stack([field > level for level in LEVELS.values()])

    phases = jax.lax.map(cut, jax.random.split(jax.random.key(0), count))
    return dict(zip(LEVELS, np.moveaxis(np.asarray(phases), 1, 0), strict=True))


def covers(interval, truth, confidence=0.95):
    """Whether the share of intervals that hold the truth is the stated one, within three sigma."""
    held = (np.asarray(interval.low) <= truth) & (truth <= np.asarray(interval.high))
    spread = math.sqrt(confidence * (1 - confidence) / len(held))
    assert (np.abs(held.mean(axis=0) - confidence) < 3 * spread).all(), held.mean(axis=0)


# --- the volume fraction ------------------------------------------------------------------------


@periodic_or_not
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_independent_pixels_have_the_textbooks_interval(periodic, confidence):
    """With no reach: the ends are the fractions from which the estimate is t errors away."""
    phase = random(0, (9, 8)) < 0.3
    found = volume_fraction_interval(phase, periodic=periodic, confidence=confidence, reach=0)
    p, n = phase.mean(), phase.size
    assert float(found.value) == pytest.approx(p, abs=1e-12)
    assert float(found.standard_error) == pytest.approx(phase.std(ddof=1) / math.sqrt(n), abs=1e-12)
    assert float(found.degrees_of_freedom) == pytest.approx(n - 1, abs=1e-9)
    t = scipy.stats.t.ppf((1 + confidence) / 2, n - 1)
    for end in (float(found.low), float(found.high)):
        assert abs(end - p) == pytest.approx(t * math.sqrt(end * (1 - end) / (n - 1)), abs=1e-12)
    assert found.low < p < found.high
    assert p - found.low < found.high - p


def test_interval_from_one_image_covers_as_often_as_stated():
    @jax.jit
    @jax.vmap
    def measure(phase):
        found = volume_fraction_interval(phase)
        return found, volume_fraction_interval(phase, confidence=0.8, reach=8)

    for fraction, phases in cuts(64, 2.0, 400).items():
        usual, narrow = measure(phases)
        covers(usual, fraction)
        covers(narrow, fraction, 0.8)


def test_interval_from_a_window_covers_as_often_as_stated():
    phases = cuts(96, 2.0, 400, window=64)[0.5]
    found = jax.lax.map(functools.partial(volume_fraction_interval, periodic=False), phases)
    covers(found, 0.5)
    # The stated error is that of windows, not of periodic images, which vary more by 5 %.
    measured = float(((phases.mean(axis=(1, 2)) - 0.5) ** 2).mean())
    stated = float((found.standard_error**2).mean())
    assert stated == pytest.approx(measured, rel=3 * math.sqrt(2 / 400))


def test_interval_from_an_image_of_few_ranges_covers_all_the_same():
    """Fifteen integral ranges in the image: hardly any degrees of freedom, and wide intervals."""
    phases = cuts(32, 4.0, 400)[0.5]
    found = jax.lax.map(volume_fraction_interval, phases)
    held = (np.asarray(found.low) <= 0.5) & (np.asarray(found.high) >= 0.5)
    assert held.mean() > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)
    assert (np.asarray(found.low) >= 0).all() and (np.asarray(found.high) <= 1).all()
    normal = np.abs(found.value - 0.5) <= 1.96 * found.standard_error
    assert normal.mean() < 0.95 - 3 * math.sqrt(0.95 * 0.05 / 400)


def test_an_image_that_is_too_small_says_so_and_little_else():
    found = volume_fraction_interval(np.tri(8, dtype=bool))
    assert float(found.degrees_of_freedom) == 0.25
    assert float(found.low) < 0.01 and float(found.high) > 0.99


def test_interval_from_several_images_covers_as_often_as_stated():
    groups = cuts(48, 2.0, 1600, window=32)[0.5].reshape(400, 4, 32, 32)

    def measure(group):
        return [
            volume_fraction_interval(list(group), periodic=False, pooled=pooled)
            for pooled in (False, True)
        ]

    apart, pooled = jax.lax.map(measure, groups)
    covers(apart, 0.5)
    covers(pooled, 0.5)
    np.testing.assert_array_equal(apart.degrees_of_freedom, 3)
    assert np.median(pooled.degrees_of_freedom) > 12
    assert np.mean(pooled.high - pooled.low) < 0.8 * np.mean(apart.high - apart.low)


def test_several_images_have_the_interval_of_scipy():
    phases = [random(seed, (6, 7)) < 0.4 for seed in range(5)]
    fractions = [phase.mean() for phase in phases]
    found = volume_fraction_interval(phases, periodic=False)
    assert float(found.value) == pytest.approx(np.mean(fractions), abs=1e-12)
    expected = scipy.stats.sem(fractions)
    assert float(found.standard_error) == pytest.approx(expected, abs=1e-12)
    assert float(found.degrees_of_freedom) == 4
    found = statistic_interval(np.array(fractions))
    expected = scipy.stats.ttest_1samp(fractions, 0).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), expected, rtol=0, atol=1e-12)


def test_images_of_different_size_weigh_by_their_volume():
    small, large = random(0, (6, 7)) < 0.4, random(1, (12, 14)) < 0.4
    pieces = [small, *large.reshape(2, 6, 2, 7).swapaxes(1, 2).reshape(4, 6, 7)]
    found = volume_fraction_interval([small, large])
    assert float(found.value) == pytest.approx(np.mean(pieces), abs=1e-12)
    squares = (small.mean() - np.mean(pieces)) ** 2 + 4 * (large.mean() - np.mean(pieces)) ** 2
    assert float(found.standard_error) == pytest.approx(math.sqrt(squares / 5), abs=1e-12)


def test_specimens_that_differ_widen_the_interval_unless_pooled():
    phases = [random(seed, (32, 32)) < fraction for seed, fraction in enumerate((0.2, 0.3, 0.4))]
    apart, pooled = (volume_fraction_interval(phases, pooled=pooled) for pooled in (False, True))
    assert apart.low < 0.2 and apart.high > 0.4
    assert pooled.standard_error < 0.5 * apart.standard_error


def test_uniform_phases_have_no_interval():
    for phase in (np.ones((8, 8), bool), [np.zeros((8, 8), bool)] * 3):
        found = volume_fraction_interval(phase)
        assert np.isnan(found.low) and np.isnan(found.high)


# --- the two-point correlation ------------------------------------------------------------------


def field_by_definition(phase, distance, periodic, pairs_at):
    """At each pixel what it adds to the radial average, less its expectation, pair by pair."""
    deviation, phi = (phase - phase.mean()).ravel(), phase.mean()
    ring = [
        r
        for r in itertools.product(range(-distance, distance + 1), repeat=phase.ndim)
        if round(math.hypot(*r)) == distance and r >= (0,) * phase.ndim
    ]
    first, second, seen = np.zeros((3, phase.size))
    for displacement in ring:
        # Each pixel is the start of one pair at most, and the end of one.
        start, end = pairs_at(phase.shape, displacement, periodic)
        weight = phase.size / len(start) / len(ring)
        seen[start] += weight
        first[start] += phi * deviation[start] * weight
        first[end] += phi * deviation[end] * weight
        second[start] += deviation[start] * deviation[end] * weight
    return (field.reshape(phase.shape) for field in (first, second, seen))


@pytest.mark.parametrize(
    ("shape", "periodic"), [((6, 7), True), ((7, 6), False), ((5, 4, 6), False)], ids=str
)
def test_two_point_error_matches_the_definition(pairs_at, shape, periodic):
    """With a reach of none, the variance of the mean of independent values of the field."""
    phase = (random(3, shape) < 0.4).astype(float)
    longest = 1 if len(shape) == 3 else 2
    distances, found = two_point_interval(phase, longest=longest, periodic=periodic, reach=0)
    assert len(distances) == longest + 1
    for distance in range(longest + 1):
        first, second, seen = field_by_definition(phase, distance, periodic, pairs_at)
        mean = phase.mean() ** 2 + first.mean() + second.mean()
        assert float(found.value[distance]) == pytest.approx(mean, abs=1e-12)
        field = first - first.mean() + second - second.mean() * seen
        expected = math.sqrt((field**2).sum() / phase.size / (phase.size - 1))
        assert float(found.standard_error[distance]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("shape", "periodic"), [((6, 7), True), ((7, 6), False), ((5, 4, 6), False)], ids=str
)
def test_two_point_value_is_the_radial_average(shape, periodic):
    phase, longest = random(0, shape) < 0.4, 1 if len(shape) == 3 else 2
    options = {"periodic": periodic, "reach": 0}
    distances, found = two_point_interval(phase, longest=longest, **options)
    expected = radial_average(two_point_correlation(phase, periodic=periodic))
    np.testing.assert_allclose(distances, expected[0][: longest + 1], rtol=1e-12)
    np.testing.assert_allclose(found.value, expected[1][: longest + 1], rtol=0, atol=1e-12)
    # At no distance it is the volume fraction.
    alone = volume_fraction_interval(phase, **options)
    for of_curve, of_fraction in zip(found, alone, strict=True):
        assert float(of_curve[0]) == pytest.approx(float(of_fraction), abs=1e-9)


@pytest.mark.parametrize(("fraction", "window"), [(0.1, None), (0.5, 48)], ids=str)
def test_two_point_band_is_as_wide_as_realizations_scatter(fraction, window):
    """Variance within three standard errors and a tenth, at each distance; coverage as stated."""
    side = 48 if window is None else 72
    phases = cuts(side, 1.5, 400, window)[fraction]
    measure = functools.partial(two_point_interval, longest=5, periodic=window is None)
    found = jax.lax.map(lambda phase: measure(phase)[1], phases)
    correlation = gaussian_field_correlation((side, side), length=1.5)
    truth = np.asarray(radial_average(level_cut_two_point(correlation, fraction))[1][:6])
    covers(found, truth)
    stated = np.asarray(found.standard_error**2).mean(axis=0)
    squares = (np.asarray(found.value) - truth) ** 2
    error = 3 * squares.std(axis=0) / math.sqrt(len(squares))
    assert (np.abs(squares.mean(axis=0) - stated) < error + 0.1 * stated).all()
    assert (error < 0.4 * stated).all()


def test_two_point_band_from_several_images():
    phases = [random(seed, (16, 16)) < 0.4 for seed in range(6)]
    curves = np.array([radial_average(two_point_correlation(phase))[1][:5] for phase in phases])
    _, found = two_point_interval(phases)
    np.testing.assert_allclose(found.value, curves.mean(axis=0), rtol=1e-12)
    expected = scipy.stats.sem(curves, axis=0)
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-10)
    _, pooled = two_point_interval(phases, pooled=True, reach=2)
    np.testing.assert_allclose(pooled.value, found.value, rtol=1e-12)
    np.testing.assert_allclose(pooled.standard_error, found.standard_error, rtol=0.7)
    assert (np.asarray(pooled.degrees_of_freedom) > 50).all()


def test_distances_that_no_pair_has_stay_within_bounds():
    """A few single pixels, far apart: none has a neighbour."""
    dots = np.zeros((32, 32), bool)
    dots[4::8, 4::8] = True
    dots[4, 4] = False
    _, found = two_point_interval(dots, longest=2)
    assert float(found.value[1]) == 0 == float(found.low[1])
    assert 0 < float(found.high[1]) < 0.05


# --- any statistic ------------------------------------------------------------------------------


def test_statistics_that_are_not_known_spoil_no_others():
    statistics = np.array([[1.0, np.nan], [2.0, 1.0], [4.0, 1.0]])
    found = statistic_interval(statistics)
    assert np.isnan(found.low[1]) and np.isfinite(found.low[0])


# --- what must not matter -----------------------------------------------------------------------


def test_runs_under_jit_and_vmap():
    batch = jnp.asarray(random(0, (3, 6, 7)) > 0.5)

    def measure(phase):
        _, curve = two_point_interval(phase, longest=2, reach=0)
        return volume_fraction_interval(phase), curve

    found = jax.jit(jax.vmap(measure))(batch)
    for k, phase in enumerate(batch):
        one = jax.tree.map(lambda batched, k=k: batched[k], found)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-9), one, measure(phase))


def test_interval_has_derivatives():
    soft = random(0, (12, 12))

    def measure(phase):
        found = volume_fraction_interval(jnp.asarray(phase), reach=2)
        return found.low, found.high

    check_grads(measure, (soft,), order=1, modes=["rev"])


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "options", "says"),
    [
        ([], {}, "a list of 0 images"),
        ([np.eye(4) > 0, np.ones((4, 4, 4), bool)], {}, "all of 2 or all of 3 dimensions"),
        ([np.eye(4) > 0, np.eye(5) > 0], {"pooled": True}, "to be pooled of one shape"),
        (np.eye(4) > 0, {"confidence": 95.0}, r"`confidence` \(=95.0\) must lie between 0 and 1"),
        (np.eye(4) > 0, {"confidence": 1.0}, "between 0 and 1"),
        (np.eye(4) > 0, {"reach": 2}, r"`reach` \(=2\) must lie between 0 and 1"),
        ([np.eye(4) > 0, np.full((4, 4), np.nan)], {}, "NaN"),
        (np.ones(4, bool), {}, "has 1 axes"),
    ],
)
def test_bad_images_are_refused(phase, options, says, unchecked):
    for measure in (volume_fraction_interval, two_point_interval):
        with pytest.raises(ValueError, match=says):
            measure(phase, **options)


def test_bad_distances_and_statistics_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"`longest` \(=4\) must lie between 0 and 3"):
        two_point_interval(np.eye(8) > 0, longest=4)
    with pytest.raises(TypeError, match="a phase is a boolean array"):
        volume_fraction_interval([np.eye(4, dtype=int)])
    for statistics in (np.ones(()), np.ones((1, 4))):
        with pytest.raises(ValueError, match="the first axis holds two images or more"):
            statistic_interval(statistics)
    with pytest.raises(ValueError, match="`confidence`"):
        statistic_interval(np.ones((3, 4)), confidence=0.0)
