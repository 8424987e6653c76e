"""Autoencoders: what they learn, that stopping changes nothing, and what they refuse."""

import dataclasses

import jax
import numpy as np
import pytest

from idml_jax import training
from idml_jax.data import Micrograph
from idml_jax.errors import InputError

pytestmark = pytest.mark.usefixtures("standard_promotion")

RECIPE = training.AutoencoderRecipe(
    (8, 8), latent_features=2, features=(4, 8), batch=16, steps=400, warm_up=100, learning_rate=1e-2
)


def bars(count, seed=0):
    """A bright bar across each image, at any of eight rows; and the row of each."""
    row = np.random.default_rng(seed).integers(0, 8, count)
    images = np.zeros((count, 8, 8, 1), np.float32)
    images[np.arange(count), row] = 1
    return images, row


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return training.train_autoencoder(bars(64)[0], RECIPE, run=run), run


def test_bars_come_back_and_are_generated(trained):
    autoencoder, run = trained
    images, _ = bars(20, seed=1)
    made = autoencoder.reconstruct(images, batch=8)
    assert made.shape == images.shape
    # An image of a bar at no row in particular has the error 2 x 1/8 x 7/8 = 0.22.
    assert np.abs(made - images).mean() < 0.02
    drawn = autoencoder.sample(jax.random.key(0), 50, batch=16)
    assert drawn.shape == (50, 8, 8, 1)
    share = drawn.mean(axis=(2, 3))
    assert len(set(share.argmax(axis=1))) >= 6, "rows that samples have"
    latents = np.asarray(autoencoder.network.prior(jax.random.key(0), 50))
    np.testing.assert_allclose(drawn, autoencoder(latents), atol=1e-6)
    records = training.read_records(run)
    assert records[-1]["divergence"] > 2 * np.log(2), "three bits tell the rows apart"
    each = [records[-1][f"divergence_{number}"] for number in range(2)]
    np.testing.assert_allclose(sum(each), records[-1]["divergence"], rtol=1e-5)


def test_the_way_between_two_images_begins_and_ends_with_them(trained):
    autoencoder, _ = trained
    images, _ = bars(2, seed=2)
    way = autoencoder.interpolate(*images, 5)
    assert way.shape == (5, 8, 8, 1)
    np.testing.assert_allclose(way[[0, -1]], autoencoder.reconstruct(images), atol=1e-6)
    middle = autoencoder(autoencoder.encode(images).mean.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(way[2], middle[0], atol=1e-5)


def test_loaded_autoencoder_is_the_trained_one(trained):
    autoencoder, run = trained
    again = training.load_autoencoder(run)
    images, _ = bars(5)
    for one, other in zip(again.encode(images), autoencoder.encode(images), strict=True):
        np.testing.assert_array_equal(one, other)
    latents = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(again(latents), autoencoder(latents))
    slope = jax.grad(lambda z: again(z).sum())(latents)
    assert np.isfinite(slope).all() and float(abs(slope).max()) > 0


def test_images_follow_the_condition(tmp_path):
    # Each pixel bright with the probability that the condition says, so that the mean image is
    # the condition everywhere and latents have nothing to tell.
    random = np.random.default_rng(0)
    fraction = random.uniform(0, 1, (400, 1)).astype(np.float32)
    images = (random.uniform(size=(400, 8, 8, 1)) < fraction[..., None, None]).astype(np.float32)
    recipe = dataclasses.replace(RECIPE, conditions=1, steps=300, beta=4.0, warm_up=0)
    autoencoder = training.train_autoencoder(images, recipe, run=tmp_path, conditions=fraction)
    wanted = np.array([[0.2], [0.5], [0.8]], np.float32)
    found = autoencoder.sample(jax.random.key(0), 60, np.repeat(wanted, 20, axis=0), batch=32)
    np.testing.assert_allclose(found.reshape(3, -1).mean(axis=1), wanted[:, 0], atol=0.07)
    way = autoencoder.interpolate(images[0], images[1], 3, np.array([[0.2], [0.8]], np.float32))
    np.testing.assert_allclose(way.mean(axis=(1, 2)), wanted, atol=0.15)
    with pytest.raises(ValueError, match="`conditions`"):
        autoencoder.sample(jax.random.key(0), 3)
    with pytest.raises(ValueError, match="the recipe has 1 `conditions`"):
        training.train_autoencoder(images, recipe, run=tmp_path)


@pytest.mark.parametrize("kind", ["convolutional", "rotation-invariant"])
def test_stopped_and_started_again_it_ends_with_the_same_bits(kind, tmp_path):
    def stop(autoencoder, done):
        raise KeyboardInterrupt

    images, _ = bars(16)
    recipe = dataclasses.replace(RECIPE, kind=kind, steps=8, batch=4, warm_up=6)
    whole = training.train_autoencoder(images, recipe, run=tmp_path / "whole", save_every=3)
    parts = tmp_path / "parts"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_autoencoder(images, recipe, run=parts, save_every=3, show=stop)
    again = training.train_autoencoder(images, recipe, run=parts, save_every=3)
    np.testing.assert_array_equal(again.reconstruct(images), whole.reconstruct(images))


def test_crops_of_micrographs_are_learned_from(tmp_path):
    # Two phases, of which only the dark one is there: memberships of two channels.
    grey = np.full((12, 10, 1), 0.25, np.float32)
    micrographs = [Micrograph(np.concatenate([grey, 1 - grey], -1), name="one")]
    recipe = dataclasses.replace(RECIPE, channels=2, likelihood="categorical", steps=60, batch=4)
    autoencoder = training.train_autoencoder(micrographs, recipe, run=tmp_path)
    made = autoencoder.sample(jax.random.key(0), 2)
    np.testing.assert_allclose(made.mean(axis=(0, 1, 2)), [0.25, 0.75], atol=0.05)
    turned = dataclasses.replace(recipe, kind="rotation-invariant")
    with pytest.raises(ValueError, match="crops of micrographs"):
        training.train_autoencoder(micrographs, turned, run=tmp_path)


def test_directions_of_micrographs_are_kept_where_they_are_to_be(tmp_path):
    """Layers along the cols: turned by quarters they would vary along both axes alike."""
    layers = np.tile(np.repeat(np.float32([0, 1]), 4)[:, None, None], (5, 40, 1))
    recipe = dataclasses.replace(RECIPE, turns="mirrors", steps=150)
    assert training.AutoencoderRecipe.from_plain(recipe.plain()) == recipe
    assert "turns" not in RECIPE.plain()
    autoencoder = training.train_autoencoder(
        [Micrograph(layers, "layers")], recipe, run=tmp_path / "run"
    )
    made = autoencoder.sample(jax.random.key(0), 32)
    along, across = (np.abs(np.diff(made, axis=axis)).mean() for axis in (2, 1))
    assert along < 0.6 * across


def test_penalty_beside_the_likelihood_is_heeded(tmp_path):
    # Of images that are half bright everywhere, reconstructions are asked to be darker.
    images = np.full((16, 8, 8, 1), 0.5, np.float32)
    recipe = dataclasses.replace(RECIPE, steps=100)

    def bright(images, made):
        return 1e4 * ((made - 0.25) ** 2).mean(axis=(1, 2, 3))

    autoencoder = training.train_autoencoder(images, recipe, run=tmp_path, penalty=bright)
    # -32 ln m - 32 ln(1 - m) + 1e4 (m - 1/4)^2 is least near m = 0.255.
    assert abs(autoencoder.reconstruct(images).mean() - 0.255) < 0.02
    assert training.read_records(tmp_path)[-1]["penalty"] >= 0


@pytest.mark.parametrize(
    ("images", "rule"),
    [
        (np.zeros((16, 8, 6, 1)), "the recipe \\(8, 8, 1\\)"),
        (bars(15)[0], "fewer than a batch"),
        (2 * bars(16)[0], "outside of"),
        (np.full((16, 8, 8, 1), np.nan), "not finite"),
    ],
)
def test_images_that_do_not_go_with_the_recipe_are_refused(tmp_path, images, rule):
    with pytest.raises(ValueError, match=rule):
        training.train_autoencoder(images, RECIPE, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_images_is_refused_and_left_alone(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=2)
    training.train_autoencoder(bars(16)[0], recipe, run=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match="examples is"):
        training.train_autoencoder(bars(16, seed=3)[0], recipe, run=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(InputError, match="no trained autoencoder"):
        training.load_autoencoder(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"kind": "rotation-invariant", "conditions": 1}, "no `conditions`"),
        ({"likelihood": "categorical"}, "two or more phases"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        dataclasses.replace(RECIPE, **options)
