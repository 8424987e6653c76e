"""`idml generate` as a user meets it: train, sample, and every way to be refused."""

import json
import re
import signal

import imageio.v3 as imageio
import numpy as np
import pytest
import scipy.ndimage
import tifffile
from PIL import Image

from idml_jax import training
from idml_jax.errors import Stopped
from idml_jax.workflows import generate_train
from idml_jax.workflows.generate_study import recipe_of

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SMALL = "--size 16 --width 8 --latent-features 4 --effort 0.01 --binning 1 --augmented".split()


def write_micrographs(folder):
    """Six grey blobs with a pixel size of 2 nm in their tags."""
    folder.mkdir()
    for seed in range(6):
        noise = np.random.default_rng(seed).standard_normal((48, 64))
        smooth = scipy.ndimage.gaussian_filter(noise, 2.0, mode="wrap")
        pixels = np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))
        tifffile.imwrite(
            folder / f"m{seed}.tif", pixels, resolution=(5e6, 5e6), resolutionunit="CENTIMETER"
        )
    return folder


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    return write_micrographs(tmp_path_factory.mktemp("data") / "micrographs")


@pytest.fixture(scope="module")
def trained(micrographs, tmp_path_factory):
    """A run folder that the first test trains in."""
    return tmp_path_factory.mktemp("runs") / "run"


def test_from_micrographs_to_a_generator_a_comparison_and_a_page_and_again(
    idml, micrographs, trained
):
    arguments = ("generate", "train", "--images", micrographs, "--run", trained, *SMALL)
    status, output, error = idml(*arguments, "--licence", "CC-BY-4.0")
    assert status == 0, error
    assert output.splitlines()[-1] == f"report: {trained / 'report.html'}"
    assert "5 micrographs to train on, 1 held out" in output
    found = json.loads((trained / "result.json").read_text())
    assert found["size"] == [16, 16]
    assert found["pixel size"] == pytest.approx([2e-9, 2e-9], rel=1e-5)
    assert {"volume fraction", "two-point correlation"} <= set(found["comparison"]["statistics"])
    assert found["comparison"]["specimens"]["held-out"] == 1
    page = (trained / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    gan = training.load_generator(trained / "generator.safetensors")
    assert gan.recipe.augmented
    latents = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(gan(latents), training.load_progressive_gan(trained)(latents))
    card = (trained / "CARD.md").read_text()
    assert training.read_card(trained / "generator.safetensors") == card
    assert "licence of the micrographs: CC-BY-4.0" in card
    assert f"idml generate train --images {micrographs.name} --run run --size 16" in card
    assert "--augmented" in card and found["text"] in card
    made = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    status, again, _ = idml(*arguments, "--save-every", 7)
    assert status == 0
    assert again.splitlines()[-3:] == output.splitlines()[-3:]
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()} == made
    status, _, error = idml(*arguments, "--seed", 1)
    assert (status, error.count("\n")) == (2, 1)
    assert "seed is 0 there and 1 here" in error


def test_samples_can_be_made_again_and_more_of_them(idml, trained, tmp_path):
    gan = training.load_progressive_gan(trained)
    outs = {kind: tmp_path / kind for kind in ("png", "tiff", "npy")}
    for kind, out in outs.items():
        options = ("--run", trained, "--out", out, "--format", kind, "--seed", 3, "--batch", 4)
        status, output, error = idml("generate", "sample", *options, "--count", 6)
        assert (status, output) == (0, f"6 images: {out}\n"), error
        first = np.load(out / "latents.npy")
        expected = np.asarray(gan(first, noise=np.load(out / "noise.npy")))
        if kind == "png":
            pixels = imageio.imread(out / "sample_000005.png")
            np.testing.assert_array_equal(pixels, np.rint(255 * expected[5, ..., 0]))
            before = (out / "sample_000005.png").read_bytes()
            assert idml("generate", "sample", *options, "--count", 9)[0] == 0
            assert (out / "sample_000005.png").read_bytes() == before
            assert len(list(out.glob("*.png"))) == 9
            np.testing.assert_array_equal(np.load(out / "latents.npy")[:6], first)
        elif kind == "tiff":
            with tifffile.TiffFile(out / "sample_000000.tiff") as file:
                np.testing.assert_allclose(file.asarray(), expected[0, ..., 0], atol=1e-6)
                over, under = file.pages[0].tags["XResolution"].value
            # Pixels a centimetre, of 2 nm.
            assert over / under == pytest.approx(5e6, rel=1e-4)
        else:
            images = np.load(out / "images.npy")
            assert images.dtype == np.float32
            np.testing.assert_allclose(images, expected, atol=1e-6)
            assert not list(out.glob("*.part"))
        known = json.loads((out / "samples.json").read_text())
        assert (known["seed"], known["run"]) == (3, str(trained.resolve()))
    status, _, error = idml("generate", "sample", "--run", trained, "--out", outs["png"])
    assert (status, error.count("\n")) == (2, 1)
    assert "seed is 3 there and 0 here" in error


def test_the_defaults_of_the_command_are_those_of_the_recipe(tmp_path):
    config = generate_train.Config(images=tmp_path, run=tmp_path)
    assert recipe_of(config) == training.Recipe()
    assert not set(generate_train.NEWER_OPTIONS) & set(config.plain())


def test_micrographs_beside_a_generator_are_on_its_own_grey_scale(idml, micrographs, tmp_path):
    run = tmp_path / "run"
    options = ("--contrast", 0.4, "--noise-from", 1, "--detector")
    options += ("--features", 8, 6, "--shown", 1600, 1600)
    train = ("generate", "train", "--images", micrographs, "--run", run, *SMALL, *options)
    status, _, error = idml(*train)
    assert status == 0, error
    gan = training.load_generator(run)
    assert (gan.recipe.contrast, gan.recipe.noise_from, gan.recipe.features) == (0.4, 1, (8, 6))
    assert gan.generator.detector is not None
    assert "--contrast 0.4" in (run / "CARD.md").read_text()
    trained = json.loads((run / "micrographs.json").read_text())
    status, _, error = idml("generate", "evaluate", "--run", run, "--out", tmp_path / "out")
    assert status == 0, error
    compared = json.loads((tmp_path / "out" / "options.json").read_text())
    assert trained.items() <= compared.items()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--size", 60), "8 times a power of two"),
        (("--size", 8, 8, 8), "--size takes a side, or rows and cols"),
        (("--size", 128), "smaller than the crop of 128 x 128"),
        (("--effort", 0), "--effort (=0.0) must be positive"),
        (("--parts", 3), "cut each batch evenly"),
        (("--augmented", "--loss", "wasserstein"), "the Wasserstein's has none"),
        (("--binning", 0), "--binning (=0) must be at least 1"),
        (("--contrast", 1.5), "`contrast` (=1.5) must be above 0 and up to 1"),
        (("--contrast", 0.4, "--phases"), "--contrast is of grey micrographs"),
        (("--features", 64, 32), "64 x 64 pixels have 4 levels"),
        (("--shown", 10, 0, 10, 10), "--shown (=(10, 0, 10, 10)) must be positive"),
        (("--penalty", -1), "--penalty (=-1.0) must not be negative"),
        (("--noise-from", 4), "`noise_from` (=4) is a level, and these are 0 to 3"),
        (("--no-noise", "--noise-from", 1), "--noise-from says where noise begins"),
        (("--detector", "--phases"), "--detector is of grey micrographs"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_nothing_is_written(
    idml, micrographs, tmp_path, options, rule
):
    run = tmp_path / "run"
    status, _, error = idml("generate", "train", "--images", micrographs, "--run", run, *options)
    assert (status, error.count("\n")) == (2, 1), error
    assert rule in error
    assert not run.exists()


def test_a_training_that_a_queue_ends_says_where_it_goes_on(
    idml, micrographs, tmp_path, monkeypatch
):
    def run(config):
        raise Stopped(signal.SIGTERM, 40)

    monkeypatch.setattr(generate_train, "run", run)
    status, _, error = idml("generate", "train", "--images", micrographs, "--run", tmp_path / "run")
    assert status == 128 + signal.SIGTERM
    assert error.strip() == "idml: stopped at step 40, which is saved; the same command goes on."


def test_one_bad_file_among_good_ones_is_named(idml, tmp_path):
    folder = write_micrographs(tmp_path / "micrographs")
    Image.fromarray(np.full((48, 64), 7, np.uint8)).save(folder / "flat.png")
    status, _, error = idml(
        "generate", "train", "--images", folder, "--run", tmp_path / "run", *SMALL
    )
    assert (status, error.count("\n")) == (2, 1)
    assert "flat.png" in error
    assert not (tmp_path / "run").exists()


def test_nothing_to_sample_from_is_one_line(idml, tmp_path):
    options = ("--run", tmp_path / "none", "--out", tmp_path / "out")
    status, _, error = idml("generate", "sample", *options)
    assert (status, error.count("\n")) == (2, 1)
    assert "no such folder or file" in error and "none" in error
    assert not (tmp_path / "out").exists()
    status, _, error = idml("generate", "sample", *options, "--count", 0)
    assert (status, error) == (2, "idml: --count (=0) must be at least 1.\n")


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The file of a generator that was never trained."""
    recipe = training.Recipe.of_size((16, 16), width=8, latent_features=4)
    path = tmp_path_factory.mktemp("weights") / "blobs.safetensors"
    training.write_generator(path, training.ProgressiveGAN(recipe.networks()[0], recipe))
    return path


def test_a_generator_is_judged_beside_other_micrographs(idml, micrographs, generator, tmp_path):
    out = tmp_path / "out"
    options = ("generate", "evaluate", "--run", generator, "--out", out, "--count", 40)
    status, _, error = idml(*options)
    assert (status, error.count("\n")) == (2, 1)
    assert "name their folder with --images" in error and not out.exists()
    options += ("--images", micrographs, "--binning", 1)
    status, output, error = idml(*options)
    assert status == 0, error
    found = json.loads((out / "result.json").read_text())
    assert found["comparison"]["images"]["generated"] == 40
    assert found["comparison"]["specimens"] == {"generated": 1, "held-out": 3, "training": 3}
    # Noise is not these blobs.
    assert found["comparison"]["statistics"]["two-point correlation"]["ratio"] > 3
    assert (out / "report.html").read_text().count("data:image/png;base64,") == 4
    before = (out / "report.html").stat().st_mtime_ns
    assert idml(*options)[0] == 0 and (out / "report.html").stat().st_mtime_ns == before
    status, _, error = idml(*options, "--seed", 5)
    assert (status, error.count("\n")) == (2, 1) and "seed is None there and 5 here" in error


def train_encoder(run, channels):
    """A classifier of noise of two kinds."""
    images = np.random.default_rng(0).random((8, 16, 16, channels))
    labels = np.arange(8) % 2
    recipe = training.ClassifierRecipe(features=(4, 4), embedding=4, steps=2, batch=4)
    return training.train_classifier(images, labels, recipe, run=run)


def test_images_are_compared_in_the_features_of_a_classifier(
    idml, micrographs, generator, tmp_path
):
    options = ("generate", "evaluate", "--run", generator, "--images", micrographs, "--count", 40)
    options += ("--binning", 1, "--encoder", tmp_path / "encoder")
    encoder = train_encoder(tmp_path / "encoder", 1)
    train_encoder(tmp_path / "colour", 3)
    status, output, error = idml(*options, "--out", tmp_path / "out")
    assert status == 0, error
    found = json.loads((tmp_path / "out" / "result.json").read_text())["features"]
    # Noise, and blobs that resemble each other.
    assert found["generated"]["KID"] > 3 * abs(found["real"]["KID"])
    assert "precision  " in output and encoder.channels == 1
    assert "As an encoder sees it" in (tmp_path / "out" / "report.html").read_text()
    status, _, error = idml(*options[:-1], tmp_path / "colour", "--out", tmp_path / "other")
    assert (status, error.count("\n")) == (2, 1)
    assert "this classifier sees 3 channels, and the generator's images have 1" in error


def test_the_way_between_latents_is_drawn_and_kept(idml, generator, tmp_path):
    options = ("--run", generator, "--out", tmp_path, "--count", 3, "--steps", 5, "--seed", 2)
    assert idml("generate", "interpolate", *options)[0] == 0
    latents, images = (np.load(tmp_path / f"{name}.npy") for name in ("latents", "images"))
    assert latents.shape == (3, 5, 4) and images.shape == (3, 5, 16, 16, 1)
    gan = training.load_generator(generator)
    np.testing.assert_allclose(gan(latents[1]), images[1], atol=1e-6)
    sheet = imageio.imread(tmp_path / "interpolation.png")
    assert sheet.shape[0] >= 3 * 16 and sheet.shape[1] >= 5 * 16


def test_crops_are_looked_for_and_the_table_says_how_far_off_they_are(
    idml, micrographs, generator, tmp_path
):
    options = ("--run", generator, "--images", micrographs, "--out", tmp_path, "--binning", 1)
    status, output, error = idml("generate", "project", *options, "--count", 3, "--steps", 20)
    assert status == 0, error
    lines = (tmp_path / "errors.csv").read_text().splitlines()
    assert len(lines) == 4 and lines[0].startswith("micrograph,crop,rms error")
    found = np.array([line.split(",")[2:4] for line in lines[1:]], float)
    assert (found[:, 0] <= found[:, 1] + 1e-4).all()
    assert np.load(tmp_path / "latents.npy").shape == (3, 4)
    assert "rms error, median" in output


@pytest.mark.parametrize(
    ("task", "option", "rule"),
    [
        ("evaluate", ("--count", 0), "--count (=0)"),
        ("interpolate", ("--steps", 1), "2 at least"),
        ("project", ("--binning", 0), "--binning (=0)"),
    ],
)
def test_an_option_out_of_range_is_one_line(idml, generator, tmp_path, task, option, rule):
    out = tmp_path / "out"
    status, _, error = idml("generate", task, "--run", generator, "--out", out, *option)
    assert (status, error.count("\n")) == (2, 1)
    assert rule in error and not out.exists()
