"""Members of a segmenter: turns undone, what dropout alone leaves out, and how they differ."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

from idml_jax import training
from idml_jax.models import UNet
from idml_jax.training import segmenter as segmenters

pytestmark = pytest.mark.usefixtures("standard_promotion")

IMAGE = np.random.default_rng(0).random((9, 14, 1)).astype(np.float32)


class Same:
    """Says an image's channels, and remembers what it was shown."""

    classes, channels, reach, multiple = (0, 1), 2, 0, 1

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        return images

    def predict(self, image):
        self.seen.append(image)
        return image


class Fixed(Same):
    """Says what it was given, whatever the image."""

    def __init__(self, shares):
        self.shares = shares

    def predict(self, image):
        return self.shares


def segmenter(dropout=0.5, *, features=(3, 3), classes=(0, 1, 2), seed=0):
    """Of random weights and moments."""
    network = UNet(1, len(classes), features=features, dropout=dropout, rngs=nnx.Rngs(seed))
    draw = np.random.default_rng(seed)
    for _, layer in nnx.iter_modules(network):
        if isinstance(layer, nnx.BatchNorm):
            layer.mean[...] = jnp.asarray(draw.normal(size=layer.mean.shape), jnp.float32)
            layer.var[...] = jnp.asarray(draw.uniform(0.5, 2, layer.var.shape), jnp.float32)
    network.eval()
    moments = np.full(1, 0.5, np.float32), np.full(1, 0.3, np.float32)
    return training.Segmenter(network, *moments, classes)


@pytest.mark.parametrize(("turns", "count"), [("all", 8), ("mirrors", 4), ("sideways", 2)])
def test_each_turn_is_another_one_and_is_undone(turns, count):
    inner = Same()
    image = np.random.default_rng(1).random((5, 7, 2)).astype(np.float32)
    members = training.turned_members(inner, turns)
    assert len(members) == count
    for member in members:
        np.testing.assert_array_equal(member.predict(image), image)
        np.testing.assert_array_equal(member(image[None]), image[None])
    expected = [np.rot90(part, k) for part in (image, image[::-1]) for k in range(4)]
    if turns == "mirrors":
        expected = [each for each in expected if each.shape == image.shape]
    if turns == "sideways":
        expected = [image, image[:, ::-1]]
    assert {each.tobytes() for each in inner.seen} == {each.tobytes() for each in expected}


def test_the_mean_over_all_turns_turns_with_the_image():
    plain = segmenter(features=(4, 8))
    mean = training.UncertainSegmenter(training.turned_members(plain))
    turned = np.rot90(IMAGE[:, ::-1]).copy()
    found, expected = mean.predict(turned), np.rot90(mean.predict(IMAGE)[:, ::-1])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # One network alone does not.
    alone = plain.predict(turned) - np.rot90(plain.predict(IMAGE)[:, ::-1])
    assert np.abs(alone).max() > 1e-3
    np.testing.assert_allclose(mean(IMAGE[None])[0], mean.predict(IMAGE), atol=0.1)


def test_a_draw_leaves_channels_out_and_nothing_else_differs():
    """Of three coarsest channels, by each of the eight ways to leave some out."""
    plain = segmenter()
    framed = np.pad(IMAGE, ((0, 64 - 9), (0, 64 - 14), (0, 0)), mode="symmetric")[None]
    whole = {}
    for mask in itertools.product((0.0, 1.0), repeat=3):
        network = nnx.clone(plain.network)

        class Masked(nnx.Module):
            def __call__(self, x, rngs=None, mask=mask):
                return x * jnp.asarray(mask, jnp.float32).reshape(1, 1, 1, 3) / 0.5

        network.dropout = Masked()
        network.eval()
        whole[mask] = nnx.softmax(network((framed - 0.5) / np.float32(0.3)))[0, :9, :14]
    members = training.thinned_members(plain, 12, seed=3)
    hit = []
    for member in members:
        found = member.predict(IMAGE)
        np.testing.assert_array_equal(member.predict(IMAGE), found)
        near = [mask for mask, each in whole.items() if np.abs(each - found).max() < 1e-5]
        assert len(near) == 1
        hit.append(near[0])
    assert len({*hit}) > 3
    again = training.thinned_members(plain, 12, seed=3)
    np.testing.assert_array_equal(again[5].predict(IMAGE), members[5].predict(IMAGE))
    # What it was made of is as it was.
    np.testing.assert_array_equal(plain.predict(IMAGE), segmenter().predict(IMAGE))


def test_members_that_contradict_each_other_are_all_information():
    sure = np.zeros((1, 2, 2), np.float32)
    sure[0, :, 0] = 1
    told = training.UncertainSegmenter([Fixed(sure), Fixed(sure[..., ::-1])]).tell(sure)
    np.testing.assert_allclose(told.entropy, np.log(2), rtol=1e-6)
    np.testing.assert_allclose(told.information, np.log(2), rtol=1e-6)
    assert told.labels.tolist() == [[[0, 0]], [[1, 1]]]


def test_entropy_and_information_are_those_of_the_definition():
    random = np.random.default_rng(0)
    members = special.softmax(random.normal(size=(5, 6, 4, 3)), axis=-1).astype(np.float32)
    told = training.UncertainSegmenter([Fixed(each) for each in members]).tell(IMAGE[:6, :4])
    mean = members.mean(axis=0)
    np.testing.assert_allclose(told.probabilities, mean, rtol=1e-6)
    np.testing.assert_allclose(told.entropy, -(mean * np.log(mean)).sum(axis=-1), rtol=1e-5)
    # The mutual information as the mean distance of Kullback and Leibler from the mean.
    apart = (members * np.log(members / mean[None])).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(told.information, apart, atol=1e-6)
    same = training.UncertainSegmenter([Fixed(mean)] * 3).tell(IMAGE[:6, :4])
    np.testing.assert_allclose(same.information, 0, atol=1e-6)


def test_a_temperature_is_that_of_the_logarithms():
    plain = segmenter()
    found = plain.at_temperature(2.5).predict(IMAGE)
    expected = special.softmax(np.log(plain.predict(IMAGE)) / 2.5, axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    thinned = training.thinned_members(plain.at_temperature(2.5), 2)
    assert [each.temperature for each in thinned] == [2.5, 2.5]


def test_segmenters_of_one_structure_are_compiled_once(monkeypatch):
    traced = []

    def counted(images, mean, deviation):
        traced.append(images.shape)
        return (images - 0.5) / 0.3

    monkeypatch.setattr(segmenters, "standardized", counted)
    for seed in range(3):
        segmenter(features=(3, 5), seed=seed).predict(IMAGE)
    assert len(traced) == 1


def test_an_ensemble_is_of_what_tells_the_same_and_is_differentiable():
    members = [segmenter(seed=seed) for seed in range(3)]
    ensemble = training.UncertainSegmenter(members)
    expected = np.mean([each.predict(IMAGE) for each in members], axis=0)
    np.testing.assert_allclose(ensemble.predict(IMAGE), expected, atol=1e-6)
    assert (ensemble.reach, ensemble.multiple) == (members[0].reach, 2)
    slope = jax.grad(lambda image: ensemble(image)[..., 0].sum())(jnp.asarray(IMAGE[None]))
    assert float(jnp.abs(slope).max()) > 0
    with pytest.raises(ValueError, match="several `classes`"):
        training.UncertainSegmenter([members[0], segmenter(classes=(0, 1, 5))])
    with pytest.raises(ValueError, match="one alone"):
        training.UncertainSegmenter(members[:1])


def test_members_that_there_are_not_are_refused():
    assert training.dropout_of(segmenter()) == 0.5
    with pytest.raises(ValueError, match="without dropout"):
        training.thinned_members(segmenter(0.0), 4)
    with pytest.raises(ValueError, match='`turns` is "none"'):
        training.turned_members(segmenter(), "none")
