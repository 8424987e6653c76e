"""`idml_jax.evaluation.bootstrap` against the coverage that its level promises."""

import numpy as np
import pytest
import scipy.stats

from idml_jax.evaluation import bootstrap_mean, bootstrap_score


def simulate(generator, *, groups, members, between, within):
    """Grouped normal data of mean zero."""
    means = between * generator.normal(size=(groups, 1))
    return list(means + within * generator.normal(size=(groups, members)))


def coverage(level, *, between, grouped=True, repeats=200):
    """Share of the simulated data sets whose interval holds the true mean."""
    generator = np.random.default_rng(0)
    hits = 0
    for seed in range(repeats):
        data = simulate(generator, groups=20, members=4, between=between, within=1.0)
        data = data if grouped else [np.concatenate(data)]
        _, low, high = bootstrap_mean(data, level=level, resamples=200, seed=seed)
        hits += bool(low <= 0 <= high)
    return hits / repeats


@pytest.mark.parametrize(("level", "lowest", "highest"), [(0.9, 0.82, 0.97), (0.5, 0.38, 0.62)])
def test_interval_holds_the_mean_as_often_as_its_level_says(level, lowest, highest):
    """Within three standard errors of 200 repeats, and what 20 groups bias the percentiles by."""
    assert lowest < coverage(level, between=1.0) < highest


def test_interval_that_ignores_the_groups_misses_the_mean_too_often():
    assert coverage(0.9, between=1.0, grouped=False) < 0.75


def test_interval_of_groups_that_differ_is_wider_than_of_their_members():
    data = simulate(np.random.default_rng(0), groups=10, members=20, between=1.0, within=0.3)
    grouped = bootstrap_mean(data)
    pooled = bootstrap_mean([np.concatenate(data)])
    assert grouped.mean == pytest.approx(pooled.mean, rel=1e-12)
    assert grouped.high - grouped.low > 2 * (pooled.high - pooled.low)


def test_one_group_has_the_interval_of_scipy():
    """Resampled by its members: the ordinary percentile bootstrap."""
    data = np.random.default_rng(0).exponential(size=40)
    found = bootstrap_mean([data], resamples=20_000)
    expected = scipy.stats.bootstrap(
        (data,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert found.low == pytest.approx(expected.low, abs=0.03 * width)
    assert found.high == pytest.approx(expected.high, abs=0.03 * width)


def test_groups_of_one_member_are_members_of_one_group():
    data = np.random.default_rng(0).normal(size=30)
    apart = bootstrap_mean([data[k : k + 1] for k in range(30)], resamples=10_000)
    together = bootstrap_mean([data], resamples=10_000)
    width = together.high - together.low
    assert apart.low == pytest.approx(together.low, abs=0.03 * width)
    assert apart.high == pytest.approx(together.high, abs=0.03 * width)


def test_mean_is_that_of_all_members_of_unequal_groups():
    groups = [np.array([1.0, 2.0, 3.0]), np.array([10.0])]
    assert float(bootstrap_mean(groups).mean) == 4


def test_of_a_constant_the_interval_is_the_constant():
    mean, low, high = bootstrap_mean([np.full(3, 0.7), np.full(2, 0.7)])
    np.testing.assert_allclose([mean, low, high], 0.7, rtol=1e-12)


def test_one_member_alone_leaves_no_interval():
    mean, low, high = bootstrap_mean([np.array([0.7])])
    assert float(mean) == float(low) == float(high) == 0.7


def test_each_component_is_resampled_with_the_others():
    """An interval of a vector is that of each component, whatever stands beside it."""
    data = [np.random.default_rng(k).normal(size=(4, 2, 3)) for k in range(5)]
    found = bootstrap_mean(data)
    for index in np.ndindex(2, 3):
        alone = bootstrap_mean([group[:, *index] for group in data])
        for one, two in zip(found, alone, strict=True):
            assert one.shape == (2, 3) and two.shape == ()
            assert one[index] == pytest.approx(float(two), rel=1e-9)


def test_interval_moves_and_scales_with_the_data():
    data = [np.random.default_rng(k).normal(size=4) for k in range(5)]
    moved = bootstrap_mean([3 * group - 1 for group in data])
    expected = [3 * value - 1 for value in bootstrap_mean(data)]
    np.testing.assert_allclose(moved, expected, rtol=1e-9)


def test_interval_narrows_with_the_level():
    data = [np.random.default_rng(0).normal(size=50)]
    widths = [np.ptp(bootstrap_mean(data, level=level)[1:]) for level in (0.99, 0.9, 0.5, 0.1)]
    assert widths == sorted(widths, reverse=True)


def test_the_seed_decides_the_interval():
    data = [np.random.default_rng(k).normal(size=4) for k in range(5)]
    one, again, other = (bootstrap_mean(data, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert one.low != other.low


@pytest.mark.parametrize("groups", [[], [np.ones(3), np.ones(0)]], ids=["none", "an empty one"])
def test_empty_groups_are_refused(groups):
    with pytest.raises(ValueError, match="give one group or more, none of them empty"):
        bootstrap_mean(groups)


def test_a_mean_as_a_score_has_the_interval_of_the_mean():
    random = np.random.default_rng(0)
    right = [random.integers(0, 2, random.integers(1, 5)) for _ in range(12)]
    expected = bootstrap_mean([each.astype(float) for each in right])
    counts = [np.stack([each, 1 - each], axis=1) for each in right]
    found = bootstrap_score(counts, lambda both: both[:, 0] / both.sum(axis=1))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_score_is_of_all_members_and_nan_is_left_out():
    counts = [np.array([[1, 1]]), np.array([[1, 3]])]

    def shares(sums):
        share = sums[:, 0] / sums[:, 1]
        # Of the second, of a resample of the second member alone there is nothing to say.
        return np.stack([share, np.where(share < 0.4, np.nan, share), share * np.nan], axis=1)

    found = bootstrap_score(counts, shares)
    np.testing.assert_allclose(found.mean, [0.5, 0.5, np.nan])
    np.testing.assert_allclose(found.low, [1 / 3, 0.5, np.nan])
    np.testing.assert_allclose(found.high, [1, 1, np.nan])
