"""Features of images: what they do not see, what they tell, and that scikit-learn can use them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from idml_jax.errors import InputError
from idml_jax.training import features

ALL = [
    features.LocalBinaryPatterns(),
    features.Haralick(),
    features.OrientedGradients(),
    features.PowerSpectrum(bands=8),
    features.TwoPointStatistics(reach=8),
    features.GreyLevels(),
    features.VisualWords(words=8, radius=8),
    features.VisualWords(words=4, kind="vlad", radius=8),
    features.VisualWords(words=4, places="keypoints"),
]
NAMES = [f"{type(each).__name__}-{number}" for number, each in enumerate(ALL)]


def textures(count=6, seed=0, side=48):
    """Fine and coarse smooth noise, and stripes at any angle: three classes."""
    random = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    images, labels = [], []
    for label in range(3):
        for _ in range(count):
            noise = np.fft.fft2(random.normal(size=(side, side)))
            keep = np.exp(-((frequency * (2, 6, 6)[label]) ** 2) * 4)
            image = np.fft.ifft2(noise * keep).real
            image /= image.std()
            if label == 2:
                angle = random.uniform(0, np.pi)
                across = np.cos(angle) * at[0] + np.sin(angle) * at[1]
                image = np.sin(across * 2 * np.pi / 6 + random.uniform(0, 6)) + 0.3 * image
            images.append(0.5 + 0.1 * image)
            labels.append(label)
    return np.array(images, np.float32)[..., None], np.array(labels)


IMAGES, LABELS = textures()


@pytest.mark.parametrize("feature", ALL, ids=NAMES)
def test_each_image_has_a_row_of_finite_numbers_that_light_does_not_change(feature):
    feature = clone(feature).fit(IMAGES)
    found = feature.transform(IMAGES)
    assert len(found) == len(IMAGES) and np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() > 0
    darker = feature.transform(0.5 * IMAGES + 0.2)
    np.testing.assert_allclose(darker, found, atol=0.02 * abs(found).max())
    np.testing.assert_array_equal(feature.transform(IMAGES[3:5]), found[3:5])


@pytest.mark.parametrize("feature", ALL, ids=NAMES)
def test_an_image_without_contrast_has_numbers_too(feature):
    flat = np.full((1, 48, 48, 1), 0.5, np.float32)
    assert np.isfinite(clone(feature).fit(IMAGES).transform(flat)).all()


@pytest.mark.parametrize(
    "feature", [features.LocalBinaryPatterns(), features.Haralick(), features.PowerSpectrum(8)],
    ids=str,
)  # fmt: skip
def test_quarter_turns_and_mirrors_tell_nothing(feature):
    turned = np.rot90(IMAGES, axes=(1, 2))
    expected = feature.transform(IMAGES)
    scale = np.ptp(expected, axis=0).max()
    for other in (turned, IMAGES[:, ::-1]):
        np.testing.assert_allclose(feature.transform(other), expected, atol=0.05 * scale)


@pytest.mark.parametrize(
    ("feature", "least"),
    [
        (features.LocalBinaryPatterns(), 0.95),
        (features.Haralick(), 0.95),
        (features.PowerSpectrum(bands=8), 0.95),
        (features.TwoPointStatistics(reach=8), 0.7),
        (features.VisualWords(words=16, radius=8), 0.9),
        (features.VisualWords(words=6, kind="vlad", radius=8), 0.9),
    ],
    ids=str,
)
def test_textures_are_told_in_pipelines_and_folds(feature, least):
    images, labels = textures(count=10, seed=1)
    classifier = make_pipeline(feature, StandardScaler(), LogisticRegression(max_iter=500))
    scores = cross_val_score(classifier, images, labels, cv=5)
    assert scores.mean() >= least, scores


def test_a_fine_texture_has_the_power_of_short_waves():
    """By the closed form: a wave of 6 pixels has all of its power in one band."""
    at = np.arange(96)
    wave = np.sin(2 * np.pi * at / 6)[None, :, None, None] * np.ones((1, 1, 96, 1))
    bands = 12
    found = features.PowerSpectrum(bands).transform(wave)[0, :bands]
    edges = np.geomspace(1 / 96, 0.5, bands + 1)
    assert edges[found.argmax()] <= 1 / 6 < edges[found.argmax() + 1]


def test_two_point_statistics_are_those_of_the_bright_phase():
    stripes = np.tile([0.2, 0.2, 0.8, 0.8], 12)[None, None, :, None] * np.ones((1, 48, 1, 1))
    found = features.TwoPointStatistics(reach=4).transform(stripes)[0]
    # From the middle on: along the rows of the image 0, 1, 2 pixels apart.
    np.testing.assert_allclose(found[:3], [0.5, 12 / 47, 0], atol=0.02)


def test_a_vocabulary_of_more_words_than_descriptors_is_refused():
    with pytest.raises(InputError, match="fewer than the 5000 words"):
        features.VisualWords(words=5000, radius=8).fit(IMAGES)


def test_images_without_a_channel_axis_are_refused(unchecked):
    with pytest.raises(ValueError, match="rows, cols, channels"):
        features.Haralick().transform(IMAGES[..., 0])


def test_a_networks_features_are_a_transformer():
    embedding = features.Embedding(lambda images: images.mean(axis=(1, 2)), batch=4)
    found = embedding.fit(IMAGES).transform(IMAGES)
    np.testing.assert_allclose(found, IMAGES.mean(axis=(1, 2)), atol=1e-6)
    assert clone(embedding).batch == 4


@pytest.mark.parametrize("feature", [features.Haralick(), features.PowerSpectrum(8)], ids=str)
def test_what_is_remembered_is_the_same_and_computed_once(feature, monkeypatch):
    asked = []
    plain = type(feature).of_image
    monkeypatch.setattr(
        type(feature), "of_image", lambda self, image: asked.append(1) or plain(self, image)
    )
    known = features.Remembered(feature)
    expected = feature.transform(IMAGES)
    asked.clear()
    pipeline = make_pipeline(known, StandardScaler(), LogisticRegression(max_iter=500))
    cross_val_score(pipeline, IMAGES, LABELS, cv=3)
    np.testing.assert_array_equal(clone(known).transform(IMAGES), expected)
    assert len(asked) == len(IMAGES)
    # Other settings are other features.
    known.set_params(features=clone(features.GreyLevels()))
    np.testing.assert_array_equal(known.transform(IMAGES), features.GreyLevels().transform(IMAGES))


def test_words_of_remembered_descriptors_are_the_same():
    memory = features.Memory(features.descriptors_of)
    expected = features.VisualWords(words=8, radius=8).fit(IMAGES).transform(IMAGES)
    words = features.VisualWords(words=8, radius=8, memory=memory)
    np.testing.assert_array_equal(clone(words).fit(IMAGES).transform(IMAGES), expected)
    assert clone(words).memory is memory
    # Nothing is kept beyond what may be.
    forgetful = features.Memory(features.descriptors_of, most=0)
    words = features.VisualWords(words=8, radius=8, memory=forgetful)
    np.testing.assert_array_equal(words.fit(IMAGES).transform(IMAGES), expected)
