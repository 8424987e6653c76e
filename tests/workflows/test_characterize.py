"""`idml characterize` as a user meets it: its files, their units, and every way to be refused."""

import csv
import json
import re

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image
from skimage import filters
from skimage import measure as skimage_measure

from idml_jax import statistics
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_statistics import CURVES, QUANTITIES, measure
from idml_jax.workflows.characterize_study import read_all


def blobs(seed=0, shape=(64, 64)):
    """Smoothed noise in 8 bits: blobs of a few pixels, and not as many along rows as along cols."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    smooth = scipy.ndimage.gaussian_filter(noise, (3.0, 1.5), mode="wrap")
    return np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))


def save(path, pixels, **options):
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **options)
    else:
        Image.fromarray(pixels).save(path)
    return path


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_images_to_tables_curves_and_a_page_and_again(idml, tmp_path):
    images = [blobs(0), blobs(1)]
    files = [
        save(tmp_path / f"{name}.png", image) for name, image in zip("ba", images, strict=True)
    ]
    out = tmp_path / "out"
    status, output, _ = idml("characterize", *files, "--out", out)
    assert status == 0
    assert output.splitlines()[-1] == f"report: {out / 'report.html'}"
    rows = rows_of(out / "statistics.csv")
    assert [row["file"] for row in rows] == ["b.png", "a.png"]
    first = "file rows cols unit pixel_size threshold threshold_from phase".split()
    assert list(rows[0]) == [*first, *QUANTITIES]
    found = json.loads((out / "statistics.json").read_text())
    for row, entry, image in zip(rows, found["files"], images, strict=True):
        assert (row["unit"], row["pixel_size"], row["threshold_from"]) == ("px", "", "otsu")
        grey = np.float32(image / np.float32(255))
        threshold = filters.threshold_otsu(grey)
        assert float(row["threshold"]) == pytest.approx(threshold, rel=1e-6)
        phase = grey > threshold
        interval = statistics.volume_fraction_interval(phase, periodic=False)
        regions = skimage_measure.regionprops(statistics.label_clusters(phase, periodic=False))
        texture = statistics.grey_level_cooccurrence(grey, properties=("contrast", "energy"))
        tensors = statistics.structure_tensor(phase.astype(float), width=4.0, periodic=False)
        expected = {
            "volume_fraction": phase.mean(),
            "volume_fraction_low": interval.low,
            "volume_fraction_high": interval.high,
            "integral_range": statistics.integral_range(phase, periodic=False),
            "correlation_length": statistics.correlation_length(phase, periodic=False),
            "specific_surface": statistics.specific_surface(phase, periodic=False),
            "specific_surface_crofton": statistics.specific_surface(
                phase, periodic=False, method="crofton"
            ),
            "perimeter_per_area": skimage_measure.perimeter_crofton(phase, directions=4) / 64**2,
            "euler_number_per_area": skimage_measure.euler_number(phase, connectivity=2) / 64**2,
            "mean_chord_rows": statistics.chord_length_distribution(phase, axis=0).mean,
            "mean_chord_cols": statistics.chord_length_distribution(phase, axis=1).mean,
            "mean_pore_size": statistics.pore_size_function(phase, periodic=False).mean,
            "mean_local_thickness": statistics.thickness_distribution(phase, periodic=False).mean,
            "largest_cluster_share": statistics.largest_cluster_share(phase, periodic=False),
            "percolates_rows": statistics.percolates(phase, axis=0),
            "percolates_cols": statistics.percolates(phase, axis=1),
            "particles": len(regions),
            "mean_equivalent_diameter": np.mean([r.equivalent_diameter_area for r in regions]),
            "anisotropy": statistics.mean_orientation(tensors)[1],
            "grey_level_contrast": texture["contrast"].mean(),
            "grey_level_energy": texture["energy"].mean(),
        }
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(float(value), rel=1e-5), name
            assert entry[name] == pytest.approx(float(row[name]), rel=1e-12), name
        assert set(entry["curves"]) == set(CURVES)
        s2 = statistics.two_point_correlation(phase, periodic=False)
        for name, (at, values) in {
            "two_point_radial": statistics.radial_average(s2),
            "two_point_rows": statistics.directional_profile(s2, (1, 0)),
            "cluster_radial": statistics.radial_average(
                statistics.two_point_cluster(phase, periodic=False)
            ),
            "spectral_density": (
                2 * np.pi / 64 * statistics.radial_average(s2)[0],
                statistics.radial_average(statistics.spectral_density(phase, periodic=False))[1],
            ),
        }.items():
            np.testing.assert_allclose(entry["curves"][name]["at"], at, rtol=1e-6, err_msg=name)
            np.testing.assert_allclose(
                entry["curves"][name]["values"], values, rtol=1e-5, atol=1e-5, err_msg=name
            )
        particles = rows_of(out / "particles" / f"{entry['file'][0]}.csv")
        assert len(particles) == len(regions)
        for particle, region in zip(particles, regions, strict=True):
            assert float(particle["area"]) == region.area
            assert float(particle["centroid_cols"]) == pytest.approx(region.centroid[1], rel=1e-9)
    fractions = [float(row["volume_fraction"]) for row in rows]
    mean = found["all"]["numbers"]["volume_fraction"]
    assert mean["mean"] == pytest.approx(np.mean(fractions), rel=1e-6)
    # Student's t of one degree of freedom: tan(0.475 pi) standard errors.
    half = np.tan(0.475 * np.pi) * abs(fractions[0] - fractions[1]) / 2
    assert mean["high"] - mean["mean"] == pytest.approx(half, rel=1e-5)
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 1 + len({c.title for c in CURVES.values()})
    assert not re.findall(r'(?:src|href)="(?!data:)', page)

    made = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    status, again, _ = idml("characterize", *files, "--out", out)
    assert (status, again) == (0, output)
    status, _, error = idml("characterize", *files, "--out", out, "--phase", "dark")
    assert (status, error.count("\n")) == (2, 1)
    assert "phase is 'bright' there and 'dark' here" in error
    save(files[0], blobs(2))
    status, _, error = idml("characterize", *files, "--out", out)
    assert (status, error.count("\n")) == (2, 1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == made


def test_a_pixel_size_turns_pixels_into_micrometres(idml, tmp_path):
    image = save(tmp_path / "a.png", blobs())
    out = tmp_path / "out"
    assert idml("characterize", image, "--out", out, "--pixel-size", 5e-8)[0] == 0
    (row,) = rows_of(out / "statistics.csv")
    assert (row["unit"], float(row["pixel_size"])) == ("um", pytest.approx(0.05))
    grey = np.float32(blobs() / np.float32(255))
    pixels = measure(grey > float(row["threshold"]), grey=grey, periodic=False)
    for name, power in {
        "volume_fraction": 0,
        "mean_chord_rows": 1,
        "mean_equivalent_diameter": 1,
        "integral_range": 2,
        "specific_surface": -1,
        "euler_number_per_area": -2,
    }.items():
        expected = pixels.numbers[name] * 0.05**power
        assert float(row[name]) == pytest.approx(expected, rel=1e-6), name
    found = json.loads((out / "statistics.json").read_text())["files"][0]["curves"]
    for name, (across, power) in {
        "two_point_radial": (1, 0),
        "chord_lengths_rows": (1, -1),
        "spectral_density": (-1, 2),
    }.items():
        at, values = pixels.curves[name]
        np.testing.assert_allclose(found[name]["at"], at * 0.05**across, rtol=1e-6)
        np.testing.assert_allclose(found[name]["values"], values * 0.05**power, rtol=1e-6)
    particle = rows_of(out / "particles" / "a.csv")[0]
    assert float(particle["area"]) == pytest.approx(pixels.particles["area"][0] * 0.05**2)
    assert float(particle["orientation"]) == pytest.approx(pixels.particles["orientation"][0])
    assert particle["label"] == "1"


def test_labels_of_which_one_image_lacks_the_phase(idml, tmp_path):
    """The empty phase is empty cells and a reason; the other file is measured all the same."""
    labels = np.digitize(blobs(), (90, 160)).astype(np.uint8)
    # Pixels that are not square, and tags that say so: lengths stay in pixels.
    resolution = {"resolution": (1e6, 2e6), "resolutionunit": "CENTIMETER"}
    folder = tmp_path / "labels"
    folder.mkdir()
    save(folder / "a.tif", labels, **resolution)
    save(folder / "b.png", np.minimum(labels, 1))
    out = tmp_path / "out"
    status, _, error = idml("characterize", folder, "--label", 2, "--out", out)
    assert status == 0, error
    full, empty = rows_of(out / "statistics.csv")
    assert (full["unit"], full["pixel_size"], full["threshold"]) == ("px", "", "")
    assert full["phase"] == "label 2"
    assert float(full["volume_fraction"]) == pytest.approx((labels == 2).mean())
    assert full["grey_level_contrast"] == ""
    assert (float(empty["volume_fraction"]), empty["particles"]) == (0.0, "0")
    for name in ("mean_pore_size", "mean_chord_cols", "correlation_length", "anisotropy"):
        assert empty[name] == "" != full[name], name
    found = json.loads((out / "statistics.json").read_text())["files"][1]
    assert found["mean_pore_size"] is None
    assert "interface" in found["missing"]["mean_pore_size"]
    assert rows_of(out / "particles" / "b.csv") == []
    page = (out / "report.html").read_text()
    assert "needs an interface" in page
    assert "not square: 0.005 by 0.01 um" in page


def bad_option(folder, good):
    return (good, "--threshold", 1.5), "--threshold (=1.5) must lie in [0, 1]"


def bad_pair(folder, good):
    return (good, "--label", 1, "--threshold", 0.5), "leave out"


def bad_file(folder, good):
    (folder / "bad.png").write_text("not a picture")
    return (good, folder / "bad.png"), "bad.png: neither a PNG"


def bad_stem(folder, good):
    return (good, save(folder / "good.tif", blobs())), "has the same name as"


def bad_small(folder, good):
    return (save(folder / "small.png", blobs(shape=(7, 64))),), "small.png: 7 x 64 pixels"


def bad_crop(folder, good):
    return (good, "--crop-bottom", 60), "4 x 64 pixels"


def bad_stack(folder, good):
    stack = save(folder / "stack.tif", np.zeros((5, 16, 16), np.uint8))
    return (stack, "--label", 0), "stack.tif: holds a stack of shape (5, 16, 16)"


def bad_folder(folder, good):
    (folder / "none").mkdir()
    return (folder / "none",), "none: no image in it"


def no_file(folder, good):
    return (), "no file given"


@pytest.mark.parametrize(
    "spoil",
    [
        bad_option,
        bad_pair,
        bad_file,
        bad_stem,
        bad_small,
        bad_crop,
        bad_stack,
        bad_folder,
        no_file,
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(idml, tmp_path, spoil):
    good = save(tmp_path / "good.png", blobs())
    arguments, rule = spoil(tmp_path, good)
    status, _, error = idml("characterize", *arguments, "--out", tmp_path / "out")
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_out_that_holds_something_else_is_refused(idml, tmp_path, kind):
    good = save(tmp_path / "good.png", blobs())
    out = tmp_path / "out"
    theirs = out if kind == "file" else out / "thesis.txt"
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("years of work")
    status, _, error = idml("characterize", good, "--out", out)
    assert (status, error.count("\n")) == (2, 1)
    assert str(out) in error
    assert [path for path in out.rglob("*") if path.is_file()] == (
        [] if kind == "file" else [theirs]
    )
    assert theirs.read_text() == "years of work"


def test_the_dark_phase_of_a_given_threshold_is_all_that_is_not_brighter(tmp_path):
    path = save(tmp_path / "a.png", blobs())
    config = Config((path,), tmp_path / "out", threshold=0.4, phase="dark", crop_bottom=10)
    (sample,) = read_all(config)
    assert sample.threshold == 0.4
    np.testing.assert_array_equal(sample.phase, blobs()[:-10] / 255 <= 0.4)
