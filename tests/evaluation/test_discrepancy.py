"""`idml_jax.evaluation.discrepancy` against closed forms, sums over pairs, and SciPy."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from idml_jax.evaluation import (
    energy_distance,
    gaussian_kernel,
    linear_kernel,
    maximum_mean_discrepancy,
    pairwise_distances,
    polynomial_kernel,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def quantiles(count, *, mean=0.0, deviation=1.0):
    """Evenly spaced quantiles: a normal sample without scatter."""
    levels = (np.arange(count) + 0.5) / count
    return scipy.stats.norm.ppf(levels, mean, deviation)[:, None]


def mean_absolute(mean, deviation):
    """Of a normal variable: the folded normal distribution."""
    return deviation * math.sqrt(2 / math.pi) * math.exp(-0.5 * (mean / deviation) ** 2) + (
        mean * math.erf(mean / deviation / math.sqrt(2))
    )


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 2.0), (1.0, 1.0), (0.5, 0.4)])
def test_energy_distance_of_two_normals_on_a_line(mean, deviation):
    """The error of n quantiles falls as 1 / n: halved from one to twice as many."""
    exact = (
        2 * mean_absolute(mean, math.hypot(1, deviation))
        - mean_absolute(0, math.sqrt(2))
        - mean_absolute(0, math.sqrt(2) * deviation)
    )
    errors = [
        abs(
            float(energy_distance(quantiles(n), quantiles(n, mean=mean, deviation=deviation)))
            - exact
        )
        for n in (200, 400)
    ]
    assert errors[0] < 0.01 * exact
    assert errors[1] < 0.65 * errors[0]


def test_energy_distance_is_the_square_of_that_of_scipy():
    one, two = normal(0, 13, 1), normal(1, 9, 1) + 0.5
    expected = scipy.stats.energy_distance(one[:, 0], two[:, 0]) ** 2
    assert float(energy_distance(one, two)) == pytest.approx(expected, rel=1e-9)


def test_energy_distance_turns_and_scales_with_the_samples():
    one, two = normal(0, 6, 3), normal(1, 7, 3)
    turn = np.linalg.qr(normal(2, 3, 3))[0]
    found = float(energy_distance(2 * one @ turn + 5, 2 * two @ turn + 5))
    assert found == pytest.approx(2 * float(energy_distance(one, two)), rel=1e-9)


def test_of_the_linear_kernel_it_is_the_squared_distance_of_the_means():
    one, two = normal(0, 6, 3), normal(1, 7, 3) + 1
    expected = np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2)
    found = maximum_mean_discrepancy(one, two, kernel=linear_kernel, unbiased=False)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    # Unbiased, it is less what the scatter of the two means adds.
    scatter = sum(sample.var(axis=0, ddof=1).sum() / len(sample) for sample in (one, two))
    found = maximum_mean_discrepancy(one, two, kernel=linear_kernel)
    assert float(found) == pytest.approx(expected - scatter, rel=1e-9)


@pytest.mark.parametrize(
    "kernel",
    [functools.partial(gaussian_kernel, width=1.3), polynomial_kernel],
    ids=["gaussian", "polynomial"],
)
def test_unbiased_discrepancy_matches_its_sums_over_pairs(kernel):
    one, two = normal(0, 5, 2), normal(1, 4, 2) + 0.5

    def value(x, y):
        if kernel is polynomial_kernel:
            return (x @ y / 2 + 1) ** 3
        return math.exp(-np.sum((x - y) ** 2) / (2 * 1.3**2))

    within = [
        np.mean([value(x, y) for x, y in itertools.permutations(sample, 2)])
        for sample in (one, two)
    ]
    across = np.mean([value(x, y) for x, y in itertools.product(one, two)])
    found = maximum_mean_discrepancy(one, two, kernel=kernel)
    assert float(found) == pytest.approx(sum(within) - 2 * across, rel=1e-9)


def test_discrepancy_of_the_gaussian_kernel_between_two_normals():
    """Unbiased: over many samples its mean is the closed form, within four standard errors."""
    width, shift = 1.0, 1.0

    def expected_kernel(mean):
        """Of the difference of two standard normal variables."""
        spread = width**2 + 2
        return width / math.sqrt(spread) * math.exp(-(mean**2) / (2 * spread))

    exact = 2 * expected_kernel(0) - 2 * expected_kernel(shift)
    draws = jnp.asarray(normal(0, 2, 2000, 8, 1))
    kernel = functools.partial(gaussian_kernel, width=width)
    estimate = jax.jit(jax.vmap(lambda x, y: maximum_mean_discrepancy(x, y, kernel=kernel)))
    found = np.asarray(estimate(draws[0], draws[1] + shift))
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / math.sqrt(len(found)))
    assert (found < 0).any()


def test_default_width_is_the_median_distance_of_all():
    one, two = normal(0, 5, 2), normal(1, 4, 2)
    pooled = np.concatenate([one, two])
    median = np.median([np.linalg.norm(x - y) for x, y in itertools.combinations(pooled, 2)])
    expected = maximum_mean_discrepancy(
        one, two, kernel=functools.partial(gaussian_kernel, width=float(median))
    )
    assert float(maximum_mean_discrepancy(one, two)) == pytest.approx(float(expected), rel=1e-9)
    assert float(maximum_mean_discrepancy(np.ones((3, 2)), np.ones((3, 2)))) == 0


def test_gradients_match_finite_differences():
    one, two = jnp.asarray(normal(0, 4, 2)), jnp.asarray(normal(1, 3, 2))
    kernel = functools.partial(gaussian_kernel, width=1.0)
    both = jax.jit(
        lambda x, y: energy_distance(x, y) + maximum_mean_discrepancy(x, y, kernel=kernel)
    )
    check_grads(both, (one, two), order=1, modes=["rev"])


def test_gradient_exists_where_two_vectors_are_equal():
    one = jnp.asarray(normal(0, 4, 2))
    gradient = jax.grad(lambda x: energy_distance(x, one))(one)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


def test_equal_vectors_are_at_no_distance_however_far_out():
    far = (1e4 + normal(0, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.diag(pairwise_distances(far, far)), 0)


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="3 and 2 features; give equal numbers"):
        energy_distance(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"`second` has the shape \(1, 2\); give 2 or more"):
        maximum_mean_discrepancy(np.ones((2, 2)), np.ones((1, 2)))
