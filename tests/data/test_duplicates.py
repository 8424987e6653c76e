"""Images that are the same or nearly, and those that are not."""

import dataclasses

import numpy as np
from skimage import transform

from idml_jax import data


def field(seed, side=96):
    """Smooth noise, as unlike another as micrographs of other fields are."""
    noise = np.random.default_rng(seed).random((side // 4, side // 4))
    return transform.resize(noise, (side, side), order=1).astype(np.float32)[..., None]


def test_the_same_pixels_are_equal_whatever_they_are_called():
    one, other = data.Micrograph(field(0), "one"), data.Micrograph(field(0), "other")
    assert data.find_duplicates([one, other]) == [data.Duplicate("one", "other", True)]
    assert data.find_duplicates([one], [other]) == [data.Duplicate("one", "other", True)]


def test_other_contrast_size_and_noise_are_nearly_the_same():
    image = field(0)
    noisy = image + 0.01 * np.random.default_rng(1).normal(size=image.shape).astype(np.float32)
    large = transform.resize(image, (150, 150, 1), order=1)
    for changed in (0.5 * image + 0.2, noisy, large):
        pair = data.Micrograph(image, "one"), data.Micrograph(changed.astype(np.float32), "other")
        assert data.find_duplicates(pair) == [data.Duplicate("one", "other", False)]


def test_other_fields_are_neither_nor_is_an_image_without_contrast():
    given = [data.Micrograph(field(seed), f"{seed}") for seed in range(6)]
    flat = np.full((96, 96, 1), 0.5, np.float32)
    given += [data.Micrograph(flat, "flat"), data.Micrograph(0.5 * flat, "darker")]
    assert data.find_duplicates(given) == []


def test_files_are_named_by_their_path():
    one = data.Micrograph(field(0), "one", path="folder/one.png")
    other = dataclasses.replace(one, path="folder/two.png")
    assert data.find_duplicates([one, other])[0].second == "folder/two.png"


def test_micrographs_of_a_superalloy_are_all_different(real_data):
    folder = real_data / "nasa-superalloy" / "images"
    assert data.find_duplicates(data.read_folder(folder)) == []
