"""`idml_jax.data.read_labels`: the integers of a file as stored, and every way to be refused."""

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from idml_jax.data import read_labels
from idml_jax.errors import InputError

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 256, (20, 24), dtype=np.uint8)
STACK = GENERATOR.integers(0, 4, (5, 20, 24), dtype=np.uint8)


def write(path, pixels, **options):
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        PillowImage.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["tif", "png", "bmp"])
def test_bytes_are_kept_as_they_are(tmp_path, ending):
    labels = read_labels(write(tmp_path / f"a.{ending}", LABELS))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64, np.float32, np.float64]
)
def test_any_whole_numbers_of_a_tiff_are_labels(tmp_path, dtype):
    pixels = LABELS.astype(dtype) - 1 if np.dtype(dtype).kind != "u" else LABELS.astype(dtype)
    labels = read_labels(write(tmp_path / "a.tif", pixels))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, pixels)


def test_sixteen_bits_of_a_png_and_more_than_32_of_a_tiff(tmp_path):
    many = LABELS.astype(np.uint16) * 250
    np.testing.assert_array_equal(read_labels(write(tmp_path / "a.png", many)), many)
    large = LABELS.astype(np.int64) * 2**40
    found = read_labels(write(tmp_path / "a.tif", large))
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, large)


def test_a_palette_gives_its_indices_and_not_its_colours(palette_file):
    path, _ = palette_file(LABELS)
    np.testing.assert_array_equal(read_labels(path), LABELS)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_booleans_become_0_and_1_and_are_never_inverted(tmp_path, name, photometric):
    options = {"photometric": photometric} if name == "a.tif" else {}
    labels = read_labels(write(tmp_path / name, LABELS > 127, **options))
    np.testing.assert_array_equal(labels, (LABELS > 127).astype(int))


def test_alpha_is_left_out(tmp_path):
    PillowImage.fromarray(np.dstack([LABELS, LABELS // 2]), "LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), LABELS)


@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"imagej": True}])
def test_a_tiff_stack_is_planes_rows_cols(tmp_path, options):
    labels = read_labels(write(tmp_path / "a.tif", STACK, **options))
    np.testing.assert_array_equal(labels, STACK)


def test_a_real_stack_has_its_three_phases(real_data):
    labels = read_labels(real_data / "superres-electrodes" / "SOFC_lr_input.tif")
    assert labels.shape == (62, 62, 62)
    assert np.unique(labels).tolist() == [0, 1, 2]


def missing(path):
    return path


def empty(path):
    path.touch()


def text(path):
    path.write_text("not labels")


def coloured_tiff(path):
    write(path, np.dstack([LABELS] * 3), photometric="rgb")


def coloured_png(path):
    PillowImage.fromarray(np.dstack([LABELS] * 3)).save(path, format="png")


def fractions(path):
    write(path, LABELS + np.float32(0.25))


def not_a_number(path):
    pixels = LABELS.astype(np.float32)
    pixels[2, 3] = np.nan
    write(path, pixels)


def complex_numbers(path):
    write(path, LABELS.astype(np.complex64))


def four_axes(path):
    write(path, np.zeros((2, 5, 8, 8), np.uint8))


def truncated(path):
    write(path, LABELS)
    path.write_bytes(path.read_bytes()[:-100])


def truncated_png(path):
    PillowImage.fromarray(LABELS).save(path, format="png")
    path.write_bytes(path.read_bytes()[:200])


def jpeg(path):
    PillowImage.fromarray(LABELS).save(path, format="jpeg")


@pytest.mark.parametrize(
    "name, spoil, rule",
    [
        ("bad.png", missing, "does not exist"),
        ("bad.tif", empty, "0 bytes"),
        ("bad.png", text, "neither a PNG"),
        ("bad.tif", coloured_tiff, "3 channels"),
        ("bad.png", coloured_png, "R, G, B"),
        ("bad.tif", fractions, "480 of 480 values are no whole numbers"),
        ("bad.tif", not_a_number, "1 of 480 values"),
        ("bad.tif", complex_numbers, "complex64"),
        ("bad.tif", four_axes, "(2, 5, 8, 8)"),
        ("bad.tif", truncated, "cut short"),
        ("bad.png", truncated_png, "truncated"),
        ("bad.jpg", jpeg, "JPEG"),
    ],
)
def test_a_file_without_labels_is_refused_in_one_line_that_names_it(tmp_path, name, spoil, rule):
    path = tmp_path / name
    spoil(path)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    assert rule in message


@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"imagej": True}])
def test_a_stack_that_is_cut_short_never_comes_back_with_fewer_planes(tmp_path, options):
    path = write(tmp_path / "a.tif", STACK, **options)
    whole = path.read_bytes()
    refused = 0
    for length in range(8, len(whole), 97):
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(read_labels(path), STACK)
        except InputError:
            refused += 1
    assert refused > 10


def test_a_stack_that_claims_too_many_pixels_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", STACK)
    with pytest.raises(InputError, match="more than the 2000 allowed"):
        read_labels(path, max_pixels=2000)
