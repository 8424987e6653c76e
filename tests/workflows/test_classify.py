"""`idml classify`: what is written, what is gone on with, and what is refused before step 1."""

import csv
import json
import shutil

import imageio.v3 as imageio
import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from idml_jax import evaluation, training
from idml_jax.models import pytorch_weights
from idml_jax.workflows import calibration, classify_study, classify_train

pytestmark = pytest.mark.usefixtures("standard_promotion")

FEW = (
    "--features",
    4,
    8,
    "--steps",
    40,
    "--batch",
    8,
    "--judge-every",
    20,
    "--learning-rate",
    0.05,
)


def draw(folder, count, seed):
    """Noise, stripes of two pixels and stripes of six, of any light and along either axis."""
    random = np.random.default_rng(seed)
    for number, name in enumerate(("coarse", "fine", "noise")):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            image = random.normal(0, 1, (40, 40))
            if name != "noise":
                wave = (np.arange(40) + random.integers(12)) // (6, 2)[number] % 2
                image = 0.3 * image + 2 * wave - 1
                image = image.T if random.integers(2) else image
            image = random.uniform(100, 150) + random.uniform(10, 20) * image
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            imageio.imwrite(folder / name / f"{place}.png", pixels)
    return folder


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classified")
    return draw(folder / "train", 8, 0), draw(folder / "val", 4, 1)


@pytest.fixture(scope="module")
def command(tmp_path_factory, folders):
    run = tmp_path_factory.mktemp("trained") / "run"
    train, val = folders
    return ("classify", "train", "--images", train, "--val", val, "--run", run, *FEW)


@pytest.fixture
def run(command, idml):
    status, _, error = idml(*command)
    assert status == 0, error
    return command[7]


def test_every_way_is_scored_on_what_it_was_not_trained_on(idml, command, run):
    results = json.loads((run / "result.json").read_text())
    assert results["classes"] == ["coarse", "fine", "noise"] and len(results["val"]) == 12
    told = results["scores"]["network"]
    assert told["low"] <= told["accuracy"] <= told["high"] and told["accuracy"] > 0.6, told
    right = [max(of, key=of.get) == name.split("/")[0] for name, of in results["val"].items()]
    assert told["accuracy"] == pytest.approx(np.mean(right))
    assert results["scores"]["local binary patterns, SVM"]["accuracy"] > 0.9
    assert (run / "report.html").stat().st_size > 10_000
    status, output, _ = idml(*command)
    assert status == 0 and "network" in output and str(run / "report.html") in output
    status, _, error = idml(*command, "--seed", 1)
    assert (status, error.count("\n")) == (2, 1) and "seed is 0 there and 1 here" in error


def test_new_micrographs_are_told_with_their_probabilities(idml, run, folders, tmp_path):
    out = tmp_path / "made" / "told.csv"
    status, output, error = idml(
        "classify", "predict", "--run", run, "--images", folders[1], "--out", out
    )
    assert status == 0, error
    with out.open() as file:
        rows = list(csv.DictReader(file))
    results = json.loads((run / "result.json").read_text())
    assert [*rows[0]] == ["file", "label", "coarse", "fine", "noise"] and len(rows) == 12
    for row in rows:
        shares = {name: float(row[name]) for name in results["classes"]}
        assert row["label"] == max(shares, key=shares.get)
        assert shares == pytest.approx(results["val"][row["file"].removesuffix(".png")], abs=1e-5)
    accuracy = results["scores"]["network"]["accuracy"]
    assert f"told right: {round(12 * accuracy)} of 12" in output


def test_how_sure_it_is_is_told_and_a_temperature_is_for_those_who_ask(
    idml, run, folders, tmp_path
):
    results = json.loads((run / "result.json").read_text())
    names = results["classes"]
    shares = np.array([[of[name] for name in names] for of in results["val"].values()])
    labels = np.array([names.index(name.split("/")[0]) for name in results["val"]])
    found = results["calibration"]
    # Of twelve micrographs, in five bins.
    expected = evaluation.reliability(shares, labels, bins=5).error
    assert found["expected calibration error"] == pytest.approx(expected)
    of_network = results["scores"]["network"]
    assert of_network["expected calibration error"] == pytest.approx(expected)
    told_right = (shares.argmax(axis=1) == labels).all()
    warm = 1.0 if told_right else evaluation.fit_temperature(shares, labels)
    assert found["temperature"] == pytest.approx(warm) and found["micrographs"] == 12
    assert "off by" in (run / "report.html").read_text()
    # Another temperature, so that it does not matter how well it learned.
    other = tmp_path / "other"
    shutil.copytree(run, other)
    changed = results | {"calibration": found | {"temperature": 2.5}}
    (other / "result.json").write_text(json.dumps(changed))
    out = tmp_path / "told.csv"
    command = ("classify", "predict", "--run", other, "--images", folders[1], "--out", out)
    assert idml(*command)[0] == 0
    plain = rows_of(out)
    assert idml(*command, "--calibrated")[0] == 0
    for row, of_plain in zip(rows_of(out), plain, strict=True):
        given = np.array([float(of_plain[name]) for name in names])
        powers = given ** (1 / 2.5)
        told = [float(row[name]) for name in names]
        assert told == pytest.approx(powers / powers.sum(), abs=1e-5)
        assert row["label"] == of_plain["label"]
    command = ("classify", "evaluate", "--run", other, "--images", folders[1], "--out", out.parent)
    status, output, error = idml(*command)
    assert status == 0, error
    errors = json.loads((out.parent / "result.json").read_text())["expected calibration error"]
    warmer = evaluation.at_temperature(shares, 2.5)
    assert errors == pytest.approx(
        {
            "as it is": expected,
            "at the temperature 2.50": evaluation.reliability(warmer, labels, bins=5).error,
        },
        abs=1e-4,
    )
    assert f"{expected:.3f} as it is" in output
    # A run from before there was any is evaluated, and says what is to be done for one.
    old = {name: value for name, value in results.items() if name != "calibration"}
    (other / "result.json").write_text(json.dumps(old))
    assert idml(*command)[0] == 0
    errors = json.loads((out.parent / "result.json").read_text())["expected calibration error"]
    assert [*errors] == ["as it is"]
    command = ("classify", "predict", "--run", other, "--images", folders[1], "--out", out)
    status, _, error = idml(*command, "--calibrated")
    assert (status, error.count("\n")) == (2, 1) and "fitted no temperature yet; run the" in error


def test_a_temperature_is_fitted_to_errors_alone():
    """Where all is right the surest fits best, and says that nothing is ever wrong."""
    shares = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]] * 10)
    labels = np.array([0, 1, 0] * 10)
    options = {"what": "micrographs", "command": "this"}
    found = calibration.calibration_of(shares, labels, **options)
    assert found.temperature == 1 and "all are told right" in str(found)
    assert found.as_it_is.error == pytest.approx(1 - (0.7 + 0.6 + 0.9) / 3)
    found = calibration.calibration_of(shares, np.roll(labels, 1), **options)
    assert found.temperature == pytest.approx(
        evaluation.fit_temperature(shares, np.roll(labels, 1))
    )
    assert found.at_temperature.error < found.as_it_is.error
    assert [len(calibration.reliability_of(np.tile(shares, (n, 1)), np.tile(labels, n)).share)
            for n in (1, 3, 40)] == [5, 9, 15]  # fmt: skip


def test_larger_ones_are_cut_and_what_cannot_be_used_is_told(idml, run, tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for name, side in (("large", 90), ("small", 30)):
        imageio.imwrite(folder / f"{name}.png", random.integers(0, 256, (side, side), np.uint8))
    (folder / "bad.png").write_bytes(b"no image")
    out = tmp_path / "told.csv"
    status, _, error = idml("classify", "predict", "--run", run, "--images", folder, "--out", out)
    assert status == 0
    assert "left out: " in error and "bad.png" in error and "smaller than the crop" in error
    with out.open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["large.png"]


def test_another_network_is_trained_on_crops_and_told_by(idml, folders, tmp_path):
    run, out = tmp_path / "run", tmp_path / "told.csv"
    options = (
        "--network", "equivariant", "--features", 2, "--normalization", "batch", "--crop", 0.5,
        "--dropout", 0.2, "--decay", 0.01, "--steps", 4, "--batch", 8, "--judge-every", 2,
    )  # fmt: skip
    command = ("classify", "train", "--images", folders[0], "--run", run, *options)
    status, _, error = idml(*command)
    assert status == 0, error
    written = json.loads((run / "classifier.json").read_text())
    assert written["architecture"] == "equivariant" and written["crop"] == 0.5
    # Micrographs that lie otherwise are told the same.
    turned = tmp_path / "turned"
    turned.mkdir()
    for place in range(3):
        image = imageio.imread(folders[1] / "fine" / f"{place}.png")
        imageio.imwrite(turned / f"{place}.png", np.rot90(image))
    told = []
    for images in (folders[1] / "fine", turned):
        status, _, error = idml(
            "classify", "predict", "--run", run, "--images", images, "--out", out
        )
        assert status == 0, error
        with out.open() as file:
            told.append([float(row["coarse"]) for row in csv.DictReader(file)][:3])
    assert told[0] == pytest.approx(told[1], abs=1e-5) and np.ptp(told[0]) > 1e-4


@pytest.mark.parametrize(
    ("options", "features", "rate"),
    [
        ({}, (16, 32, 64, 64), 2e-2),
        ({"network": "three"}, (16, 32, 64), 2e-2),
        ({"network": "equivariant", "learning_rate": 0.1}, (4, 8, 16, 16), 0.1),
        ({"network": "resnet50"}, (), 1e-3),
        ({"network": "resnet50", "frozen": True}, (), 2e-2),
    ],
)
def test_each_network_has_its_own_features_and_rate(tmp_path, options, features, rate):
    config = classify_train.Config(tmp_path, tmp_path, **options)
    recipe = classify_study.recipe_of(config)
    assert (recipe.features, recipe.learning_rate) == (features, rate)
    # What is chosen for it is written; of an older run nothing is that it does not know.
    plain = config.plain()
    assert plain["features"] == [*features] and plain["learning_rate"] == rate
    newer = {*classify_train.NEWER_OPTIONS} & {*plain}
    assert newer == {*options} & {*classify_train.NEWER_OPTIONS}
    own = config.network == "resnet50"
    assert (recipe.normalization, recipe.crop) == (("none", 1.0) if own else ("batch", 0.5))
    written = {name: plain[name] for name in ("normalization", "crop") if name in plain}
    assert written == ({} if own else {"normalization": "batch", "crop": 0.5})


def test_a_run_from_before_goes_on_as_it_was_made(idml, folders, tmp_path):
    run = tmp_path / "run"
    few = ("--held-out", 0.25, "--steps", 2, "--judge-every", 2, "--features", 4, "--batch", 8)
    command = ("classify", "train", "--images", folders[0], "--run", run, *few)
    status, _, error = idml(*command, "--normalization", "none", "--crop", 1)
    assert status == 0, error
    # Nothing of it is in the folder, as of runs that were made when both were not there.
    for name in ("config.json", "classifier.json"):
        assert not {"normalization", "crop"} & {*json.loads((run / name).read_text())}
    told = json.loads((run / "result.json").read_text())["val"]
    status, _, error = idml(*command)
    assert status == 0, error
    assert json.loads((run / "result.json").read_text())["val"] == told
    status, _, error = idml(*command, "--normalization", "batch")
    assert (status, error.count("\n")) == (2, 1)
    assert "normalization is None there and 'batch' here" in error
    # One that says one of both knew of no other default for the other.
    (run / "config.json").write_text(json.dumps({"normalization": "group"}))
    assert classify_train.older_options(run / "config.json") == {"crop": 1.0}
    (run / "config.json").write_text("no JSON")
    assert classify_train.older_options(run / "config.json") == {}
    status, _, error = idml(*command)
    assert (status, error.count("\n")) == (2, 1) and "not a JSON file of ours" in error


def test_a_folder_is_evaluated_class_by_class(idml, run, folders, tmp_path):
    out = tmp_path / "out"
    command = ("classify", "evaluate", "--run", run, "--out", out)
    status, output, error = idml(*command, "--images", folders[1])
    assert status == 0, error
    assert "12 of 12 micrographs were judged by, so that scores flatter: " in error
    with (out / "told.csv").open() as file:
        rows = list(csv.DictReader(file))
    results = json.loads((run / "result.json").read_text())
    classes = results["classes"]
    for row in rows:
        shares = {name: float(row[name]) for name in classes}
        assert shares == pytest.approx(results["val"][row["file"]], abs=1e-5)
        assert row["true"] == row["file"].split("/")[0]
        assert row["told"] == max(shares, key=shares.get)
    of_truth = [float(row[row["true"]]) for row in rows]
    assert len(rows) == 12 and of_truth == sorted(of_truth)
    true, told = ([row[what] for row in rows] for what in ("true", "told"))
    scores = json.loads((out / "result.json").read_text())["scores"]
    expected = precision_recall_fscore_support(true, told, labels=classes, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "F1"), expected[:3], strict=True):
        for one, value in zip(classes, values, strict=True):
            found = scores[f"{name}, {one}"]["of all"]
            assert np.isnan(value) if found is None else found == pytest.approx(value)
    accuracy = scores["accuracy"]
    assert accuracy["of all"] == pytest.approx(np.mean(np.array(true) == told))
    assert accuracy["low"] <= accuracy["of all"] <= accuracy["high"]
    assert scores["macro-F1"]["of all"] == pytest.approx(np.nanmean(expected[2]))
    assert (out / "confusion.png").exists() and (out / "report.html").stat().st_size > 10_000
    assert f"accuracy {accuracy['of all']:.3f}" in output
    # The same from one folder and a table; classes that are not there have no score.
    flat = tmp_path / "flat"
    shutil.copytree(folders[1] / "fine", flat)
    table = tmp_path / "labels.csv"
    table.write_text("file,class\n" + "".join(f"{place},fine\n" for place in range(4)))
    status, output, error = idml(*command, "--images", flat, "--labels", table)
    assert status == 0, error
    of_fine = {row["file"].split("/")[1]: row["fine"] for row in rows if row["true"] == "fine"}
    with (out / "told.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["fine"]) == pytest.approx(float(of_fine[row["file"]]), abs=1e-5)
    assert (
        json.loads((out / "result.json").read_text())["scores"]["recall, noise"]["of all"] is None
    )


def test_classes_that_the_network_does_not_know_are_refused_by_name(idml, run, folders, tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(folders[1], images)
    for name in ("dendrites", "voids"):
        shutil.copytree(images / "fine", images / name)
    command = ("classify", "evaluate", "--run", run, "--images", images, "--out", out)
    status, _, error = idml(*command)
    assert (status, error.count("\n")) == (2, 1)
    assert f"{images / 'dendrites'}, {images / 'voids'}: are none of the classes coarse" in error
    for name in ("dendrites", "voids"):
        shutil.rmtree(images / name)
    for name in ("noise/1.png", "fine/2.png"):
        (images / name).write_bytes(b"no image")
    status, _, error = idml(*command)
    assert (status, error.count("\n")) == (2, 1) and "2 files cannot be used: " in error
    assert "noise/1.png" in error and "fine/2.png" in error and not out.exists()


def flattened(folder, to, specimen):
    """The micrographs in one folder, and rows of a table that says what each is."""
    to.mkdir()
    rows = ["file,class,specimen"]
    for path in sorted(folder.glob("*/*")):
        name = f"{path.parent.name}_{path.name}"
        shutil.copy(path, to / name)
        rows.append(f"{name},{path.parent.name},{specimen(int(path.stem))}")
    return rows


def test_classes_of_a_table_are_learned_and_specimens_held_out_whole(idml, folders, tmp_path):
    rows = flattened(folders[0], tmp_path / "flat", lambda number: number // 2)
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows))
    few = ("--held-out", 0.25, "--steps", 2, "--judge-every", 2, "--features", 4, "--batch", 8)
    command = ("classify", "train", "--images", tmp_path / "flat", *few, "--labels", table, "--run")
    status, output, error = idml(*command, tmp_path / "run")
    assert status == 0, error
    assert "coarse 6, fine 6, noise 6" in output
    held_out = json.loads((tmp_path / "run" / "result.json").read_text())["val"]
    assert len({int(name.split("_")[1]) // 2 for name in held_out}) == 1 and len(held_out) == 6
    for bad, rule in (
        ([*rows, rows[1]], "files with several rows: coarse_0.png (lines 2 and 26)"),
        ([*rows, "gone,fine,1"], "rows about files that are not there: gone (line 26)"),
        (rows[:-1], "files without a row: noise_7.png"),
        ([row.replace("fine,", "coarse,").replace("noise,", "coarse,") for row in rows],
         "one class only (coarse)"),
    ):  # fmt: skip
        table.write_text("\n".join(bad))
        status, _, error = idml(*command, tmp_path / "other")
        assert (status, error.count("\n")) == (2, 1) and rule in error, error
    assert not (tmp_path / "other").exists()


def test_a_specimen_on_both_sides_is_refused(idml, folders, tmp_path):
    command = ["classify", "train", "--run", tmp_path / "run", *FEW]
    for name, folder, table in zip(
        ("images", "val"), folders, ("labels", "val-labels"), strict=True
    ):
        rows = flattened(folder, tmp_path / name, lambda number: f"s{number}")
        (tmp_path / f"{table}.csv").write_text("\n".join(rows))
        command += [f"--{name}", tmp_path / name, f"--{table}", tmp_path / f"{table}.csv"]
    status, _, error = idml(*command)
    assert (status, error.count("\n")) == (2, 1)
    assert "specimens that are trained on and judged by: s0, s1, s2, s3; keep" in error


def test_some_of_each_class_are_held_out_by_themselves(idml, folders, tmp_path):
    run = tmp_path / "run"
    options = ("--held-out", 0.25, "--steps", 2, "--judge-every", 2, "--features", 4)
    status, output, error = idml(
        "classify", "train", "--images", folders[0], "--run", run, "--batch", 8, *options
    )
    assert status == 0, error
    assert "coarse 6, fine 6, noise 6" in output
    held_out = json.loads((run / "result.json").read_text())["val"]
    assert sorted(name.split("/")[0] for name in held_out) == sorted(
        ["coarse", "fine", "noise"] * 2
    )


def test_the_same_image_on_both_sides_is_refused(idml, folders, tmp_path):
    train, val = folders
    shutil.copytree(val, tmp_path / "val")
    shutil.copy(train / "fine" / "3.png", tmp_path / "val" / "fine" / "again.png")
    run = tmp_path / "run"
    status, _, error = idml(
        "classify", "train", "--images", train, "--val", tmp_path / "val", "--run", run, *FEW
    )
    assert (status, error.count("\n")) == (2, 1), error
    assert "trained on and judged by" in error and "again.png" in error and "3.png" in error
    assert not run.exists()


def test_a_residual_network_leaves_its_encoder_for_others(folders, tmp_path, idml):
    train, val = folders
    command = ("classify", "train", "--images", train, "--val", val, "--run", tmp_path / "run")
    few = ("--network", "resnet18", "--steps", 1, "--batch", 2, "--judge-every", 1)
    status, _, error = idml(*command, *few)
    assert status == 0, error
    found = training.read_pytorch_weights(tmp_path / "run" / "encoder.safetensors")
    expected = training.load_classifier(tmp_path / "run").network.encoder
    for name, value in pytorch_weights(expected).items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--val", "nowhere"), "nowhere: does not exist"),
        (("--size", 64), "smaller than the crop of 64 x 64"),
        (("--size", 1, 2, 3), "takes a side"),
        (("--steps", 0), "--steps (=0) must be positive"),
        (("--mixing", -1), "--mixing (=-1.0) must not be negative"),
        (("--held-out", 1), "must lie between 0 and 1"),
        (("--batch", 400), "more than the 18 squares of 40 x 40"),
        (("--patience", 0), "at least 1"),
        (("--network", "resnet18", "--features", 4), "--features: --network resnet18 has its own"),
        (("--network", "resnet34", "--normalization", "group"), "resnet34 has its own"),
        (("--frozen",), "are of a residual --network"),
        (("--weights", "file.pth"), "are of a residual --network"),
        (("--network", "resnet18", "--weights", "file.pth"), "--weights (=file.pth): no such file"),
        (("--network", "resnet18", "--frozen"), "name it by --weights"),
        (("--network", "three", "--features", 4, 8), "three of them with --network three"),
        (("--dropout", 1), "--dropout (=1.0) must lie between"),
        (("--decay", -1), "--decay (=-1.0) must not be negative"),
        (("--crop", 0), "--crop (=0.0): a share up to 1"),
        (("--crop", 20.5), "--crop (=20.5): a share up to 1"),
        (("--crop", 41), "--crop (=41): larger than the squares of 40 x 40"),
        (("--val-labels", "nowhere.csv"), "is the table of --val: give that folder"),
        (("--val", "nowhere", "--specimen-pattern", "."), "--val says what is held out"),
        (("--specimens", "nowhere.csv"), "nowhere.csv: does not exist"),
    ],
)
def test_what_cannot_be_trained_is_one_line(idml, folders, tmp_path, options, rule):
    run = tmp_path / "run"
    status, _, error = idml("classify", "train", "--images", folders[0], "--run", run, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()
