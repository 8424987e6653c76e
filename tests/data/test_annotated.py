"""Micrographs with masks: what is read, what is refused by name, and how they are cropped."""

import json

import imageio.v3 as imageio
import jax
import numpy as np
import pytest
import tifffile

from idml_jax import data
from idml_jax.errors import InputError


@pytest.fixture
def folders(tmp_path):
    """Three images of 10 x 12 pixels, whose masks say whether a pixel is bright."""
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in "abc":
        pixels = random.integers(0, 256, (10, 12), np.uint8)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", pixels)
        imageio.imwrite(
            tmp_path / "masks" / f"{name}.png", np.where(pixels > 127, 255, 7).astype(np.uint8)
        )
    return tmp_path / "images", tmp_path / "masks"


def write(folder, name, mask):
    imageio.imwrite(folder / f"{name}.png", np.asarray(mask, np.uint8))


def test_labels_are_the_numbers_of_the_classes(folders):
    found = data.read_annotated(*folders)
    assert found.classes == (7, 255)
    assert [one.name for one in found.micrographs] == ["a", "b", "c"]
    for one in found.micrographs:
        np.testing.assert_array_equal(one.labels, one.micrograph.image[..., 0] > 0.5)
    other = data.read_annotated(*folders, classes=(255, 7), names=["b"])
    np.testing.assert_array_equal(other.micrographs[0].labels, 1 - found.micrographs[1].labels)


def test_what_nobody_annotated_is_minus_one(folders):
    found = data.read_annotated(*folders, unlabelled=7, classes=(255, 3))
    assert {*np.unique(found.micrographs[0].labels)} == {-1, 0}


def test_rows_are_cut_off_masks_that_are_as_high_as_the_image(folders):
    images, masks = folders
    whole = data.read_annotated(images, masks).micrographs
    cut = data.read_annotated(images, masks, crop_bottom=3).micrographs
    np.testing.assert_array_equal(cut[0].labels, whole[0].labels[:-3])
    write(masks, "a", imageio.imread(masks / "a.png")[:-3])
    mixed = data.read_annotated(images, masks, crop_bottom=3).micrographs
    np.testing.assert_array_equal(mixed[0].labels, cut[0].labels)


def test_all_files_that_cannot_be_used_are_named_at_once(folders):
    images, masks = folders
    write(masks, "a", np.full((10, 11), 7))
    (images / "b.tif").write_bytes(b"no image")
    imageio.imwrite(masks / "c.png", np.zeros((10, 12, 3), np.uint8))
    with pytest.raises(InputError) as caught:
        data.read_annotated(images, masks)
    message = str(caught.value)
    assert message.startswith("3 files cannot be used") and "\n" not in message
    for part in ("a.png: 10 x 11 pixels, and the image 10 x 12", "b.tif", "c.png: holds colours"):
        assert part in message


def test_values_that_are_no_class_are_counted(folders):
    images, masks = folders
    mask = imageio.imread(masks / "b.png")
    mask[0, :3] = 9
    write(masks, "b", mask)
    with pytest.raises(InputError, match=r"b\.png: holds 9 in 3 pixels; the classes are 7, 255"):
        data.read_annotated(images, masks, classes=(7, 255))
    assert data.read_annotated(images, masks).classes == (7, 9, 255)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda images, masks: (masks / "c.png").unlink(), "masks: no mask called c; put"),
        (lambda images, masks: (images / "a.tif").unlink(), "images: no image called a; put"),
        (lambda images, masks: [write(masks, n, np.full((10, 12), 7)) for n in "abc"], "one value"),
        (lambda images, masks: write(masks, "b", np.arange(120).reshape(10, 12)), "classes are 64"),
    ],
)
def test_a_set_that_is_not_one_is_one_line(folders, change, rule):
    change(*folders)
    with pytest.raises(InputError, match=rule):
        data.read_annotated(*folders)


def test_names_without_files_are_listed(folders):
    with pytest.raises(InputError, match="no image called x, y; put the files there, or take"):
        data.read_annotated(*folders, names=["a", "y", "x"])
    with pytest.raises(InputError, match="does not exist"):
        data.read_annotated(folders[0], folders[1].parent / "nowhere")


def test_image_and_mask_are_cropped_and_turned_together(folders):
    """The mask is a function of the image, so that any difference shows."""
    annotated = data.read_annotated(*folders).micrographs
    resident = data.keep_annotated_on_device(annotated, 2, size=6)
    images, labels = data.random_annotated_crops(
        jax.random.key(0), resident, count=64, size=6, around_classes=0.5
    )
    assert images.shape == (64, 6, 6, 1) and labels.shape == (64, 6, 6)
    np.testing.assert_array_equal(labels, np.asarray(images)[..., 0] > 0.5)
    assert len({image.tobytes() for image in np.asarray(images)}) > 50


def test_a_crop_larger_than_its_micrograph_is_filled_by_what_nobody_annotated(folders):
    annotated = data.read_annotated(*folders).micrographs
    resident = data.keep_annotated_on_device(annotated, 2, size=16)
    crops = data.random_annotated_crops(
        jax.random.key(0), resident, count=4, size=16, turns="none", around_classes=0.5
    )
    for image, labels in zip(*map(np.asarray, crops), strict=True):
        assert (labels[10:] == -1).all() and (labels[:, 12:] == -1).all()
        assert (labels[:10, :12] >= 0).all() and not image[10:].any()


def test_rare_classes_are_seen_by_crops_around_them(tmp_path):
    """One pixel in 10,000: at random places 8 x 8 crops hold it once in 160, around it always."""
    labels = np.zeros((100, 100), np.int32)
    labels[40, 70] = 2
    labels[:, :50] = 1
    image = np.random.default_rng(0).random((100, 100, 1), np.float32)
    one = data.Annotated(data.Micrograph(image, "one"), labels)
    resident = data.keep_annotated_on_device([one], 4, size=8)

    def holding(around):
        _, found = data.random_annotated_crops(
            jax.random.key(1), resident, count=300, size=8, around_classes=around
        )
        return (np.asarray(found) == 2).any(axis=(1, 2)).mean()

    assert holding(0.0) < 0.03
    # Class 3 has no pixel, and is never drawn: each of the other three is, as often.
    assert holding(1.0) == pytest.approx(1 / 3, abs=0.08)
    # The pixel may be anywhere in the crop.
    _, found = data.random_annotated_crops(
        jax.random.key(2), resident, count=300, size=8, around_classes=1.0
    )
    rows, cols = np.nonzero((np.asarray(found) == 2).any(axis=0))
    assert len(rows) > 40


def test_the_official_lists_of_a_superalloy_are_read(real_data):
    folder = real_data / "nasa-superalloy"
    split = json.loads((folder / "splits.json").read_text())["Super1"]
    found = data.read_annotated(folder / "images", folder / "masks", names=split["val"])
    assert found.classes == (0, 1, 2) and len(found.micrographs) == 4
    assert found.micrographs[0].labels.shape == (512, 512)
