"""Classifiers: what they learn, that stopping changes nothing, and what they refuse."""

import dataclasses

import jax
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from idml_jax import data, evaluation, training
from idml_jax.errors import InputError
from idml_jax.models import ResNet, pytorch_parameters

pytestmark = pytest.mark.usefixtures("standard_promotion")

RECIPE = training.ClassifierRecipe(
    features=(4, 8), embedding=8, steps=200, batch=16, learning_rate=3e-2
)


def stripes(counts, seed=0, side=12):
    """Noise, stripes of one pixel and of three, of any phase and contrast, along either axis."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    images = random.uniform(0.3, 0.7, (len(labels), side, side, 1))
    for image, label in zip(images, labels, strict=True):
        if label:
            wave = ((np.arange(side) + random.integers(side)) // (2 * label - 1)) % 2
            image[..., 0] += random.uniform(0.2, 0.3) * (2 * wave - 1)
            if random.integers(2):
                image[:] = image.swapaxes(0, 1)
    return images.astype(np.float32), labels


def test_classes_are_learned_and_kept(tmp_path):
    images, labels = stripes((40, 40, 12))
    classifier = training.train_classifier(
        images, labels, RECIPE, run=tmp_path / "run", augment=data.turn_at_random
    )
    unseen, truth = stripes((20, 20, 20), seed=5)
    found = classifier.predict(unseen, batch=16)
    assert found.shape == (60, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    counts = evaluation.confusion_matrix(truth, found.argmax(axis=1), classes=3)
    assert float(evaluation.f_score(counts, average="macro")) > 0.95, counts
    again = training.load_classifier(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(unseen, batch=16), found)
    features = evaluation.encode(unseen, again.features)
    assert features.shape == (60, 8)
    slope = jax.grad(lambda x: classifier(x)[:, 0].sum())(unseen[:2])
    assert np.isfinite(slope).all() and float(abs(slope).max()) > 0
    (*_, last) = training.read_records(tmp_path / "run")
    assert last["loss"] < 0.2 and last["accuracy"] > 0.9


def test_balance_raises_what_a_rare_class_is_given(tmp_path):
    """Of images that say nothing, the probabilities are the classes' shares, or all the same."""
    images, labels = np.full((40, 4, 4, 1), 0.5, np.float32), np.repeat([0, 1], (36, 4))
    found = {}
    for balanced in (False, True):
        recipe = training.ClassifierRecipe(
            features=(2,), embedding=2, steps=300, batch=40, balanced=balanced
        )
        run = tmp_path / str(balanced)
        found[balanced] = training.train_classifier(images, labels, recipe, run=run)(images[:1])
    np.testing.assert_allclose(found[False][0], [0.9, 0.1], atol=0.01)
    np.testing.assert_allclose(found[True][0], [0.5, 0.5], atol=0.01)


def test_images_without_a_label_are_as_if_they_were_not_there(tmp_path):
    images, labels = stripes((12, 12))
    recipe = dataclasses.replace(RECIPE, steps=4)
    more = np.concatenate([images, np.ones((3, 12, 12, 1), np.float32)])
    known = np.concatenate([labels, [-1, -1, -1]])
    alone = training.train_classifier(images, labels, recipe, run=tmp_path / "alone")
    beside = training.train_classifier(more, known, recipe, run=tmp_path / "beside")
    np.testing.assert_array_equal(alone.predict(images), beside.predict(images))


def test_brightness_and_contrast_of_all_images_make_no_difference(tmp_path):
    images, labels = stripes((12, 12))
    pixels = np.rint(100 * images)
    recipe = dataclasses.replace(RECIPE, steps=4)
    found = {}
    for name, each in {"as they are": pixels, "others": 2 * pixels + 40}.items():
        shown = (each / 255).astype(np.float32)
        network = training.train_classifier(shown, labels, recipe, run=tmp_path / name)
        found[name] = network.predict(shown)
    np.testing.assert_allclose(found["as they are"], found["others"], atol=1e-4)


def test_stopped_and_started_again_it_ends_with_the_same_bits(tmp_path):
    images, labels = stripes((12, 12))

    def stop(classifier, done):
        raise KeyboardInterrupt

    recipe = dataclasses.replace(RECIPE, steps=8)
    options = {"augment": data.turn_at_random, "save_every": 3}
    whole = training.train_classifier(images, labels, recipe, run=tmp_path / "whole", **options)
    parts = tmp_path / "parts"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_classifier(images, labels, recipe, run=parts, show=stop, **options)
    again = training.train_classifier(images, labels, recipe, run=parts, **options)
    np.testing.assert_array_equal(again.predict(images), whole.predict(images))


@pytest.mark.parametrize(
    "options",
    [
        {"features": (2, 3, 3), "architecture": "three", "crop": 0.5, "decay": 0.1},
        {"features": (2, 3), "architecture": "equivariant", "normalization": "batch", "crop": 9.0},
        {"features": (2, 3), "architecture": "stages", "optimizer": "muon"},
    ],
    ids=lambda options: options["architecture"],
)
def test_every_network_ends_with_the_same_bits_and_is_loaded(tmp_path, options):
    """Stopped or not, with what it leaves to chance; judged by whole images of any size."""
    images, labels = stripes((12, 12))

    def stop(classifier, done):
        raise KeyboardInterrupt

    recipe = dataclasses.replace(RECIPE, steps=6, dropout=0.3, **options)
    whole = training.train_classifier(images, labels, recipe, run=tmp_path / "whole")
    parts, few = tmp_path / "parts", {"save_every": 3}
    with pytest.raises(KeyboardInterrupt):
        training.train_classifier(images, labels, recipe, run=parts, show=stop, **few)
    training.train_classifier(images, labels, recipe, run=parts, **few)
    again = training.load_classifier(parts)
    found = again.predict(images)
    np.testing.assert_array_equal(found, whole.predict(images))
    assert again.features(images[:, :9]).shape == (24, 3 if len(recipe.features) == 3 else 8)
    if recipe.architecture == "equivariant":
        turned = again.predict(np.rot90(images, axes=(1, 2)))
        np.testing.assert_allclose(turned, found, atol=1e-5)


def test_crops_are_what_is_trained_on(tmp_path):
    seen = []

    def augment(key, images):
        seen.append(images.shape)
        return images

    recipe = dataclasses.replace(RECIPE, features=(2,), steps=2)
    for crop, sides in ((1.0, (12, 12)), (0.6, (7, 7)), (5.0, (5, 5))):
        other = dataclasses.replace(recipe, crop=crop)
        training.train_classifier(IMAGES, LABELS, other, run=tmp_path / str(crop), augment=augment)
        assert {*seen} == {(16, *sides, 1)}
        seen.clear()
    assert other.cropped((40, 9)) == (5, 5)
    assert dataclasses.replace(recipe, crop=0.25).cropped((40, 10)) == (10, 2)
    with pytest.raises(ValueError, match="larger than images of the sides"):
        training.train_classifier(
            IMAGES, LABELS, dataclasses.replace(recipe, crop=13.0), run=tmp_path / "large"
        )


def test_a_residual_network_begins_with_given_weights_and_frozen_it_keeps_them(tmp_path):
    given = {
        name: np.ascontiguousarray(
            np.array(value).transpose(3, 2, 0, 1) if value.ndim == 4 else np.array(value)
        )
        for name, value in pytorch_parameters(ResNet(1, 18, rngs=nnx.Rngs(7))).items()
    }
    safetensors.numpy.save_file(given, tmp_path / "weights.safetensors")
    recipe = dataclasses.replace(RECIPE, architecture="resnet18", frozen=True, steps=2)
    run, options = tmp_path / "run", {"weights": tmp_path / "weights.safetensors"}
    classifier = training.train_classifier(IMAGES, LABELS, recipe, run=run, **options)
    network = ResNet(1, 18, rngs=nnx.Rngs(7))
    network.eval()
    # Images of zero mean and unit variance are what it is given.
    pixels = (np.rint(255 * IMAGES) / 255).astype(np.float32)
    standard = (pixels - pixels.mean()) / pixels.std()
    expected = jax.jit(lambda images: network(images)[-1])(standard).mean(axis=(1, 2))
    np.testing.assert_allclose(classifier.features(pixels), expected, atol=1e-4)
    again = training.load_classifier(run)
    np.testing.assert_array_equal(again.predict(IMAGES), classifier.predict(IMAGES))
    with pytest.raises(InputError, match="weights is"):
        training.train_classifier(IMAGES, LABELS, recipe, run=run)
    with pytest.raises(InputError, match="has none of them"):
        training.train_classifier(IMAGES, LABELS, RECIPE, run=tmp_path / "other", **options)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"architecture": "resnet18", "normalization": "group"}, "are not chosen for"),
        ({"architecture": "resnet34", "periodic": True}, "are not chosen for"),
        ({"frozen": True}, "`frozen` is of a residual"),
        ({"architecture": "resnet50", "frozen": True, "decay": 0.1}, "do not shrink"),
        ({"architecture": "three"}, "are three of three convolutions"),
        ({"crop": 0.0}, "a share up to 1"),
        ({"crop": 12.5}, "a share up to 1"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        dataclasses.replace(RECIPE, **options)


def test_a_recipe_without_newer_fields_is_one_from_before_there_were_any():
    assert {*RECIPE.plain()} == {
        *"features embedding periodic balanced steps batch learning_rate seed".split()
    }


IMAGES, LABELS = stripes((12, 12))


@pytest.mark.parametrize(
    ("images", "labels", "rule"),
    [
        (IMAGES[..., 0], LABELS, "rows, cols, channels"),
        (IMAGES, LABELS[:-1], "rows, cols, channels"),
        (IMAGES, LABELS.astype(float), "integers from 0"),
        (IMAGES, LABELS - 2, "integers from 0"),
        (2 * IMAGES, LABELS, "outside of"),
        (np.where(IMAGES > 0.6, np.nan, IMAGES), LABELS, "not finite"),
        (IMAGES, np.where(LABELS == 1, -1, LABELS), "fewer than a batch"),
        (IMAGES, 2 * LABELS, "without a gap"),
        (IMAGES, 0 * LABELS, "two classes at least"),
    ],
)
def test_examples_that_do_not_go_together_are_refused(tmp_path, unchecked, images, labels, rule):
    with pytest.raises(ValueError, match=rule):
        training.train_classifier(images, labels, RECIPE, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_labels_is_refused(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=2)
    training.train_classifier(IMAGES, LABELS, recipe, run=tmp_path)
    with pytest.raises(InputError, match="examples is"):
        training.train_classifier(IMAGES, 1 - LABELS, recipe, run=tmp_path)
    with pytest.raises(InputError, match="no trained classifier"):
        training.load_classifier(tmp_path / "nothing")
