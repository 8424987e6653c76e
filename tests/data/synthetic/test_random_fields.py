"""Gaussian random fields and their level cuts, against what is known of both."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from idml_jax.data.synthetic import (
    gaussian_field_correlation,
    gaussian_random_field,
    level_cut,
    level_cut_two_point,
)
from idml_jax.statistics import two_point_correlation


@functools.cache
def realisations(shape, count=32, seed=7, **given):
    """Fields, each made once for all tests."""
    keys = jax.random.split(jax.random.key(seed), count)
    return np.stack([np.asarray(gaussian_random_field(key, shape, **given)) for key in keys])


def ring(k):
    return jnp.exp(-(((k - 0.8) / 0.2) ** 2))


def exponential(r):
    return jnp.exp(-r / 3)


@pytest.mark.parametrize("shape", [(64, 64), (51, 72), (24, 24, 24), (17, 20, 25)], ids=str)
def test_gaussian_field_has_its_variance_and_correlation(shape, follows):
    length = 3.0 if len(shape) == 2 else 2.0
    fields = realisations(shape, length=length)
    for lag in range(7):
        for axis in range(1, len(shape) + 1):
            products = (fields * np.roll(fields, -lag, axis)).mean(
                axis=tuple(range(1, fields.ndim))
            )
            follows(products, np.exp(-(lag**2) / (2 * length**2)))


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)], ids=str)
def test_the_zero_cut_of_a_gaussian_field_follows_the_arcsine_law(shape, follows):
    length = 3.0 if len(shape) == 2 else 2.0
    phases = realisations(shape, length=length) > 0
    for lag in range(7):
        pairs = (phases & np.roll(phases, -lag, -1)).mean(axis=tuple(range(1, phases.ndim)))
        correlation = np.exp(-(lag**2) / (2 * length**2))
        follows(pairs, 0.25 + np.arcsin(correlation) / (2 * np.pi))


def test_gaussian_field_is_periodic_and_of_one_key_only(getkey):
    key = getkey()
    field, again, other = (
        np.asarray(gaussian_random_field(key, (64, 64), length=4.0)) for key in (key, key, getkey())
    )
    np.testing.assert_array_equal(field, again)
    assert (field != other).all()
    # A seam at the border would be a step as large as the field itself.
    inner = np.abs(np.diff(field, axis=0)).max()
    assert np.abs(field[0] - field[-1]).max() < 2 * inner


def test_gaussian_field_compiles_and_batches():
    keys = jax.random.split(jax.random.key(7), 32)[:2]
    make = jax.jit(jax.vmap(lambda key: gaussian_random_field(key, (64, 64), length=3.0)))
    np.testing.assert_allclose(make(keys), realisations((64, 64), length=3.0)[:2], atol=1e-12)


# --- a given spectrum, a given correlation ------------------------------------------------------


def test_a_gaussian_spectrum_is_a_gaussian_correlation():
    key, shape = jax.random.key(0), (64, 64)
    expected = gaussian_random_field(key, shape, length=3.0)
    found = gaussian_random_field(key, shape, spectrum=lambda k: 5 * jnp.exp(-(k**2) * 9 / 2))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(24, 31), (10, 9, 8)], ids=str)
def test_the_correlation_asked_for_is_that_of_the_nearest_image(shape):
    """Exactly, if every wave of it has a positive power, as those of an exponential have."""
    found = np.asarray(gaussian_field_correlation(shape, correlation=lambda r: jnp.exp(-r)))
    distances = []
    for index in np.ndindex(shape):
        apart = np.abs(np.subtract(index, [side // 2 for side in shape]))
        distances.append(np.sqrt((np.minimum(apart, np.subtract(shape, apart)) ** 2).sum()))
    expected = np.exp(-np.reshape(distances, shape))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_correlation_of_a_spectrum_is_its_cosine_transform():
    shape = (7, 6)
    found = np.asarray(gaussian_field_correlation(shape, spectrum=ring))
    waves = np.stack(
        np.meshgrid(*(2 * np.pi * np.fft.fftfreq(side) for side in shape), indexing="ij"), axis=-1
    )
    power = np.asarray(ring(jnp.asarray(np.linalg.norm(waves, axis=-1))))
    for index in np.ndindex(shape):
        displacement = np.subtract(index, [side // 2 for side in shape])
        expected = (power * np.cos(waves @ displacement)).sum() / power.sum()
        assert found[index] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "given", [{"spectrum": ring}, {"correlation": exponential}], ids=["spectrum", "correlation"]
)
def test_fields_have_the_correlation_that_is_stated(given, follows):
    shape = (64, 64)
    fields = realisations(shape, **given)
    stated = np.asarray(gaussian_field_correlation(shape, **given))
    lags = [(0, 0), (0, 1), (2, 1), (-3, 4), (7, 0)]
    products = [[(f * np.roll(f, lag, (0, 1))).mean() for lag in lags] for f in fields]
    follows(products, [stated[32 + i, 32 + j] for i, j in lags])


# --- level cuts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.37, 0.5, 1.0])
def test_level_cut_takes_the_highest_and_of_equals_the_first(dtype, fraction):
    for shape in [(7, 9), (4, 5, 6)] if dtype == np.float32 else [(7, 9)]:
        field = np.random.default_rng(0).normal(size=shape).round(1).astype(dtype)
        found = np.asarray(level_cut(field, fraction))
        count = round(fraction * field.size)
        expected = np.zeros(field.size, bool)
        expected[np.argsort(-field.ravel(), kind="stable")[:count]] = True
        np.testing.assert_array_equal(found, expected.reshape(shape))


def test_level_cut_takes_both_zeros_for_equal_and_infinities_for_what_they_are():
    field = jnp.array([[-0.0, 0.0, -jnp.inf, jnp.inf, -1.0]])
    assert level_cut(field, 0.4).tolist() == [[True, False, False, True, False]]


def test_level_cut_compiles_and_batches():
    fields = jnp.asarray(np.random.default_rng(0).normal(size=(3, 8, 9)))
    together = jax.jit(jax.vmap(lambda field: level_cut(field, 0.3)))(fields)
    np.testing.assert_array_equal(together, jnp.stack([level_cut(f, 0.3) for f in fields]))


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.5, 0.9])
def test_two_points_above_a_level_are_the_bivariate_normal_integral(fraction):
    level = scipy.stats.norm.isf(fraction)
    correlations = np.array([-0.95, -0.6, -0.2, 0.0, 0.1, 0.5, 0.9, 0.99])
    found = level_cut_two_point(correlations, fraction)
    for correlation, value in zip(correlations, found, strict=True):
        covariance = [[1, correlation], [correlation, 1]]
        normal = scipy.stats.multivariate_normal(cov=covariance, abseps=1e-12, releps=1e-12)
        assert float(value) == pytest.approx(normal.cdf([-level, -level]), abs=1e-9)


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.3, 0.5, 0.9, 1.0])
def test_two_points_above_a_level_have_their_limits(fraction):
    same, apart, opposite = np.asarray(level_cut_two_point(np.array([1.0, 0.0, -1.0]), fraction))
    assert same == pytest.approx(fraction, abs=1e-13)
    assert apart == pytest.approx(fraction**2, abs=1e-15)
    assert opposite == pytest.approx(max(0, 2 * fraction - 1), abs=2e-4)


def test_at_one_half_it_is_the_arcsine_law():
    correlations = np.linspace(-1, 1, 41)
    found = level_cut_two_point(correlations, 0.5)
    expected = 0.25 + np.arcsin(correlations) / (2 * np.pi)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    single = level_cut_two_point(correlations.astype(np.float32), 0.3)
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, level_cut_two_point(correlations, 0.3), rtol=0, atol=3e-4)
    np.testing.assert_allclose(
        single[4:], level_cut_two_point(correlations, 0.3)[4:], rtol=0, atol=1e-6
    )


def test_its_gradient_matches_finite_differences():
    check_grads(lambda g: level_cut_two_point(g, 0.3), (np.array([-0.7, 0.1, 0.8]),), order=1)


@pytest.mark.parametrize("fraction", [0.2, 0.65])
def test_a_cut_at_a_level_follows_it(fraction, follows):
    shape = (64, 64)
    phases = jnp.asarray(realisations(shape, spectrum=ring) > scipy.stats.norm.isf(fraction))
    s2 = np.asarray(jax.jit(jax.vmap(two_point_correlation))(phases))
    expected = level_cut_two_point(gaussian_field_correlation(shape, spectrum=ring), fraction)
    for lag in [(0, 0), (0, 1), (2, 2), (-3, 1), (0, 9)]:
        place = (32 + lag[0], 32 + lag[1])
        follows(s2[:, *place], float(expected[place]))


def test_three_points_above_zero_follow_the_arcsines(follows):
    shape = (64, 64)
    phases = realisations(shape, length=3.0) > 0
    stated = np.asarray(gaussian_field_correlation(shape, length=3.0))
    for first, second in [((0, 2), (2, 0)), ((1, 1), (0, 4)), ((0, 3), (0, 6)), ((5, -2), (1, 3))]:
        triples = phases & np.roll(phases, np.negative(first), (1, 2))
        triples &= np.roll(phases, np.negative(second), (1, 2))
        lags = [first, second, np.subtract(second, first)]
        angles = [np.arcsin(stated[32 + i, 32 + j]) for i, j in lags]
        follows(triples.mean(axis=(1, 2)), 1 / 8 + sum(angles) / (4 * np.pi))


def test_the_exact_fraction_takes_its_fluctuation_out_of_the_long_range(follows):
    """What the docstring says of the two ways to cut, measured on one set of fields."""
    fields = realisations((64, 64), length=6.0)
    free = fields > scipy.stats.norm.isf(0.3)
    exact = np.stack([np.asarray(level_cut(field, 0.3)) for field in fields])
    assert (exact.mean(axis=(1, 2)) == round(0.3 * 64**2) / 64**2).all()
    far = [(p & np.roll(p, (32, 32), (1, 2))).mean(axis=(1, 2)) for p in (free, exact)]
    fluctuation = free.mean(axis=(1, 2)) ** 2 - 0.3**2
    follows(far[0] - far[1] - fluctuation, 0)
    # Without the last term it would be off.
    assert np.abs(free.mean(axis=(1, 2)) - 0.3).max() > 0.02


# --- what is refused ----------------------------------------------------------------------------


def test_other_than_one_way_to_give_a_field_is_refused(getkey):
    with pytest.raises(ValueError, match="exactly one of `length`, `spectrum`.*got none"):
        gaussian_random_field(getkey(), (64, 64))
    with pytest.raises(ValueError, match="got length and spectrum"):
        gaussian_random_field(getkey(), (64, 64), length=2.0, spectrum=ring)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"length": 0.0}, "`length`"),
        ({"spectrum": lambda k: 1 / k}, "`spectrum` gives powers from .* to inf"),
        ({"spectrum": lambda k: 1 - k}, "`spectrum` gives powers from -"),
        ({"spectrum": lambda k: 0 * k}, "`spectrum` gives powers from 0 to 0"),
        ({"correlation": lambda r: 2 * jnp.exp(-r)}, "`correlation` is 2 at the distance 0"),
        ({"correlation": lambda r: jnp.log(r)}, "`correlation` has values that are not finite"),
        ({"correlation": lambda r: (r < 2).astype(float)}, "negative power, 0..* larger cell"),
    ],
)
def test_what_is_no_spectrum_or_correlation_is_refused(given, message, getkey):
    with pytest.raises(ValueError, match=message):
        gaussian_random_field(getkey(), (64, 64), **given)


def test_what_has_no_level_is_refused():
    with pytest.raises(ValueError, match=r"`volume_fraction` \(=1.5\)"):
        level_cut(jnp.zeros((2, 2)), 1.5)
    with pytest.raises(ValueError, match="NaN"):
        level_cut(jnp.array([[0.0, jnp.nan]]), 0.5)
    with pytest.raises(ValueError, match=r"`volume_fraction` \(=-0.1\)"):
        level_cut_two_point(jnp.zeros(2), -0.1)
