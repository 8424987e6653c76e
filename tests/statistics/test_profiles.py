"""`idml_jax.statistics.profiles` against the definition, closed forms and what must not matter."""

import math

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.data.synthetic import gaussian_random_field
from idml_jax.statistics import (
    correlation_length,
    directional_profile,
    radial_average,
    spectral_density,
    two_point_correlation,
    volume_fraction,
)

law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# --- radial average -----------------------------------------------------------------------------


def rings(shape):
    """Ring of each pixel and its distance from the centre, the way the definition reads."""
    ring, distance = np.empty(shape, int), np.empty(shape)
    for index in np.ndindex(shape):
        distance[index] = math.dist(index, [side // 2 for side in shape])
        ring[index] = round(distance[index])
    return ring, distance


RADIAL = pytest.mark.parametrize("shape", [(8, 8), (9, 9), (7, 12), (6, 7, 5), (1, 4)], ids=str)


@RADIAL
def test_radial_average_matches_the_definition(shape):
    field = random(0, shape)
    ring, distance = rings(shape)
    distances, values = radial_average(field)
    for k in range(len(distances)):
        assert distances[k] == pytest.approx(distance[ring == k].mean(), abs=1e-12)
        assert float(values[k]) == pytest.approx(field[ring == k].mean(), abs=1e-12)


@RADIAL
def test_every_ring_is_whole_and_none_that_is_whole_is_missing(shape):
    """As many pixels as the same ring has in a window that is large enough for all."""
    bins = len(radial_average(np.ones(shape))[0])
    large, _ = rings((21,) * len(shape))
    here, _ = rings(shape)
    whole = [(here == k).sum() == (large == k).sum() for k in range(bins + 1)]
    assert whole == [True] * bins + [False]


@pytest.mark.parametrize(
    ("shape", "sides"),
    [((9, 16), (2.0, 1.0)), ((8, 9), (0.1, 0.3)), ((6, 7, 9), (1.5, 1.0, 0.5)), ((8, 12), (3, 2))],
    ids=str,
)
def test_radial_average_of_oblong_pixels_matches_the_definition(shape, sides):
    """Rings as wide as the longest side; every one that a larger window would not change."""
    width = max(sides)
    large = tuple(2 * side + 9 for side in shape)

    def distances_in(window):
        steps = [(np.arange(n) - n // 2) * side for n, side in zip(window, sides, strict=True)]
        return np.sqrt(sum(step**2 for step in np.meshgrid(*steps, indexing="ij")))

    distance, far = distances_in(shape), distances_in(large)
    field = random(0, shape)
    distances, values = radial_average(field, pixel_size=sides)
    for k in range(len(distances) + 1):
        # Distances that are equal but for rounding count to the ring beyond.
        inside, there = (
            (each > (k - 0.5 - 1e-6) * width) & (each < (k + 0.5 - 1e-6) * width)
            for each in (distance, far)
        )
        assert (inside.sum() == there.sum()) == (k < len(distances))
        if k < len(distances):
            assert distances[k] == pytest.approx(distance[inside].mean(), abs=1e-12)
            assert float(values[k]) == pytest.approx(field[inside].mean(), abs=1e-12)


@RADIAL
def test_radial_average_of_a_constant_is_the_constant(shape):
    distances, values = radial_average(np.full(shape, 0.3))
    np.testing.assert_allclose(values, 0.3, rtol=1e-12)
    assert distances[0] == 0


@RADIAL
def test_a_field_that_is_the_distance_averages_to_the_distances(shape):
    distances, values = radial_average(2 * rings(shape)[1] + 1)
    np.testing.assert_allclose(values, 2 * distances + 1, rtol=1e-12)
    assert float(values[0]) == 1


@law
@given(field=hnp.arrays(float, (8, 8), elements=st.floats(-1, 1)))
def test_radial_average_forgets_the_direction(field):
    transposed = radial_average(field.T.copy())[1]
    np.testing.assert_allclose(radial_average(field)[1], transposed, atol=1e-12)


def test_radial_average_runs_under_jit_and_vmap():
    fields = jnp.asarray(random(0, (3, 8, 9)))
    _, values = jax.jit(jax.vmap(radial_average, out_axes=(None, 0)))(fields)
    one_by_one = jnp.stack([radial_average(field)[1] for field in fields])
    np.testing.assert_allclose(values, one_by_one, atol=1e-12)
    check_grads(lambda f: radial_average(jnp.asarray(f))[1], (fields[0],), order=1)


def test_radial_average_of_single_precision_keeps_its_digits():
    """A shell of 128^3 has up to 50,000 voxels: added one by one they would lose two digits."""
    field = random(0, (128, 128, 128))
    exact = radial_average(field)[1]
    found = radial_average(field.astype(np.float32))[1]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-7)


def test_radial_average_sees_what_is_not_a_number_in_its_ring_alone():
    field = random(0, (9, 9))
    field[4, 7] = np.nan
    assert np.isnan(radial_average(field)[1]).tolist() == [False, False, False, True, False]


# --- directional profile ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "direction"), [((8, 9), (1, 0)), ((8, 9), (-1, 2)), ((5, 6, 7), (1, 1, -1))], ids=str
)
def test_a_profile_is_the_field_at_whole_steps_up_to_the_border(shape, direction):
    field = random(0, shape)
    distances, values = directional_profile(field, direction)
    place, expected = np.array(shape) // 2, []
    while (place >= 0).all() and (place < shape).all():
        expected.append(field[tuple(place)])
        place = place + direction
    assert values.tolist() == expected and len(expected) > 2
    np.testing.assert_allclose(distances, np.arange(len(values)) * math.hypot(*direction))


def test_a_profile_of_the_correlation_is_that_of_shifted_images():
    phase = random(0, (12, 12)) < 0.4
    _, values = directional_profile(two_point_correlation(phase), (1, -2))
    shifted = [np.roll(phase, (-k, 2 * k), (0, 1)) for k in range(len(values))]
    np.testing.assert_allclose(values, [(phase & moved).mean() for moved in shifted], atol=1e-12)


@pytest.mark.parametrize(
    ("direction", "message"),
    [((1, 0, 0), "one entry for each of the 2 axes"), ((0, 0), "not zero")],
)
def test_a_direction_that_is_none_is_refused(direction, message):
    with pytest.raises(ValueError, match=message):
        directional_profile(np.ones((4, 4)), direction)


# --- spectral density ---------------------------------------------------------------------------


@law
@given(phase=hnp.arrays(bool, (5, 6)))
def test_spectral_density_is_the_power_of_the_deviations(phase):
    deviation = phase - phase.mean()
    expected = np.fft.fftshift(np.abs(np.fft.fftn(deviation)) ** 2) / phase.size
    np.testing.assert_allclose(spectral_density(phase), expected, atol=1e-12)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (4, 3, 5)))
def test_mean_of_the_spectral_density_is_the_variance(phase, periodic):
    share = float(volume_fraction(phase))
    found = spectral_density(phase, periodic=periodic)
    assert float(found.mean()) == pytest.approx(share * (1 - share), abs=1e-12)


@pytest.mark.parametrize("shape", [(5, 6), (4, 3, 5)], ids=str)
def test_not_periodic_spectral_density_is_the_transform_of_its_autocovariance(shape):
    phase = random(0, shape)
    deviation = phase - phase.mean()
    expected = np.zeros(shape)
    for index in np.ndindex(shape):
        lag = np.subtract(index, [side // 2 for side in shape])
        here = tuple(
            slice(max(0, -step), side - max(0, step)) for step, side in zip(lag, shape, strict=True)
        )
        there = tuple(
            slice(max(0, step), side - max(0, -step)) for step, side in zip(lag, shape, strict=True)
        )
        expected[index] = (deviation[here] * deviation[there]).mean()
    expected = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(expected))).real
    np.testing.assert_allclose(spectral_density(phase, periodic=False), expected, atol=1e-12)


# --- correlation length -------------------------------------------------------------------------


def test_correlation_length_of_a_gaussian_cut_is_the_integral_of_the_arcsine_law():
    """Within three standard errors of 32 realizations."""
    length = 4.0

    def measure(key):
        return correlation_length(gaussian_random_field(key, (128, 128), length=length) > 0)

    found = np.asarray(jax.lax.map(measure, jax.random.split(jax.random.key(0), 32)))
    r = np.arange(0, 64, 0.01)
    expected = np.trapezoid(np.arcsin(np.exp(-(r**2) / (2 * length**2))), r) / (np.pi / 2)
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert error < 0.02 * expected
    # A trapezoid under a convex curve is too large: by 0.02 pixels for the kink at zero.
    assert abs(found.mean() - expected) < 3 * error + 0.02


@pytest.mark.parametrize("period", [8, 16, 32])
def test_correlation_length_of_a_wave_ends_at_its_first_zero(period):
    """A membership of (1 + cos k x) / 2 along one axis has the covariance J0(k r) on average.

    Its integral to the first zero of J0 is 1.4703 / k; rings of one pixel make an error
    that falls with the square of the period.
    """
    wave = (1 + np.cos(2 * np.pi * np.arange(128) / period)) / 2
    found = float(correlation_length(np.tile(wave, (128, 1))))
    expected = 1.4703 * period / (2 * np.pi)
    assert found == pytest.approx(expected, rel=2.5 / period**2)


def test_a_uniform_phase_has_no_correlation_length():
    assert np.isnan(correlation_length(np.ones((6, 7), bool)))
    assert np.isnan(correlation_length(np.full((6, 7), 0.3)))


def test_correlation_length_scales_with_the_image():
    phase = random(0, (32, 32)) < 0.5
    fine, coarse = (correlation_length(np.kron(phase, np.ones((n, n))) > 0) for n in (4, 2))
    assert float(fine / coarse) == pytest.approx(2, rel=0.05)


def test_profiles_have_derivatives():
    soft = random(0, (8, 9))
    check_grads(lambda p: spectral_density(jnp.asarray(p)), (soft,), order=1, modes=["rev"])
    check_grads(lambda p: correlation_length(jnp.asarray(p)), (soft,), order=1, modes=["rev"])
