"""`idml classify regress`: numbers of micrographs over folds, by what saw none of them."""

import csv
import json

import imageio.v3 as imageio
import numpy as np
import pytest
import scipy.ndimage
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from idml_jax.workflows import classify_regression
from idml_jax.workflows.classify_regress import Config

pytestmark = pytest.mark.usefixtures("standard_promotion")

QUICK = ("--features", "spectrum", "--regressors", "ridge", "svr", "neighbours", "--folds", 4)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Smooth noise, and a table that says how smooth: two micrographs of a specimen."""
    folder = tmp_path_factory.mktemp("valued")
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    rows = ["file,grain size,specimen"]
    for place in range(32):
        width = 1 + 0.2 * (place // 2)
        noise = scipy.ndimage.gaussian_filter(random.normal(size=(48, 48)), width, mode="wrap")
        noise = 128 + 30 * noise / noise.std()
        pixels = np.clip(noise, 0, 255).astype(np.uint8)
        imageio.imwrite(folder / "images" / f"m{place:02}.png", pixels)
        rows.append(f"m{place:02},{100 * width},s{place // 2}")
    (folder / "table.csv").write_text("\n".join(rows))
    return folder


def regress(idml, given, run, *options):
    return idml(
        "classify", "regress", "--images", given / "images", "--labels", given / "table.csv",
        "--value", "grain size", "--run", run, *options,
    )  # fmt: skip


def test_errors_are_those_of_micrographs_whose_specimen_was_not_seen(idml, given, tmp_path):
    run = tmp_path / "run"
    options = ("--by-specimen", *QUICK)
    status, output, error = regress(idml, given, run, *options)
    assert status == 0, error
    config = Config(
        given / "images", given / "table.csv", "grain size", run, folds=4, by_specimen=True
    )
    known = classify_regression.read(config)
    with (run / "compared.csv").open() as file:
        rows = {row["by"]: row for row in csv.DictReader(file)}
    assert len(rows) == 4
    for way, row in rows.items():
        told = [np.full(len(fold.judged), known.targets[fold.fitted].mean())
                for fold in known.folds]  # fmt: skip
        if way != "mean of the training":
            answers = json.loads((run / "told" / f"{way.replace(', ', '_')}.json").read_text())
            told = [np.array(each["told"])[:, 0] for each in answers]
        true = [known.targets[fold.judged] for fold in known.folds]
        kinds = {"MAE": mean_absolute_error, "RMSE": root_mean_squared_error, "R2": r2_score}
        for name, kind in kinds.items():
            values = [kind(one, other) for one, other in zip(true, told, strict=True)]
            assert float(row[name]) == pytest.approx(np.mean(values))
            assert float(row[f"{name} deviation"]) == pytest.approx(np.std(values, ddof=1))
        whole = np.concatenate(true), np.concatenate(told)
        assert float(row["MAE of all"]) == pytest.approx(mean_absolute_error(*whole))
        assert float(row["R2 of all"]) == pytest.approx(r2_score(*whole))
        low, high = (float(row[f"MAE of all {end}"]) for end in ("low", "high"))
        assert low < float(row["MAE of all"]) < high
    for fold in known.folds:
        specimens = [{known.micrographs[place].specimen for place in part} for part in fold[1:]]
        assert not specimens[0] & specimens[1]
    floor, best = rows["mean of the training"], rows["spectrum, ridge"]
    assert float(best["MAE"]) < 0.3 * float(floor["MAE"]) and float(best["R2 of all"]) > 0.9
    assert "grain size" in output and (run / "report.html").stat().st_size > 10_000
    # Other numbers of the same images are another run.
    table = given / "other.csv"
    table.write_text((given / "table.csv").read_text().replace("m00,100", "m00,300"))
    status, _, error = regress(idml, given, run, *options, "--labels", table)
    assert (status, error.count("\n")) == (2, 1) and "images digest" in error


def test_hyperparameters_are_chosen_inside(idml, given, tmp_path):
    run = tmp_path / "run"
    status, _, error = regress(idml, given, run, "--by-specimen", "--nested", *QUICK)
    assert status == 0, error
    chosen = json.loads((run / "result.json").read_text())["chosen"]
    assert {*chosen} == {"spectrum, svr", "spectrum, neighbours"}
    assert all(each["learner__regressor__C"] in (1, 10, 100) for each in chosen["spectrum, svr"])


def test_what_cannot_be_told_is_refused_by_name(idml, given, tmp_path):
    table = tmp_path / "table.csv"
    lines = (given / "table.csv").read_text().splitlines()
    for changed, options, rule in (
        (["m00,soft,s0"], (), "values that are no finite numbers: 'soft' (line 2)"),
        (["m00,3,s0", "gone,3,s0"], (), "not there: gone (line 3)"),
        (["m00,3,s0"], ("--value", "hardness"), "no column 'hardness'; the columns are file, gr"),
        (["m00,3,s0"], (), "specimens in several folds: "),
        (["m00,3,s0"], ("--by-specimen", "--folds", 17), "fewer specimens than 17 folds: the set"),
        (["m00,3,s0"], ("--by-specimen", "--without-folds", 1), "give --fold-file"),
    ):
        table.write_text("\n".join([lines[0], *changed, *lines[2:]]))
        run = tmp_path / "run"
        status, _, error = regress(idml, given, run, "--labels", table, *QUICK, *options)
        assert (status, error.count("\n")) == (2, 1) and rule in error, error
        assert not run.exists()
