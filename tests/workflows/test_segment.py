"""`idml segment`: what is written, what is gone on with, and what is refused before step 1."""

import csv
import dataclasses
import json

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from scipy import special
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from idml_jax import data, evaluation, training
from idml_jax.workflows import segment_compare, segment_study, segment_train

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
    if not (folder / "report.html").exists():
        status, _, error = idml(*command)
        assert status == 0, error
    return folder


@pytest.fixture(scope="module")
def others_place(tmp_path_factory):
    return tmp_path_factory.mktemp("others")


@pytest.fixture
def other(trained, idml, others_place, folders):
    """A run of another seed, with dropout, of the same split; a symmetric one of another split."""
    if (others_place / "mixed" / "report.html").exists():
        return others_place
    few = ("--steps", 4, "--seed", 1, "--dropout", 0.5, "--no-floors")
    status, _, error = idml(*trained[1], *few, "--run", others_place / "same")
    assert status == 0, error
    (folders / "other.json").write_text(json.dumps({"train": list("ae"), "val": ["b"]}))
    split = ("--split", folders / "other.json", "--symmetric")
    status, _, error = idml(*trained[1], *few, *split, "--run", others_place / "mixed")
    assert status == 0, error
    return others_place


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


def test_the_floors_see_local_contrast_as_the_network_does(idml, trained, folders, tmp_path):
    run = tmp_path / "run"
    options = ("--steps", 2, "--local-contrast", 15, "--run", run)
    status, _, error = idml(*trained[1], *options)
    assert status == 0, error
    given = (folders / "images", folders / "masks")
    masked = data.read_annotated(*given, names=list("abcde"))
    *known, unseen = [one.in_local_contrast(15) for one in masked.micrographs]
    forest = training.ForestSegmenter.of(known, masked.classes)
    counts = evaluation.pixel_counts(forest, [unseen]).sum(axis=0)
    results = json.loads((run / "result.json").read_text())
    assert results["counts"]["random forest"] == counts.tolist()
    assert training.load_segmenter(run).window == 15


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


def test_what_is_learned_is_shown_after_every_checkpoint(run, given):
    sheet = imageio.imread(run / "samples" / "step_000030.png")
    assert sheet.shape == (40, 3 * 44 + 2 * 4, 3)
    image, truth = imageio.imread(given[1] / "e.tif"), imageio.imread(given[3] / "e.png")
    np.testing.assert_array_equal(sheet[:, :44], np.repeat(image[..., None], 3, axis=2))
    # One colour of a class on the same grey.
    for value in (0, 100, 255):
        greys, colours = image[truth == value], sheet[:, -44:][truth == value]
        assert len(np.unique(colours - np.rint(0.55 * greys)[:, None], axis=0)) <= 8
    events = [
        (event.step, value.tag)
        for path in sorted(run.glob("events*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    assert (30, "held-out: grey, told, annotated") in events


def test_how_sure_it_is_is_told_and_a_temperature_is_for_those_who_ask(idml, run, given, tmp_path):
    found = json.loads((run / "result.json").read_text())["calibration"]
    segmenter = training.load_segmenter(run)
    (one,) = data.read_annotated(*given[1::2], names=["e"]).micrographs
    told = segmenter.predict(one.micrograph.image)
    expected = evaluation.reliability(told, one.labels).error
    assert found["expected calibration error"] == pytest.approx(expected)
    assert found["temperature"] == pytest.approx(evaluation.fit_temperature(told, one.labels))
    assert "off by" in (run / "report.html").read_text()
    command = (
        "segment",
        "predict",
        "--run",
        run,
        "--images",
        given[1] / "a.tif",
        "--probabilities",
    )
    for name, options in (("plain", ()), ("calibrated", ("--calibrated",))):
        status, _, error = idml(*command, *options, "--out", tmp_path / name)
        assert status == 0, error
    plain, warm = (
        tifffile.imread(tmp_path / name / "probabilities" / "a.tif")
        for name in ("plain", "calibrated")
    )
    logits = np.log(np.maximum(plain, 1e-38)) / found["temperature"]
    np.testing.assert_allclose(warm, special.softmax(logits, axis=0), atol=1e-4)
    labels = [data.read_labels(tmp_path / name / "a.tif") for name in ("plain", "calibrated")]
    np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize("way", ["turns", "dropout", "ensemble"])
def test_shares_have_intervals_and_pixels_say_how_unsure(idml, run, other, given, tmp_path, way):
    of_run = other / "same" if way == "dropout" else run
    options = {"turns": (), "dropout": ("--draws", 3), "ensemble": ("--others", other / "same")}
    out = tmp_path / "out"
    command = ("segment", "predict", "--run", of_run, *given[:2], "--out", out, "--maps")
    status, output, error = idml(*command, "--uncertainty", way, *options[way], "--level", 0.5)
    assert status == 0, error
    with (out / "shares.csv").open() as file:
        rows = list(csv.DictReader(file))
    fit = json.loads((out / "intervals.json").read_text())
    assert fit["fitted to"] == ["e"] and fit["level"] == 0.5
    assert fit["members"] == {"turns": 8, "dropout": 3, "ensemble": 2}[way]
    for row in rows:
        for name in ("none", "fine", "coarse"):
            share, low, high = (
                float(row[each]) for each in (name, f"low, {name}", f"high, {name}")
            )
            assert 0 <= low <= share <= high <= 1
    # What it is fitted to is held by as much as it takes: its own residual.
    truth = data.read_labels(given[3] / "e.png")
    (row,) = [each for each in rows if each["file"] == "e"]
    for name, value in (("none", 0), ("fine", 100), ("coarse", 255)):
        true, share = (truth == value).mean(), float(row[name])
        ends = np.clip([share - abs(share - true), share + abs(share - true)], 0, 1)
        found = float(row[f"low, {name}"]), float(row[f"high, {name}"])
        np.testing.assert_allclose(found, ends, atol=1e-6)
    maps = tifffile.imread(out / "uncertainty" / "a.tif")
    assert maps.shape == (2, 40, 44) and maps.dtype == np.float32
    assert (maps[0] <= np.log(3) + 1e-5).all() and (maps[1] <= maps[0] + 1e-5).all()
    assert maps[1].max() > 0 and f"{way}, {fit['members']} members" in output
    assert f"[{float(row['low, fine']):.4f}, {float(row['high, fine']):.4f}]" in output


def test_intervals_that_cannot_be_promised_are_refused(idml, run, other, given, folders, tmp_path):
    command = ("segment", "predict", *given[:2], "--out", tmp_path / "out")
    first, turns = ("--run", run), ("--uncertainty", "turns")
    for options, rule in (
        ((*first, *turns), "takes 9 annotated micrographs that were not trained on to fit"),
        ((*first, *turns), "there are 1; give --level 0.5, or more of them by --annotated"),
        ((*first, "--uncertainty", "dropout"), "trained without dropout"),
        ((*first, "--uncertainty", "ensemble"), "give both"),
        ((*first, *turns, "--others", other / "same"), "give both"),
        ((*first, "--uncertainty", "ensemble", "--others", run), "each run once"),
        ((*first, "--uncertainty", "ensemble", "--others", other / "mixed"), "trained on e, to"),
        (("--run", other / "mixed", *turns), "trained with --symmetric, so that it says the same"),
        ((*first, *turns, "--level", 1), "--level (=1.0) must lie between 0 and 1"),
        ((*first, *turns, "--draws", 1), "two at least"),
        ((*first, "--maps"), "--maps and --annotated are of --uncertainty"),
        ((*first, "--calibrated"), "add --probabilities or --uncertainty"),
    ):
        status, _, error = idml(*command, *options)
        assert (status, error.count("\n")) == (2, 1), error
        assert rule in error
    assert not (tmp_path / "out").exists()
    # All that are annotated but those that were trained on, by the images' names.
    again = ("--annotated", given[1], given[3], "--level", 0.6)
    status, _, error = idml(*command, *first, *turns, *again)
    assert status == 0, error
    assert json.loads((tmp_path / "out" / "intervals.json").read_text())["fitted to"] == ["e", "f"]


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
    assert "boundary F" in output and "adapted Rand error" in output
    assert idml(*command, "--tolerance", 1)[0] == 0
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list("abcdef")
    # The same by the toolkit's own functions.
    segmenter = training.load_segmenter(run)
    (one,) = data.read_annotated(*given[1::2], names=["b"]).micrographs
    both = one.labels, segmenter.predict(one.micrograph.image).argmax(axis=-1)
    boundary = evaluation.boundary_f_score(*both, classes=3, tolerance=1.0)
    regions = evaluation.adapted_rand_error(*both, classes=3)
    for place, name in enumerate(("none", "fine", "coarse")):
        assert float(rows[1][f"boundary F, {name}"]) == pytest.approx(boundary[place])
        assert float(rows[1][f"adapted Rand error, {name}"]) == pytest.approx(regions[place])
    means = json.loads((out / "result.json").read_text())["scores"]
    of_images = [float(row["boundary F, fine"]) for row in rows]
    assert means["boundary F, fine"] == pytest.approx(np.mean(of_images))
    assert idml(*command, "--tolerance", -1)[0] == 2


def test_every_class_of_every_image_is_measured_as_a_phase(idml, run, given, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.tif").write_bytes((given[1] / f"{name}.tif").read_bytes())
    out = tmp_path / "out"
    command = ("segment", "measure", "--run", run, "--images", folder, "--out", out)
    status, output, error = idml(*command, "--uncertainty", "turns", "--level", 0.5)
    assert status == 0, error
    with (out / "measures.csv").open() as file:
        rows = list(csv.DictReader(file))
    order = [(row["file"], row["class"]) for row in rows]
    assert order == [(f"{name}.tif", one) for name in "ab" for one in ("none", "fine", "coarse")]
    for row in rows:
        labels = data.read_labels(out / "labels" / row["file"])
        value = {"none": 0, "fine": 100, "coarse": 255}[row["class"]]
        share = float(row["volume_fraction"])
        assert share == pytest.approx((labels == value).mean())
        ends = [float(row[f"segmented_fraction_{end}"]) for end in ("low", "high")]
        assert ends[0] <= share <= ends[1] and ends[0] < ends[1]
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
        (("--encoder-rate", 1), "--encoder-rate (=1.0) is positive, and of an --encoder"),
        (("--boundary-weight", -1), "--boundary-weight (=-1.0) must not be negative"),
        (("--encoder", "resnet18", "--features", 4, 8), "five of them with --encoder"),
        (("--symmetric", "--encoder", "resnet18"), "of a plain U-Net: leave off --encoder"),
        (("--encoder", "resnet18", "--patch", 2), "with its own way down: leave off --encoder"),
        (("--patch", 0), "--patch (=0) must be at least 1"),
        (("--symmetric", "--attention"), "of a plain U-Net: leave off --attention"),
        (("--turned", "--turns", "none"), "saw crops turned: leave off --turns"),
        (("--local-contrast", 2), "--local-contrast (=2) is the side of a square of at least 3"),
    ],
)
def test_what_cannot_be_trained_is_one_line(idml, given, tmp_path, options, rule):
    run = tmp_path / "run"
    status, _, error = idml("segment", "train", *given, "--run", run, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()


def test_a_run_whose_folder_does_not_say_its_optimizer_is_gone_on_with_by_adam(tmp_path):
    for kind in (segment_train.Config, segment_compare.Config):
        config = kind(tmp_path, tmp_path, tmp_path)
        assert config.plain()["optimizer"] == "muon"
        assert "optimizer" not in dataclasses.replace(config, optimizer="adam").plain()
