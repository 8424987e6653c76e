"""`idml segment` over folds: who judges whom, what is gone on with, and what is refused."""

import csv
import json
import shutil

import imageio.v3 as imageio
import numpy as np
import pytest

from idml_jax import data, evaluation, training
from idml_jax.workflows import segment_study

pytestmark = pytest.mark.usefixtures("standard_promotion")

FEW = ("--features", 4, "--size", 16, "--steps", 4, "--batch", 2)
FOLDS = {"a": 1, "b": 1, "c": 3, "d": 3, "e": 4, "f": 4}
NAMES = ("none", "fine", "coarse")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six images of stripes, of which the mask says how wide; the folds of all but one of these."""
    folder = tmp_path_factory.mktemp("folds")
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for name in FOLDS:
        image, mask = random.uniform(60, 190, (32, 36)), np.zeros((32, 36), np.uint8)
        for value, width, columns in ((1, 1, slice(0, 12)), (2, 4, slice(24, 36))):
            wave = (np.arange(32) + random.integers(8)) // width % 2
            image[:, columns] = 60 + 100 * wave[:, None] + 0.1 * image[:, columns]
            mask[:, columns] = value
        imageio.imwrite(folder / "images" / f"{name}.png", image.astype(np.uint8))
        imageio.imwrite(folder / "masks" / f"{name}.png", mask)
    write(folder, FOLDS | {"gone": 0})
    return folder


def write(folder, numbers):
    path = folder / "folds.json"
    path.write_text(json.dumps({"cv": numbers, "other": {}}))
    return path


def given(folder):
    return ("--images", folder / "images", "--masks", folder / "masks")


OF = ("--of", "cv", "--without-folds", 0)


@pytest.fixture(scope="module")
def over_folds(folders, tmp_path_factory):
    """The command that takes all folds in turn, and its run."""
    run = tmp_path_factory.mktemp("compared") / "run"
    options = ("--fold-file", folders / "folds.json", *OF, "--names", *NAMES, *FEW)
    return run, ("segment", "compare", *given(folders), "--run", run, *options)


@pytest.fixture
def compared(over_folds, idml):
    run, command = over_folds
    status, output, error = idml(*command)
    assert status == 0, error
    return run, output


def test_each_fold_is_judged_by_what_the_others_taught(folders, compared):
    run, output = compared
    result = json.loads((run / "result.json").read_text())
    assert result["folds"] == {"1": ["a", "b"], "3": ["c", "d"], "4": ["e", "f"]}
    annotated = data.read_annotated(folders / "images", folders / "masks")
    by_name = {one.name: one for one in annotated.micrographs}
    counts = {}
    for number, members in result["folds"].items():
        others = [by_name[name] for name in FOLDS if name not in members]
        judged = [by_name[name] for name in members]
        ways = {
            "U-Net": training.load_segmenter(run / f"fold_{number}"),
            "random forest": training.ForestSegmenter.of(others, annotated.classes),
            "threshold (Otsu)": training.ThresholdSegmenter.of(others, annotated.classes),
        }
        options = json.loads((run / f"fold_{number}" / "segmenter.json").read_text())
        assert not options["judged"]
        for way, segmenter in ways.items():
            each = evaluation.pixel_counts(segmenter, judged).sum(axis=0)
            counts.setdefault(way, []).append(each)
    with (run / "compared.csv").open() as file:
        rows = {(row["by"], row["score"]): row for row in csv.DictReader(file)}
    for way, of_folds in counts.items():
        whole = evaluation.pixel_scores(np.sum(of_folds, axis=0), NAMES)
        each = [evaluation.pixel_scores(one, NAMES) for one in of_folds]
        assert result["scores"][way]["counts"] == np.sum(of_folds, axis=0).tolist()
        for score in ("mean IoU", *(f"IoU, {name}" for name in NAMES)):
            row, values = rows[way, score], [one[score] for one in each]
            assert float(row["of all pixels"]) == pytest.approx(whole[score])
            assert float(row["mean over folds"]) == pytest.approx(np.mean(values))
            assert float(row["deviation"]) == pytest.approx(np.std(values, ddof=1))
            assert [float(row[f"fold {number}"]) for number in (1, 3, 4)] == pytest.approx(values)
            assert f"{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}" in output
        low, high = result["scores"][way]["mean IoU of all pixels, 95 %"]
        assert low <= whole["mean IoU"] <= high
    assert (run / "report.html").stat().st_size > 10_000


def test_what_is_done_is_not_done_again_and_the_rest_is(idml, over_folds, compared, monkeypatch):
    run, command = over_folds
    trained = []
    plain = segment_study.fitted

    def counted(config, parts, **options):
        trained.append(config.run.name)
        return plain(config, parts, **options)

    monkeypatch.setattr("idml_jax.workflows.segment_comparison.fitted", counted)
    before = json.loads((run / "result.json").read_text())
    assert idml(*command)[0] == 0 and trained == []
    done = json.loads((run / "folds.json").read_text())
    del done["3"]
    (run / "folds.json").write_text(json.dumps(done))
    assert idml(*command)[0] == 0 and trained == ["fold_3"]
    after = json.loads((run / "result.json").read_text())
    for way, scores in before["scores"].items():
        assert after["scores"][way]["counts"] == scores["counts"]
    status, _, error = idml(*command, "--seed", 1)
    assert (status, error.count("\n")) == (2, 1) and "seed is 0 there and 1 here" in error


def test_the_mean_of_turns_is_judged_beside_what_is_done(idml, folders, over_folds, compared):
    run, command = over_folds
    before = json.loads((run / "folds.json").read_text())
    status, output, error = idml(*command, "--turned")
    assert status == 0, error
    after = json.loads((run / "folds.json").read_text())
    annotated = data.read_annotated(folders / "images", folders / "masks").micrographs
    for number, ways in before.items():
        assert {way: after[number][way] for way in ways} == ways
        members = training.turned_members(training.load_segmenter(run / f"fold_{number}"))
        judged = [one for one in annotated if str(FOLDS[one.name]) == number]
        counts = evaluation.pixel_counts(training.UncertainSegmenter(members), judged)
        assert after[number]["U-Net, mean of turns"]["counts"] == counts.tolist()
    assert "U-Net, mean of turns" in output
    # Without it the table is as it was.
    assert idml(*command)[1] == compared[1]


def test_one_fold_is_trained_as_among_all_and_nothing_is_chosen_by_it(
    idml, folders, compared, tmp_path
):
    run = tmp_path / "run"
    options = ("--fold-file", folders / "folds.json", *OF, "--names", *NAMES, *FEW)
    status, _, error = idml(
        "segment", "train", *given(folders), "--run", run, *options, "--fold", 3
    )
    assert status == 0, error
    result = json.loads((run / "result.json").read_text())
    assert result["train"] == list("abef") and result["val"] == list("cd")
    done = json.loads((compared[0] / "folds.json").read_text())["3"]
    for way, counts in result["counts"].items():
        assert counts == np.sum(done[way]["counts"], axis=0).tolist()
    assert not json.loads((run / "segmenter.json").read_text())["judged"]


def test_random_folds_keep_specimens_together_and_a_rare_class_is_told_of(idml, folders, tmp_path):
    shutil.copytree(folders, tmp_path / "given")
    for name in "ab":
        path = tmp_path / "given" / "masks" / f"{name}.png"
        imageio.imwrite(path, np.minimum(imageio.imread(path), 1))
    table = tmp_path / "specimens.csv"
    table.write_text("file,specimen\na,1\nb,1\nc,2\nd,2\ne,3\nf,3\n")
    run = tmp_path / "run"
    options = ("--folds", 3, "--by-specimen", "--specimens", table, "--no-floors", *FEW)
    command = ("segment", "compare", *given(tmp_path / "given"), "--run", run, *options)
    status, output, error = idml(*command)
    assert status == 0, error
    result = json.loads((run / "result.json").read_text())
    assert sorted(result["folds"].values()) == [["a", "b"], ["c", "d"], ["e", "f"]]
    number = next(key for key, members in result["folds"].items() if members == ["a", "b"])
    assert f"Folds without a class, of which they say nothing: fold {number}: 2." in error
    assert result["folds without a class"] == {number: ["2"]}
    assert "of which they say nothing" in (run / "report.html").read_text()
    assert [*result["scores"]] == ["U-Net"]
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"a": 1, "b": 1, "c": 2, "d": 2, "e": 2, "f": 2}))
    new = tmp_path / "new"
    status, _, error = idml(*command[:7], new, "--fold-file", path, *FEW)
    assert (status, error.count("\n")) == (2, 1) and not new.exists()
    assert f"{path}: fold 2 leaves nothing to learn of 2: each class has to be in two" in error


@pytest.mark.parametrize(
    ("task", "options", "rule"),
    [
        ("train", ("--fold", 1), "give --fold-file"),
        ("train", ("--without-folds", 1), "give --fold-file"),
        ("train", ("--fold-file", "FILE"), "say by --fold which one is judged by"),
        ("train", ("--fold-file", "FILE", "--fold", 1, "--split", "FILE"), "--split and --fold-f"),
        ("train", ("--fold-file", "FILE", "--fold", 1, "--patience", 3), "nothing is chosen by a"),
        ("train", ("--fold-file", "FILE", "--fold", 2, *OF), "has the folds 1, 3, 4; name one"),
        ("train", ("--fold-file", "FILE", "--fold", 1), "holds several partings, cv, other"),
        ("train", ("--fold-file", "FILE", "--fold", 1, "--of", "cv"), "not there: gone (fold 0)"),
        ("compare", ("--fold-file", "FILE", "--of", "cv"), "not there: gone (fold 0)"),
        ("compare", ("--fold", 1), "--fold is of `idml segment train`"),
        ("compare", ("--held-out", 0.1), "--held-out is of `idml segment train`"),
        ("compare", ("--folds", 7), "fewer micrographs than 7 folds: the set has 6"),
        ("compare", ("--by-specimen",), "each micrograph is its own specimen"),
        ("compare", ("--fold-file", "FILE", *OF, "--specimens", "LEAK"), "several folds: s (b, c)"),
    ],
)  # fmt: skip
def test_what_cannot_be_parted_is_one_line(idml, folders, tmp_path, task, options, rule):
    leak = tmp_path / "leak.csv"
    leak.write_text("file,specimen\na,1\nb,s\nc,s\nd,2\ne,3\nf,3\n")
    files = {"FILE": folders / "folds.json", "LEAK": leak}
    options = [files.get(one, one) for one in options]
    run = tmp_path / "run"
    status, _, error = idml("segment", task, *given(folders), "--run", run, *FEW, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()


def test_the_same_image_in_two_folds_is_refused(idml, folders, tmp_path):
    shutil.copytree(folders, tmp_path / "given")
    for kind in ("images", "masks"):
        shutil.copy(folders / kind / "a.png", tmp_path / "given" / kind / "g.png")
    path = write(tmp_path / "given", FOLDS | {"g": 3})
    run = tmp_path / "run"
    for task, more in (("compare", ()), ("train", ("--fold", 1))):
        status, _, error = idml(
            "segment", task, *given(tmp_path / "given"), "--run", run,
            "--fold-file", path, "--of", "cv", *more, *FEW,
        )  # fmt: skip
        assert (status, error.count("\n")) == (2, 1) and "the same image" in error, error
        assert "images/a.png" in error and "images/g.png" in error
    assert not run.exists()
