"""KID, FID, precision, recall, density and coverage against closed forms and brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
from sklearn.neighbors import NearestNeighbors

from idml_jax.evaluation import (
    encode,
    frechet_distance,
    frechet_distance_of_normals,
    kernel_distance,
    manifold_scores,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def test_kernel_distance_of_all_images_matches_its_formula():
    """One subset that is everything: the unbiased sums over pairs, by brute force."""
    one, two = normal(0, 7, 3), normal(1, 7, 3) + 0.5

    def value(x, y):
        return (x @ y / 3 + 1) ** 3

    within = [
        np.mean([value(x, y) for x, y in itertools.permutations(sample, 2)])
        for sample in (one, two)
    ]
    across = np.mean([value(x, y) for x, y in itertools.product(one, two)])
    found = kernel_distance(one, two, subsets=1)
    assert found.mean == pytest.approx(sum(within) - 2 * across, rel=1e-9)
    assert found.deviation == 0


def test_kernel_distance_has_the_mean_zero_for_one_distribution():
    """Over subsets of many images, within four standard errors; a biased one would be far off."""
    one, two = normal(0, 4000, 3), normal(1, 4000, 3)
    found = kernel_distance(one, two, subsets=300, size=10)
    bound = 4 * found.deviation / math.sqrt(300)
    assert abs(found.mean) < bound
    # The pairs of an image with itself alone would add the mean of (|x|^2 / d + 1)^3 / size.
    assert 2 * np.mean((np.sum(one**2, axis=1) / 3 + 1) ** 3) / 10 > 3 * bound


def test_kernel_distance_of_a_shift_on_a_line():
    """From the moments of a normal variable: E (x y + 1)^3 = 1 + 3 a b + 3 c d + e f."""
    shift = 0.7

    def expected(mean, other):
        moments = [(m, m**2 + 1, m**3 + 3 * m) for m in (mean, other)]
        first, second, third = (moments[0][k] * moments[1][k] for k in range(3))
        return 1 + 3 * first + 3 * second + third

    exact = expected(0, 0) + expected(shift, shift) - 2 * expected(0, shift)
    found = kernel_distance(normal(0, 4000, 1), normal(1, 4000, 1) + shift, subsets=300, size=10)
    assert found.mean == pytest.approx(exact, abs=4 * found.deviation / math.sqrt(300))


def test_kernel_distance_depends_on_the_seed_alone():
    one, two = normal(0, 30, 2), normal(1, 40, 2)
    first, again, other = (
        kernel_distance(one, two, subsets=5, size=10, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_frechet_distance_of_normals_that_share_their_axes():
    """Then it is the sum of the squared differences of means and deviations."""
    turn = np.linalg.qr(normal(0, 4, 4))[0]
    deviations, others = np.array([1.0, 2.0, 0.5, 0.1]), np.array([3.0, 1.0, 0.5, 2.0])
    mean, other = normal(1, 4), normal(2, 4)
    covariances = [turn @ np.diag(d**2) @ turn.T for d in (deviations, others)]
    exact = np.sum((mean - other) ** 2) + np.sum((deviations - others) ** 2)
    found = frechet_distance_of_normals(mean, covariances[0], other, covariances[1])
    assert found == pytest.approx(exact, rel=1e-9)


def test_frechet_distance_agrees_with_a_root_of_the_matrix_product():
    one, two = normal(0, 60, 5) @ normal(1, 5, 5), normal(2, 40, 5) + 1
    c, d = np.cov(one.T), np.cov(two.T)
    root = np.real(scipy.linalg.sqrtm(c @ d))
    exact = np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2) + np.trace(c + d - 2 * root)
    assert frechet_distance(one, two, force=True) == pytest.approx(exact, rel=1e-9)


def test_frechet_distance_of_fewer_images_than_features_is_still_exact():
    """Singular covariances, where a root of their product fails: two samples on two lines."""
    one, two = np.zeros((5, 6)), np.zeros((5, 6))
    one[:, 0] = two[:, 1] = [-2, -1, 0, 1, 2]
    assert frechet_distance(one, two, force=True) == pytest.approx(2 * 2.5, rel=1e-9)
    assert frechet_distance(one, one, force=True) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_asks_for_enough_images():
    few, many = normal(0, 2047, 1), normal(1, 2048, 1)
    with pytest.raises(ValueError, match="2047 images; of fewer than 2048"):
        frechet_distance(many, few)
    assert 0 <= frechet_distance(many, many + 1) - 1 < 1e-9
    assert frechet_distance(many, few, force=True) < 0.01


def test_frechet_distance_refuses_what_is_not_a_number():
    with pytest.raises(ValueError, match="a feature is NaN or infinite"):
        frechet_distance(np.full((3, 2), np.nan), np.ones((3, 2)), force=True)


def brute_force(generated, real, k):
    """As the papers define them, with the neighbours of scikit-learn."""

    def reach(sample):
        return NearestNeighbors(n_neighbors=k + 1).fit(sample).kneighbors(sample)[0][:, k]

    distances = np.linalg.norm(real[:, None] - generated[None], axis=-1)
    in_real, in_made = distances <= reach(real)[:, None], distances <= reach(generated)[None]
    precision = np.mean([in_real[:, j].any() for j in range(len(generated))])
    recall = np.mean([in_made[i].any() for i in range(len(real))])
    density = sum(in_real[:, j].sum() for j in range(len(generated))) / (k * len(generated))
    coverage = np.mean([in_real[i].any() for i in range(len(real))])
    return precision, recall, density, coverage


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_manifold_scores_match_their_definitions(neighbours):
    for seed in range(3):
        generated, real = 0.7 * normal(seed, 25, 2) + 0.4, normal(seed + 10, 30, 2)
        found = manifold_scores(generated, real, neighbours=neighbours)
        expected = brute_force(generated, real, neighbours)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_of_equal_sets_everything_is_covered():
    """A neighbourhood with its border holds k neighbours and the image itself."""
    sample = normal(0, 20, 3)
    found = manifold_scores(sample, sample, neighbours=4)
    assert found == (1, 1, pytest.approx(5 / 4, rel=1e-12), 1)


def test_of_disjoint_sets_nothing_is():
    assert manifold_scores(normal(0, 20, 3) + 100, normal(1, 20, 3)) == (0, 0, 0, 0)


def test_coverage_of_one_distribution_has_its_expected_value():
    """1 - (n - 1) ... (n - k) / ((m + n - 1) ... (m + n - k)) for m of n, Naeem et al."""
    m = n = 50
    k = 3
    exact = 1 - math.prod((n - j) / (m + n - j) for j in range(1, k + 1))
    draws = [
        manifold_scores(normal(2 * s, m, 2), normal(2 * s + 1, n, 2), neighbours=k)
        for s in range(40)
    ]
    for score, value in (("coverage", exact), ("density", 1.0)):
        found = np.array([getattr(one, score) for one in draws])
        assert found.mean() == pytest.approx(value, abs=4 * found.std() / math.sqrt(40)), score


def test_a_generator_of_one_kind_is_precise_without_recall():
    real = np.concatenate([normal(0, 30, 2), normal(1, 30, 2) + 20])
    found = manifold_scores(normal(2, 60, 2) * 0.5, real)
    assert found.precision > 0.95
    assert found.recall < 0.55 and found.coverage < 0.55


def test_manifold_scores_need_more_images_than_neighbours():
    with pytest.raises(ValueError, match="give 6 or more vectors"):
        manifold_scores(normal(0, 5, 2), normal(1, 9, 2))
    with pytest.raises(ValueError, match="`neighbours` .=0. must be at least 1"):
        manifold_scores(normal(0, 5, 2), normal(1, 9, 2), neighbours=0)


def test_an_encoder_sees_batches_of_one_shape_and_each_image_once():
    images = normal(0, 7, 4, 4, 1)
    shapes = []

    def encoder(batch):
        shapes.append(batch.shape)
        return batch[:, ::2, ::2]

    found = encode(images, encoder, batch_size=3)
    assert set(shapes) == {(3, 4, 4, 1)} and len(shapes) == 3
    np.testing.assert_array_equal(found, images[:, ::2, ::2].reshape(7, 4))


def test_an_encoder_that_forgets_the_batch_is_refused():
    with pytest.raises(ValueError, match=r"returned the shape \(\) for 2 images"):
        encode(normal(0, 2, 4, 4, 1), lambda batch: batch.mean())
    with pytest.raises(ValueError, match="0 images in batches of 64"):
        encode(normal(0, 0, 4, 4, 1), lambda batch: batch)
