"""`idml_jax.evaluation.memorization` against planted copies and a search by brute force."""

import numpy as np
import pytest

from idml_jax.data import Micrograph
from idml_jax.errors import InputError
from idml_jax.evaluation import nearest_training_crop


def micrograph(seed, rows, cols):
    grey = np.random.default_rng(seed).random((rows, cols, 1)).astype(np.float32)
    return Micrograph(grey, f"micrograph {seed}")


TRAINING = [micrograph(0, 20, 31), micrograph(1, 27, 20), micrograph(2, 8, 8)]


def symmetries(square):
    """The square turned by quarters, then the same of its mirror image."""
    return [np.rot90(side, k) for side in (square, square[:, ::-1]) for k in range(4)]


@pytest.mark.parametrize("symmetry", range(8))
@pytest.mark.parametrize(("which", "row", "col"), [(0, 3, 5), (0, 12, 23), (1, 0, 0), (2, 0, 0)])
def test_a_copy_is_found_wherever_it_is_and_however_it_is_turned(which, row, col, symmetry):
    planted = TRAINING[which].image[row : row + 8, col : col + 8, 0]
    image = symmetries(planted)[symmetry][..., None].copy()
    found = nearest_training_crop(image, TRAINING)
    assert found.distance == 0
    assert found.micrograph == f"micrograph {which}"
    np.testing.assert_array_equal(found.crop, image[..., 0])


@pytest.mark.parametrize("flipped", [(), (0,), (1,), (0, 1)])
def test_a_copy_of_an_oblong_is_found_in_its_four_symmetries(flipped):
    planted = TRAINING[1].image[4:10, 3:14]
    image = np.flip(planted, flipped).copy()
    found = nearest_training_crop(image, TRAINING[:2])
    assert found.distance == 0
    assert found.micrograph == "micrograph 1"
    np.testing.assert_array_equal(found.crop, image[..., 0])
    # A quarter turn of it has no place in its own orientation.
    assert nearest_training_crop(np.rot90(planted).copy(), TRAINING[:2]).distance > 0.1


def test_it_is_the_nearest_of_all_places_and_symmetries():
    for seed in range(5):
        image = micrograph(seed + 10, 5, 5).image
        candidates = [
            (float(np.sqrt(np.mean((turned - image[..., 0]) ** 2))), one.name, turned)
            for one in TRAINING
            for row in range(one.image.shape[0] - 4)
            for col in range(one.image.shape[1] - 4)
            for turned in symmetries(one.image[row : row + 5, col : col + 5, 0])
        ]
        distance, name, crop = min(candidates, key=lambda candidate: candidate[0])
        found = nearest_training_crop(image, TRAINING)
        assert found.distance == pytest.approx(distance, rel=1e-6)
        assert found.micrograph == name
        np.testing.assert_array_equal(found.crop, crop)


def test_a_window_does_not_reach_around_the_border():
    """What would be a copy if the micrograph were periodic is none."""
    image = np.roll(TRAINING[2].image, (3, 5), (0, 1))[:6, :6]
    assert nearest_training_crop(image, TRAINING[2:]).distance > 0.1


@pytest.mark.parametrize("offset", [0.01, 0.1])
def test_distance_of_a_copy_made_brighter_is_the_brightness(offset):
    image = TRAINING[0].image[4:16, 7:19] + np.float32(offset)
    found = nearest_training_crop(image, TRAINING[:2])
    assert found.distance == pytest.approx(offset, rel=1e-5)


def test_precision_of_the_image_does_not_matter():
    image = TRAINING[0].image[4:12, 7:15].astype(float)
    assert nearest_training_crop(image, TRAINING).distance == 0


def test_a_copy_of_phases_is_found_by_all_of_its_channels():
    """Two micrographs that agree in one phase and not in the others."""
    labels = np.random.default_rng(3).integers(0, 3, (20, 24))
    swapped = np.where(labels == 0, 0, 3 - labels)
    phases = [
        Micrograph((one[..., None] == np.arange(3)).astype(np.float32), name)
        for one, name in ((swapped, "swapped"), (labels, "own"))
    ]
    planted = np.rot90(phases[1].image[3:11, 5:13]).copy()
    found = nearest_training_crop(planted, phases)
    assert (found.distance, found.micrograph) == (0, "own")
    np.testing.assert_array_equal(found.crop, planted)
    # In the other one alone it is where the fewest memberships differ, over all places and turns.
    places = [phases[0].image[r : r + 8, c : c + 8] for r in range(13) for c in range(17)]
    turned = [side for place in places for side in symmetries(place)]
    expected = min(float(np.sqrt(np.mean((one - planted) ** 2))) for one in turned)
    assert expected > 0.3
    assert nearest_training_crop(planted, phases[:1]).distance == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_compared_is_refused():
    image = np.zeros((8, 8, 1), np.float32)
    with pytest.raises(ValueError, match="`training` is empty"):
        nearest_training_crop(image, [])
    with pytest.raises(InputError, match="micrograph 3: 7 x 30 pixels, smaller than"):
        nearest_training_crop(image, [*TRAINING, micrograph(3, 7, 30)])
    colour = Micrograph(np.zeros((9, 9, 3), np.float32), "colour")
    with pytest.raises(ValueError, match="colour has 3 channels"):
        nearest_training_crop(image, [colour])
