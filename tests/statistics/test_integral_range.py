"""`idml_jax.statistics.integral_range` against the definition, known media and its laws."""

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

from idml_jax.data.synthetic import checkerboard, gaussian_random_field, laminate
from idml_jax.statistics import integral_range
from idml_jax.statistics.integral_range import spread_of_mean

law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# --- the definition -----------------------------------------------------------------------------


def by_definition(images, reach, periodic, pairs_at):
    """Variance of the mean, range and degrees of freedom, one displacement after the other."""
    shape, total = images.shape[1:], images.size
    deviations = (images - images.mean()).reshape(len(images), -1)
    sums, pairs, displacements, at_zero = 0.0, 0, 0, (deviations**2).sum() / total
    covariances = 0.0
    for displacement in itertools.product(range(-reach, reach + 1), repeat=len(shape)):
        if round(math.hypot(*displacement)) > reach:
            continue
        start, end = pairs_at(shape, displacement, periodic)
        products = deviations[:, start] * deviations[:, end]
        sums, pairs = sums + products.sum(), pairs + products.size
        covariances, displacements = covariances + products.mean(), displacements + 1
    variance = sums / (total**2 - pairs)
    extent = (covariances + displacements * variance) / (at_zero + variance)
    return variance, extent, total**2 / pairs - 1


@pytest.mark.parametrize(
    ("shape", "images", "reach", "periodic", "dtype"),
    [
        ((6, 7), 1, 2, True, np.float64),
        ((6, 7), 1, 0, False, np.float64),
        ((5, 8), 3, 1, True, np.float64),
        ((5, 8), 3, 2, False, np.float64),
        ((5, 4, 6), 1, 1, False, np.float64),
        ((5, 5, 6), 2, 2, True, np.float64),
        ((5, 8), 1, 2, False, np.float32),
        ((5, 4, 6), 1, 1, True, np.float32),
    ],
    ids=str,
)
def test_spread_matches_the_definition(pairs_at, shape, images, reach, periodic, dtype):
    rtol = 1e-12 if dtype is np.float64 else 2e-5
    fields = 0.5 + random(0, (images, *shape), dtype)
    found = jax.jit(spread_of_mean, static_argnames=("periodic", "reach"))(
        fields - fields.mean(), periodic=periodic, reach=reach
    )
    expected = by_definition(fields.astype(float), reach, periodic, pairs_at)
    assert found.variance.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=rtol)
    if reach == 0:
        extent = integral_range(fields[0] / 2, periodic=periodic, reach=reach)
        assert float(extent) == pytest.approx(expected[1], rel=max(rtol, 1e-10))


def test_variance_is_unbiased():
    """Every image of a medium of 2 x 2 squares, in every place, weighed by its probability.

    Deviations are from the image's own mean, and the covariance is zero beyond one pixel along
    each axis: the mean estimate is the exact variance of the volume fraction.
    """
    p = 0.3
    squares = np.array(list(itertools.product([0.0, 1.0], repeat=9)))
    weights = np.repeat(p ** squares.sum(1) * (1 - p) ** (9 - squares.sum(1)), 4) / 4
    images = squares.reshape(-1, 3, 3).repeat(2, 1).repeat(2, 2)
    images = np.stack([np.roll(images, s, (1, 2)) for s in np.ndindex(2, 2)], 1).reshape(-1, 6, 6)
    fractions = images.mean(axis=(1, 2))
    variance = weights @ (fractions - p) ** 2
    assert variance == pytest.approx(p * (1 - p) / 9, rel=1e-12)

    @jax.jit
    @jax.vmap
    def estimate(image):
        return spread_of_mean((image - image.mean())[None], periodic=True, reach=1).variance

    found = np.asarray(estimate(images))
    # Of uniform images it is not known, and their covariance is zero.
    assert weights @ np.nan_to_num(found) == pytest.approx(variance, rel=1e-12)
    covariance_alone = weights @ (np.nan_to_num(found) * (1 - 9 / 36))
    assert covariance_alone < 0.8 * variance


# --- known media --------------------------------------------------------------------------------


def three_errors(found, expected, slack=0.0):
    """Within three standard errors over the realizations, and a stated share."""
    found = np.asarray(found)
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert 3 * error < 0.3 * expected
    assert abs(found.mean() - expected) < 3 * error + slack * expected, (found.mean(), expected)


def over(keys, make, *, periodic=True, reaches=(None,)):
    """Ranges of realizations, for each reach."""

    def measure(key):
        phase = make(key)
        return [integral_range(phase, periodic=periodic, reach=reach) for reach in reaches]

    return jax.lax.map(measure, keys)


KEYS = jax.random.split(jax.random.key(0), 32)


@periodic_or_not
def test_independent_pixels_are_one_each(periodic):
    """The automatic reach adds noise, of which the least that boxes allow takes the lower half."""
    make = functools.partial(jax.random.bernoulli, p=0.3, shape=(128, 128))
    known, automatic = over(KEYS, make, periodic=periodic, reaches=(2, None))
    three_errors(known, 1)
    three_errors(automatic, 1, slack=0.03)


def arcsine_law(correlation):
    """Integral range of the cut at zero, with the correlation at every displacement."""
    return (2 / math.pi * np.arcsin(correlation)).sum()


def gaussian(distance, length):
    return np.exp(-(distance**2) / (2 * length**2))


@periodic_or_not
def test_cut_of_a_gaussian_field_has_the_sum_of_the_arcsine_law(periodic):
    length = 4.0
    rows, cols = np.ogrid[-64:64, -64:64]
    expected = arcsine_law(gaussian(np.hypot(rows, cols), length))
    # Over continuous displacements it is 2 pi l^2 ln 2.
    assert expected == pytest.approx(2 * math.pi * length**2 * math.log(2), rel=1e-3)
    side = 128 if periodic else 192

    def cut(key):
        return (gaussian_random_field(key, (side, side), length=length) > 0)[:128, :128]

    known, automatic = over(KEYS, cut, periodic=periodic, reaches=(20, None))
    three_errors(known, expected)
    three_errors(automatic, expected, slack=0.05)


def test_cut_of_a_gaussian_field_in_three_dimensions():
    length = 1.5
    planes, rows, cols = np.ogrid[-12:12, -12:12, -12:12]
    expected = arcsine_law(gaussian(np.sqrt(planes**2 + rows**2 + cols**2), length))

    def cut(key):
        return gaussian_random_field(key, (24, 24, 24), length=length) > 0

    three_errors(over(KEYS, cut)[0], expected, slack=0.05)


def disks(seed, side, density, radius):
    """Overlapping disks of a periodic Boolean model."""
    rng = np.random.default_rng(seed)
    grid = np.arange(side)
    inside = np.zeros((side, side), bool)
    for centre in rng.random((rng.poisson(density * side**2), 2)) * side:
        rows, cols = (np.abs((grid - place + side / 2) % side - side / 2) for place in centre)
        inside |= rows[:, None] ** 2 + cols[None] ** 2 <= radius**2
    return inside


def test_boolean_model_has_the_sum_of_its_covariance():
    """S2 of the matrix is exp(-density (2 v - w(r))), with w the area common to two disks."""
    density, radius = 0.004, 5.0
    rows, cols = np.ogrid[-64:64, -64:64]
    half = np.minimum(np.hypot(rows, cols) / (2 * radius), 1)
    common = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    matrix = math.exp(-density * math.pi * radius**2)
    covariance = matrix**2 * (np.exp(density * common) - 1)
    expected = covariance.sum() / (matrix * (1 - matrix))
    images = np.stack([disks(seed, 128, density, radius) for seed in range(32)])
    three_errors(jax.lax.map(integral_range, images), expected, slack=0.05)
    # The other phase is the same medium.
    np.testing.assert_allclose(integral_range(images[0]), integral_range(~images[0]), rtol=1e-10)


def cut_along(key, shape, lengths):
    """Cut of a Gaussian field with another correlation length along each axis."""
    waves = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(side) for side in shape], indexing="ij")
    power = np.exp(-sum((k * length) ** 2 for k, length in zip(waves, lengths, strict=True)) / 4)
    noise = jnp.fft.fftn(jax.random.normal(key, shape))
    return jnp.fft.ifftn(noise * jnp.asarray(power, noise.dtype)).real > 0


def test_long_fibres_along_an_axis_are_summed_to_their_end():
    """Sixteen times longer than wide: twice the root of the range alone loses a third."""
    (found,) = over(KEYS, lambda key: cut_along(key, (256, 256), (1.5, 24.0)))
    expected = 2 * math.pi * 1.5 * 24 * math.log(2)
    assert expected < np.asarray(found).mean() * 1.15


def ring_spectrum(k):
    return jnp.exp(-((k * 12 / (2 * jnp.pi) - 1) ** 2) / (2 * 0.15**2))


def test_an_ordered_medium_is_overestimated_by_less_than_stated():
    """A field of one wavelength: the sum up to the first zero would be ten times too large."""

    def cut(key):
        return gaussian_random_field(key, (96, 96), spectrum=ring_spectrum) > 0

    keys = jax.random.split(jax.random.key(1), 400)
    fractions = jax.lax.map(lambda key: cut(key).mean(dtype=float), keys)
    measured = float(((fractions - 0.5) ** 2).mean()) / 0.25 * 96**2
    found = np.asarray(over(keys[:32], cut)[0])
    assert (found > 0).all()
    assert 1.3 < found.mean() / measured < 3


# --- what it cannot know ------------------------------------------------------------------------


def test_uniform_phases_have_no_range():
    for phase in (np.ones((8, 9), bool), np.zeros((8, 9), bool), np.full((8, 9), 0.3, np.float32)):
        assert np.isnan(integral_range(phase))
    assert np.isnan(integral_range(np.ones((1, 1), bool)))


def test_a_structure_that_runs_through_the_image_has_no_range():
    stripes = laminate((64, 64), axis=0, thicknesses=(5, 3))
    assert np.isnan(integral_range(stripes))
    deviations = np.asarray(stripes, float) - 5 / 8
    measure = jax.jit(spread_of_mean, static_argnames=("periodic", "reach"))
    assert float(measure(deviations[None], periodic=True, reach=None).degrees_of_freedom) == 0.25


def test_a_checkerboard_varies_by_less_than_its_cells():
    assert 0 <= float(integral_range(checkerboard((64, 64), side=2))) < 4


# --- laws ---------------------------------------------------------------------------------------


@law
@given(phase=hnp.arrays(bool, (8, 9)), shift=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_translation_changes_nothing(phase, shift):
    moved = np.roll(phase, shift, (0, 1))
    np.testing.assert_allclose(integral_range(moved), integral_range(phase), rtol=1e-9)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (9, 9)))
def test_transposition_and_exchange_of_phases_change_nothing(phase, periodic):
    found = integral_range(phase, periodic=periodic)
    for other in (phase.T, ~phase, phase[::-1]):
        np.testing.assert_allclose(integral_range(other, periodic=periodic), found, rtol=1e-9)


@periodic_or_not
def test_runs_under_jit_and_vmap(periodic):
    batch = jnp.asarray(random(0, (3, 9, 9)) > 0.5)
    measure = functools.partial(integral_range, periodic=periodic)
    one_by_one = jnp.stack([measure(phase) for phase in batch])
    np.testing.assert_allclose(jax.jit(jax.vmap(measure))(batch), one_by_one, rtol=1e-10)


def test_gradient_matches_finite_differences():
    soft = random(0, (12, 12))
    measure = functools.partial(integral_range, periodic=False)
    assert np.isfinite(measure(soft))
    check_grads(lambda p: measure(jnp.asarray(p)), (soft,), order=1, modes=["rev"])


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [-1, 4])
def test_a_reach_beyond_the_image_is_refused(reach):
    with pytest.raises(
        ValueError, match=rf"`reach` \(={reach}\) must lie between 0 and 3.*\(9, 8\)"
    ):
        integral_range(np.eye(9, 8), reach=reach)


def test_what_is_no_phase_is_refused(unchecked):
    with pytest.raises(ValueError, match="`phase` has 1 axes"):
        integral_range(np.ones(8, bool))
    with pytest.raises(ValueError, match="no pixels"):
        integral_range(np.ones((0, 8), bool))
    with pytest.raises(ValueError, match="NaN"):
        integral_range(np.full((8, 8), np.nan))
    with pytest.raises(TypeError, match="a phase is a boolean array"):
        integral_range(np.ones((8, 8), int))
