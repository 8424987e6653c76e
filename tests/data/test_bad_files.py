"""Files and folders that cannot be used: one line that names the file and the rule, every time."""

import random
import resource
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from idml_jax.data import check_sizes, read_folder, read_micrograph
from idml_jax.errors import InputError

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (20, 24), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (20, 24, 3), dtype=np.uint8)


def refusal(call, *names):
    """The message of the `InputError` that `call` raises, once it is seen to be well formed."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for name in names:
        assert str(name) in message
    return message


def save(path, pixels=GREY, **options):
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        PillowImage.fromarray(pixels).save(path, **options)
    return path


def tiff_claiming(rows, cols, *, compression=1, count=64):
    """A grey 8-bit TIFF of one strip of `count` bytes, whatever size its header claims."""
    tags = [(256, cols), (257, rows), (258, 8), (259, compression), (262, 1), (273, 200)]
    tags += [(277, 1), (278, rows), (279, count)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    return header.ljust(200, b"\0") + zlib.compress(bytes(40)).ljust(64, b"\0")


def png_claiming(rows, cols):
    """A grey 8-bit PNG that claims a size and holds next to nothing."""

    def chunk(kind, data):
        code = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + code

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", cols, rows, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(40)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def bmp_claiming(rows, cols):
    """A 24-bit BMP without pixels."""
    information = struct.pack("<IiiHHIIiiII", 40, cols, rows, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54, 0, 0, 54) + information


def test_folders(tmp_path):
    refusal(lambda: read_folder(tmp_path / "none"), tmp_path / "none", "does not exist")
    refusal(lambda: read_folder(tmp_path), tmp_path, "no micrograph", ".tif")
    path = save(tmp_path / "a.png")
    refusal(lambda: read_folder(path), path, "is a file")
    save(tmp_path / "a.tif")
    refusal(lambda: read_folder(tmp_path), "a.png", "a.tif", "same name")


def test_no_such_file_and_a_folder_in_its_place(tmp_path):
    refusal(lambda: read_micrograph(tmp_path / "a.png"), tmp_path / "a.png", "does not exist")
    (tmp_path / "b.png").mkdir()
    refusal(lambda: read_micrograph(tmp_path / "b.png"), tmp_path / "b.png", "is a folder")
    refusal(lambda: read_folder(tmp_path), tmp_path / "b.png", "is a folder")


@pytest.mark.parametrize("ending", ["tif", "png", "jpg", "bmp"])
def test_empty_text_and_truncated_files(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"")
    refusal(lambda: read_micrograph(path), path, "empty")
    path.write_text("This is a text and not a picture.\n" * 9)
    refusal(lambda: read_micrograph(path), path, "whatever its ending" if ending != "tif" else "")
    whole = save(path, COLOUR).read_bytes()
    # JPEG and BMP files may do without their last bytes, so the half is taken.
    for length in (1, 9, len(whole) // 4, len(whole) // 2):
        path.write_bytes(whole[:length])
        refusal(lambda: read_micrograph(path), path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", tiff_claiming(100_000, 100_000)),
        ("b.tif", tiff_claiming(16_000, 16_000)),
        ("c.tif", tiff_claiming(16_000, 16_000, compression=8)),
        ("d.tif", tiff_claiming(16_000, 16_000, compression=5)),
        ("a.png", png_claiming(100_000, 100_000)),
        ("b.png", png_claiming(10_000, 10_000)),  # Pillow by itself would warn
        ("c.png", png_claiming(16_000, 16_000)),  # Pillow by itself would raise its own error
        ("a.bmp", bmp_claiming(16_000, 16_000)),
        ("b.bmp", bmp_claiming(100_000, 100_000)),
    ],
)
def test_a_claimed_size_takes_neither_memory_nor_time(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(lambda: read_micrograph(path), path, "claims")
    # The peak of this process in kilobytes; the smallest claim would add 97 000.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert time.perf_counter() - start < 2


def test_pixels_are_counted_by_the_option_in_every_format(tmp_path):
    for ending in ("tif", "png", "jpg", "bmp"):
        path = save(tmp_path / f"a.{ending}")
        assert read_micrograph(path, max_pixels=480).size == (20, 24)
        refusal(lambda path=path: read_micrograph(path, max_pixels=479), path, "max_pixels", "479")


def test_a_large_image_below_the_limit_is_read_without_a_warning(tmp_path, monkeypatch):
    # Pillow's own limit, a global, has no say: it is lowered below the image here.
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    path = save(tmp_path / "a.png")
    assert read_micrograph(path).size == (20, 24)


def test_images_smaller_than_the_crop(tmp_path):
    micrographs = [read_micrograph(save(tmp_path / "a.png"))]
    check_sizes(micrographs, size=20)
    refusal(lambda: check_sizes(micrographs, size=21), tmp_path / "a.png", "20 x 24", "21")


@pytest.mark.parametrize(
    ("pixels", "rule"),
    [
        (np.full((8, 8), 7, np.uint8), "same value"),
        (np.full((8, 8), 700.0, np.float32), "same value"),
        (np.array([[0, np.nan], [1, np.inf]], np.float32), "2 of 4"),
        (np.array([[0, 1], [1, -np.inf]]), "1 of 4"),
        (np.array([[0, 1j], [1, 2]], np.complex64), "complex"),
    ],
)
def test_pixels_that_show_nothing(tmp_path, pixels, rule):
    path = save(tmp_path / "a.tif", pixels)
    refusal(lambda: read_micrograph(path), path, rule)


def test_pixels_that_the_crop_leaves_constant(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[-2:] = GREY[:2, :8]
    path = save(tmp_path / "a.png", pixels)
    refusal(lambda: read_micrograph(path, crop_bottom=2), path, "same value")
    refusal(lambda: read_micrograph(path, crop_bottom=8), path, "8 rows", "crop_bottom")


def test_stacks(tmp_path):
    path = save(tmp_path / "a.tif", np.stack([GREY] * 5), photometric="minisblack")
    refusal(lambda: read_micrograph(path), path, "stack", "(5, 20, 24)")
    path = save(tmp_path / "b.tif", np.stack([GREY] * 5), imagej=True)
    refusal(lambda: read_micrograph(path), path, "stack")
    with tifffile.TiffWriter(tmp_path / "c.tif") as file:
        file.write(GREY)
        file.write(GREY[:10])
    refusal(lambda: read_micrograph(tmp_path / "c.tif"), "c.tif", "2 pictures")


def test_a_small_copy_for_the_file_browser_is_no_second_picture(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY)
        file.write(GREY[::2, ::2], subfiletype=1)
    image = read_micrograph(tmp_path / "a.tif").image
    np.testing.assert_allclose(image[..., 0], GREY / 255, atol=1e-7)


def test_colours_for_the_press(tmp_path):
    path = save(tmp_path / "a.tif", np.dstack([COLOUR, GREY]), photometric="separated")
    refusal(lambda: read_micrograph(path), path, "SEPARATED")


SOUND = {
    "plain.tif": (GREY, {}),
    "lzw.tif": (COLOUR, {"photometric": "rgb", "compression": "lzw", "tile": (16, 16)}),
    "deflate.tif": (GREY / np.float32(255), {"compression": "deflate", "predictor": True}),
    "imagej.tif": (GREY, {"imagej": True, "resolution": (9, 9), "metadata": {"unit": "nm"}}),
    "jpeg.tif": (COLOUR, {"photometric": "rgb", "compression": "jpeg"}),
    "grey.png": (GREY, {}),
    "rgb.png": (COLOUR, {}),
    "grey.jpg": (GREY, {"progressive": True}),
    "rgb.jpg": (COLOUR, {}),
    "rgb.bmp": (COLOUR, {}),
    "bits.bmp": (GREY > 99, {}),
}


@pytest.mark.parametrize("name", SOUND)
def test_damage_at_random_is_read_or_refused_and_nothing_else(tmp_path, name, caplog):
    pixels, options = SOUND[name]
    path = save(tmp_path / name, pixels, **options)
    whole = path.read_bytes()
    dice = random.Random(name)
    for _ in range(40):
        damaged = bytearray(whole[: dice.choice([len(whole), dice.randrange(1, len(whole))])])
        for _ in range(dice.choice([0, 1, 2, 9])):
            damaged[dice.randrange(len(damaged))] = dice.choice([0, 1, 255, dice.randrange(256)])
        path.write_bytes(damaged)
        try:
            image = read_micrograph(path).image
        except InputError as error:
            assert len(str(error).splitlines()) == 1
            assert str(path) in str(error)
        else:
            assert np.isfinite(image).all()
            assert 0 <= image.min() < image.max() <= 1
    assert not caplog.records
