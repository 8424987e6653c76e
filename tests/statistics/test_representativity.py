"""`idml_jax.statistics.representativity` against closed forms, and larger images as predicted."""

import math

import jax
import numpy as np
import pytest
import scipy.stats

from idml_jax.data.synthetic import gaussian_random_field
from idml_jax.statistics import (
    expected_error,
    radial_average,
    representative_size,
    two_point_correlation,
    two_point_interval,
    volume_fraction_interval,
)


def random(seed, shape):
    return np.random.default_rng(seed).random(shape)


def cuts(side, count, length=2.0):
    """Realizations of a Gaussian field cut at zero."""
    keys = jax.random.split(jax.random.key(side), count)
    return jax.lax.map(lambda k: gaussian_random_field(k, (side, side), length=length) > 0, keys)


@pytest.mark.parametrize("shape", [(24, 24), (8, 9, 10)], ids=str)
@pytest.mark.parametrize("relative", [False, True])
def test_independent_pixels_have_the_textbooks_size(shape, relative):
    phase = random(0, shape) < 0.3
    p, n = phase.mean(), phase.size
    error = 0.03 * (p if relative else 1)
    pixels = (scipy.stats.t.ppf(0.95, n - 1) * phase.std(ddof=1) / error) ** 2
    options = {"confidence": 0.9, "relative": relative, "reach": 0}
    found = representative_size(phase, error=0.03, **options)
    assert found.side == math.ceil(pixels ** (1 / phase.ndim))
    assert found.images == math.ceil(pixels / n)
    expected = error * math.sqrt(pixels / 50**phase.ndim / 3) / (p if relative else 1)
    found = expected_error(phase, side=50, images=3, **options)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_size_and_error_are_inverse():
    phase = random(0, (48, 48)).repeat(2, 0).repeat(2, 1) < 0.4
    for of in ("volume_fraction", "two_point_maximum", "two_point_rms"):
        for error in (0.02, 0.004):
            size = representative_size(phase, error=error, of=of)
            assert float(expected_error(phase, side=size.side, of=of)) <= error
            assert float(expected_error(phase, side=size.side - 1, of=of)) > error
            assert float(expected_error(phase, side=96, images=size.images, of=of)) <= error
            if size.images > 1:
                fewer = expected_error(phase, side=96, images=size.images - 1, of=of)
                assert float(fewer) > error


def test_error_is_half_of_the_interval_at_the_present_size():
    phase = random(0, (48, 48)).repeat(2, 0).repeat(2, 1) < 0.4
    interval = volume_fraction_interval(phase)
    half = scipy.stats.t.ppf(0.975, interval.degrees_of_freedom) * interval.standard_error
    assert float(expected_error(phase, side=96)) == pytest.approx(float(half), rel=1e-9)
    assert float(half) == pytest.approx(float(interval.high - interval.low) / 2, rel=0.01)
    _, band = two_point_interval(phase)
    halves = scipy.stats.t.ppf(0.975, band.degrees_of_freedom) * np.asarray(band.standard_error)
    largest = expected_error(phase, side=96, of="two_point_maximum")
    assert float(largest) == pytest.approx(halves.max(), rel=1e-9)
    typical = expected_error(phase, side=96, of="two_point_rms")
    assert float(typical) == pytest.approx(math.sqrt((halves**2).mean()), rel=1e-9)
    share = expected_error(phase, side=96, of="two_point_rms", relative=True)
    assert float(share) == pytest.approx(float(typical) / phase.mean(), rel=1e-9)


def test_several_images_are_counted_together():
    phases = [random(seed, (24, 24)) < 0.3 for seed in range(6)]
    interval = volume_fraction_interval(phases)
    half = scipy.stats.t.ppf(0.975, 5) * float(interval.standard_error)
    assert representative_size(phases, error=half / 2 * 1.0001).images == 24
    assert representative_size(phases, error=half * 1.0001).side == math.ceil(24 * math.sqrt(6))
    pooled = representative_size(phases, error=half / 2, pooled=True, reach=0)
    variance = np.stack(phases).std(ddof=1) ** 2
    t = scipy.stats.t.ppf(0.975, 6 * 576 - 1)
    assert pooled.side == math.ceil(t * math.sqrt(variance) / (half / 2))


def test_images_of_twice_the_side_err_as_predicted():
    """The median prediction of 64 images against 400 of twice the side: within a fifth."""
    small, large = cuts(64, 64), cuts(128, 400)
    measured = 1.96 * float(np.asarray(large).mean(axis=(1, 2)).std())
    predicted = jax.lax.map(lambda phase: expected_error(phase, side=128), small)
    assert float(np.median(predicted)) == pytest.approx(measured, rel=0.2)

    def curve(phase):
        return radial_average(two_point_correlation(phase))[1][:17]

    scatter = 1.96 * np.asarray(jax.lax.map(curve, large)).std(axis=0)
    found = jax.lax.map(lambda phase: expected_error(phase, side=128, of="two_point_rms"), small)
    assert float(np.median(found)) == pytest.approx(math.sqrt((scatter**2).mean()), rel=0.2)
    # Not by chance of a factor near one: small images err twice as much.
    assert 1.96 * float(np.asarray(small).mean(axis=(1, 2)).std()) > 1.5 * measured


# --- what is refused ----------------------------------------------------------------------------


def test_images_that_cannot_tell_are_refused(unchecked):
    for phase in (np.ones((8, 8), bool), np.tri(8, dtype=bool), [np.eye(8) > 0] * 3):
        with pytest.raises(ValueError, match="`phase` .* does not tell how large"):
            representative_size(phase, error=0.01)
    assert np.isnan(expected_error(np.ones((8, 8), bool), side=8))
    assert float(expected_error(np.tri(8, dtype=bool), side=8)) > 1


def test_bad_numbers_are_refused(unchecked):
    phase = random(0, (8, 8)) < 0.5
    for error in (0.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"`error` \(=.*\) must be more than 0"):
            representative_size(phase, error=error)
    with pytest.raises(ValueError, match=r"`of` \(='lineal_path'\) is one of 'volume_fraction'"):
        representative_size(phase, error=0.1, of="lineal_path")
    for options in ({"side": 0}, {"side": 8, "images": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            expected_error(phase, **options)
    with pytest.raises(ValueError, match="`confidence`"):
        expected_error(phase, side=8, confidence=95.0)
    with pytest.raises(TypeError, match="`phase` is traced"):
        jax.jit(lambda phase: representative_size(phase, error=0.1).side)(phase)
