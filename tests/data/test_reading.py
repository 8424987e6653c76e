"""`idml_jax.data.read_micrograph` and `read_folder`: what is in the file is what comes out."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from idml_jax.data import read_folder, read_micrograph
from idml_jax.errors import InputError

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (20, 24), dtype=np.uint8)
GREY16 = GENERATOR.integers(0, 65536, (20, 24), dtype=np.uint16)
COLOUR = GENERATOR.integers(0, 256, (20, 24, 3), dtype=np.uint8)
FLOATS = GENERATOR.random((20, 24)).astype(np.float32)
BITS = GREY > 127


def write(path, pixels, **options):
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        PillowImage.fromarray(pixels).save(path, **options)
    return path


def expected(pixels):
    """The definition: divided by the largest value of the type, channels last."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels / (1 if pixels.dtype.kind in "bf" else np.iinfo(pixels.dtype).max)


@pytest.mark.parametrize("ending", ["tif", "png", "bmp"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR, BITS], ids=["grey", "rgb", "1-bit"])
def test_eight_bits_or_fewer_are_kept_exactly(tmp_path, ending, pixels):
    options = {"photometric": "rgb"} if ending == "tif" and pixels.ndim == 3 else {}
    path = write(tmp_path / f"a.{ending}", pixels, **options)
    micrograph = read_micrograph(path)
    assert micrograph.image.dtype == np.float32
    assert (micrograph.name, micrograph.specimen, micrograph.path) == ("a", "a", str(path))
    np.testing.assert_allclose(micrograph.image, expected(pixels), atol=1e-7)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_sixteen_bits_are_divided_by_65535(tmp_path, ending):
    image = read_micrograph(write(tmp_path / f"a.{ending}", GREY16)).image
    np.testing.assert_allclose(image, expected(GREY16), atol=1e-7)


def test_twelve_packed_bits_are_divided_by_4095(tmp_path):
    pixels = GREY16 // 16
    page = imagecodecs.packints_encode(pixels, 12)
    # Twelve bits of grey in one strip, written tag by tag: tifffile packs no integers itself.
    tags = [(256, 24), (257, 20), (258, 12), (259, 1), (262, 1), (273, 200), (277, 1)]
    tags += [(278, 20), (279, len(page))]
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little")
        for tag, value in tags
    )
    header = b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(header.ljust(200, b"\0") + page)
    image = read_micrograph(tmp_path / "a.tif").image
    np.testing.assert_allclose(image[..., 0], pixels / 4095, atol=1e-7)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd"])
@pytest.mark.parametrize("pixels", [GREY, GREY16, FLOATS], ids=["uint8", "uint16", "float32"])
def test_lossless_compression_changes_nothing(tmp_path, compression, pixels):
    path = write(tmp_path / "a.tif", pixels, compression=compression, rowsperstrip=7)
    np.testing.assert_allclose(read_micrograph(path).image, expected(pixels), atol=1e-7)


@pytest.mark.parametrize("options", [{"planarconfig": "separate"}, {"tile": (16, 16)}])
def test_planes_and_tiles_hold_the_same_colours(tmp_path, options):
    planes = np.moveaxis(COLOUR, -1, 0) if "planarconfig" in options else COLOUR
    path = write(tmp_path / "a.tif", planes, photometric="rgb", **options)
    np.testing.assert_allclose(read_micrograph(path).image, expected(COLOUR), atol=1e-7)


def test_floats_within_0_and_1_stay_and_others_are_spread_over_it(tmp_path):
    stays = read_micrograph(write(tmp_path / "a.tif", FLOATS)).image
    np.testing.assert_array_equal(stays[..., 0], FLOATS)
    spread = read_micrograph(write(tmp_path / "b.tif", 500 * FLOATS - 100)).image[..., 0]
    truth = (FLOATS - FLOATS.min()) / (FLOATS.max() - FLOATS.min())
    np.testing.assert_allclose(spread, truth, atol=1e-6)


def test_the_largest_floats_do_not_overflow(tmp_path):
    pixels = np.array([[-1.7e308, 0.0], [1.7e308, 0.85e308]])
    image = read_micrograph(write(tmp_path / "a.tif", pixels)).image[..., 0]
    np.testing.assert_allclose(image, [[0, 0.5], [1, 0.75]], atol=1e-7)


def test_signed_integers_are_spread_like_floats(tmp_path):
    pixels = np.array([[-1000, 0], [1000, 500]], np.int16)
    image = read_micrograph(write(tmp_path / "a.tif", pixels)).image[..., 0]
    np.testing.assert_allclose(image, [[0, 0.5], [1, 0.75]], atol=1e-7)


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "rgb"])
@pytest.mark.parametrize("ending", ["tif", "png"])
def test_alpha_is_left_out(tmp_path, ending, pixels):
    alpha = np.arange(480, dtype=np.uint8).reshape(20, 24)
    layers = np.dstack([pixels, alpha])
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    options = {"photometric": photometric, "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    path = write(tmp_path / f"a.{ending}", layers, **(options if ending == "tif" else {}))
    np.testing.assert_allclose(read_micrograph(path).image, expected(pixels), atol=1e-7)


def test_three_equal_channels_become_one(tmp_path):
    path = write(tmp_path / "a.png", np.dstack([GREY] * 3))
    np.testing.assert_allclose(read_micrograph(path).image, expected(GREY), atol=1e-7)


def test_a_palette_gives_its_colours_and_not_its_indices(palette_file):
    path, palette = palette_file(GREY)
    np.testing.assert_allclose(read_micrograph(path).image, expected(palette[GREY]), atol=1e-7)


@pytest.mark.parametrize("pixels", [GREY, BITS, FLOATS], ids=["grey", "1-bit", "float32"])
def test_where_a_tiff_stores_white_as_zero_black_is_still_zero(tmp_path, pixels):
    path = write(tmp_path / "a.tif", pixels, photometric="miniswhite", software="microscope")
    np.testing.assert_allclose(read_micrograph(path).image, 1 - expected(pixels), atol=1e-7)


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_jpeg_keeps_a_smooth_picture_to_its_quality(tmp_path, ending):
    ramps = np.indices((32, 40))
    pixels = np.stack([ramps[0] * 4, ramps[1] * 4, ramps.sum(axis=0) * 2], -1).astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    if ending == "jpg":
        write(path, pixels, quality=95)
    else:
        write(path, pixels, photometric="rgb", compression="jpeg", compressionargs={"level": 95})
    # Quantization at this quality moves a smooth picture by a few of 255 steps.
    np.testing.assert_allclose(read_micrograph(path).image, pixels / 255, atol=6 / 255)


def test_rows_are_cropped_at_the_bottom(tmp_path):
    path = write(tmp_path / "a.png", GREY)
    image = read_micrograph(path, crop_bottom=5).image
    np.testing.assert_allclose(image, expected(GREY[:15]), atol=1e-7)


def test_grey_is_the_luminance_of_bt_709(tmp_path):
    grey = read_micrograph(write(tmp_path / "a.png", COLOUR)).grey()
    luminance = (COLOUR / 255) @ [0.2125, 0.7154, 0.0721]
    np.testing.assert_allclose(grey.image[..., 0], luminance, atol=1e-6)
    assert grey.grey() is grey


def test_a_folder_is_read_in_the_order_of_names_without_hidden_and_other_files(tmp_path):
    for name in ("b.png", "a.TIF", "c.jpg", ".hidden.png"):
        PillowImage.fromarray(GREY).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "masks").mkdir()
    assert [micrograph.name for micrograph in read_folder(tmp_path)] == ["a", "b", "c"]


def test_the_real_superalloy_is_read_as_its_files_say(real_data):
    folder = real_data / "nasa-superalloy" / "images"
    micrographs = read_folder(folder)
    assert len(micrographs) == len(list(folder.glob("*.png"))) > 0
    for micrograph in micrographs:
        with PillowImage.open(micrograph.path) as picture:
            truth = np.asarray(picture.convert("RGB"))[..., :1] / 255
        np.testing.assert_allclose(micrograph.image, truth, atol=1e-7)


def test_a_crop_below_zero_is_refused(tmp_path):
    with pytest.raises(InputError, match="crop_bottom"):
        read_micrograph(write(tmp_path / "a.png", GREY), crop_bottom=-3)
