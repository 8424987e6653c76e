"""A generator as one file."""

import jax
import numpy as np
import pytest
import safetensors.numpy

from idml_jax import training
from idml_jax.errors import InputError

RECIPE = training.Recipe.of_size((16, 24), width=8, conditions=1, latent_features=3)


@pytest.fixture(scope="module")
def gan():
    return training.ProgressiveGAN(RECIPE.networks()[0], RECIPE)


@pytest.fixture
def path(gan, tmp_path):
    path = tmp_path / "gan.safetensors"
    training.write_generator(path, gan, card="# Steel\nCC-BY-4.0")
    return path


def test_a_generator_that_is_written_and_read_makes_the_same_images(gan, path):
    loaded = training.load_generator(path)
    assert loaded.recipe == gan.recipe
    wanted = np.ones((4, 1), np.float32)
    images = gan.sample(jax.random.key(0), 4, conditions=wanted)
    np.testing.assert_array_equal(images, loaded.sample(jax.random.key(0), 4, conditions=wanted))
    assert training.read_card(path) == "# Steel\nCC-BY-4.0"


def test_other_numbers_make_other_images(gan, path, tmp_path):
    """The numbers of the file are used, and not those that a network begins with."""
    with safetensors.safe_open(str(path), framework="numpy") as file:
        texts = file.metadata()
        arrays = {name: 2 * file.get_tensor(name) for name in file.keys()}
    (tmp_path / "other.safetensors").write_bytes(safetensors.numpy.save(arrays, metadata=texts))
    latents, wanted = np.ones((1, 3), np.float32), np.ones((1, 1), np.float32)
    other = training.load_generator(tmp_path / "other.safetensors")
    assert not np.allclose(other(latents, wanted), gan(latents, wanted), atol=1e-3)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "not a whole safetensors file"),
        (lambda path: path.unlink(), "no such folder or file"),
        (
            lambda path: path.write_bytes(safetensors.numpy.save({"x": np.ones(3)})),
            "says of itself 'nothing'",
        ),
    ],
)
def test_what_is_no_generator_is_refused_by_name(path, spoil, rule):
    spoil(path)
    with pytest.raises(InputError, match=rule) as refused:
        training.load_generator(path)
    assert "gan.safetensors" in str(refused.value) and "\n" not in str(refused.value)


def test_generators_that_come_with_the_toolkit_are_found_by_name(tmp_path, monkeypatch):
    kept = training.kept_generators()
    assert {"superalloy", "berea", "steel"} <= set(kept)
    for name, path in kept.items():
        assert path.stat().st_size < 5e6
        gan = training.load_generator(name)
        assert gan.sample(jax.random.key(0), 2).std() > 0.1
        card = training.read_card(name)
        assert "licence of the micrographs: " in card and "not stated" not in card
        assert path.with_suffix(".md").read_text() == card
    # What the user has under such a name goes before.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "berea").mkdir()
    with pytest.raises(InputError, match=r"generator\.json is missing"):
        training.load_generator("berea")


def test_arrays_of_other_shapes_are_refused(path):
    with safetensors.safe_open(str(path), framework="numpy") as file:
        texts = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    arrays.pop(sorted(arrays)[0])
    path.write_bytes(safetensors.numpy.save(arrays, metadata=texts))
    with pytest.raises(InputError, match="do not fit the network"):
        training.load_generator(path)


@pytest.mark.parametrize("conditions", [0, 1])
def test_truncated_images_are_less_varied_down_to_all_the_same(conditions):
    recipe = training.Recipe.of_size((16, 16), width=8, conditions=conditions)
    gan = training.ProgressiveGAN(recipe.networks()[0], recipe)
    wanted = np.ones((8, 1), np.float32) if conditions else None
    latents = np.random.default_rng(0).standard_normal((8, 16))
    made = [np.asarray(gan(latents, wanted, truncation=psi)) for psi in (0.0, 0.3, 0.7, 1.0)]
    variety = [images.std(axis=0).mean() for images in made]
    assert variety[0] == pytest.approx(0, abs=1e-6)
    assert (np.diff(variety) > 0.02 * variety[-1]).all()
    # All but the whole of it goes the other way through the network, to the same images.
    nearly = gan(latents, wanted, truncation=1 - 1e-7)
    np.testing.assert_allclose(nearly, made[-1], atol=1e-4)
