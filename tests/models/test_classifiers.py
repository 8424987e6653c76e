"""Classifiers and the stages that they share, by what changes their answers and what does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from idml_jax import models

KINDS = {
    "stages": lambda **options: models.Classifier(
        1, 3, features=(3, 4), embedding=5, rngs=nnx.Rngs(0), **options
    ),
    "three": lambda **options: models.MaxPoolingClassifier(
        1, 3, features=(3, 4, 5), rngs=nnx.Rngs(0), **options
    ),
    "equivariant": lambda **options: models.EquivariantClassifier(
        1, 3, features=(2, 3, 3), embedding=5, rngs=nnx.Rngs(0), **options
    ),
    "resnet": lambda **options: models.ResNetClassifier(1, 3, 18, rngs=nnx.Rngs(0), **options),
}


def compiled(network, method=None):
    """What is compiled as a whole takes a fraction of the time."""
    network.eval()
    structure, values = nnx.split(network)

    def answer(images):
        made = nnx.merge(structure, values)
        return made(images) if method is None else getattr(made, method)(images)

    return jax.jit(answer)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("kind", KINDS)
def test_images_of_any_size_have_logits_that_are_linear_in_their_features(kind, getkey):
    classifier = KINDS[kind]()
    logits, features = compiled(classifier), compiled(classifier, "features")
    last = classifier.last
    for shape in ((16, 16), (7, 10), (1, 1)):
        images = jax.random.uniform(getkey(), (4, *shape, 1), "float32")
        found = features(images)
        assert found.shape == (4, 512 if kind == "resnet" else 5)
        expected = found @ (last.scale * last.kernel[...]) + last.bias[...][None]
        np.testing.assert_allclose(logits(images), expected, atol=1e-5)
        assert expected.shape == (4, 3)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
@pytest.mark.parametrize("kind", ["stages", "three", "equivariant"])
def test_a_normalized_one_does_not_see_how_large_the_grey_values_are(kind, normalization, getkey):
    """In a training: one that is trained has moments of its own, but of groups."""
    network = KINDS[kind](normalization=normalization)
    images = jax.random.normal(getkey(), (3, 8, 8, 1), "float32")
    structure, values = nnx.split(network)
    answer = jax.jit(lambda images: nnx.merge(structure, values, copy=True)(images))
    differs = float(abs(answer(images) - answer(4 * images)).max())
    assert differs < 1e-3 if normalization != "none" else differs > 0.1


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("kind", ["stages", "three", "equivariant"])
def test_dropout_is_of_the_embedding_and_of_a_training(kind, getkey):
    network = KINDS[kind](dropout=0.5)
    images = jax.random.uniform(getkey(), (2, 8, 8, 1), "float32")
    features = network.features(images)
    kept = network.dropout(features, rngs=nnx.Rngs(1))
    expected = network.last(kept)
    np.testing.assert_array_equal(network(images, rngs=nnx.Rngs(1)), expected)
    assert 0 < int((kept == 0).sum()) < kept.size
    network.eval()
    np.testing.assert_array_equal(network(images), network.last(features))


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("sides", [(8, 8), (9, 9), (7, 10)], ids=str)
@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_an_equivariant_one_says_the_same_of_an_image_however_it_lies(sides, normalization, getkey):
    network = KINDS["equivariant"](normalization=normalization)
    # Moments of a training.
    network(jax.random.normal(getkey(), (4, 8, 8, 1), "float32"))
    logits = compiled(network)
    plain = compiled(KINDS["stages"]())
    images = 3 * jax.random.normal(getkey(), (2, *sides, 1), "float32")
    told, otherwise = nnx.softmax(logits(images)), plain(images)
    assert float(jnp.ptp(told)) > 0.02
    for symmetry in range(1, 8):
        lying = models.turned(images, symmetry)
        np.testing.assert_allclose(nnx.softmax(logits(lying)), told, atol=1e-5)
        assert float(abs(plain(lying) - otherwise).max()) > 1e-2


def test_the_small_one_is_that_of_pytorch(getkey):
    network = KINDS["three"]()
    images = jax.random.normal(getkey(), (2, 16, 8, 1), "float32")
    x = torch.from_numpy(np.array(images).transpose(0, 3, 1, 2))
    for conv in network.convs:
        kernel = np.array(conv.scale * conv.kernel[...]).transpose(3, 2, 0, 1)
        x = torch.nn.functional.conv2d(x, torch.from_numpy(kernel.copy()), padding=1)
        x = torch.nn.functional.max_pool2d(torch.nn.functional.leaky_relu(x, 0.2), 2)
    np.testing.assert_allclose(network.features(images), x.mean(dim=(2, 3)), atol=1e-5)


@pytest.mark.usefixtures("standard_promotion")
def test_a_frozen_residual_network_has_no_slope_and_keeps_its_moments(getkey):
    images = jax.random.normal(getkey(), (2, 32, 32, 1), "float32")
    for frozen in (True, False):
        network = KINDS["resnet"](frozen=frozen)
        structure, parameters, others = nnx.split(network, nnx.Param, ...)

        def loss(parameters, structure=structure, others=others):
            inside = nnx.merge(structure, parameters, others, copy=True)
            return (inside(images) ** 2).mean(), nnx.split(inside, nnx.Param, ...)[2]

        slopes, moments = jax.jit(jax.grad(loss, has_aux=True))(parameters)
        sizes = [float(abs(leaf).max()) for leaf in jax.tree.leaves(slopes["encoder"])]
        pairs = zip(jax.tree.leaves(moments), jax.tree.leaves(others), strict=True)
        moved = [float(abs(one - other).max()) for one, other in pairs]
        assert max(sizes) == max(moved) == 0 if frozen else min(max(sizes), max(moved)) > 0
        assert float(abs(slopes["last"]["kernel"][...]).max()) > 0


def test_what_older_checkpoints_hold_has_the_same_names():
    _, values = nnx.split(KINDS["stages"]())
    names = {"/".join(map(str, path)) for path, _ in nnx.to_flat_state(values)}
    convs = [f"stages/pairs/{level}/{place}" for level in (0, 1) for place in (0, 1)]
    layers = [*convs, "dense", "last"]
    assert names == {f"{each}/{leaf}" for each in layers for leaf in ("kernel", "bias")}


def test_each_image_is_looked_at_by_itself(getkey):
    classifier = KINDS["stages"]()
    images = jax.random.uniform(getkey(), (3, 8, 8, 1), "float32")
    alone = np.concatenate([classifier(images[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(classifier(images), alone, atol=1e-6)
    assert np.ptp(alone, axis=0).min() > 1e-3


def test_a_periodic_one_does_not_know_where_a_cell_begins(getkey):
    images = jax.random.normal(getkey(), (2, 8, 12, 1), "float32")
    moved = jax.numpy.roll(images, (2, 6), (1, 2))
    periodic = KINDS["stages"](periodic=True)
    np.testing.assert_allclose(periodic(moved), periodic(images), atol=1e-5)
    assert float(abs(KINDS["stages"]()(moved) - KINDS["stages"]()(images)).max()) > 1e-3


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
