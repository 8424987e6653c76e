"""`idml classify compare`: what sees which fold, what is gone on with, what is refused."""

import csv
import json
import shutil

import imageio.v3 as imageio
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from idml_jax import data, training
from idml_jax.errors import InputError
from idml_jax.workflows import classify_comparison, classify_study, classify_ways
from idml_jax.workflows.classify_compare import Config
from idml_jax.workflows.classify_folds import inner_folds

pytestmark = pytest.mark.usefixtures("standard_promotion")

CLASSES = ("coarse", "fine", "noise")


def texture(name, random):
    """Noise, or stripes of two pixels or of six, of any light and along either axis."""
    image = random.normal(0, 1, (40, 40))
    if name != "noise":
        wave = (np.arange(40) + random.integers(12)) // (6 if name == "coarse" else 2) % 2
        image = 0.3 * image + 2 * wave - 1
        image = image.T if random.integers(2) else image
    image = random.uniform(100, 150) + random.uniform(10, 20) * image
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Twelve micrographs of each class, in a folder each; two of a specimen."""
    folder = tmp_path_factory.mktemp("classified")
    random = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir()
        for place in range(12):
            pixels = texture(name, random)
            imageio.imwrite(folder / name / f"{place // 2}_{place % 2}.png", pixels)
    return folder


def compare(idml, images, run, *options):
    return idml("classify", "compare", "--images", images, "--run", run, *options)


QUICK = ("--features", "patterns", "greys", "--classifiers", "logistic")


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def told(run, way):
    return json.loads((run / "told" / f"{way}.json").read_text())


def test_ways_are_compared_over_the_same_folds(idml, images, tmp_path):
    run = tmp_path / "run"
    status, output, error = compare(idml, images, run, "--folds", 4, *QUICK)
    assert status == 0, error
    rows = {row["by"]: row for row in rows_of(run / "compared.csv")}
    assert {*rows} == {"patterns, logistic", "greys, logistic"}
    known = classify_comparison.read(Config(images, run, folds=4))
    for way, row in rows.items():
        answers = told(run, way.replace(", ", "_"))
        guesses = [np.array(each["told"]).argmax(axis=1) for each in answers]
        truths = [known.targets[fold.judged] for fold in known.folds]
        pairs = list(zip(guesses, truths, strict=True))
        right = [np.mean(one == other) for one, other in pairs]
        macro = [f1_score(truth, guess, average="macro") for guess, truth in pairs]
        for name, values in (("accuracy", right), ("macro-F1", macro)):
            assert float(row[name]) == pytest.approx(np.mean(values))
            assert float(row[f"{name} deviation"]) == pytest.approx(np.std(values, ddof=1))
            assert float(row[f"{name} low"]) <= np.mean(values) <= float(row[f"{name} high"])
    best, other = rows["patterns, logistic"], rows["greys, logistic"]
    assert float(best["accuracy"]) > float(other["accuracy"])
    assert output.index("patterns, logistic") < output.index("greys, logistic")
    assert (run / "report.html").stat().st_size > 10_000
    counts = json.loads((run / "result.json").read_text())["scores"][0]["counts"]
    assert np.sum(counts) == 36 and np.trace(counts) == 36 * float(best["accuracy"])
    # More ways are added to those that are done.
    before = (run / "told" / "greys_logistic.json").stat().st_mtime_ns
    status, output, error = compare(idml, images, run, "--folds", 4, *QUICK, "neighbours")
    assert status == 0, error
    assert "patterns, neighbours" in output and len(rows_of(run / "compared.csv")) == 4
    assert (run / "told" / "greys_logistic.json").stat().st_mtime_ns == before
    status, _, error = compare(idml, images, run, "--folds", 4, *QUICK, "--seed", 1)
    assert (status, error.count("\n")) == (2, 1) and "seed is 0 there and 1 here" in error


@pytest.fixture
def other(images, tmp_path):
    """Four further micrographs of each class, by names that are those of others."""
    folder = tmp_path / "other"
    random = np.random.default_rng(1)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for place in range(4):
            imageio.imwrite(folder / name / f"{place}_0.png", texture(name, random))
    return folder


def test_other_micrographs_judge_in_place_of_folds(idml, images, other, tmp_path):
    run = tmp_path / "run"
    options = ("--val", other, "--nested", *QUICK)
    status, output, error = compare(idml, images, run, *options)
    assert status == 0, error
    assert "+-" not in output
    known = classify_comparison.read(Config(images, run, val=other))
    (fold,) = known.folds
    assert len(fold.fitted) == 36 and len(fold.judged) == 12
    (answer,) = told(run, "patterns_logistic")
    assert answer["fitted"] == 36
    right = np.mean(np.argmax(answer["told"], axis=1) == known.targets[fold.judged])
    rows = {row["by"]: row for row in rows_of(run / "compared.csv")}
    assert float(rows["patterns, logistic"]["accuracy"]) == pytest.approx(right)
    assert "the best by inner folds" in rows
    assert "12 of which judge" in (run / "report.html").read_text()
    # Others in their place are another comparison.
    (other / "noise" / "3_0.png").unlink()
    status, _, error = compare(idml, images, run, *options)
    assert status == 2 and "images digest" in error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--folds", 3), "--val is judged by in place of folds, of which --folds would say"),
        (("--by-specimen", "--repeats", 2), "of which --repeats, --by-specimen would say"),
    ],
)
def test_folds_beside_what_judges_are_refused(idml, images, other, tmp_path, options, says):
    status, _, error = compare(idml, images, tmp_path / "run", "--val", other, *options, *QUICK)
    assert status == 2 and says in error and not (tmp_path / "run").exists()


def test_what_judges_is_not_learned_from_and_has_no_other_class(idml, images, other, tmp_path):
    shutil.copy(images / "fine" / "1_0.png", other / "fine" / "copy.png")
    run = tmp_path / "run"
    status, _, error = compare(idml, images, run, "--val", other, *QUICK)
    both = f"{images / 'fine' / '1_0.png'} and {other / 'fine' / 'copy.png'}"
    assert status == 2 and f"the same image is trained on and judged by: {both}" in error
    (other / "fine" / "copy.png").unlink()
    (other / "fine").rename(other / "finest")
    status, _, error = compare(idml, images, run, "--val", other, *QUICK)
    assert status == 2 and "finest" in error
    shutil.rmtree(other / "finest")
    status, _, error = compare(idml, images, run, "--val", other, *QUICK)
    assert status == 0 and "fold val: fine" in error
    status, _, error = compare(idml, images, run, "--val-labels", tmp_path / "x.csv", *QUICK)
    assert status == 2 and "--val-labels is a table of --val" in error


def test_features_of_a_network_are_compared_where_it_was_not_trained(idml, images, other, tmp_path):
    run = tmp_path / "network"
    train = ("classify", "train", "--images", other, "--run", run, "--held-out", 0.25)
    status, _, error = idml(*train, "--steps", 2, "--batch", 4, "--judge-every", 1)
    assert status == 0, error
    options = ("--embedding", run, "--classifiers", "logistic", "chi-squared", "--features")
    status, output, error = compare(idml, images, tmp_path / "run", *options, "--folds", 3)
    assert status == 0, error
    assert "left out with embedding" in error
    classifier = training.load_classifier(run)
    known = classify_comparison.read(Config(images, run, folds=3))
    answers = told(tmp_path / "run", "embedding_logistic")
    for fold, answer in zip(known.folds, answers, strict=True):
        fitted, judged = (
            np.asarray(classifier.features(known.squares.images[part]))
            for part in (fold.fitted, fold.judged)
        )
        scale = StandardScaler().fit(fitted)
        learner = classify_ways.CLASSIFIERS["logistic"](0)
        learner.fit(scale.transform(fitted), known.targets[fold.fitted])
        expected = learner.predict_proba(scale.transform(judged))
        np.testing.assert_allclose(answer["told"], expected, atol=1e-3)
    status, _, error = compare(idml, images, tmp_path / "val", *options, "--val", other)
    assert status == 2 and "was trained on what judges here: coarse/" in error
    status, _, error = compare(idml, images, tmp_path / "no", "--embedding", tmp_path, *QUICK)
    assert status == 2 and str(tmp_path) in error


def test_a_killed_comparison_goes_on_with_the_folds_that_are_left(idml, images, tmp_path):
    run = tmp_path / "run"
    one = ("--features", "greys", "--classifiers", "logistic")
    assert compare(idml, images, run, *one)[0] == 0
    whole, path = told(run, "greys_logistic"), run / "told" / "greys_logistic.json"
    marked = [dict(whole[0], fitted=99), *whole[1:2]]
    path.write_text(json.dumps(marked))
    assert compare(idml, images, run, *one)[0] == 0
    assert told(run, "greys_logistic") == [*marked, *whole[2:]]


class Spy(TransformerMixin, BaseEstimator):
    """Greys in order; it writes down which images it is fitted to and sees."""

    log: list[tuple[str, frozenset[bytes]]] = []  # noqa: RUF012

    def fit(self, images, labels=None):
        self.log.append(("fit", frozenset(each.tobytes() for each in images)))
        self.fitted_ = True
        return self

    def transform(self, images):
        self.log.append(("transform", frozenset(each.tobytes() for each in images)))
        return np.sort(images.reshape(len(images), -1), axis=1)[:, ::100]


def test_nothing_sees_the_outer_fold_before_the_end(images, tmp_path, monkeypatch):
    monkeypatch.setitem(classify_ways.FEATURES, "greys", lambda seed: Spy())
    config = Config(
        images, tmp_path, features=("greys",), classifiers=("logistic",), folds=3, nested=True,
        by_specimen=True, specimen_pattern="[0-9]+", size=(20,),
    )  # fmt: skip
    known = classify_comparison.read(config)
    squares = known.squares
    assert len(squares.images) == 4 * 36
    (way,) = classify_comparison.ways_of(config, known)
    specimens = np.array([each.specimen for each in known.micrographs])
    for number, fold in enumerate(known.folds):
        assert not {*specimens[fold.fitted]} & {*specimens[fold.judged]}
        Spy.log.clear()
        answer = way.answer(fold, number, 1.0)
        judged, fitted = (
            {each.tobytes() for each in squares.images[np.isin(squares.sources, some)]}
            for some in (fold.judged, fold.fitted)
        )
        fits = [seen for what, seen in Spy.log if what == "fit"]
        # Four values in three inner folds, and then once with the best.
        assert len(fits) == 4 * 3 + 1 and fits[-1] == fitted
        assert all(seen < fitted for seen in fits[:-1])
        sees = [bool(seen & judged) for _, seen in Spy.log]
        assert sees == [False] * (len(sees) - 1) + [True] and Spy.log[-1][1] == judged
        assert [*answer.chosen] == ["learner__C"] and 0 <= answer.inner <= 1
        # Inner folds do not share a specimen either, nor squares of one micrograph.
        sources = squares.sources[np.isin(squares.sources, fold.fitted)]
        inner = inner_folds(known, fold.fitted, config.seed)
        for inside, outside in inner:
            assert not {*specimens[sources[inside]]} & {*specimens[sources[outside]]}
        images_of_fold = squares.images[np.isin(squares.sources, fold.fitted)]
        expected = {
            frozenset(each.tobytes() for each in images_of_fold[inside]) for inside, _ in inner
        }
        assert {*fits[:-1]} == expected


def test_inner_folds_choose_the_way_too(idml, images, tmp_path):
    run = tmp_path / "run"
    options = ("--nested", "--folds", 3, "--classifiers", "neighbours")
    status, output, error = compare(idml, images, run, *options, "--features", "patterns", "greys")
    assert status == 0, error
    chosen = json.loads((run / "result.json").read_text())["chosen"]
    ways = ["patterns, neighbours", "greys, neighbours"]
    assert {*chosen} == {*ways, "the best by inner folds"}
    values = [each["learner__n_neighbors"] for each in chosen["greys, neighbours"]]
    assert len(values) == 3 and {*values} <= {1, 3, 5, 9}
    for number, each in enumerate(chosen["the best by inner folds"]):
        inner = {way: told(run, way.replace(", ", "_"))[number]["inner"] for way in ways}
        assert inner[each["way"]] == max(inner.values())
    assert "the best by inner folds" in output
    assert "n_neighbors 5 1 3 9" in (run / "report.html").read_text()


def test_the_chi_squared_machine_learns_from_histograms_alone(idml, images, tmp_path):
    run = tmp_path / "run"
    options = ("--folds", 2, "--classifiers", "chi-squared", "logistic")
    status, _, error = compare(idml, images, run, *options, "--features", "patterns", "greys")
    assert status == 0, error
    line = "chi-squared is of histograms: it is left out with greys, which may be negative."
    assert line in error and line in (run / "report.html").read_text()
    ways = {row["by"]: float(row["accuracy"]) for row in rows_of(run / "compared.csv")}
    assert {*ways} == {"patterns, chi-squared", "patterns, logistic", "greys, logistic"}
    assert ways["patterns, chi-squared"] > 0.9
    # What inner folds choose from is what the pipeline has.
    pipeline = classify_ways.pipeline_of("patterns", "chi-squared", 0)
    assert {*classify_ways.grid_of("patterns", "chi-squared")} <= {*pipeline.get_params()}
    # With nothing left to learn from it is refused, and nothing is made positive.
    alone = ("--features", "greys", "vlad", "--classifiers", "chi-squared")
    status, _, error = compare(idml, images, tmp_path / "new", *alone)
    assert (status, error.count("\n")) == (2, 1) and not (tmp_path / "new").exists()
    assert "left out with greys, vlad, which may be negative. Nothing is left: take one of" in error
    with pytest.raises(InputError, match="Nothing is left"):
        classify_ways.pipeline_of("spectrum", "chi-squared", 0)


def test_networks_of_folds_that_are_left_are_made_as_those_that_are_there(
    images, tmp_path, monkeypatch
):
    recipes = []
    monkeypatch.setattr(
        classify_comparison,
        "trained",
        lambda options, parts, judged: (
            recipes.append(classify_study.recipe_of(options)) or np.full((len(parts.val), 3), 1 / 3)
        ),
    )
    config = Config(images, tmp_path / "run", folds=3, steps=5)
    known = classify_comparison.read(config)
    folder = config.run / "folds" / "00"
    for written, expected in (
        (None, ("batch", 0.5)),
        ({}, ("none", 1.0)),
        ({"normalization": "batch", "crop": 0.5}, ("batch", 0.5)),
    ):
        if written is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "classifier.json").write_text(json.dumps(written))
        answer = classify_comparison.by_network(config, known, known.folds[1], 1, 1.0)
        assert (recipes[-1].normalization, recipes[-1].crop) == expected
        assert answer.fitted == 24 and recipes[-1].steps == 5


@pytest.mark.parametrize("feature", [*classify_ways.FEATURES])
def test_what_is_called_a_histogram_is_one(images, tmp_path, feature):
    config = Config(images, tmp_path, folds=3)
    known = classify_comparison.read(config).squares
    made = classify_ways.FEATURES[feature](0)
    if feature in ("words", "vlad", "keypoints"):
        made.set_params(words=4, radius=8)
    found = np.asarray(made.fit_transform(known.images[::4], known.labels[::4]))
    assert (found.min() >= 0) == (feature in classify_ways.HISTOGRAMS)


def test_scores_grow_with_the_micrographs_over_the_same_folds(idml, images, tmp_path):
    run = tmp_path / "run"
    options = ("--shares", 0.25, 0.5, 1, "--folds", 3)
    status, _, error = compare(idml, images, run, *options, *QUICK, "svm")
    assert status == 0, error
    rows = [row for row in rows_of(run / "curves.csv") if row["by"] == "patterns, logistic"]
    assert [float(row["micrographs"]) for row in rows] == [6, 12, 24]
    assert float(rows[0]["accuracy"]) <= float(rows[-1]["accuracy"])
    assert [row["share"] for row in rows_of(run / "compared.csv")] == ["1.0"] * 4
    assert "Would more micrographs help?" in (run / "report.html").read_text()
    # The whole is what it is without shares.
    alone = tmp_path / "alone"
    assert compare(idml, images, alone, "--folds", 3, *QUICK)[0] == 0
    assert told(alone, "patterns_logistic") == told(run, "patterns_logistic")


def test_too_little_to_learn_from_is_refused_before_anything_is_learned(idml, images, tmp_path):
    for options, rule in (
        (
            ("--shares", 0.1, "--classifiers", "svm"),
            "0.1: fewer than 2 images of coarse, fine, noise (fold 1, 2, 3, 4, 5)",
        ),
        (("--shares", 0.1, "--classifiers", "neighbours"), "fewer than 5 images, for neighbours"),
        (("--shares", 0.1, "--nested"), "fewer than 3 specimens, for inner folds, of coarse, fine"),
        (("--shares", 0, 1), "above 0 and up to 1"),
        (("--shares", 1, 1), "one or more, each once"),
    ):
        run = tmp_path / "run"
        status, _, error = compare(idml, images, run, "--features", "greys", *options)
        assert (status, error.count("\n")) == (2, 1) and rule in error, error
        assert not run.exists()


def test_folds_of_a_file_are_taken_as_they_are(idml, images, tmp_path):
    names = [f"{name}/{place // 2}_{place % 2}" for name in CLASSES for place in range(12)]
    numbers = {name: int(name[-3]) % 3 for name in names}
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"mine": numbers | {"fine/gone": 7, "fine/2_0": 7}, "other": {}}))
    run = tmp_path / "run"
    options = ("--fold-file", path, "--of", "mine", "--without-folds", 7)
    status, _, error = compare(idml, images, run, *options, *QUICK)
    assert status == 0, error
    folds = json.loads((run / "result.json").read_text())["folds"]
    assert {*folds} == {"0", "1", "2"}
    for number, members in folds.items():
        expected = [each for each in names if int(each[-3]) % 3 == int(number)]
        assert members == [each for each in sorted(expected) if each != "fine/2_0"]
    # Other folds in the same folder are refused.
    path.write_text(json.dumps({"mine": {each: int(each[-1]) for each in names}}))
    status, _, error = compare(idml, images, run, *options[:4], *QUICK)
    assert (status, error.count("\n")) == (2, 1) and "folds digest" in error
    del numbers["noise/0_0"]
    path.write_text(json.dumps(numbers | {"noise/gone": 1}))
    status, _, error = compare(idml, images, tmp_path / "new", "--fold-file", path, *QUICK)
    assert (status, error.count("\n")) == (2, 1)
    assert "not there: noise/gone (fold 1); micrographs without a fold: noise/0_0" in error


def test_leaks_by_specimen_are_named_and_by_specimen_there_are_none(idml, images, tmp_path):
    table = tmp_path / "specimens.csv"
    lines = [f"{name}/{place // 2}_{place % 2},{place // 2}" for name in CLASSES
             for place in range(12)]  # fmt: skip
    table.write_text("\n".join(["file,specimen", *lines]))
    options = ("--folds", 3, "--specimens", table, *QUICK)
    run = tmp_path / "run"
    status, _, error = compare(idml, images, run, *options)
    assert (status, error.count("\n")) == (2, 1)
    assert "specimens in several folds: " in error and "(coarse/0_0, coarse/0_1, fine/0_0" in error
    assert not run.exists()
    status, _, error = compare(idml, images, run, *options, "--by-specimen")
    assert status == 0, error
    for members in json.loads((run / "result.json").read_text())["folds"].values():
        assert len({name.split("/")[1][0] for name in members}) == 2 and len(members) == 12
    for more, rule in (
        ((), "each micrograph is its own specimen; say of which"),
        (("--specimen-pattern", "[0-9]+", "--folds", 7), "fewer specimens than 7 folds: the set h"),
        (("--specimen-pattern", "fine"), "finds nothing in coarse/0_0, "),
        (("--specimen-pattern", "a", "--specimens", table), "give one"),
        (("--fold-file", table), "--by-specimen and --repeats part at random"),
    ):
        status, _, error = compare(idml, images, run, "--by-specimen", *more, *QUICK)
        assert (status, error.count("\n")) == (2, 1) and rule in error, error


def test_a_class_in_one_fold_is_refused_and_a_fold_without_one_is_told_of(idml, images, tmp_path):
    numbers = {f"{name}/{place // 2}_{place % 2}": place // 2 % 4 for name in CLASSES
               for place in range(12)}  # fmt: skip
    numbers |= {name: 1 for name in numbers if name.startswith("noise")}
    path, run = tmp_path / "folds.json", tmp_path / "run"
    path.write_text(json.dumps(numbers))
    status, _, error = compare(idml, images, run, "--fold-file", path, *QUICK)
    assert (status, error.count("\n")) == (2, 1) and not run.exists()
    assert f"{path}: fold 1 leaves nothing to learn of noise: each class has to be" in error
    path.write_text(json.dumps(numbers | {"noise/0_0": 2, "noise/0_1": 2}))
    status, _, error = compare(idml, images, run, "--fold-file", path, *QUICK[:2], *QUICK[3:])
    assert status == 0, error
    line = "Folds without a class, of which they say nothing: fold 0: noise; fold 3: noise."
    assert line in error and line in (run / "report.html").read_text()
    result = json.loads((run / "result.json").read_text())
    assert result["folds without a class"] == {"0": ["noise"], "3": ["noise"]}


def test_classes_of_a_table_are_compared_as_those_of_folders(idml, images, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    rows = ["file,class,specimen"]
    for path in sorted(images.glob("*/*.png")):
        shutil.copy(path, flat / f"{path.parent.name}_{path.name}")
        rows.append(f"{path.parent.name}_{path.stem},{path.parent.name},{path.stem[0]}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows))
    options = ("--labels", table, "--by-specimen", "--folds", 3, *QUICK)
    status, _, error = compare(idml, flat, tmp_path / "run", *options)
    assert status == 0, error
    pattern = ("--specimen-pattern", "[0-9]+", "--by-specimen", "--folds", 3, *QUICK)
    assert compare(idml, images, tmp_path / "other", *pattern)[0] == 0
    for row, other in zip(*(rows_of(tmp_path / each / "compared.csv") for each in ("run", "other")),
                          strict=True):  # fmt: skip
        assert row == other
    table.write_text("\n".join([*rows, "gone,fine,1"]))
    status, _, error = compare(idml, flat, tmp_path / "new", *options)
    assert (status, error.count("\n")) == (2, 1) and "not there: gone (line 38)" in error


def test_more_folds_than_micrographs_and_an_image_twice_are_refused(idml, images, tmp_path):
    run = tmp_path / "run"
    status, _, error = compare(idml, images, run, "--folds", 13, *QUICK)
    assert (status, error.count("\n")) == (2, 1)
    assert "fewer micrographs than 13 folds: coarse has 12, fine has 12, noise has 12" in error
    twice = tmp_path / "twice"
    shutil.copytree(images, twice)
    shutil.copy(images / "fine" / "0_0.png", twice / "noise" / "same.png")
    status, _, error = compare(idml, twice, run, *QUICK)
    assert (status, error.count("\n")) == (2, 1) and "there twice" in error and "same.png" in error
    (twice / "noise" / "same.png").unlink()
    nearly = data.read_micrograph(images / "fine" / "0_0.png").image
    darker = np.rint(200 * nearly[..., 0]).astype(np.uint8)
    imageio.imwrite(twice / "fine" / "nearly.png", darker)
    names = [f"{path.parent.name}/{path.stem}" for path in twice.glob("*/*.png")]
    numbers = {name: int(name.endswith("0")) for name in names}
    (tmp_path / "folds.json").write_text(json.dumps(numbers))
    status, _, error = compare(idml, twice, run, "--fold-file", tmp_path / "folds.json", *QUICK)
    assert status == 0 and "nearly the same image lies in several folds: " in error
    assert "0_0.png and" in error and "nearly.png; scores may flatter" in error
    (tmp_path / "folds.json").write_text(json.dumps(numbers | {"fine/nearly": 1}))
    run = tmp_path / "together"
    status, _, error = compare(idml, twice, run, "--fold-file", tmp_path / "folds.json", *QUICK)
    assert status == 0 and "nearly the same" not in error
