"""`idml segment`: what is written, what is gone on with, and what is refused before step 1."""

import csv
import dataclasses
import json

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from idml_jax import data, evaluation, training
from idml_jax.workflows import segment_study, segment_train

pytestmark = pytest.mark.usefixtures("standard_promotion")

FEW = ("--features", 4, 8, "--size", 16, "--steps", 30, "--batch", 4, "--judge-every", 10)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six images of stripes, of which the mask says how wide: 0, 100 and 255."""
    folder = tmp_path_factory.mktemp("annotated")
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for name in "abcdef":
        image, mask = random.uniform(60, 190, (40, 44)), np.zeros((40, 44), np.uint8)
        for value, width, columns in ((100, 1, slice(0, 15)), (255, 4, slice(30, 44))):
            wave = (np.arange(40) + random.integers(8)) // width % 2
            image[:, columns] = 60 + 100 * wave[:, None] + 0.1 * image[:, columns]
            mask[:, columns] = value
        resolution = {"resolution": (1e6, 2e6), "resolutionunit": "CENTIMETER"}
        tifffile.imwrite(folder / "images" / f"{name}.tif", image.astype(np.uint8), **resolution)
        imageio.imwrite(folder / "masks" / f"{name}.png", mask)
    split = {"train": list("abcd"), "val": ["e"], "test": ["f"]}
    (folder / "split.json").write_text(json.dumps(split))
    return folder


@pytest.fixture(scope="module")
def given(folders):
    return ("--images", folders / "images", "--masks", folders / "masks")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, folders, given):
    """A run, and what its training printed."""
    run = tmp_path_factory.mktemp("trained") / "run"
    options = ("--split", folders / "split.json", "--names", "none", "fine", "coarse")
    command = ("segment", "train", *given, "--run", run, *options, *FEW)
    return run, command


@pytest.fixture
def run(trained, idml):
    folder, command = trained
    status, _, error = idml(*command)
    assert status == 0, error
    return folder


def test_every_way_is_scored_on_what_it_was_not_trained_on(idml, trained, run, folders):
    results = json.loads((run / "result.json").read_text())
    assert results["train"] == list("abcd") and results["val"] == ["e"]
    assert [*results["scores"]] == ["threshold (Otsu)", "random forest", "U-Net"]
    # The same by the toolkit's own functions.
    segmenter = training.load_segmenter(run)
    annotated = data.read_annotated(folders / "images", folders / "masks", names=["e"])
    counts = evaluation.pixel_counts(segmenter, annotated.micrographs).sum(axis=0)
    assert results["counts"]["U-Net"] == counts.tolist()
    expected = evaluation.pixel_scores(counts, ("none", "fine", "coarse"))
    assert results["scores"]["U-Net"] == pytest.approx(expected)
    assert (run / "report.html").stat().st_size > 10_000
    # Started again, it goes on: there is nothing left to do, and other options are refused.
    before = (run / "segmenter.json").read_bytes()
    status, output, _ = idml(*trained[1])
    assert status == 0 and "U-Net" in output and str(run / "report.html") in output
    assert (run / "segmenter.json").read_bytes() == before
    status, _, error = idml(*trained[1], "--seed", 1)
    assert (status, error.count("\n")) == (2, 1) and "seed is 0 there and 1 here" in error


def test_labels_have_the_values_of_the_masks_and_the_size_of_a_pixel(idml, run, given, tmp_path):
    out = tmp_path / "out"
    command = ("segment", "predict", "--run", run, given[0], given[1], "--out", out)
    status, output, error = idml(*command, "--probabilities")
    assert status == 0, error
    read = data.read_labels(out / "a.tif")
    assert read.shape == (40, 44) and {*np.unique(read)} <= {0, 100, 255}
    assert data.read_micrograph(out / "a.tif").pixel_size == pytest.approx((5e-9, 1e-8))
    shares = tifffile.imread(out / "probabilities" / "a.tif")
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(np.array([0, 100, 255])[shares.argmax(axis=0)], read)
    assert imageio.imread(out / "overlays" / "a.png").shape == (40, 44, 3)
    with (out / "shares.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list("abcdef")
    assert float(rows[0]["fine"]) == pytest.approx((read == 100).mean())
    assert "coarse" in output and str(out) in output


def test_what_cannot_be_read_is_told_and_the_others_are_done(idml, run, given, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "bad.tif").write_bytes(b"no image")
    (folder / "good.tif").write_bytes((given[1] / "a.tif").read_bytes())
    out = tmp_path / "out"
    command = ("segment", "predict", "--run", run, "--images", folder, "--out", out)
    status, _, error = idml(*command, "--no-overlays")
    assert status == 0 and "left out: " in error and "bad.tif" in error
    assert sorted(each.name for each in out.iterdir()) == ["good.tif", "shares.csv"]


def test_scores_of_a_list_are_by_image_and_of_all(idml, run, given, folders, tmp_path):
    out = tmp_path / "out"
    command = ("segment", "evaluate", "--run", run, *given, "--out", out)
    status, output, error = idml(*command, "--split", folders / "split.json", "--part", "test")
    assert status == 0, error
    results = json.loads((out / "result.json").read_text())
    assert results["images"] == ["f"] and f"{results['scores']['mean IoU']:.3f}" in output
    assert idml(*command)[0] == 0
    with (out / "scores.csv").open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == list("abcdef")


def test_every_class_of_every_image_is_measured_as_a_phase(idml, run, given, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.tif").write_bytes((given[1] / f"{name}.tif").read_bytes())
    out = tmp_path / "out"
    command = ("segment", "measure", "--run", run, "--images", folder, "--out", out)
    status, output, error = idml(*command)
    assert status == 0, error
    with (out / "measures.csv").open() as file:
        rows = list(csv.DictReader(file))
    order = [(row["file"], row["class"]) for row in rows]
    assert order == [(f"{name}.tif", one) for name in "ab" for one in ("none", "fine", "coarse")]
    for row in rows:
        labels = data.read_labels(out / "labels" / row["file"])
        value = {"none": 0, "fine": 100, "coarse": 255}[row["class"]]
        assert float(row["volume_fraction"]) == pytest.approx((labels == value).mean())
        assert row["unit"] == "px" or float(row["pixel_size"].split()[0]) > 0
    assert "coarse" in output and (out / "coarse" / "report.html").exists()
    status, _, error = idml(*command, "--young", 1, 2)
    assert (status, error.count("\n")) == (2, 1) and "add --properties" in error


def test_the_same_image_on_both_sides_is_refused(idml, folders, tmp_path):
    for kind, ending in (("images", "tif"), ("masks", "png")):
        (tmp_path / kind).mkdir()
        for name, source in (("a", "a"), ("b", "b"), ("e", "a")):
            content = (folders / kind / f"{source}.{ending}").read_bytes()
            (tmp_path / kind / f"{name}.{ending}").write_bytes(content)
    (tmp_path / "split.json").write_text(json.dumps({"train": ["a", "b"], "val": ["e"]}))
    run = tmp_path / "run"
    status, _, error = idml(
        "segment", "train", "--images", tmp_path / "images", "--masks", tmp_path / "masks",
        "--split", tmp_path / "split.json", "--run", run, *FEW,
    )  # fmt: skip
    assert (status, error.count("\n")) == (2, 1), error
    assert "trained on and judged by" in error and "a.tif and" in error and "e.tif" in error
    assert not run.exists()


def test_a_symmetric_network_is_narrower_and_an_older_run_does_not_know_of_it(tmp_path):
    config = segment_train.Config(tmp_path, tmp_path, tmp_path, symmetric=True)
    recipe = segment_study.recipe_of(config)
    assert recipe.symmetric and recipe.features == (4, 8, 16, 32)
    plain = dataclasses.replace(config, symmetric=False)
    assert segment_study.recipe_of(plain).features == (16, 32, 64, 128)
    assert config.plain()["symmetric"] and "symmetric" not in plain.plain()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--split", "nowhere.json"), "no such file"),
        (("--of", "Super1"), "give the file by --split"),
        (("--classes", 0), "two at least"),
        (("--classes", 0, 100, "--names", "one"), "1 for 2 classes"),
        (("--names", "one", "two"), "2 for the 3 classes 0, 100, 255"),
        (("--classes", 0, 100), "holds 255 in 560 pixels"),
        (("--size", 0), "takes a side"),
        (("--steps", 0), "--steps (=0) must be positive"),
        (("--missed", 2), "--missed (=2.0) must lie between 0 and 1"),
        (("--zoom", -1), "--zoom (=-1.0) must not be negative"),
        (("--held-out", 1), "must lie between 0 and 1"),
        (("--dropout", 1), "--dropout"),
        (("--patience", 0), "at least 1"),
        (("--frozen",), "are of an --encoder"),
        (("--encoder", "resnet18", "--features", 4, 8), "five of them with --encoder"),
        (("--symmetric", "--encoder", "resnet18"), "of a plain U-Net: leave off --encoder"),
        (("--symmetric", "--attention"), "of a plain U-Net: leave off --attention"),
    ],
)
def test_what_cannot_be_trained_is_one_line(idml, given, tmp_path, options, rule):
    run = tmp_path / "run"
    status, _, error = idml("segment", "train", *given, "--run", run, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()
