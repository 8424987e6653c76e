"""``idml design`` of generators that are told something, or make phases, and beside an image."""

import json

import imageio.v3 as imageio
import jax
import numpy as np
import pytest
import tifffile

from idml_jax import data, design, report, statistics, training
from idml_jax.training.adversarial_state import initial_state
from idml_jax.training.checkpoint import Checkpoints
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_like import like_of
from idml_jax.workflows.design_subject import space_of, subject_of

# gpytorch and torch warn of their own coming versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FEW = ("--evaluations", 12, "--start", 6, "--batch", 6, "--designs", 2)

HOURS = training.Condition.of("hours", [1.0, 3.0, 9.0], source="table")
ETCH = training.Condition.of("etch", ["nital", "picral", "nital"], source="table")


def written(path, **options):
    """An untrained generator of 16 pixels."""
    recipe = training.Recipe.of_size((16, 16), width=8, pixel_size=(2e-9, 2e-9), **options)
    training.write_generator(path, training.ProgressiveGAN(recipe.networks()[0], recipe))
    return path


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    return written(tmp_path_factory.mktemp("grey") / "gan.safetensors")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "gan.safetensors"
    return written(path, conditions=3, meanings=(ETCH, HOURS))


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    path = tmp_path_factory.mktemp("phases") / "gan.safetensors"
    return written(path, output="phases", channels=3, labels=(0, 7, 255))


def subject(generator, **options):
    return subject_of(Config(generator=generator, run=generator.parent / "x", **options))


def test_numbers_that_a_generator_is_told_are_searched_with_the_latents(idml, told, tmp_path):
    run = tmp_path / "run"
    status, output, error = idml(
        "design", "--generator", told, "--run", run, "--goal", "volume-fraction=0.5",
        "--wanted", "etch=picral", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())["designs"]
    hours = results["hours, told"]
    assert all(1 <= value <= 9 for value in hours) and "hours, told" in output
    # What the files say makes the image.
    gan = training.load_generator(told)
    latents = np.load(run / "designs" / "latents.npy")
    conditions = training.encode_conditions(
        gan.recipe.meanings, [{"hours": float(row[-1]), "etch": "picral"} for row in latents]
    )
    images = np.asarray(gan(latents[:, :-1], conditions))
    shares = [float(statistics.volume_fraction(image[..., 0] > 0.5)) for image in images]
    np.testing.assert_allclose(shares, results["volume-fraction"], atol=1e-5)


def test_what_is_told_to_all_is_not_searched(told):
    fixed = subject(told, wanted=("etch=nital", "hours=3"))
    assert not fixed.free and fixed.latent_features == fixed.gan.latent_features
    latents = design.random_latents(3, fixed.latent_features, seed=0)
    conditions = training.encode_conditions(fixed.recipe.meanings, [{"etch": "nital", "hours": 3}])
    expected = fixed.gan(latents, np.repeat(conditions, 3, axis=0))
    np.testing.assert_allclose(fixed(latents), expected, atol=1e-6)
    # Another hour is another image.
    other = subject(told, wanted=("etch=nital",))
    moved = np.concatenate([latents, np.full((3, 1), 9.0, np.float32)], axis=1)
    assert np.abs(np.asarray(other(moved)) - expected).max() > 1e-3


def test_directions_of_most_change_are_of_the_latents_alone(told):
    config = Config(told, told.parent, wanted=("etch=nital",), directions=3)
    space = space_of(config, subject_of(config))
    points = space.sobol(8, seed=0)
    assert points.shape == (8, 4) and space.latents(points).shape == (8, 17)
    assert ((points[:, 3] >= 1) & (points[:, 3] <= 9)).all()


def test_one_phase_of_several_is_meant(idml, phases, tmp_path):
    run = tmp_path / "run"
    status, _, error = idml(
        "design", "--generator", phases, "--run", run, "--property", "volume-fraction",
        "--maximize", "--phase", "7", "--strategies", "gradient", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())["designs"]
    labels = imageio.imread(run / "designs" / "design_00.png")
    assert set(np.unique(labels)) <= {0, 7, 255}
    assert np.mean(labels == 7) == pytest.approx(results["volume-fraction"][0], abs=1e-6)


def test_a_design_is_like_an_image(idml, grey, tmp_path):
    """The image is one that the generator makes, four pixels for one of its own."""
    gan = training.load_generator(grey)
    hidden = design.random_latents(1, gan.latent_features, seed=5)
    image = np.asarray(gan(hidden))[0, ..., 0]
    path = tmp_path / "given.tiff"
    fine = image.repeat(2, axis=0).repeat(2, axis=1)
    tifffile.imwrite(path, fine, resolution=(1e7, 1e7), resolutionunit="CENTIMETER")
    run = tmp_path / "run"
    command = ("design", "--generator", grey, "--run", run, "--like", path)
    status, output, error = idml(*command, *FEW, "--strategies", "gradient", "random")
    assert status == 0, error
    found = json.loads((run / "result.json").read_text())
    assert found["aim"]["objective"] == "minimize two-point-error"
    config = Config(grey, run, like=path)
    like = like_of(config, subject_of(config))
    assert like.grey.shape == (16, 16) and like.reach == 4
    given = np.asarray(data.equalize_contrast(data.Micrograph(image[..., None], "x")).image)
    errors = like.errors()
    phase = given[..., 0] > 0.5
    assert float(errors["two-point-error"](phase)) < 1e-6
    assert float(errors["lineal-path-error"](phase)) < 1e-6
    assert float(errors["two-point-error"](~phase)) > 0.05
    assert "Is it like the image that was given?" in (run / "report.html").read_text()
    # Another image in the same folder is another search.
    tifffile.imwrite(path, fine[::-1], resolution=(1e7, 1e7), resolutionunit="CENTIMETER")
    status, _, error = idml(*command, *FEW, "--strategies", "gradient", "random")
    assert (status, error.count("\n")) == (2, 1) and "like is" in error


def test_a_design_is_kept_typical(idml, grey, tmp_path):
    run = tmp_path / "run"
    status, _, error = idml(
        "design", "--generator", grey, "--run", run, "--goal", "volume-fraction=max",
        "--constraint", "typical=0.6:", "--strategies", "random", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())
    assert results["designs"]["typical"][0] >= 0.6
    assert 0 < results["searches"]["random"]["feasible"] < 12


def test_a_design_looks_real_to_the_discriminator_of_the_training(idml, tmp_path):
    trained, run = tmp_path / "trained", tmp_path / "run"
    recipe = training.Recipe.of_size((16, 16), width=8)
    _, state = initial_state(*recipe.networks(), recipe.transform())
    report.claim(trained / "generator.json", recipe.plain())
    with Checkpoints(trained / "checkpoints") as checkpoints:
        checkpoints.save(1, state)
    status, _, error = idml(
        "design", "--generator", trained, "--run", run, "--goal", "realism=max",
        "--strategies", "gradient", *FEW,
    )  # fmt: skip
    assert status == 0, error
    results = json.loads((run / "result.json").read_text())["designs"]
    gan, discriminator = training.load_generator(trained), training.load_discriminator(trained)
    alone = jax.jit(jax.vmap(lambda image: discriminator(image[None])[0]))
    typical = np.asarray(alone(gan.sample(jax.random.key(0), 256)))
    found = np.asarray(alone(gan(np.load(run / "designs" / "latents.npy"))))
    expected = (found - typical.mean()) / typical.std()
    np.testing.assert_allclose(results["realism"], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("which", "options", "rule"),
    [
        ("told", (), "is told a class; say --wanted etch=nital"),
        ("told", ("--wanted", "etch=nital", "size=3"), "size is nothing that this generator is"),
        ("told", ("--wanted", "etch=acid"), "etch=acid"),
        ("told", ("--wanted", "etch"), "as NAME=VALUE"),
        ("grey", ("--wanted", "hours=2"), "is told nothing of its images"),
        ("grey", ("--phase", "7"), "the bright or the dark phase"),
        ("phases", (), "makes the phases 0, 7, 255; say which"),
        ("phases", ("--phase", "7", "--like", "x.png"), "is for generators of grey images"),
        ("grey", ("--like", "nowhere.png"), "nowhere.png"),
        ("grey", ("--goal", "young=max", "typical=max", "--strategies", "cma-es"), "one objective"),
        ("grey", ("--goal", "realism=max"), "holds no discriminator"),
        (
            "told",
            ("--goal", "realism=max", "--wanted", "etch=nital"),
            "say all of it by --wanted: h",
        ),
        ("grey", ("--goal", "typical=max", "--strategies", "gradient"), "has no slope to follow"),
    ],
)
def test_what_does_not_fit_the_generator_is_one_line(idml, request, tmp_path, which, options, rule):
    generator = request.getfixturevalue(which)
    goal = () if "--goal" in options else ("--goal", "volume-fraction=max")
    run = tmp_path / "run"
    status, _, error = idml("design", "--generator", generator, "--run", run, *goal, *options)
    assert (status, error.strip().count("\n")) == (2, 0), error
    assert rule in error
    assert not run.exists()


def test_pixels_of_another_size_than_the_generators_are_refused(grey, tmp_path):
    path = tmp_path / "given.tiff"
    image = np.random.default_rng(0).random((64, 64), np.float32)
    tifffile.imwrite(
        path, image, resolution=(1e-2 / 2.8e-9, 1e-2 / 2.8e-9), resolutionunit="CENTIMETER"
    )
    config = Config(grey, tmp_path, like=path)
    with pytest.raises(Exception, match="no whole multiple"):
        like_of(config, subject_of(config))
