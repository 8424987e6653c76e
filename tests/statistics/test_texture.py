"""`idml_jax.statistics.texture` against its definitions and scikit-image."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from skimage.feature import graycomatrix, graycoprops

from idml_jax.statistics import gram_features, gram_matrix, grey_level_cooccurrence


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


# --- Gram matrices ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 4, 3), (3, 4, 5, 2)], ids=str)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_gram_matrix_is_the_mean_product_of_features(dtype, rtol, shape):
    features = random(0, shape, dtype) - dtype(0.5)
    expected = np.zeros((shape[-1],) * 2)
    for position in np.ndindex(shape[:-1]):
        expected += np.outer(features[position], features[position])
    found = gram_matrix(features)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected / math.prod(shape[:-1]), rtol=rtol, atol=rtol / 10)


def test_gram_matrix_forgets_where_and_how_much():
    features = random(0, (6, 7, 3))
    moved = np.roll(features, (2, 3), (0, 1))
    tiled = np.tile(features, (2, 3, 1))
    for other in (moved, tiled, features[::-1]):
        np.testing.assert_allclose(gram_matrix(other), gram_matrix(features), rtol=1e-12)
    # But not which features occur together.
    apart = np.stack([features[..., 0], np.roll(features[..., 1], 1, 0), features[..., 2]], -1)
    assert abs(float(gram_matrix(apart)[0, 1] / gram_matrix(features)[0, 1]) - 1) > 1e-3


def test_gram_features_of_a_network():
    """Two layers that wrap, so that a shifted image has shifted features."""
    first, second = random(1, (3, 3, 1, 3)) - 0.5, random(2, (3, 3, 3, 4)) - 0.5

    def layer(features, kernel):
        padded = jnp.pad(features, ((1, 1), (1, 1), (0, 0)), mode="wrap")[None]
        dimensions = ("NHWC", "HWIO", "NHWC")
        found = jax.lax.conv_general_dilated(
            padded, kernel, (1, 1), "VALID", dimension_numbers=dimensions
        )
        return jax.nn.relu(found[0])

    @jax.jit
    def network(image):
        return layer(image, first), layer(layer(image, first), second)

    image = jnp.asarray(random(0, (8, 9, 1)))
    grams = gram_features(image, network)
    assert [gram.shape for gram in grams] == [(3, 3), (4, 4)]
    for gram, features in zip(grams, network(image), strict=True):
        np.testing.assert_allclose(gram, gram_matrix(features), rtol=1e-12)
    moved = gram_features(jnp.roll(image, (3, 2), (0, 1)), network)
    np.testing.assert_allclose(moved[1], grams[1], rtol=1e-12)


def test_gram_features_have_a_gradient():
    def measure(image):
        return gram_features(jnp.asarray(image), lambda x: [x, jnp.concatenate([x, x**2], -1)])

    check_grads(jax.jit(measure), (random(0, (4, 5, 2)),), order=1)


# --- grey-level co-occurrence -------------------------------------------------------------------


def test_cooccurrence_is_the_one_of_scikit_image():
    image = random(0, (17, 13))
    distances, angles = (1, 3), (0.0, math.pi / 4, math.pi / 2)
    names = ("contrast", "dissimilarity", "homogeneity", "ASM", "energy", "correlation", "entropy")
    found = grey_level_cooccurrence(
        image, distances=distances, angles=angles, levels=8, properties=names
    )
    level = np.floor(image * 8).astype(np.uint8)
    matrix = graycomatrix(level, distances, angles, levels=8, symmetric=True, normed=True)
    assert list(found) == list(names)
    for name in names:
        assert found[name].shape == (2, 3)
        np.testing.assert_allclose(found[name], graycoprops(matrix, name), rtol=1e-12)


@pytest.mark.parametrize("levels", [4, 256])
def test_contrast_is_the_mean_squared_difference_of_levels(levels):
    """By the definition, pair by pair; the angle 0 pairs neighbours of one row."""
    image = random(1, (9, 8))
    image[0, 0] = 1.0
    level = np.minimum(np.floor(image * levels), levels - 1)
    found = grey_level_cooccurrence(
        image, angles=(0.0, math.pi / 2), levels=levels, properties=("contrast",)
    )
    expected = [(np.diff(level, axis=axis) ** 2).mean() for axis in (1, 0)]
    np.testing.assert_allclose(found["contrast"][0], expected, rtol=1e-12)


def test_bad_input_is_refused(unchecked):
    image = random(0, (4, 5))
    with pytest.raises(ValueError, match="2 axes, in"):
        grey_level_cooccurrence(2 * image + 1)
    with pytest.raises(ValueError, match="2 axes, in"):
        grey_level_cooccurrence(random(0, (4, 5, 6)))
    with pytest.raises(ValueError, match="not finite"):
        grey_level_cooccurrence(np.where(image > 0.5, np.nan, image))
    with pytest.raises(TypeError, match="`image` is float"):
        grey_level_cooccurrence(np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match="`levels`"):
        grey_level_cooccurrence(image, levels=257)
    with pytest.raises(ValueError, match="smoothness"):
        grey_level_cooccurrence(image, properties=("smoothness",))
    with pytest.raises(TypeError, match="runs on the host"):
        jax.jit(grey_level_cooccurrence)(image)
