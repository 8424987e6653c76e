"""``idml design``: from a generator and a wish to microstructures, and what can go wrong."""

import csv
import json
import sys
import typing

import imageio.v3 as imageio
import numpy as np
import pytest
import scipy.ndimage
import tifffile

from idml_jax import design, training
from idml_jax.design.strategies import StrategyName
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_goals import aim_of, properties_of

# gpytorch and torch warn of their own coming versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FEW = ("--evaluations", 12, "--start", 6, "--batch", 6, "--designs", 2)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """Untrained, of 16 pixels; its images have both phases."""
    path = tmp_path_factory.mktemp("generator") / "gan.safetensors"
    recipe = training.Recipe.of_size((16, 16), width=8, pixel_size=(2e-9, 2e-9))
    training.write_generator(path, training.ProgressiveGAN(recipe.networks()[0], recipe))
    return path


def options(config, **changes):
    return Config(**{"generator": config, "run": config.parent / "x", **changes})


def test_the_designs_are_written_and_can_be_computed_again(idml, generator, tmp_path):
    run = tmp_path / "run"
    wish = (
        "--property",
        "conductivity-rows",
        "--maximize",
        "--constraint",
        "volume-fraction=0.1:0.9",
    )
    command = ("design", "--generator", generator, "--run", run, *wish, *FEW)
    status, output, error = idml(*command)
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())
    values = results["designs"]["conductivity-rows"]
    assert values == sorted(values, reverse=True) and len(values) == 2
    np.testing.assert_allclose(
        results["designs"]["conductivity-rows, once more"], values, rtol=1e-4
    )
    assert results["searches"]["bayes"]["best score"] == pytest.approx(values[0])
    assert f"{values[0]:.4g}" in output and str(run / "report.html") in output

    # The files say the same as the table: by the toolkit's own functions, from the PNG's phase.
    latents = np.load(run / "designs" / "latents.npy")
    gan = training.load_generator(generator)
    expected = np.asarray(gan(latents[:1]))[0, ..., 0]
    np.testing.assert_allclose(
        imageio.imread(run / "designs/design_00.png") / 255, expected, atol=2e-3
    )
    with tifffile.TiffFile(run / "designs" / "design_00.tiff") as file:
        np.testing.assert_allclose(file.asarray(), expected, atol=1e-6)
    config = options(generator, property=("conductivity-rows",), maximize=True)
    wanted = properties_of(config, aim_of(config).outputs, None)["conductivity-rows"]
    assert float(wanted(expected > 0.5)) == pytest.approx(values[0], rel=1e-4)
    assert "SCALARS flux_along_rows float 1" in (run / "designs" / "design_00.vtk").read_text()
    with (run / "evaluations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["strategy"] for row in rows] == ["bayes"] * 12 + ["random"] * 12
    met = [
        row for row in rows if row["strategy"] == "bayes" and row["meets the constraints"] == "1"
    ]
    best = max(float(row["conductivity-rows"]) for row in met)
    assert best == pytest.approx(values[0])

    # A folder of before there was --like is gone on with, and says which phase is meant.
    kept = json.loads((run / "config.json").read_text())
    assert kept["phase"] == "bright" and not {"like", "wanted", "conditions"} & {*kept}

    # Again: nothing is computed. With more evaluations: the search goes on.
    before = (run / "result.json").stat().st_mtime_ns
    assert idml(*command)[0] == 0
    assert (run / "result.json").stat().st_mtime_ns == before
    more = [18 if word == 12 else word for word in command]
    assert idml(*more)[0] == 0
    history = design.History.load(run / "searches" / "bayes" / "search.npz")
    assert len(history.told) == 18
    status, _, error = idml(*command, "--seed", 1)
    assert (status, error.count("\n")) == (2, 1)
    assert "seed is 0 there and 1 here" in error


def test_designs_are_compared_with_the_users_micrographs(idml, generator, tmp_path):
    folder = tmp_path / "micrographs"
    folder.mkdir()
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal((64, 64))
        smooth = scipy.ndimage.gaussian_filter(noise, 2.0, mode="wrap")
        grey = np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))
        imageio.imwrite(folder / f"{seed}.png", grey)
    run = tmp_path / "run"
    status, _, error = idml(
        "design", "--generator", generator, "--run", run, "--goal", "volume-fraction=0.5",
        "--images", folder, "--binning", 1, "--strategies", "random", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())
    assert results["compared with"] == "crops of the training micrographs"
    assert len(results["designs"]["nearest training crop"]) == 2
    assert 0 < results["nearest training crop, held-out"] < 1
    assert all(0 < share <= 1 for share in results["designs"]["typical"])


def test_two_goals_are_traded_off(idml, generator, tmp_path):
    run = tmp_path / "run"
    status, _, error = idml(
        "design", "--generator", generator, "--run", run, "--goal", "young-cols=max",
        "volume-fraction=min", "--phase", "dark", "--repeats", 2, *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())
    front = np.array([results["designs"][name] for name in ("young-cols", "volume-fraction")]).T
    assert design.nondominated(front * [1, -1]).all()
    assert {"hypervolume", "front"} <= set(results["searches"]["random"])
    history = design.History.load(run / "searches" / "bayes" / "search.npz")
    assert np.isfinite(history.variances).all()


def test_another_program_evaluates_and_its_failures_are_told(idml, generator, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, imageio.v3 as i\nx = i.imread(sys.argv[1]).mean() / 255\n"
        "print('broken' if int(x * 1000) % 2 else x)"
    )
    run = tmp_path / "run"
    status, output, error = idml(
        "design", "--generator", generator, "--run", run, "--property", "brightness",
        "--maximize", "--command", f"{sys.executable} {script} {{image}}", "--retries", 0,
        "--strategies", "sobol", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())
    failed = results["searches"]["sobol"]["failed"]
    lines = (run / "failures.jsonl").read_text().splitlines()
    assert 0 < len(lines) == failed < 12
    assert "broken" in lines[0]
    best = imageio.imread(run / "designs" / "design_00.png").mean() / 255
    assert results["designs"]["brightness"][0] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ((), "say what is wanted"),
        (("--property", "volume-fraction"), "goes with one of --target X"),
        (("--property", "volume-fraction", "--maximize", "--minimize"), "goes with one of"),
        (("--property", "hardness", "--maximize"), "no property is called hardness; there are"),
        (("--property", "volume-fraction", "--target", 1, 2), "2 values for 1 properties"),
        (("--goal", "volume-fraction=high"), "write NAME=max"),
        (("--goal", "volume-fraction=max", "--maximize"), "--goal says what to do"),
        (("--goal", "volume-fraction=max", "--constraint", "young-rows=3"), "write NAME=0.3:0.4"),
        (("--goal", "volume-fraction=max", "--constraint", "young-rows=4:3"), "ends of a range"),
        (("--goal", "volume-fraction=max", "--start", 200), "--start (=200) must lie between"),
        (("--goal", "volume-fraction=max", "--batch", 0), "--batch (=0) must be positive"),
        (("--goal", "volume-fraction=max", "--directions", 40), "from 2 to the 16"),
        (("--goal", "x=max", "--command", "solver"), "where the image belongs"),
        (("--goal", "x=max", "--command", "s {image}", "--strategies", "gradient"), "no gradient"),
        (("--like", "x.png", "--command", "s {image}"), "say by --property what the program"),
        (("--goal", "young-rows=max", "--poisson", 0.5, 0.3), "between -1 and 0.5"),
        (("--goal", "a=max", "--conductivity", 0, 1), "must be positive, twice"),
    ],
)
def test_what_cannot_be_searched_is_one_line(idml, generator, tmp_path, wrong, rule):
    run = tmp_path / "run"
    status, _, error = idml("design", "--generator", generator, "--run", run, *wrong)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()


def test_the_command_knows_all_strategies():
    hints = typing.get_type_hints(Config)["strategies"]
    named = typing.get_args(typing.get_args(hints)[0])
    assert set(named) == set(typing.get_args(StrategyName))


NAMED = (
    "percolation-rows mean-thickness tortuosity-cols permeability-rows diffusivity-rows young-rows "
    "specific-surface stiffness-11"
).split()


@pytest.mark.parametrize("name", NAMED)
def test_every_property_is_that_of_its_own_function(generator, name):
    """Layers along the rows, one half of the pixels: what each property of them is, is known."""
    config = options(generator, goal=(f"{name}=max",), young=(0.0, 2.0), poisson=(0.0, 0.0))
    found = properties_of(config, aim_of(config).outputs, None)[name]
    phase = np.zeros((12, 12), bool)
    phase[:, 3:6] = phase[:, 9:12] = True
    rows = {"tortuosity-cols": np.inf, "percolation-rows": 1.0, "mean-thickness": 3.0}
    rows |= {
        "diffusivity-rows": 0.5,
        "young-rows": 1.0,
        "stiffness-11": 1.0,
        "specific-surface": 1 / 3,
    }
    value = float(found(phase))
    if name in rows:
        assert value == pytest.approx(rows[name], rel=2e-3)
    else:
        # Of slits of 3 pixels, width^2 / 12 of the half that is open; coarse as they are.
        assert value == pytest.approx(0.5 * 9 / 12, rel=0.15)


@pytest.mark.parametrize("name", ["conductivity", "young"])
def test_without_an_axis_a_property_is_the_mean_over_both(generator, name):
    along = [f"{name}-{axis}" for axis in ("rows", "cols")]
    config = options(generator, property=(name, *along), maximize=True)
    found = properties_of(config, aim_of(config).outputs, None)
    phase = np.zeros((12, 12), bool)
    phase[:, 3:6] = phase[2:5, 6:] = True
    mean, rows, cols = (float(found[each](phase)) for each in (name, *along))
    assert abs(rows - cols) > 0.1
    assert mean == pytest.approx((rows + cols) / 2, rel=1e-5)
