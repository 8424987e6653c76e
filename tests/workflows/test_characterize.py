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

from idml_jax import properties, statistics
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_quantities import curve_kinds, quantities
from idml_jax.workflows.characterize_statistics import measure
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
    assert " in the volume fraction, by the differences between 2 images: one image of " in output
    rows = rows_of(out / "statistics.csv")
    assert [row["file"] for row in rows] == ["b.png", "a.png"]
    first = "file rows cols unit pixel_size threshold threshold_from phase".split()
    assert list(rows[0]) == [*first, *quantities(2)]
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
        assert set(entry["curves"]) == set(curve_kinds(2))
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
    assert page.count("data:image/png;base64,") == 1 + len(
        {c.title for c in curve_kinds(2).values()}
    )
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


def test_properties_of_a_micrograph_stand_in_their_units_beside_their_limits(idml, tmp_path):
    image = save(tmp_path / "a.png", blobs(shape=(24, 24)))
    bars = np.zeros((24, 24), np.uint8)
    bars[:, 8:14] = 255
    save(tmp_path / "b.png", bars)
    out = tmp_path / "out"
    asked = "--properties --conductivity 1 10 --young 2 20 --poisson 0.2 0.3".split()
    status, output, error = idml(
        "characterize", image, tmp_path / "b.png", "--pixel-size", 1e-6, "--out", out, *asked
    )
    assert status == 0, error
    rows = rows_of(out / "properties.csv")
    kinds = (
        "tortuosity",
        "relative diffusivity",
        "permeability",
        "conductivity",
        "Young's modulus",
    )
    names = [f"{kind} along {axis}" for kind in kinds for axis in ("rows", "cols")]
    assert [(row["file"], row["name"]) for row in rows] == [
        (file, name) for file in ("a.png", "b.png") for name in names
    ]
    grey = np.float32(blobs(shape=(24, 24)) / np.float32(255))
    phase = grey > filters.threshold_otsu(grey)
    conductivity = properties.effective_conductivity(np.where(phase, 10.0, 1.0))
    moduli = [np.where(phase, *pair) for pair in ((20 / 1.2, 2 / 1.8), (20 / 2.6, 2 / 2.4))]
    stiffness = properties.effective_stiffness(*moduli)
    young = properties.engineering_constants(stiffness).young
    found = {(row["file"], row["name"]): row for row in rows}
    for axis, name in enumerate(("rows", "cols")):
        expected = {
            "tortuosity": (properties.tortuosity(phase, axis=axis), ""),
            "permeability": (properties.permeability(phase, axis=axis) * 1e-12, "m^2"),
            "conductivity": (conductivity[axis, axis], "W/(m K)"),
            "Young's modulus": (young[axis], "GPa"),
        }
        for kind, (value, unit) in expected.items():
            row = found["a.png", f"{kind} along {name}"]
            if np.isfinite(value):
                assert float(row["value"]) == pytest.approx(float(value), rel=1e-4), row
            assert row["unit"] == unit
            if row["value"] and row["low"]:
                assert float(row["low"]) <= float(row["value"]) <= float(row["high"] or "inf"), row
    # A slit of 6 pixels in 24: straight along the rows, shut along the cols.
    slit = {name: found["b.png", name] for name in names}
    assert float(slit["tortuosity along rows"]["value"]) == pytest.approx(1, abs=1e-5)
    assert float(slit["permeability along rows"]["value"]) == pytest.approx(
        6**2 / 12 / 4 * 1e-12, rel=1e-3
    )
    assert float(slit["conductivity along rows"]["value"]) == pytest.approx(3.25, rel=1e-4)
    assert slit["tortuosity along cols"]["value"] == ""
    assert "no path" in slit["tortuosity along cols"]["why"]
    assert float(slit["permeability along cols"]["value"]) == 0
    assert "conductivity along rows" in output
    page = (out / "report.html").read_text()
    assert "no path of the phase leads from face to face" in page
    known = json.loads((out / "statistics.json").read_text())["files"][1]["properties"]
    assert known[0]["name"] == names[0] and known[0]["low"] == 1 and known[0]["high"] is None


def test_a_volume_of_labels_has_statistics_and_properties_in_space(idml, tmp_path):
    noise = np.random.default_rng(0).standard_normal((10, 12, 12))
    labels = (scipy.ndimage.gaussian_filter(noise, 1.2, mode="wrap") > -0.02).astype(np.uint8)
    volume = save(tmp_path / "v.tif", labels)
    out = tmp_path / "out"
    status, output, error = idml(
        *("characterize", volume, "--label", 1, "--pixel-size", 2e-6, "--properties"),
        *("--out", out),
    )
    assert status == 0, error
    (row,) = rows_of(out / "statistics.csv")
    assert (row["planes"], row["rows"], row["cols"], row["unit"]) == ("10", "12", "12", "um")
    assert set(quantities(3)) < set(row)
    functionals = statistics.minkowski_functionals(labels > 0, periodic=False)
    expected = {
        "surface_per_volume": float(functionals.surface) / labels.size / 2,
        "euler_number_per_volume": float(functionals.euler_number) / labels.size / 8,
        "mean_chord_planes": 2
        * float(statistics.chord_length_distribution(labels > 0, axis=0).mean),
        "percolates_planes": float(statistics.percolates(labels > 0, axis=0)),
    }
    for name, value in expected.items():
        assert float(row[name]) == pytest.approx(value, rel=1e-5), name
    (particle, *_) = rows_of(out / "particles" / "v.csv")
    table = statistics.particle_table(labels > 0)
    assert float(particle["volume"]) == pytest.approx(8 * table["volume"][0])
    assert float(particle["surface"]) == pytest.approx(4 * table["surface"][0])
    assert float(particle["axis_planes"]) == pytest.approx(table["axis_planes"][0])
    found = {row["name"]: row for row in rows_of(out / "properties.csv")}
    assert list(found)[:3] == [f"tortuosity along {axis}" for axis in ("planes", "rows", "cols")]
    for axis, name in enumerate(("planes", "rows", "cols")):
        tau = float(properties.tortuosity(labels > 0, axis=axis))
        assert float(found[f"tortuosity along {name}"]["value"]) == pytest.approx(tau, rel=1e-4)
    image = save(tmp_path / "i.png", labels[0])
    status, _, error = idml("characterize", volume, image, "--label", 1, "--out", tmp_path / "b")
    assert (status, error.count("\n")) == (2, 1)
    assert "i.png: of 2 dimensions" in error


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


def bad_crop_of_a_volume(folder, good):
    stack = save(folder / "stack.tif", np.zeros((16, 16, 16), np.uint8))
    return (stack, "--label", 0, "--crop-bottom", 2), "stack.tif: a volume has no information bar"


def bad_material(folder, good):
    return (good, "--conductivity", 1, 10), "ask for them with --properties"


def bad_conductivity(folder, good):
    return (good, "--properties", "--conductivity", 0, 10), "must be positive"


def bad_young(folder, good):
    return (good, "--properties", "--young", 0, 0), "one of them above 0"


def bad_poisson(folder, good):
    return (good, "--properties", "--poisson", 0.3, 0.5), "between -1 and 0.5"


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
    return (stack, "--label", 0), "stack.tif: 5 x 16 x 16 pixels"


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
        bad_material,
        bad_conductivity,
        bad_young,
        bad_poisson,
        bad_crop_of_a_volume,
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
