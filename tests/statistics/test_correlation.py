"""`idml_jax.statistics.correlation` against the definition, closed forms and published numbers."""

import functools
import math

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from idml_jax.data.synthetic import checkerboard, gaussian_random_field
from idml_jax.statistics import (
    memberships,
    two_point_correlation,
    two_point_correlations,
    volume_fraction,
)

# A new shape is a new compilation: hypothesis draws the pixels, not the shape.
SHAPES = [(4, 5), (5, 3), (3, 4, 2)]
phases = st.sampled_from(SHAPES).flatmap(lambda shape: hnp.arrays(bool, shape))
pairs_of_phases = st.sampled_from(SHAPES).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)
law = settings(max_examples=15, deadline=None, derandomize=True)
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture(scope="session")
def brute_force(all_pairs):
    """The definition: pairs that hit over pairs that exist, one displacement at a time."""

    def correlate(phase, other=None, mask=None, *, periodic):
        shape = phase.shape
        other = phase if other is None else other
        mask = np.ones(shape) if mask is None else mask
        phase, other, mask = (np.asarray(array, float).ravel() for array in (phase, other, mask))
        values = []
        for start, end in all_pairs(shape, periodic):
            weights = mask[start] * mask[end]
            hits = (weights * phase[start] * other[end]).sum()
            values.append(hits / weights.sum() if weights.sum() > 0 else np.nan)
        return np.array(values).reshape(shape)

    return correlate


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# --- the definition -----------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases)
def test_of_a_boolean_phase_matches_the_definition(brute_force, periodic, phase):
    found = two_point_correlation(jnp.asarray(phase), periodic=periodic)
    np.testing.assert_allclose(found, brute_force(phase, periodic=periodic), rtol=0, atol=1e-12)


@periodic_or_not
@law
@given(two=pairs_of_phases)
def test_of_two_phases_matches_the_definition(brute_force, periodic, two):
    phase, other = two
    found = two_point_correlation(jnp.asarray(phase), jnp.asarray(other), periodic=periodic)
    expected = brute_force(phase, other, periodic=periodic)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@periodic_or_not
@law
@given(two=pairs_of_phases)
def test_of_known_pixels_matches_the_definition(brute_force, periodic, two):
    """Only pairs with both ends in the mask count, and where there is none the value is NaN."""
    phase, mask = two
    found = two_point_correlation(jnp.asarray(phase), mask=jnp.asarray(mask), periodic=periodic)
    expected = brute_force(phase, mask=mask, periodic=periodic)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@periodic_or_not
@each_shape
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_of_soft_phases_matches_the_definition(brute_force, dtype, atol, shape, periodic):
    phase, other, mask = (random(seed, shape, dtype) for seed in range(3))
    for given_other, given_mask in [(None, None), (other, None), (None, mask), (other, mask)]:
        found = two_point_correlation(phase, given_other, mask=given_mask, periodic=periodic)
        expected = brute_force(phase, given_other, given_mask, periodic=periodic)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("shape", [(24, 17), (8, 9, 10)], ids=str)
def test_without_wrapping_is_scipys_correlation_over_the_overlap(shape):
    phase, other = random(0, shape), random(1, shape)
    hits = scipy.signal.correlate(other, phase, "full", method="direct")
    tried = scipy.signal.correlate(np.ones(shape), np.ones(shape), "full", method="direct")
    # Zero displacement is at n - 1 of scipy's full output and at n // 2 of ours.
    centre = tuple(slice(n - 1 - n // 2, n - 1 - n // 2 + n) for n in shape)
    found = two_point_correlation(phase, other, periodic=False)
    np.testing.assert_allclose(found, (hits / tried)[centre], rtol=0, atol=1e-12)


def test_counts_of_a_worked_example():
    """The doctests of PyMKS, counts of pairs on 9 pixels."""
    phase = jnp.array([[1, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=bool)
    auto = two_point_correlation(phase) * 9
    cross = two_point_correlation(phase, ~phase) * 9
    np.testing.assert_allclose(auto, [[3, 2, 3], [2, 5, 2], [3, 2, 3]], atol=1e-12)
    np.testing.assert_allclose(cross, [[2, 3, 2], [3, 0, 3], [2, 3, 2]], atol=1e-12)


def test_a_value_hidden_by_the_mask_is_not_looked_at():
    phase = random(0, (6, 7))
    mask = random(1, (6, 7)) > 0.3
    hidden = np.where(mask, phase, np.nan)
    found = two_point_correlation(hidden, mask=mask)
    np.testing.assert_array_equal(found, two_point_correlation(phase, mask=mask))
    assert np.isfinite(found).any()


def test_confidence_scales_out():
    """Trusting every pixel equally little is trusting them all, however little that is."""
    phase, mask = random(0, (6, 7)), random(1, (6, 7))
    found = two_point_correlation(phase, mask=1e-3 * mask, periodic=False)
    expected = two_point_correlation(phase, mask=mask, periodic=False)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_rounding_of_a_large_transform_is_not_taken_for_a_pair():
    """Two known squares of a large image: pairs within each, between them, and no others."""
    phase = np.ones((512, 512), np.float32)
    mask = np.zeros((512, 512), np.float32)
    mask[:200, :200] = mask[300:310, 300:310] = 0.5
    found = np.asarray(two_point_correlation(phase, mask=mask, periodic=False))
    known = (mask > 0).astype(float)
    pairs = np.rint(scipy.signal.correlate(known, known, "full", method="fft"))
    exists = pairs[255:-256, 255:-256] > 0
    np.testing.assert_array_equal(np.isfinite(found), exists)
    # The fewer the pairs, the more of them float32's rounding eats.
    np.testing.assert_allclose(found[exists], 1, rtol=0.05)


# --- laws ---------------------------------------------------------------------------------------


@periodic_or_not
@law
@given(phase=phases)
def test_value_at_zero_is_the_volume_fraction(periodic, phase):
    found = two_point_correlation(jnp.asarray(phase), periodic=periodic)
    centre = tuple(side // 2 for side in phase.shape)
    assert float(found[centre]) == pytest.approx(phase.mean(), abs=1e-12)
    assert float(volume_fraction(jnp.asarray(phase))) == pytest.approx(phase.mean(), abs=1e-12)


@law
@given(phase=phases)
def test_auto_and_cross_with_the_complement_add_up_to_the_volume_fraction(phase):
    phase = jnp.asarray(phase)
    total = two_point_correlation(phase) + two_point_correlation(phase, ~phase)
    np.testing.assert_allclose(total, np.full(phase.shape, phase.mean()), atol=1e-12)


@law
@given(phase=phases)
def test_complement_has_one_minus_twice_the_fraction_plus_its_own(phase):
    phase = jnp.asarray(phase)
    fraction = volume_fraction(phase)
    expected = 1 - 2 * fraction + two_point_correlation(phase)
    np.testing.assert_allclose(two_point_correlation(~phase), expected, atol=1e-12)


@law
@given(phase=phases, shift=st.tuples(*[st.integers(0, 6)] * 3))
def test_translation_changes_nothing(phase, shift):
    moved = np.roll(phase, shift[: phase.ndim], tuple(range(phase.ndim)))
    found = two_point_correlation(jnp.asarray(moved))
    np.testing.assert_allclose(found, two_point_correlation(jnp.asarray(phase)), atol=1e-12)


@periodic_or_not
@law
@given(phase=hnp.arrays(bool, (3, 4, 2)))
def test_axes_of_the_result_are_those_of_the_phase(periodic, phase):
    found = two_point_correlation(jnp.asarray(phase.transpose(1, 2, 0)), periodic=periodic)
    expected = two_point_correlation(jnp.asarray(phase), periodic=periodic)
    np.testing.assert_allclose(found, expected.transpose(1, 2, 0), atol=1e-12)


@periodic_or_not
@law
@given(two=st.tuples(*[hnp.arrays(bool, (5, 3))] * 2))
def test_exchange_of_the_two_phases_turns_the_displacement_around(periodic, two):
    phase, other = map(jnp.asarray, two)
    found = two_point_correlation(other, phase, periodic=periodic)
    expected = two_point_correlation(phase, other, periodic=periodic)[::-1, ::-1]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@law
@given(phase=hnp.arrays(bool, (4, 5)))
def test_a_stack_of_equal_planes_has_the_correlation_of_the_plane(phase):
    stack = jnp.broadcast_to(jnp.asarray(phase), (3, 4, 5))
    found = two_point_correlation(stack, periodic=False)
    expected = two_point_correlation(jnp.asarray(phase), periodic=False)
    np.testing.assert_allclose(found, jnp.broadcast_to(expected, (3, 4, 5)), atol=1e-12)


@periodic_or_not
def test_runs_under_jit_and_vmap(periodic):
    batch = jnp.asarray(random(0, (3, 6, 7)) > 0.5)
    correlate = functools.partial(two_point_correlation, periodic=periodic)
    one_by_one = jnp.stack([correlate(phase) for phase in batch])
    np.testing.assert_allclose(jax.jit(jax.vmap(correlate))(batch), one_by_one, atol=1e-12)


# --- all pairs of phases ------------------------------------------------------------------------


@periodic_or_not
@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 5)], ids=str)
def test_all_pairs_at_once_are_each_pair_alone(shape, periodic):
    labels = np.random.default_rng(0).integers(-1, 3, shape)
    each, known = memberships(labels, 3), labels >= 0
    for phases, mask in (
        (each, None),
        (each, known),
        (np.asarray(each) * random(0, (3, *shape)), known),
    ):
        found = two_point_correlations(phases, periodic=periodic, mask=mask)
        assert found.shape == (3, 3, *shape)
        for a, b in np.ndindex(3, 3):
            expected = two_point_correlation(phases[a], phases[b], periodic=periodic, mask=mask)
            np.testing.assert_allclose(found[a, b], expected, rtol=0, atol=1e-12)


def test_all_pairs_of_known_pixels_add_up_to_one():
    labels = np.random.default_rng(0).integers(-1, 3, (6, 7))
    found = two_point_correlations(memberships(labels, 3), mask=labels >= 0)
    np.testing.assert_allclose(found.sum(axis=(0, 1)), np.ones((6, 7)), atol=1e-12)


def test_all_pairs_need_an_axis_of_phases():
    with pytest.raises(ValueError, match="`memberships` has 2 axes: one of phases and"):
        two_point_correlations(np.ones((4, 5), bool))


# --- closed forms -------------------------------------------------------------------------------


def test_checkerboard_of_two_voxel_cells_alternates():
    s2 = np.asarray(two_point_correlation(checkerboard((60, 60, 60), side=2)))
    for line in (s2[30:, 30, 30], s2[30, 30:, 30], s2[30, 30, 30:]):
        np.testing.assert_allclose(line, np.tile([0.5, 0.25, 0, 0.25], 8)[:30], atol=1e-12)


def common_volume(distance, radius, dimensions):
    """Intersection of two equal disks, or balls, whose centres are `distance` apart."""
    half = np.clip(distance / (2 * radius), 0, 1)
    if dimensions == 2:
        return 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    return 4 / 3 * math.pi * radius**3 * (1 - 1.5 * half + half**3 / 2)


@pytest.mark.parametrize(("dimensions", "radii"), [(2, (4, 8, 16, 32)), (3, (3, 6, 12))])
def test_one_ball_has_the_volume_common_to_two(soft_ball, dimensions, radii):
    """Away from zero, where pixels round a kink, the error falls with the pixel's size.

    The order is 3/2 in 2-D, where S2 goes to zero as that power of the distance
    to 2 R, and 2 in 3-D.
    """
    errors = []
    for radius in radii:
        shape = (5 * radius,) * dimensions
        found = two_point_correlation(soft_ball(shape, radius, 16 if dimensions == 2 else 4))
        line = np.asarray(found[(shape[0] // 2,) * (dimensions - 1)])[shape[0] // 2 :]
        distance = np.arange(len(line))
        expected = common_volume(distance, radius, dimensions) / math.prod(shape)
        errors.append(np.abs(line - expected)[radius // 2 :].max() / expected[0])
        np.testing.assert_allclose(line[2 * radius + 2 :], 0, atol=1e-12)
    assert all(finer < coarser / 2.5 for coarser, finer in zip(errors, errors[1:], strict=False))
    assert errors[-1] < (1e-3 if dimensions == 2 else 1e-2), errors


def test_level_cut_of_a_gaussian_field_follows_the_arcsine_law(standard_promotion):
    """S2(r) = 1/4 + arcsin(g(r)) / (2 pi), within three standard errors of 32 realizations."""
    length, lags = 4.0, np.array([1, 2, 3, 5, 8, 12, 20])

    def measure(key):
        s2 = two_point_correlation(gaussian_random_field(key, (128, 128), length=length) > 0)
        return jnp.stack([s2[64, 64 + lags], s2[64 + lags, 64]])

    found = np.asarray(jax.lax.map(measure, jax.random.split(jax.random.key(0), 32)))
    expected = 0.25 + np.arcsin(np.exp(-(lags**2) / (2 * length**2))) / (2 * np.pi)
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    assert error.max() < 0.01
    assert (np.abs(found.mean(axis=0) - expected) < 3 * error).all()


# --- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "periodic"), [((4, 5), True), ((3, 4, 2), False)], ids=str)
def test_gradient_matches_finite_differences(shape, periodic):
    @jax.jit
    def correlate(phase, other, mask):
        phase, other, mask = map(jnp.asarray, (phase, other, mask))
        return (
            two_point_correlation(phase, periodic=periodic),
            two_point_correlation(phase, other, mask=mask, periodic=periodic),
        )

    check_grads(correlate, tuple(random(seed, shape) for seed in range(3)), order=1)


def test_gradient_of_what_is_known_is_not_spoilt_by_what_is_not():
    """A penalty on the displacements that have pairs is differentiable beside those that do not."""
    mask = np.zeros((6, 7), bool)
    mask[:2, :3] = True

    @jax.jit
    def penalty(phase):
        s2 = two_point_correlation(jnp.asarray(phase), mask=mask, periodic=False)
        return jnp.sum(jnp.where(jnp.isnan(s2), 0, s2) ** 2)

    phase = random(0, (6, 7))
    assert np.isnan(two_point_correlation(phase, mask=mask, periodic=False)).any()
    gradient = np.asarray(jax.grad(penalty)(phase))
    assert (gradient[mask] != 0).all() and (gradient[~mask] == 0).all()
    check_grads(penalty, (phase,), order=1, modes=["rev"])


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8,), (2, 3, 4, 5)], ids=str)
def test_other_than_two_or_three_axes_are_refused(shape):
    with pytest.raises(ValueError, match=f"`phase` has {len(shape)} axes; .* 2 or 3"):
        two_point_correlation(jnp.zeros(shape))


@pytest.mark.parametrize("name", ["other", "mask"])
def test_unequal_shapes_are_refused(name, unchecked):
    with pytest.raises(ValueError, match=rf"`{name}` has the shape \(4, 4\) and `phase` \(4, 5\)"):
        two_point_correlation(jnp.zeros((4, 5)), **{name: jnp.zeros((4, 4))})


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.complex64])
def test_labels_are_no_phase(dtype, unchecked):
    phase, labels = np.ones((4, 5)), np.ones((4, 5), dtype)
    for arguments in ({"phase": labels}, {"other": labels}, {"mask": labels}):
        with pytest.raises(TypeError, match="a phase is a boolean array, or a float one"):
            two_point_correlation(**({"phase": phase} | arguments))


# --- real material ------------------------------------------------------------------------------


def berea(folder):
    """Pore space of Berea sandstone, and its published S2 along the three axes of the array."""
    folder = folder / "porous-media-ct"
    published = np.loadtxt(folder / "reference/berea_orig_pph.csv", delimiter=",", skiprows=1)
    # The columns x, y, z are the axes 0, 2, 1 of the array.
    return tifffile.imread(folder / "berea.tif") == 0, published[:, [0, 2, 1]].T


def test_planes_of_berea_sandstone_average_to_its_published_values(real_data):
    """Pairs along a row or column lie in one plane, and every plane has equally many of them."""
    pore, published = berea(real_data)

    def lines(plane):
        s2 = two_point_correlation(plane, periodic=False)
        return s2[200:, 200], s2[200, 200:]

    def mean_of_lines(planes):
        each = jax.lax.map(lambda plane: lines(plane.astype(jnp.float32)), planes)
        return [line.mean(axis=0) for line in each]

    rows, cols = jax.jit(mean_of_lines)(pore)
    np.testing.assert_allclose(rows, published[1, :200], rtol=0, atol=1e-6)
    np.testing.assert_allclose(cols, published[2, :200], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_berea_sandstone_has_its_published_values(real_data):
    """400^3 voxels, about 3.5 GB of memory."""
    pore, published = berea(real_data)
    s2 = np.asarray(two_point_correlation(pore.astype(np.float32), periodic=False))
    for line, values in zip(
        (s2[200:, 200, 200], s2[200, 200:, 200], s2[200, 200, 200:]), published, strict=True
    ):
        np.testing.assert_allclose(line, values[:200], rtol=0, atol=1e-6)
