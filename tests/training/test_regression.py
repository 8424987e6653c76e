"""Surrogates: what they learn, that stopping changes nothing, and what they refuse."""

import dataclasses

import jax
import numpy as np
import pytest

from idml_jax import training
from idml_jax.errors import InputError

pytestmark = pytest.mark.usefixtures("standard_promotion")

FIELD = training.RegressionRecipe(
    "field", features=(6,), dilations=(1, 1), steps=300, batch=4, learning_rate=2e-2
)
PROPERTY = training.RegressionRecipe(
    "property", features=(4, 8), steps=200, batch=8, learning_rate=1e-2
)


def cells(count, seed=0, shape=(8, 8)):
    noise = np.random.default_rng(seed).standard_normal((count, *shape, 1))
    level = np.random.default_rng(seed + 1).uniform(-1, 1, (count, 1, 1, 1))
    return (noise > level).astype(np.float32)


def neighbours(phase):
    """A field of two numbers that a convolution of 3 x 3 pixels gives."""
    across = sum(np.roll(phase, by, axis) for by in (-1, 1) for axis in (1, 2))
    return np.concatenate([across, phase * across], axis=-1)


def test_field_of_a_cell_is_learned_and_kept(tmp_path):
    surrogate = training.train_regressor(
        cells(64), neighbours(cells(64)), FIELD, run=tmp_path / "run"
    )
    unseen = cells(9, seed=5)
    found = surrogate.predict(unseen, batch=4)
    assert found.shape == (9, 8, 8, 2)
    error = np.sqrt(((found - neighbours(unseen)) ** 2).mean(axis=(0, 1, 2)))
    assert (error < 0.25 * neighbours(unseen).std(axis=(0, 1, 2))).all(), error
    again = training.load_surrogate(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(unseen, batch=4), found)
    slope = jax.grad(lambda x: surrogate(x).sum())(unseen[:2])
    assert np.isfinite(slope).all() and float(abs(slope).max()) > 0


def test_property_of_a_cell_is_learned(tmp_path):
    inputs = cells(200)
    targets = np.stack([inputs.mean(axis=(1, 2, 3)), -5 * inputs.mean(axis=(1, 2, 3)) ** 2], axis=1)
    surrogate = training.train_regressor(inputs, targets, PROPERTY, run=tmp_path)
    unseen = cells(50, seed=5)
    fraction = unseen.mean(axis=(1, 2, 3))
    found = surrogate.predict(unseen)
    assert np.abs(found[:, 0] - fraction).max() < 0.2 * np.ptp(fraction)
    assert np.corrcoef(found[:, 1], -5 * fraction**2)[0, 1] > 0.97


def test_stopped_and_started_again_it_ends_with_the_same_bits(tmp_path):
    inputs, targets = cells(16), neighbours(cells(16))

    def mirrored(key, examples):
        flip = jax.random.bernoulli(key)
        return tuple(jax.numpy.where(flip, x[:, ::-1], x) for x in examples)

    def stop(surrogate, done):
        raise KeyboardInterrupt

    recipe = dataclasses.replace(FIELD, steps=8)
    options = {"augment": mirrored, "save_every": 3}
    whole = training.train_regressor(inputs, targets, recipe, run=tmp_path / "whole", **options)
    parts = tmp_path / "parts"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_regressor(inputs, targets, recipe, run=parts, show=stop, **options)
    again = training.train_regressor(inputs, targets, recipe, run=parts, **options)
    np.testing.assert_array_equal(again.predict(inputs), whole.predict(inputs))


@pytest.mark.parametrize(
    ("inputs", "targets", "rule"),
    [
        (np.zeros((8, 8, 8)), np.zeros((8, 8, 8, 1)), "count, \\*sides, channels"),
        (cells(8), np.zeros((8, 8, 7, 1)), "count, \\*sides, outputs"),
        (cells(3), neighbours(cells(3)), "fewer than a batch"),
        (cells(8), np.full((8, 8, 8, 1), np.nan), "not finite"),
        (cells(8), np.ones((8, 8, 8, 1)), "do not vary"),
    ],
)
def test_examples_that_do_not_go_together_are_refused(tmp_path, inputs, targets, rule):
    with pytest.raises(ValueError, match=rule):
        training.train_regressor(inputs, targets, FIELD, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_examples_is_refused_and_left_alone(tmp_path):
    recipe = dataclasses.replace(FIELD, steps=2)
    training.train_regressor(cells(8), neighbours(cells(8)), recipe, run=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match="examples is"):
        training.train_regressor(cells(8, 3), neighbours(cells(8, 3)), recipe, run=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(InputError, match="no trained surrogate"):
        training.load_surrogate(tmp_path / "nothing")
    with pytest.raises(ValueError, match="one width"):
        training.RegressionRecipe("field", features=(4, 8))
