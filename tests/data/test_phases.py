"""`idml_jax.data.read_phases`: label images as memberships, and every way to be refused."""

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image

from idml_jax.data import Micrograph, choose_binning, choose_binning_of_phases, read_phases
from idml_jax.errors import InputError

LABELS = np.random.default_rng(0).choice(np.uint8([0, 7, 255]), (20, 24))


@pytest.fixture
def folder(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", LABELS, resolution=(5e6, 5e6), resolutionunit="CENTIMETER")
    Image.fromarray(np.where(LABELS == 7, 0, LABELS).astype(np.uint8)).save(tmp_path / "b.png")
    return tmp_path


def test_each_value_of_the_set_is_a_channel(folder):
    phases = read_phases(folder, crop_bottom=2)
    assert phases.labels == (0, 7, 255)
    first, second = phases.micrographs
    assert (first.name, second.name) == ("a", "b")
    np.testing.assert_array_equal(np.array([0, 7, 255])[first.image.argmax(-1)], LABELS[:18])
    np.testing.assert_array_equal(first.image.sum(axis=-1), 1)
    # A phase that one image does not have is a channel of it all the same.
    assert second.image.shape == (18, 24, 3) and not second.image[..., 1].any()
    assert first.pixel_size == pytest.approx((2e-9, 2e-9), rel=1e-5)
    assert read_phases(folder, pixel_size=1e-6).micrographs[1].pixel_size == (1e-6, 1e-6)
    binned = first.binned(2).image
    assert ((binned > 0) & (binned < 1)).any()
    np.testing.assert_allclose(binned.sum(axis=-1), 1)


def test_phases_that_are_named_are_the_channels(folder):
    assert read_phases(folder, labels=(0, 3, 7, 255)).micrographs[0].image.shape == (20, 24, 4)
    with pytest.raises(InputError, match=r"a.tif: holds the value 7, and the phases are 0, 255"):
        read_phases(folder, labels=(0, 255))


@pytest.mark.parametrize(
    ("pixels", "rule"),
    [
        (np.where(LABELS == 7, -1, LABELS.astype(np.int16)), "hold -1, not annotated"),
        (np.where(LABELS == 7, -3, LABELS.astype(np.int16)), r"a negative label \(-3\)"),
        (np.stack([LABELS, LABELS]), "a stack of 2 planes"),
        (np.arange(480, dtype=np.uint16).reshape(20, 24), "16 at most"),
        (np.full((20, 24), 0.5, np.float32), "no whole numbers"),
    ],
)
def test_what_is_no_image_of_phases_is_refused_by_name(folder, pixels, rule):
    tifffile.imwrite(folder / "c.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=rule) as refused:
        read_phases(folder)
    assert "c.tif" in str(refused.value) and "\n" not in str(refused.value)


def test_one_value_alone_or_no_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_phases(tmp_path / "none")
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(InputError, match="every pixel of the label images has the value 3"):
        read_phases(tmp_path)
    with pytest.raises(InputError, match="flat.png: has 8 rows, so 8 cannot be cropped"):
        read_phases(tmp_path, crop_bottom=8)


def test_binning_is_that_of_the_scarcest_phase():
    """Fine specks beside coarse blobs: the specks decide."""

    def blobs(seed, width, share):
        noise = np.random.default_rng(seed).standard_normal((256, 256))
        smooth = scipy.ndimage.gaussian_filter(noise, width, mode="wrap")
        return smooth > np.quantile(smooth, 1 - share)

    micrographs = []
    for seed in range(2):
        specks = blobs(seed, 3.0, 0.08)
        coarse = blobs(seed + 5, 12.0, 0.4) & ~specks
        image = np.stack([~specks & ~coarse, coarse, specks, np.zeros_like(specks)], axis=-1)
        micrographs.append(Micrograph(image.astype(np.float32), f"m{seed}"))
    fine, large = ([one.channel(k) for one in micrographs] for k in (2, 1))
    assert choose_binning(fine, 16) < choose_binning(large, 16)
    assert choose_binning_of_phases(micrographs, 16) == choose_binning(fine, 16)
