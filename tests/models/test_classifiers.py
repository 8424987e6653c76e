"""Classifiers and the stages that they share, by what changes their answers and what does not."""

import jax
import numpy as np
import pytest
from flax import nnx

from idml_jax import models


def network(**options):
    return models.Classifier(1, 3, features=(3, 4), embedding=5, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize("shape", [(16, 16), (9, 12), (7, 5), (1, 1)], ids=str)
def test_images_of_any_size_have_logits_that_are_linear_in_their_features(shape, getkey):
    classifier = network()
    images = jax.random.uniform(getkey(), (4, *shape, 1), "float32")
    features = classifier.features(images)
    assert features.shape == (4, 5)
    last = classifier.last
    expected = features @ (last.scale * last.kernel[...]) + last.bias[...][None]
    np.testing.assert_allclose(classifier(images), expected, atol=1e-6)
    assert classifier(images).shape == (4, 3)


def test_each_image_is_looked_at_by_itself(getkey):
    classifier = network()
    images = jax.random.uniform(getkey(), (3, 8, 8, 1), "float32")
    alone = np.concatenate([classifier(images[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(classifier(images), alone, atol=1e-6)
    assert np.ptp(alone, axis=0).min() > 1e-3


def test_a_periodic_one_does_not_know_where_a_cell_begins(getkey):
    images = jax.random.normal(getkey(), (2, 8, 12, 1), "float32")
    moved = jax.numpy.roll(images, (2, 6), (1, 2))
    periodic = network(periodic=True)
    np.testing.assert_allclose(periodic(moved), periodic(images), atol=1e-5)
    assert float(abs(network()(moved) - network()(images)).max()) > 1e-3


@pytest.mark.parametrize("space", [(9, 12), (5, 4, 6)], ids=str)
def test_stages_halve_sides_and_continue_odd_ones_by_their_last_pixel(space, getkey):
    stages = models.ConvolutionStages(2, features=(3, 4), dimensions=len(space), rngs=nnx.Rngs(0))
    x = jax.random.normal(getkey(), (2, *space, 2), "float32")
    fine, coarse = stages(x)
    assert fine.shape == (2, *space, 3)
    assert coarse.shape == (2, *(-(-side // 2) for side in space), 4)
    odd = [(0, side % 2) for side in space]
    even = np.pad(np.asarray(fine), ((0, 0), *odd, (0, 0)), mode="edge")
    halved = models.downsample(jax.numpy.asarray(even))
    first, second = stages.pairs[1]

    def leaky(x):
        return jax.numpy.where(x > 0, x, 0.2 * x)

    once = leaky(first(halved))
    np.testing.assert_allclose(coarse, (once + leaky(second(once))) * 0.5**0.5, atol=1e-6)
