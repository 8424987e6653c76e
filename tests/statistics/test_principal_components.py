"""`idml_jax.statistics.principal_components` against scikit-learn, the definition and its laws."""

import functools

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from idml_jax.data.synthetic import gaussian_random_field
from idml_jax.statistics import (
    PrincipalComponents,
    principal_components,
    two_point_correlation,
    volume_fraction,
)

law = settings(max_examples=15, deadline=None, derandomize=True)
# Fewer samples than values, and more.
ENSEMBLES = [(12, (5, 6)), (40, (7,)), (9, (3, 4, 5))]
each_ensemble = pytest.mark.parametrize(("samples", "shape"), ENSEMBLES, ids=str)


def ensemble(samples, shape, seed=0):
    """Random statistics whose variances along their own directions all differ clearly."""
    rng = np.random.default_rng(seed)
    features = int(np.prod(shape))
    directions = np.linalg.qr(rng.standard_normal((features, features)))[0]
    scales = 0.7 ** np.arange(features)
    return (rng.standard_normal((samples, features)) * scales @ directions + 3).reshape(
        samples, *shape
    )


def sklearns(statistics, count):
    flat = np.asarray(statistics, float).reshape(len(statistics), -1)
    view = PCA(count, svd_solver="full").fit(flat)
    return view, view.transform(flat), view.inverse_transform(view.transform(flat))


def same_as_sklearn(statistics, count, atol):
    expected, scores, reconstructed = sklearns(statistics, count)
    view = principal_components(statistics, count)
    dtype, shape = statistics.dtype, statistics.shape[1:]
    assert all(field.dtype == dtype for field in view)
    assert view.mean.shape == shape and view.components.shape == (count, *shape)
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=atol)
    close(view.mean.ravel(), expected.mean_)
    close(view.components.reshape(count, -1), expected.components_)
    close(view.explained_variance, expected.explained_variance_)
    close(view.explained_variance_ratio, expected.explained_variance_ratio_)
    close(view.scores(statistics), scores)
    rebuilt = view.reconstruct(view.scores(statistics))
    close(rebuilt.reshape(len(statistics), -1), reconstructed)


@each_ensemble
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_equals_scikit_learn_signs_included(samples, shape, dtype, atol):
    # The last of as many components as samples has no variance, and no direction.
    same_as_sklearn(ensemble(samples, shape).astype(dtype), min(samples - 1, 7), atol)


@functools.cache
def media():
    """S2 up to 8 pixels, and volume fraction, of cuts of Gaussian fields of two lengths."""
    near = slice(32 - 8, 32 + 9)

    def measure(key, length):
        phase = gaussian_random_field(key, (64, 64), length=length) > 0
        return two_point_correlation(phase)[near, near], volume_fraction(phase)

    keys = jax.random.split(jax.random.key(0), (2, 100))
    found = [
        jax.lax.map(functools.partial(measure, length=length), each)
        for each, length in zip(keys, (2.0, 4.0), strict=True)
    ]
    return [np.concatenate(part) for part in zip(*found, strict=True)]


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_equals_scikit_learn_on_correlations_of_media(dtype, atol):
    same_as_sklearn(media()[0].astype(dtype), 3, atol)


def test_two_kinds_of_media_separate_in_the_first_two_scores():
    """As in the study of Niezgoda et al.; their volume fractions alone do not tell them apart."""
    s2, fractions = media()
    kinds = np.repeat([0, 1], 100)
    scores = np.asarray(principal_components(s2, 2).scores(s2))

    def accuracy(features):
        line = LinearDiscriminantAnalysis().fit(features[::2], kinds[::2])
        return line.score(features[1::2], kinds[1::2])

    assert accuracy(scores) >= 0.99
    assert accuracy(fractions[:, None]) < 0.7


@each_ensemble
def test_components_are_the_eigenvectors_of_the_covariance(samples, shape):
    statistics = ensemble(samples, shape)
    view = principal_components(statistics, 3)
    rows = view.components.reshape(len(view.components), -1)
    covariance = np.cov(statistics.reshape(samples, -1), rowvar=False)
    expected = view.explained_variance[:, None] * rows
    np.testing.assert_allclose(rows @ covariance, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)
    assert (np.diff(view.explained_variance) < 0).all()
    total = np.trace(covariance)
    np.testing.assert_allclose(
        view.explained_variance_ratio, view.explained_variance / total, atol=1e-12
    )


@each_ensemble
def test_the_entry_of_largest_magnitude_is_positive(samples, shape):
    view = principal_components(ensemble(samples, shape), 3)
    rows = np.asarray(view.components).reshape(3, -1)
    assert (rows[np.arange(3), np.abs(rows).argmax(axis=1)] > 0).all()


@each_ensemble
def test_all_components_together_give_each_sample_back(samples, shape):
    statistics = ensemble(samples, shape)
    view = principal_components(statistics, min(samples - 1, int(np.prod(shape))))
    again = view.reconstruct(view.scores(statistics))
    np.testing.assert_allclose(again, statistics, rtol=0, atol=1e-12)
    assert float(view.explained_variance_ratio.sum()) == pytest.approx(1, abs=1e-12)


@each_ensemble
def test_what_reconstruction_leaves_is_the_variance_that_is_not_explained(samples, shape):
    statistics = ensemble(samples, shape)
    view = principal_components(statistics, 3)
    left = ((statistics - view.reconstruct(view.scores(statistics))) ** 2).sum() / (samples - 1)
    total = statistics.reshape(samples, -1).var(axis=0, ddof=1).sum()
    assert float(left) == pytest.approx(total - float(view.explained_variance.sum()), rel=1e-10)
    scores = np.asarray(view.scores(statistics))
    np.testing.assert_allclose(np.cov(scores.T), np.diag(view.explained_variance), atol=1e-12)
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=1e-12)


@law
@given(
    statistics=hnp.arrays(float, (6, 4), elements=st.floats(-1, 1, width=16)),
    order=st.permutations(range(6)),
    shift=st.floats(-2, 2),
)
def test_order_of_the_samples_and_a_constant_change_nothing(statistics, order, shift):
    variances = np.linalg.svd(statistics - statistics.mean(axis=0))[1] ** 2
    assume(variances[0] > 1.2 * variances[1] + 0.1 and variances[1] > 1.2 * variances[2] + 0.1)
    largest = np.sort(np.abs(np.asarray(principal_components(statistics, 2).components)), axis=1)
    assume((largest[:, -1] > largest[:, -2] + 1e-6).all())
    view = principal_components(statistics, 2)
    other = principal_components(statistics[np.array(order)] + shift, 2)
    np.testing.assert_allclose(other.mean, view.mean + shift, atol=1e-12)
    for found, expected in zip(other[1:], view[1:], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_a_component_of_little_variance_keeps_its_digits():
    """With a standard deviation of 1e-4 of the first: float32 has none of its square beside 1."""
    rng = np.random.default_rng(0)
    statistics = (rng.standard_normal((30, 3)) * [1, 1e-4, 0]).astype(np.float32)
    turned = statistics @ np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    found = principal_components(turned, 2).explained_variance[1]
    expected = principal_components(turned.astype(float), 2).explained_variance[1]
    assert float(found) == pytest.approx(float(expected), rel=1e-2)


def test_scores_of_one_of_many_and_of_a_grid_agree():
    statistics = ensemble(12, (5, 6))
    view = principal_components(statistics, 3)
    scores = view.scores(statistics)
    np.testing.assert_allclose(view.scores(statistics[4]), scores[4], atol=1e-12)
    grid = view.scores(statistics.reshape(3, 4, 5, 6))
    np.testing.assert_allclose(grid, scores.reshape(3, 4, 3), atol=1e-12)
    np.testing.assert_allclose(view.reconstruct(grid)[1, 2], view.reconstruct(scores[6]))


def test_fewer_scores_are_those_of_the_first_components():
    statistics = ensemble(12, (5, 6))
    many, few = (principal_components(statistics, count) for count in (4, 2))
    scores = many.scores(statistics)
    np.testing.assert_allclose(
        many.reconstruct(scores[:, :2]), few.reconstruct(few.scores(statistics)), atol=1e-12
    )


def test_runs_under_jit_and_vmap_as_a_pytree():
    batch = np.stack([ensemble(12, (5, 6), seed) for seed in range(3)])
    fit = jax.jit(jax.vmap(functools.partial(principal_components, count=3)))
    views = fit(batch)
    assert isinstance(views, PrincipalComponents)
    scores = jax.vmap(PrincipalComponents.scores)(views, batch)
    for k, statistics in enumerate(batch):
        view = principal_components(statistics, 3)
        np.testing.assert_allclose(views.components[k], view.components, atol=1e-10)
        np.testing.assert_allclose(scores[k], view.scores(statistics), atol=1e-10)


def test_gradients_match_finite_differences():
    view = principal_components(ensemble(9, (4, 5)), 2)
    soft = np.random.default_rng(0).random((4, 5))

    @jax.jit
    def chain(phase):
        return view.reconstruct(view.scores(two_point_correlation(jnp.asarray(phase))))

    @jax.jit
    def fit(statistics):
        found = principal_components(jnp.asarray(statistics), 2)
        return found.components, found.explained_variance_ratio

    check_grads(chain, (soft,), order=1, modes=["rev"])
    check_grads(fit, (ensemble(6, (9,)),), order=1, modes=["rev"])


@pytest.mark.parametrize(
    ("statistics", "count", "error", "says"),
    [
        (np.ones(()), 1, ValueError, r"the first axis holds the samples, two or more"),
        (np.ones((1, 4)), 1, ValueError, r"shape \(1, 4\).*two or more"),
        (np.ones((3, 0)), 1, ValueError, r"shape \(3, 0\)"),
        (np.eye(3), 4, ValueError, r"`count` \(=4\) must lie between 1 and 3"),
        (np.eye(3)[:, :2], 3, ValueError, r"between 1 and 2: there are 3 samples of 2 values"),
        (np.eye(3), 0, ValueError, r"`count` \(=0\)"),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), 1, ValueError, "NaN where no pair of pixels"),
        (np.full((3, 4), 0.1), 1, ValueError, "all samples are equal"),
        (np.eye(3, dtype=int), 1, TypeError, "float, got int"),
    ],
)
def test_bad_ensembles_are_refused(statistics, count, error, says, unchecked):
    with pytest.raises(error, match=says):
        principal_components(statistics, count)


def test_bad_statistics_and_scores_are_refused():
    view = principal_components(ensemble(12, (5, 6)), 3)
    with pytest.raises(ValueError, match=r"shape \(6, 5\); its last axes .* \(5, 6\)"):
        view.scores(np.ones((6, 5)))
    with pytest.raises(ValueError, match=r"shape \(6,\)"):
        view.scores(np.ones(6))
    with pytest.raises(ValueError, match=r"shape \(4,\); .* each of the 3 components"):
        view.reconstruct(np.ones(4))
    with pytest.raises(ValueError, match=r"two or more"):
        jax.jit(functools.partial(principal_components, count=1))(np.ones((1, 4)))
