"""The pixel size that a file states, in metres along rows and cols."""

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from idml_jax.data import read_micrograph
from idml_jax.errors import InputError

GREY = np.arange(480, dtype=np.uint16).reshape(20, 24).astype(np.uint8)


def pixel_size(path, **options):
    tifffile.imwrite(path / "a.tif", GREY, **options)
    return read_micrograph(path / "a.tif").pixel_size


@pytest.mark.parametrize(
    ("resolution", "unit", "sides"),
    [
        ((2e6, 1e6), "CENTIMETER", (1e-8, 5e-9)),  # tifffile takes cols (x) first
        ((254000, 254000), "INCH", (1e-7, 1e-7)),
        ((300, 300), "INCH", None),  # a printer's
        ((118, 118), "CENTIMETER", None),  # a printer's in metric countries
        ((1e6, 1e6), "NONE", None),
    ],
)
def test_plain_tags(tmp_path, resolution, unit, sides):
    found = pixel_size(tmp_path, resolution=resolution, resolutionunit=unit)
    assert found == (None if sides is None else pytest.approx(sides, rel=1e-6))


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        ("nm", 1e-9),
        ("micron", 1e-6),
        ("um", 1e-6),
        ("\\u00B5m", 1e-6),  # as ImageJ escapes the micro sign
        ("mm", 1e-3),
    ],
)
def test_imagej_states_its_own_unit(tmp_path, unit, metres):
    # 20 pixels a unit along cols, 10 along rows: 50 micrometres by 100 where the unit is mm,
    # which a calibration may well say though a printer does as well.
    found = pixel_size(tmp_path, imagej=True, resolution=(20, 10), metadata={"unit": unit})
    assert found == pytest.approx((metres / 10, metres / 20), rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "dots", "sides"),
    [
        ("inch", 300, None),
        ("inch", 254000, (1e-7, 1e-7)),
        ("pixel", 1000000, None),
        ("None", 1000000, None),
        (None, 1000000, None),
    ],
)
def test_imagej_without_a_length(tmp_path, unit, dots, sides):
    metadata = {} if unit is None else {"unit": unit}
    found = pixel_size(tmp_path, imagej=True, resolution=(dots, dots), metadata=metadata)
    assert found == (None if sides is None else pytest.approx(sides, rel=1e-6))


@pytest.mark.parametrize(
    ("unit", "metres"), [("nm", 1e-9), ("µm", 1e-6), (None, 1e-6), ("pixel", None)]
)
def test_ome_states_its_own_unit_and_micrometres_by_default(tmp_path, unit, metres):
    units = {} if unit is None else {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    metadata = {"axes": "YX", "PhysicalSizeX": 5.0, "PhysicalSizeY": 2.5, **units}
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, metadata=metadata)
    found = read_micrograph(tmp_path / "a.ome.tif").pixel_size
    assert found == (None if metres is None else pytest.approx((2.5 * metres, 5 * metres)))


@pytest.mark.parametrize(
    ("tag", "text", "sides"),
    [
        (34682, "[Scan]\r\nPixelWidth=5e-009\r\nPixelHeight=6e-009\r\n", (6e-9, 5e-9)),
        (34682, "[Scan]\r\nPixelWidth=0\r\nPixelHeight=0\r\n", None),
        (34118, "\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 12.5 nm\r\n", (1.25e-8, 1.25e-8)),
        (34118, "\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 12.5 furlong\r\n", None),
    ],
    ids=["fei", "fei without a size", "zeiss", "zeiss in an unknown unit"],
)
def test_microscopes_state_theirs(tmp_path, tag, text, sides):
    found = pixel_size(tmp_path, extratags=[(tag, 2, 0, text, True)])
    assert found == (None if sides is None else pytest.approx(sides))


def test_the_option_overrides_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(1e6, 1e6), resolutionunit="CENTIMETER")
    assert read_micrograph(tmp_path / "a.tif", pixel_size=3e-9).pixel_size == (3e-9, 3e-9)
    assert read_micrograph(tmp_path / "a.tif", pixel_size=(1e-9, 2e-9)).pixel_size == (1e-9, 2e-9)


def test_a_png_states_none(tmp_path):
    PillowImage.fromarray(GREY).save(tmp_path / "a.png", dpi=(300, 300))
    assert read_micrograph(tmp_path / "a.png").pixel_size is None


@pytest.mark.parametrize("option", [0.0, -1e-9, float("nan"), (1e-9, 0.0)])
def test_an_option_that_is_no_length_is_refused(tmp_path, option):
    PillowImage.fromarray(GREY).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="pixel_size"):
        read_micrograph(tmp_path / "a.png", pixel_size=option)
