"""Scores on features: each beside that of training images, as the pieces compute them."""

import math

import numpy as np
import pytest

from idml_jax.data import Micrograph
from idml_jax.evaluation import (
    FEATURE_COLUMNS,
    compare_features,
    frechet_distance,
    kernel_distance,
    manifold_scores,
)


def images(seed, count, power=1.0):
    return np.random.default_rng(seed).random((count, 4, 4, 1)) ** power


def moments(batch):
    return np.stack([batch.mean((1, 2, 3)), batch.std((1, 2, 3))], axis=1)


@pytest.fixture(scope="module")
def ensembles():
    """More generated than training images, so that a subset of them is taken for some scores."""
    return images(0, 90, 1.5), [images(1, 12), images(2, 18)], [images(3, 20), images(4, 20)]


def test_every_score_is_that_of_its_function_and_the_floor_that_of_training_images(ensembles):
    made, held_out, training = ensembles
    found = compare_features(made, held_out, training, moments, subsets=9, force_frechet=True)
    features = [moments(made), *(moments(np.concatenate(s)) for s in (training, held_out))]
    assert found.images == (90, 30, 40)
    for scores, sample in ((found.generated, features[0]), (found.real, features[1])):
        expected = kernel_distance(sample, features[2], subsets=9, size=15)
        assert scores.kernel == pytest.approx(expected, rel=1e-9)
        assert scores.kernel.deviation > 0
        expected = frechet_distance(sample, features[2], force=True)
        assert scores.frechet == pytest.approx(expected, rel=1e-9)
    # All 40 training images are taken; their order is of no importance.
    assert found.real.manifold == manifold_scores(features[1], features[2])
    assert found.generated.kernel.mean > found.real.kernel.mean


def test_micrographs_are_cut_into_crops(ensembles):
    made, held_out, training = ensembles
    tall = [
        [Micrograph(side.reshape(-1, 4, 1), f"{kind}{n}") for n, side in enumerate(group)]
        for kind, group in (("a", held_out), ("b", training))
    ]
    expected = compare_features(made, held_out, training, moments, subsets=3)
    assert compare_features(made, *tall, moments, subsets=3).plain() == expected.plain()


def test_the_table_names_what_is_left_out(ensembles):
    found = compare_features(*ensembles, moments, subsets=3)
    assert math.isnan(found.generated.frechet)
    assert found.plain()["generated"]["FID"] is None
    assert [row[0] for row in found.rows()] == ["KID", "precision", "recall", "density", "coverage"]
    assert "FID is left out: it needs 2048 images" in str(found)
    assert {len(row) for row in found.rows()} == {len(FEATURE_COLUMNS)}
    forced = compare_features(*ensembles, moments, subsets=3, force_frechet=True)
    assert forced.rows()[1][0] == "FID" and "left out" not in str(forced)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="6"):
        compare_features(images(0, 20), [images(1, 4)], [images(2, 20)], moments)
