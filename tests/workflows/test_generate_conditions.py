"""`idml generate` told what is known of micrographs: tables, classes, fractions, phases."""

import csv
import json
import os
import re

import imageio.v3 as imageio
import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image

from idml_jax import data, training
from idml_jax.workflows import asked, generate_study
from idml_jax.workflows.known import read_table

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SMALL = "--size 8 --width 8 --latent-features 4 --effort 0.02 --binning 1".split()
TABLE = [("m0", 1, "nital"), ("m1.png", 2, "picral"), ("m2", 4, "nital"), ("m3", 8, "picral")]
TABLE += [("m4", 16, "nital"), ("m5.png", 24, "picral")]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """Statistics of few images: what they are is tested where they are made."""
    monkeypatch.setattr(generate_study, "SAMPLES", 32)
    monkeypatch.setattr(asked, "IMAGES", 64)


def blobs(seed, share, rows=32, cols=40):
    noise = np.random.default_rng(seed).standard_normal((rows, cols))
    smooth = scipy.ndimage.gaussian_filter(noise, 2.0, mode="wrap")
    return smooth > np.quantile(smooth, 1 - share)


def write_grey(path, seed, share):
    path.parent.mkdir(exist_ok=True)
    grey = 60 + 120 * blobs(seed, share) + np.random.default_rng(seed).integers(0, 9, (32, 40))
    Image.fromarray(grey.astype(np.uint8)).save(path)


def write_table(path, rows, head=("file", "hours", "etch")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grey") / "micrographs"
    for seed in range(6):
        write_grey(folder / f"m{seed}.png", seed, 0.25 + 0.05 * seed)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "conditions.csv", TABLE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder that the first test trains in."""
    return tmp_path_factory.mktemp("runs") / "run"


def test_a_table_and_the_fraction_of_each_crop_are_learned_and_judged(
    idml, micrographs, table, run
):
    options = ("--images", micrographs, "--run", run, *SMALL)
    arguments = ("generate", "train", *options, "--conditions", table, "--volume-fraction")
    status, output, error = idml(*arguments)
    assert status == 0, error
    recipe = training.load_generator(run / "generator.safetensors").recipe
    hours, etch, fraction = recipe.meanings
    assert recipe.conditions == 4
    assert (hours.name, etch.classes, fraction.name) == (
        "hours",
        ("nital", "picral"),
        "volume fraction",
    )
    found = json.loads((run / "micrographs.json").read_text())
    assert found["m3"].endswith("hours=8 etch=picral")
    assert {name for name, text in found.items() if text.startswith("held-out")} < set(found)
    held = [text for text in found.values() if text.startswith("held-out")]
    # One of three of each class.
    assert sorted(text.rsplit("=")[-1] for text in held) == ["nital", "picral"]
    values = [row[1] for row in TABLE if not found[row[0][:2]].startswith("held-out")]
    assert hours.mean == pytest.approx(np.mean(values))
    assert hours.deviation == pytest.approx(np.std(values))
    # 20 crops of 8 x 8 of each of 4 micrographs, and what was known of these beside them.
    assert len(fraction.values) == 80
    shares = dict(zip(hours.values, etch.values, strict=True))
    assert shares == {row[1]: row[2] for row in TABLE if row[1] in values}
    result = json.loads((run / "result.json").read_text())
    found = result["asked for"]
    assert [one["name"] for one in found["fractions"]] == ["volume fraction"]
    assert [(one["name"], one["beside"]) for one in found["classes"]] == [
        ("etch=nital", "held-out"),
        ("etch=picral", "held-out"),
    ]
    assert [one["name"] for one in found["quantities"]] == ["hours"]
    # More hours, more of it: so the micrographs were made.
    assert found["quantities"][0]["real"] > 0.2
    assert "Is it what was asked for?" in output
    assert "Is it what was asked for?" in (run / "report.html").read_text()
    card = (run / "CARD.md").read_text()
    assert "- told of each image: etch: one of nital, picral" in card
    assert f"--conditions {table.name} --volume-fraction" in card
    assert idml(*arguments)[1].splitlines()[-3:] == output.splitlines()[-3:]


def test_another_table_in_the_same_folder_is_refused(idml, micrographs, table, run, tmp_path):
    changed = [("m0", 3, "nital"), *TABLE[1:]]
    before = table.read_text()
    write_table(table, changed)
    (run / "result.json").rename(tmp_path / "result.json")
    options = ("--images", micrographs, "--run", run, *SMALL)
    status, _, error = idml(
        "generate", "train", *options, "--conditions", table, "--volume-fraction"
    )
    table.write_text(before)
    (tmp_path / "result.json").rename(run / "result.json")
    assert (status, error.count("\n")) == (2, 1)
    assert "hours=1 etch=nital' there and" in error and "hours=3 etch=nital' here" in error


def test_what_is_wanted_is_told_to_every_image(idml, run, tmp_path):
    wanted = ("--wanted", "hours=8", "etch=nital", "volume fraction=0.4")
    options = ("--run", run, "--out", tmp_path, "--format", "npy", "--count", 5, "--batch", 4)
    status, output, error = idml("generate", "sample", *options, *wanted)
    assert status == 0, error
    assert output == f"5 images: {tmp_path}\n"
    gan = training.load_generator(run)
    told = [{"hours": 8.0, "etch": "nital", "volume fraction": 0.4}] * 5
    conditions = training.encode_conditions(gan.recipe.meanings, told)
    latents, noise = (np.load(tmp_path / f"{name}.npy") for name in ("latents", "noise"))
    expected = gan(latents, conditions, noise=noise)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), expected, atol=1e-6)
    rows = rows_of(tmp_path / "conditions.csv")
    assert rows[4] == {"image": "4", "hours": "8", "etch": "nital", "volume fraction": "0.4"}
    status, _, error = idml("generate", "sample", *options, "--wanted", "hours=9", *wanted[2:])
    assert (status, error.count("\n")) == (2, 1) and "'hours': '8'" in error
    far = ("--wanted", "hours=400", *wanted[2:], "--out", tmp_path / "far")
    status, _, error = idml("generate", "sample", *options[:2], *options[4:], *far)
    # A slow machine shows how far it is beside.
    lines = [line for line in error.splitlines() if line.startswith("idml:")]
    assert status == 0 and len(lines) == 1
    assert "hours=400 lies outside of the training's" in lines[0]


def test_what_is_not_wanted_is_drawn_from_the_training_and_stays_when_more_is_asked_for(
    idml, run, tmp_path
):
    options = ("--run", run, "--out", tmp_path, "--seed", 2, "--batch", 4)
    assert idml("generate", "sample", *options, "--count", 6)[0] == 0
    before = [(tmp_path / f"sample_{n:06d}.png").read_bytes() for n in range(6)]
    rows = rows_of(tmp_path / "conditions.csv")
    assert idml("generate", "sample", *options, "--count", 11)[0] == 0
    assert [(tmp_path / f"sample_{n:06d}.png").read_bytes() for n in range(6)] == before
    more = rows_of(tmp_path / "conditions.csv")
    assert more[:6] == rows and len(more) == 11
    known = {str(row[1]): row[2] for row in TABLE}
    assert all(known[row["hours"]] == row["etch"] for row in more)
    assert len({row["volume fraction"] for row in more}) > 3
    # Each image is made of its own row.
    gan = training.load_generator(run)
    told = [{name: row[name] for name in ("hours", "etch", "volume fraction")} for row in more]
    conditions = training.encode_conditions(gan.recipe.meanings, told)
    latents, noise = (np.load(tmp_path / f"{name}.npy") for name in ("latents", "noise"))
    expected = np.asarray(gan(latents, conditions, noise=noise))
    pixels = imageio.imread(tmp_path / "sample_000010.png")
    np.testing.assert_array_equal(pixels, np.rint(255 * expected[10, ..., 0]))


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        (("hours=8", "etch=nital"), "volume fraction: is missing"),
        (("hours=8", "etch=none", "volume fraction=0.4"), "there are nital, picral"),
        (("hours=8", "etch=nital", "fraction=0.4"), "fraction: nothing that this generator"),
        (("hours=8", "hours=9"), "'hours' is given twice"),
        (("hours",), "say what is wanted as NAME=VALUE"),
        (("hours=long", "etch=nital", "volume fraction=0.4"), "'hours' is a finite number"),
    ],
)
def test_what_cannot_be_wanted_is_one_line_and_nothing_is_written(
    idml, run, tmp_path, wanted, rule
):
    out = tmp_path / "out"
    status, _, error = idml("generate", "sample", "--run", run, "--out", out, "--wanted", *wanted)
    assert (status, error.count("\n")) == (2, 1)
    assert rule in error and not out.exists()


def test_it_is_evaluated_beside_other_micrographs_of_which_the_same_is_known(
    idml, run, table, micrographs, tmp_path
):
    file = run / "generator.safetensors"
    options = ("generate", "evaluate", "--run", file, "--images", micrographs, "--binning", 1)
    options += ("--count", 20, "--out", tmp_path / "out")
    status, _, error = idml(*options)
    assert (status, error.count("\n")) == (2, 1) and "hours, etch; name the table" in error
    other = write_table(tmp_path / "other.csv", [(*row[:2], "none") for row in TABLE])
    status, _, error = idml(*options, "--conditions", other)
    assert (status, error.count("\n")) == (2, 1)
    assert "micrograph m0: etch=none: no class" in error and not (tmp_path / "out").exists()
    head = ("remark", "etch", "file", "hours")
    more = write_table(
        tmp_path / "more.csv", [("x", etch, file, hours) for file, hours, etch in TABLE], head
    )
    status, output, error = idml(*options, "--conditions", more)
    assert status == 0, error
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert len(found["asked for"]["classes"]) == 2
    assert found["comparison"]["specimens"] == {
        "generated": 1,
        "held-out": 4,
        "training": 2,
    }
    status, _, error = idml("generate", "project", "--run", file, "--out", tmp_path / "project")
    assert (status, error.count("\n")) == (2, 1) and "use it in Python" in error
    between = tmp_path / "between"
    options = ("--run", file, "--out", between, "--count", 3, "--steps", 4)
    assert idml("generate", "interpolate", *options)[0] == 0
    rows = rows_of(between / "conditions.csv")
    # Each row is told one thing, and made of it.
    gan = training.load_generator(file)
    told = [{name: value for name, value in row.items() if name != "row"} for row in rows]
    conditions = training.encode_conditions(gan.recipe.meanings, told)
    latents, images = (np.load(between / f"{name}.npy") for name in ("latents", "images"))
    expected = gan(latents[2], np.repeat(conditions[[2]], 4, axis=0))
    np.testing.assert_allclose(images[2], expected, atol=1e-5)
    wanted = ("--wanted", "hours=8", "etch=nital", "volume fraction=0.4")
    status, _, error = idml("generate", "interpolate", *options, *wanted)
    assert (status, error.count("\n")) == (2, 1) and "wanted" in error


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (TABLE[:-1], "no row about .*m5.png"),
        ([*TABLE, ("m9", 1, "nital")], "line 8 is about 'm9', and there is no such micrograph"),
        ([*TABLE, ("m0.png", 1, "nital")], "lines 2 and 8 are both about 'm0.png'"),
        ([*TABLE[:-1], ("m5", "", "nital")], "line 7, column 'hours': empty"),
        ([*TABLE[:-1], ("m5", "nan", "nital")], "line 7, column 'hours': 'nan' is not finite"),
        ([*TABLE[:-1], ("m5", "long", "nital")], "'long' is a word, and '1' a number"),
        ([(*row[:2], "nital") for row in TABLE], "column 'etch': has the value nital for every"),
        ([(row[0], 3, row[2]) for row in TABLE], "column 'hours': has the value 3.0 for every"),
        ([*TABLE[:-1], ("m5", 3)], "line 7 has 2 cells, and the first line 3"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(idml, micrographs, tmp_path, rows, rule):
    table = write_table(tmp_path / "table.csv", rows)
    refused(idml, tmp_path, rule, "--images", micrographs, "--conditions", table)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"file\nm0\n", "no columns beside 'file'"),
        (b"name,hours\nm0,1\n", "no column 'file'; the first line, name, hours,"),
        (b"", "the first line, empty,"),
        (b"file,hours,hours\nm0,1,1\n", "a column is named 'hours'"),
        (b"file,a=b\nm0,1\n", "a column is named 'a=b'"),
        (b"file,hours\nm0,\xff\n", "in UTF-8"),
        (b'file,hours\nm0,"1"2\n', "no table of comma-separated values"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_by_name(idml, micrographs, tmp_path, text, rule):
    (tmp_path / "table.csv").write_bytes(text)
    refused(idml, tmp_path, rule, "--images", micrographs, "--conditions", tmp_path / "table.csv")


def test_what_is_measured_is_not_a_column_too(idml, micrographs, tmp_path):
    rows = [(row[0], row[1]) for row in TABLE]
    table = write_table(tmp_path / "table.csv", rows, ("file", "volume fraction"))
    options = ("--images", micrographs, "--conditions", table, "--volume-fraction")
    refused(idml, tmp_path, "is what --volume-fraction measures", *options)
    rule = "--classes and --conditions: give one"
    refused(idml, tmp_path, rule, *options, "--classes")


def refused(idml, tmp_path, rule, *options):
    run = tmp_path / "run"
    status, _, error = idml("generate", "train", "--run", run, *SMALL, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert re.search(rule, error), error
    assert not run.exists()


def test_a_mark_that_spreadsheets_write_and_spaces_are_passed_over(micrographs, tmp_path):
    lines = ["\ufefffile, hours , etch", *(", ".join(map(str, row)) for row in TABLE), ""]
    (tmp_path / "table.csv").write_text("\r\n".join(lines), encoding="utf-8")
    known = read_table(tmp_path / "table.csv", data.read_folder(micrographs))
    assert known["m5"] == {"hours": 24.0, "etch": "picral"}


@pytest.fixture(scope="module")
def label_classes(tmp_path_factory):
    """Two folders of label images with the values 0, 7 and 300; the classes differ in their 300."""
    folder = tmp_path_factory.mktemp("labels") / "labels"
    for kind, share in (("coarse", 0.1), ("fine", 0.5)):
        (folder / kind).mkdir(parents=True)
        for seed in range(3):
            labels = np.where(blobs(seed, 0.5), 7, 0)
            labels = np.where(blobs(seed + 9, share), 300, labels).astype(np.uint16)
            tifffile.imwrite(
                folder / kind / f"m{seed}.tif",
                labels,
                resolution=(5e6, 5e6),
                resolutionunit="CENTIMETER",
            )
    return folder


def test_phases_of_classes_come_out_under_the_users_own_labels(idml, label_classes, tmp_path):
    run = tmp_path / "run"
    options = ("--images", label_classes, "--classes", "--phases", "--volume-fraction")
    arguments = ("generate", "train", "--run", run, *options, *SMALL)
    status, output, error = idml(*arguments)
    assert status == 0, error
    assert "4 micrographs to train on, 2 held out" in output
    recipe = training.load_generator(run).recipe
    assert (recipe.output, recipe.channels, recipe.labels) == ("phases", 3, (0, 7, 300))
    assert [one.name for one in recipe.meanings] == [
        "class",
        "volume fraction of 7",
        "volume fraction of 300",
    ]
    names = json.loads((run / "micrographs.json").read_text())
    assert {"coarse/m0", "fine/m0"} < set(names)
    result = json.loads((run / "result.json").read_text())
    assert list(result["comparisons"]) == ["phase 0", "phase 7", "phase 300"]
    assert [(one["name"], one["phase"]) for one in result["asked for"]["classes"]][2:4] == [
        ("class=coarse", "phase 300"),
        ("class=fine", "phase 0"),
    ]
    real = {one["name"]: one["real"] for one in result["asked for"]["classes"][2::3]}
    assert real["class=coarse"] < 0.2 < 0.4 < real["class=fine"]
    assert "memberships rms" in output
    assert "memberships of the phases 0, 7, 300" in (run / "CARD.md").read_text()
    wanted = ("--wanted", "class=fine", "volume fraction of 7=0.2", "volume fraction of 300=0.5")
    made = {}
    for kind in ("png", "tiff", "npy"):
        out = tmp_path / kind
        options = ("--run", run, "--out", out, "--format", kind, "--count", 12, *wanted)
        assert idml("generate", "sample", *options)[0] == 0
        if kind == "npy":
            made[kind] = np.load(out / "images.npy")
        else:
            paths = sorted(out.glob(f"*.{kind}"))
            made[kind] = np.stack([imageio.imread(path) for path in paths])
    assert made["npy"].shape == (12, 8, 8, 3)
    np.testing.assert_allclose(made["npy"].sum(axis=-1), 1, atol=1e-5)
    expected = np.array([0, 7, 300])[made["npy"].argmax(axis=-1)]
    for kind in ("png", "tiff"):
        assert made[kind].dtype == np.uint16
        np.testing.assert_array_equal(made[kind], expected)
    with tifffile.TiffFile(tmp_path / "tiff" / "sample_000000.tiff") as file:
        over, under = file.pages[0].tags["XResolution"].value
    assert over / under == pytest.approx(5e6, rel=1e-4)
    evaluated = tmp_path / "evaluated"
    status, _, error = idml("generate", "evaluate", "--run", run, "--out", evaluated, "--count", 16)
    assert status == 0, error
    # The same micrographs are held out.
    options = json.loads((evaluated / "options.json").read_text())
    assert {name: options[name] for name in names} == names
    between = ("--run", run, "--out", tmp_path / "between", "--count", 2, *wanted)
    assert idml("generate", "interpolate", *between)[0] == 0
    assert np.load(tmp_path / "between" / "images.npy").shape == (2, 9, 8, 8, 3)


def test_folders_that_are_no_classes_are_refused(idml, micrographs, tmp_path):
    options = ("--images", tmp_path / "classes", "--classes")
    refused(idml, tmp_path, "does not exist", *options)
    (tmp_path / "classes").mkdir()
    refused(idml, tmp_path, "no folder in it", *options)
    (tmp_path / "classes" / "a").mkdir()
    refused(idml, tmp_path, "no micrograph in it", *options)
    for name in ("m0.png", "m1.png"):
        os.link(micrographs / name, tmp_path / "classes" / "a" / name)
    refused(idml, tmp_path, "class: has the value a for every micrograph", *options)
    os.link(micrographs / "m0.png", tmp_path / "classes" / "m0.png")
    refused(idml, tmp_path, "m0.png: lies beside the folders of the classes", *options)


def test_grey_images_are_no_phases(idml, micrographs, tmp_path):
    refused(idml, tmp_path, "16 at most", "--images", micrographs, "--phases")


@pytest.mark.parametrize(
    ("recipe", "options", "rule"),
    [
        ({}, ("--wanted", "hours=8"), "told nothing of its images; leave out --wanted"),
        ({"conditions": 1}, (), "use it in Python, with `conditions`"),
        (
            {"channels": 2, "output": "phases", "labels": (0, 70000)},
            (),
            "the label 70000 does not fit into the 16 bits of a PNG",
        ),
    ],
)
def test_what_a_generator_cannot_be_asked_for_is_one_line(idml, tmp_path, recipe, options, rule):
    made = training.Recipe.of_size((8, 8), width=8, latent_features=4, **recipe)
    path = tmp_path / "gan.safetensors"
    training.write_generator(path, training.ProgressiveGAN(made.networks()[0], made))
    out = tmp_path / "out"
    status, _, error = idml("generate", "sample", "--run", path, "--out", out, *options)
    assert (status, error.count("\n")) == (2, 1) and rule in error
    assert not out.exists()
