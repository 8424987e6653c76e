"""What networks are compared with: thresholds and a random forest."""

import numpy as np
import pytest

from idml_jax import data, evaluation, training

CLASSES = (7, 0, 255)


def annotated(count, greys=(0.2, 0.5, 0.8), seed=0, side=48):
    """Three grey levels, of the classes 2, 0 and 1, with a little noise."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        level = np.repeat(np.repeat(random.integers(0, 3, (6, 6)), 8, axis=0), 8, axis=1)
        image = np.array(greys)[level] + random.normal(0, 0.02, (side, side))
        labels = np.array([2, 0, 1])[level].astype(np.int32)
        labels[:4] = -1
        micrograph = data.Micrograph(image[..., None].astype(np.float32), str(number))
        found.append(data.Annotated(micrograph, labels))
    return found


def mean_iou(segmenter, given):
    counts = evaluation.pixel_counts(segmenter, given).sum(axis=0)
    return evaluation.pixel_scores(counts, CLASSES)["mean IoU"]


@pytest.mark.parametrize("kind", [training.ThresholdSegmenter, training.ForestSegmenter])
def test_grey_levels_are_told(kind):
    segmenter = kind.of(annotated(4), CLASSES)
    assert segmenter.classes == CLASSES
    shares = segmenter.predict(annotated(1)[0].micrograph.image)
    assert shares.shape == (48, 48, 3)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)
    assert mean_iou(segmenter, annotated(2, seed=9)) > 0.95


def test_thresholds_follow_each_image_and_a_forest_does_not():
    darker = annotated(2, greys=(0.1, 0.25, 0.4), seed=9)
    known = annotated(4)
    assert mean_iou(training.ThresholdSegmenter.of(known, CLASSES), darker) > 0.95
    assert mean_iou(training.ForestSegmenter.of(known, CLASSES), darker) < 0.7


def test_a_forest_sees_texture_that_a_threshold_does_not():
    given = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        image = random.random((48, 48))
        image[:, 24:] = np.arange(48)[:, None] % 2
        labels = np.zeros((48, 48), np.int32)
        labels[:, 24:] = 1
        given.append(
            data.Annotated(data.Micrograph(image[..., None].astype(np.float32), ""), labels)
        )
    ways = training.ThresholdSegmenter, training.ForestSegmenter
    scores = []
    for kind in ways:
        counts = evaluation.pixel_counts(kind.of(given[:2], (0, 1)), given[2:]).sum(axis=0)
        scores.append(evaluation.pixel_scores(counts, (0, 1))["mean IoU"])
    assert scores[0] < 0.5 and scores[1] > 0.9, scores


def test_a_class_without_a_pixel_is_never_said():
    two = [data.Annotated(one.micrograph, np.minimum(one.labels, 1)) for one in annotated(2)]
    for kind in (training.ThresholdSegmenter, training.ForestSegmenter):
        shares = kind.of(two, CLASSES).predict(two[0].micrograph.image)
        assert shares.shape[-1] == 3 and not shares[..., 2].any()


def test_an_image_of_too_few_greys_is_of_one_level():
    segmenter = training.ThresholdSegmenter.of(annotated(2), CLASSES)
    flat = segmenter.predict(np.full((5, 5, 1), 0.3, np.float32))
    assert (flat == flat[0, 0]).all()
