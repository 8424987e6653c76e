"""`idml_jax.evaluation.two_sample`: p-values are as rare as they say, and groups are respected."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from idml_jax.evaluation import energy_distance, holm_correction, two_sample_test

REPEATS = 120
# What the largest distance of the p-values' distribution from the uniform one stays below in
# 99.9 % of such sets of repeats (Kolmogorov-Smirnov).
BOUND = scipy.stats.kstwo.isf(1e-3, REPEATS)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def specimens(seed, count, members, *, between, within=1.0, features=2):
    """Groups whose means differ from specimen to specimen."""
    generator = np.random.default_rng(seed)
    return [
        between * generator.normal(size=(1, features))
        + within * generator.normal(size=(members, features))
        for _ in range(count)
    ]


def distance_from_uniform(p_values):
    """Kolmogorov-Smirnov distance, on the steps that the p-values can take."""
    return scipy.stats.kstest(p_values, "uniform").statistic


def independent(seed, statistic="energy"):
    draws = normal(seed, 30, 2)
    return two_sample_test(
        draws[:12], draws[12:], statistic=statistic, permutations=199, seed=seed
    ).p_value


def grouped(seed):
    groups = specimens(seed, 14, 5, between=1.0)
    return two_sample_test(groups[:6], groups[6:], permutations=199, seed=seed).p_value


def beside_groups(seed):
    """Independent members, each of a specimen of its own, beside specimens of 5."""
    generator = np.random.default_rng(seed)
    alone = generator.normal(size=(50, 2)) + generator.normal(size=(50, 2))
    groups = specimens(seed + 10_000, 10, 5, between=1.0)
    return two_sample_test(alone, groups, permutations=199, seed=seed).p_value


@pytest.mark.parametrize(
    "p_value",
    [independent, functools.partial(independent, statistic="mmd"), grouped, beside_groups],
    ids=["members", "members, mmd", "groups", "members beside groups"],
)
def test_p_values_are_uniform_where_there_is_no_difference(p_value):
    found = np.array([p_value(seed) for seed in range(REPEATS)])
    assert distance_from_uniform(found) < BOUND


def test_crops_taken_for_independent_break_the_bound():
    """What the grouped p-values would be if the specimens were not known."""
    crops = [
        two_sample_test(
            *(np.concatenate(specimens(seed + side, 3, 5, between=1.0)) for side in (0, 5_000)),
            permutations=99,
        ).p_value
        for seed in range(40)
    ]
    assert distance_from_uniform(np.array(crops)) > 2 * BOUND


@pytest.mark.parametrize("statistic", ["energy", "mmd"])
def test_a_shift_and_a_change_of_spread_are_found(statistic):
    one, two = normal(0, 40, 2), normal(1, 40, 2)
    for other in (two + 1, 4 * two):
        found = two_sample_test(one, other, statistic=statistic)
        assert found.p_value == found.smallest_p_value == 0.001
    assert two_sample_test(one, two, statistic=statistic).p_value > 0.05


def test_specimens_that_differ_are_no_difference_between_their_ensembles():
    """By its crops alone an ensemble of four specimens is declared different; by groups not."""
    first, second = (specimens(seed, 4, 20, between=2.0, within=0.3) for seed in (0, 2))
    crops = two_sample_test(np.concatenate(first), np.concatenate(second))
    assert crops.p_value == crops.smallest_p_value == 0.001
    found = two_sample_test(first, second)
    assert found.smallest_p_value == pytest.approx(2 / 70, rel=1e-12)
    assert found.p_value > 0.1
    beside = two_sample_test(np.concatenate(first), second)
    assert beside.smallest_p_value == 2 / 16
    assert beside.p_value > 0.1


def test_a_difference_beyond_that_of_specimens_is_found_by_groups():
    first, second = (specimens(seed, 6, 8, between=0.5) for seed in (0, 1))
    found = two_sample_test(first, [group + 4 for group in second])
    assert found.p_value == found.smallest_p_value == pytest.approx(2 / 924, rel=1e-12)
    alone = normal(2, 60, 2)
    found = two_sample_test(alone, [group + 4 for group in second])
    assert found.p_value == found.smallest_p_value == 2 / 64


def test_enumerated_p_value_is_the_share_of_all_arrangements():
    """By brute force, with unequal groups that all weigh the same."""
    groups = [normal(seed, 2 + seed % 3, 2) for seed in range(5)]
    points = np.concatenate(groups)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    weights = [np.full(len(group), 1 / len(group)) for group in groups]

    def statistic(first):
        signed = [w / 2 if k in first else -w / 3 for k, w in enumerate(weights)]
        contrast = np.concatenate(signed)
        return -contrast @ distances @ contrast

    every = [statistic(chosen) for chosen in itertools.combinations(range(5), 2)]
    found = two_sample_test(groups[:2], groups[2:])
    assert found.statistic == pytest.approx(statistic((0, 1)), rel=1e-9)
    assert found.p_value == np.mean(np.array(every) >= statistic((0, 1)) - 1e-12)
    assert found.smallest_p_value == 1 / 10


def test_statistic_of_independent_members_is_the_energy_distance():
    one, two = normal(0, 7, 3), normal(1, 5, 3) + 1
    found = two_sample_test(one, two, permutations=9)
    assert found.statistic == pytest.approx(float(energy_distance(one, two)), rel=1e-9)
    assert found.smallest_p_value == 0.1


def test_of_one_specimen_beside_another_nothing_can_be_said():
    assert two_sample_test([normal(0, 9, 1)], [normal(1, 9, 1) + 100])[1:] == (1, 1)
    assert two_sample_test(normal(0, 9, 1), [normal(1, 9, 1) + 100])[1:] == (1, 1)


def test_equal_samples_are_never_told_apart():
    ones = np.ones((6, 2))
    found = two_sample_test(ones, ones)
    assert found.statistic == pytest.approx(0, abs=1e-12)
    assert found.p_value == 1


def test_single_precision_gives_the_same_p_value():
    one, two = normal(0, 20, 2), normal(1, 20, 2) + 0.4
    double = two_sample_test(one, two)
    single = two_sample_test(one.astype(np.float32), two.astype(np.float32))
    assert 0.002 < double.p_value < 0.5
    assert single.p_value == pytest.approx(double.p_value, abs=0.0021)


def test_the_seed_decides_the_draws():
    one, two = jnp.asarray(normal(0, 20, 2)), jnp.asarray(normal(1, 20, 2)) + 0.3
    first, again, other = (two_sample_test(one, two, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.p_value != other.p_value


def test_holm_matches_its_definition():
    """Reject the smallest at level / n, the next at level / (n - 1), and stop at the first miss."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        p_values = generator.random(5) ** 3
        for level in (0.05, 0.3):
            rejected = set()
            for step, index in enumerate(np.argsort(p_values)):
                if p_values[index] > level / (5 - step):
                    break
                rejected.add(int(index))
            assert set(np.flatnonzero(holm_correction(p_values) <= level).tolist()) == rejected


def test_holm_leaves_out_what_was_not_tested():
    found = holm_correction(np.array([0.02, np.nan, 0.6, 0.03]))
    np.testing.assert_allclose(found, [0.06, np.nan, 0.6, 0.06], rtol=1e-12)
    assert holm_correction(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (normal(0, 4, 2), normal(0, 4, 3), {}, "2 and 3 features; give equal numbers"),
        ([normal(0, 4, 2), normal(0, 0, 2)], normal(0, 4, 2), {}, "give 1 or more vectors"),
        ([], normal(0, 4, 2), {}, "a sample has no group"),
        (normal(0, 2, 2), [normal(0, 3, 2)] * 3, {}, "2 independent members beside 3 groups"),
        ([normal(0, 4, 2)], [normal(0, 4, 2)] * 3, {"statistic": "mmd"}, "have 1 and 3 groups"),
    ],
    ids=["features", "empty", "none", "few members", "one group"],
)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_refused(first, second, options, message):
    with pytest.raises(ValueError, match=message):
        two_sample_test(first, second, **options)
