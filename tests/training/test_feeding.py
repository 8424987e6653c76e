"""Streamed micrographs: chosen when they must be, and a stopped run goes on as if it had not."""

import dataclasses
import json
import os
import signal
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import data, training
from idml_jax.errors import InputError, Stopped
from idml_jax.training.devices import device_mesh
from idml_jax.training.feeding import ResidentFeed, StreamedFeed, feed_of
from idml_jax.training.health import after_step, healthy
from idml_jax.training.real_images import RealImages, images_of_level

pytestmark = pytest.mark.usefixtures("standard_promotion")

RECIPE = training.Recipe(
    latent_features=3,
    features=(6, 4),
    growth=training.Growth(images=(32, 48), batches=(4, 4)),
    learning_rates=(1e-3, 1e-3),
    penalties=(0.2, 0.2),
)
SMALLEST = training.Recipe(
    latent_features=2,
    features=(4,),
    growth=training.Growth(images=(16,), batches=(4,)),
    learning_rates=(1e-3,),
    penalties=(0.2,),
)


class State(NamedTuple):
    total: jax.Array
    health: training.Health


class Scalars(NamedTuple):
    loss: jax.Array


def two_micrographs():
    """Grey waves, made without random numbers."""
    rows, cols = np.mgrid[:40, :48]
    images = [np.sin(rows / 3) * np.cos(cols / 4), np.sin((rows + cols) / 5)]
    return [
        data.Micrograph((0.5 + 0.4 * image[..., None]).astype(np.float32), f"waves_{index}")
        for index, image in enumerate(images)
    ]


@jax.jit
def compiled(state, number, images, bad):
    weights = jnp.arange(1.0, 5.0, dtype=jnp.float32)[:, None, None, None]
    given = (images.astype(jnp.float32) * weights).mean()
    # No number at all in the first attempt at the bad step.
    given = jnp.where((state.health.attempt == 0) & (number == bad), jnp.nan, given)
    after = state._replace(total=0.9 * state.total + given)
    scalars = Scalars(after.total)
    kept, health = after_step(state.health, number, state, after, scalars)
    return kept._replace(health=health), scalars


@pytest.fixture
def mesh():
    return device_mesh(RECIPE.growth.batches)


def train_arithmetic(run, mesh, *, killed=None, bad=-1):
    """Steps that add up what they are fed."""
    feed = StreamedFeed(two_micrographs(), RECIPE, mesh)

    def step(state, number):
        if number == killed:
            os.kill(os.getpid(), signal.SIGTERM)
        images = feed.of_step(number, state.health).images
        return compiled(state, jnp.int32(number), images, jnp.int32(bad))

    def batch(number, attempt):
        return feed.again(number, attempt)._asdict()

    return training.train(
        State(jnp.float32(0), healthy()), step, steps=RECIPE.growth.steps, images=lambda _: 1,
        run=run, save_every=4, record_every=3, guard=training.Guard(batch, "roll back"),
    )  # fmt: skip


def test_a_stopped_run_is_fed_on_to_the_bit(tmp_path, mesh):
    unbroken = train_arithmetic(tmp_path / "unbroken", mesh)
    for moment in (6, 9):
        with pytest.raises(Stopped):
            train_arithmetic(tmp_path / "stopped", mesh, killed=moment)
    stopped = train_arithmetic(tmp_path / "stopped", mesh)
    assert float(stopped.total) == float(unbroken.total) != 0


def test_after_going_back_other_crops_come_and_those_of_the_bad_step_are_kept(tmp_path, mesh):
    unbroken = train_arithmetic(tmp_path / "unbroken", mesh)
    back = train_arithmetic(tmp_path / "back", mesh, bad=9)
    assert int(back.health.attempt) == 1 and float(back.total) != float(unbroken.total)
    kept = np.load(tmp_path / "back" / "bad_step_000009_0.npz")
    feed = StreamedFeed(two_micrographs(), RECIPE, mesh)
    np.testing.assert_array_equal(kept["images"], feed.of_step(9, healthy()).images)
    again = feed.of_step(9, healthy()._replace(attempt=jnp.int32(1)))
    assert not np.array_equal(kept["images"], again.images)
    feed.close()


@pytest.mark.parametrize("level, number", [(0, 3), (1, 12)])
def test_levels_below_full_size_are_means_of_the_crops(level, number, mesh):
    feed = StreamedFeed(two_micrographs(), RECIPE, mesh)
    cut = feed.of_step(number, healthy())
    fade, key = jnp.float32(0.3), jax.random.key(0)
    assert RECIPE.growth.stage(number).level == level and cut.images.shape == (4, 16, 16, 1)
    told = np.float32([[0.25], [0.75]])
    found, wanted = RealImages(RECIPE, told).of_step(cut, key, fade, level=level)
    crops = np.asarray(cut.images, np.float32) / np.float32(255)
    expected = images_of_level(crops, fade, level=level, levels=2)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(wanted, told[np.asarray(cut.sources)])
    if level == 0:
        means = crops.reshape(4, 8, 2, 8, 2, 1).mean(axis=(2, 4))
        np.testing.assert_allclose(found, means, atol=1e-6)
    feed.close()


@pytest.mark.parametrize("memory, way", [(16_000, "resident"), (15_000, "streamed")])
def test_micrographs_stay_on_the_device_if_they_fill_a_quarter_of_it_at_most(
    memory, way, mesh, tmp_path, monkeypatch, capsys
):
    micrographs = two_micrographs()
    assert data.bytes_on_device(micrographs) == 2 * 40 * 48
    monkeypatch.setattr(data, "device_memory", lambda: memory)
    feed = feed_of(micrographs, RECIPE, mesh, "auto", tmp_path)
    assert feed.way == way and isinstance(feed, (ResidentFeed, StreamedFeed))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("micrographs: 3.84 kB") and ("streamed" in line) == (way == "streamed")
    # Asked for by name, either way is taken, and a run keeps to its own.
    assert feed_of(micrographs, RECIPE, mesh, "resident", tmp_path).way == "resident"
    for kept in ("resident", "streamed"):
        (tmp_path / "residence.json").write_text(json.dumps({"data": kept}))
        assert feed_of(micrographs, RECIPE, mesh, "auto", tmp_path).way == kept


def test_a_generator_is_trained_on_a_stream_and_keeps_to_it(tmp_path):
    micrographs = two_micrographs()
    path = tmp_path / "waves.npy"
    np.save(path, micrographs[0].image)
    mapped = dataclasses.replace(micrographs[0], image=np.load(path, mmap_mode="r"))
    options = {"run": tmp_path / "run", "recipe": SMALLEST}
    gan = training.train_progressive_gan([mapped, micrographs[1]], data="streamed", **options)
    again = training.train_progressive_gan(micrographs, **options)
    key = jax.random.key(0)
    np.testing.assert_array_equal(gan.sample(key, 2), again.sample(key, 2))
    with pytest.raises(InputError, match="data is 'streamed' there and 'resident' here"):
        training.train_progressive_gan(micrographs, data="resident", **options)


@pytest.mark.slow
def test_a_generator_of_a_stream_that_was_stopped_ends_like_an_unbroken_one(tmp_path):
    def stop(images, done):
        if done == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    def trained(run, show=None):
        return training.train_progressive_gan(
            two_micrographs(), run=run, recipe=RECIPE, save_every=2, data="streamed", show=show
        )

    unbroken = trained(tmp_path / "unbroken")
    with pytest.raises(Stopped):
        trained(tmp_path / "stopped", stop)
    stopped = trained(tmp_path / "stopped")
    images = [gan.sample(jax.random.key(0), 4) for gan in (unbroken, stopped)]
    np.testing.assert_array_equal(images[0], images[1])
