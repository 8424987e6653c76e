"""Training a progressive GAN: what it learns, and that stopping it changes nothing."""

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from idml_jax import data, training
from idml_jax.errors import InputError

pytestmark = pytest.mark.usefixtures("standard_promotion")

TINY = training.Recipe(
    latent_features=3,
    augmented=True,
    images_to_full=20,
    features=(6, 4),
    growth=training.Growth(images=(32, 48), batches=(4, 4)),
    learning_rates=(1e-3, 1e-3),
    penalties=(0.2, 0.2),
)

SCRIPT = """
import sys
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
sys.path.insert(0, sys.argv[3])
from test_progressive_gan import TINY, fill_the_disk, two_micrographs
from idml_jax import training
from idml_jax.errors import InputError
show = fill_the_disk if sys.argv[4:] else None
try:
    training.train_progressive_gan(
        two_micrographs(), run=sys.argv[1], recipe=TINY, save_every=2, show=show
    )
except InputError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


def two_micrographs():
    """Grey waves, made without random numbers."""
    rows, cols = np.mgrid[:40, :48]
    images = [np.sin(rows / 3) * np.cos(cols / 4), np.sin((rows + cols) / 5)]
    return [
        data.Micrograph((0.5 + 0.4 * image[..., None]).astype(np.float32), f"waves_{index}")
        for index, image in enumerate(images)
    ]


def fill_the_disk(images, done):
    """From the first checkpoint on, no file gets larger than a page."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))


def state_of(run):
    """Every number of the newest checkpoint."""
    networks, state = training.initial_state(*TINY.networks(), TINY.transform())
    with training.Checkpoints(run / "checkpoints") as checkpoints:
        assert checkpoints.step == TINY.growth.steps
        return jax.tree.leaves(checkpoints.restore(state))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that nobody stopped."""
    run = tmp_path_factory.mktemp("unbroken")
    spoken = environment() | {"JAX_LOG_COMPILES": "1"}
    done = subprocess.run(command(run, run / "cache"), env=spoken, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    (run / "stderr.txt").write_bytes(done.stderr)
    return run


def command(run, cache):
    return [sys.executable, "-c", SCRIPT, str(run), str(cache), os.path.dirname(__file__)]


def environment():
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.parametrize("moments", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_at_any_moment_ends_like_an_unbroken_one_bit_for_bit(
    moments, tmp_path, unbroken
):
    waits = np.random.default_rng(moments).uniform(0, 1, moments)
    for wait in waits:
        with subprocess.Popen(
            command(tmp_path, unbroken / "cache"), env=environment(), stderr=subprocess.PIPE
        ) as process:
            # Imports take seconds; what may be cut in two begins with the bar's first character.
            assert process.stderr is not None
            process.stderr.read(1)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(
        command(tmp_path, unbroken / "cache"), env=environment(), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    for found, expected in zip(state_of(tmp_path), state_of(unbroken), strict=True):
        np.testing.assert_array_equal(found, expected)
    steps = [record["step"] for record in training.read_records(tmp_path)]
    assert steps == [record["step"] for record in training.read_records(unbroken)]


def test_a_level_is_compiled_once(unbroken):
    """Also where its first step finds moments that were wiped, and the next ones do not."""
    said = (unbroken / "stderr.txt").read_text()
    assert said.count("Finished XLA compilation of jit(compiled)") == len(TINY.features)


def test_a_finished_run_is_loaded_and_not_trained_again(unbroken):
    before = sorted(path.name for path in (unbroken / "checkpoints").iterdir())
    gan = training.train_progressive_gan(two_micrographs(), run=unbroken, recipe=TINY)
    assert sorted(path.name for path in (unbroken / "checkpoints").iterdir()) == before
    loaded = training.load_progressive_gan(unbroken)
    images = gan.sample(jax.random.key(0), 5, batch=2)
    assert images.shape == (5, 16, 16, 1) and gan.size == (16, 16)
    np.testing.assert_array_equal(images, loaded.sample(jax.random.key(0), 5, batch=2))


def test_another_recipe_in_the_same_folder_is_refused(unbroken):
    other = dataclasses.replace(TINY, half_life=7)
    with pytest.raises(InputError, match="half_life is 1000 there and 7 here"):
        training.train_progressive_gan(two_micrographs(), run=unbroken, recipe=other)


def test_other_micrographs_in_the_same_folder_are_refused(unbroken):
    one, other = two_micrographs()
    changed = dataclasses.replace(other, image=other.image[::-1].copy())
    for micrographs in ([one, changed], [one], [other, one]):
        with pytest.raises(InputError, match="micrographs is '[0-9a-f]{16}' there and"):
            training.train_progressive_gan(micrographs, run=unbroken, recipe=TINY)


def test_a_full_disk_during_a_checkpoint_leaves_the_last_one_readable(tmp_path, unbroken):
    """A limit on the size of a file stands in for a full disk: the same call fails."""
    done = subprocess.run(
        [*command(tmp_path, unbroken / "cache"), "fill the disk"],
        env=environment(),
        capture_output=True,
    )
    error = done.stderr.decode()
    assert done.returncode == 2, error
    # The bar is drawn over itself; what is left is one line.
    lines = [line for line in error.split("\r")[-1].splitlines() if line]
    assert len(lines) == 2, error
    assert "step 4 could not be written" in lines[1]
    _, state = training.initial_state(*TINY.networks(), TINY.transform())
    with training.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.step == 2
        checkpoints.restore(state)


@pytest.mark.parametrize(
    "name, entry", [("features", 6), ("learning_rates", 1e-3), ("penalties", 0.2)]
)
def test_a_level_without_its_entry_is_refused(name, entry):
    with pytest.raises(ValueError, match=f"'{name}': 1"):
        dataclasses.replace(TINY, **{name: (entry,)})


def test_numbers_that_are_not_finite_stop_the_run_and_the_images_are_kept(tmp_path):
    recipe = training.Recipe(
        features=(4,),
        growth=training.Growth(images=(8,), batches=(4,)),
        learning_rates=(1e-3,),
        penalties=(float("inf"),),
    )
    with pytest.raises(InputError, match="numbers of step 0 are not finite"):
        training.train_progressive_gan(two_micrographs(), run=tmp_path, recipe=recipe)
    images = np.load(tmp_path / "bad_step_000000_0.npz")["images"]
    assert images.shape == (4, 8, 8, 1) and 0.1 < images.mean() < 0.9


def test_a_micrograph_that_holds_what_is_no_number_is_refused_by_name(tmp_path):
    good, bad = two_micrographs()
    bad.image[3, 4] = np.nan
    with pytest.raises(InputError, match="waves_1: values from nan to nan"):
        training.train_progressive_gan([good, bad], run=tmp_path, recipe=TINY)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_generator_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"generator\.json is missing"):
        training.load_progressive_gan(tmp_path)


def test_the_recipe_that_is_written_is_the_one_that_was_used(unbroken):
    assert json.loads((unbroken / "generator.json").read_text())["features"] == [6, 4]


@pytest.mark.slow
def test_a_generator_grows_to_1024_pixels(tmp_path):
    """Eight levels, a step of each, in bfloat16, half of a batch in memory at a time."""
    waves = np.sin(np.arange(1100, dtype=np.float32) / 7)
    micrographs = [
        data.Micrograph(0.5 + 0.4 * np.outer(waves, np.roll(waves, k))[..., None], f"waves_{k}")
        for k in range(2)
    ]
    recipe = training.Recipe.of_size((1024, 1024), width=8, precision="bfloat16")
    growth = training.Growth(images=(4,) * 8, batches=(4,) * 8)
    recipe = dataclasses.replace(recipe, growth=growth, parts=2)
    gan = training.train_progressive_gan(micrographs, run=tmp_path, recipe=recipe)
    images = gan.sample(jax.random.key(0), 2, batch=1)
    assert images.shape == (2, 1024, 1024, 1) and images.dtype == np.float32
    assert images.std() > 0.01 and not np.allclose(images[0], images[1], atol=1e-3)
