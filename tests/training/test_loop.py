"""The loop on a training that is arithmetic: stops, resumes, and what is done with bad numbers."""

import os
import signal
import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import training
from idml_jax.errors import InputError, Stopped
from idml_jax.training.health import after_step, healthy
from idml_jax.training.signals import watched


class State(NamedTuple):
    total: jax.Array
    health: training.Health


class Scalars(NamedTuple):
    loss: jax.Array


@jax.jit
def compiled(state, number, given):
    after = state._replace(total=0.9 * state.total + given)
    scalars = Scalars(after.total**2)
    kept, health = after_step(state.health, number, state, after, scalars)
    return kept._replace(health=health), scalars


def given(number, attempt):
    return np.float32(number + 1 + 100 * attempt)


def begin(bad=()):
    """A state, and a step that is given what is not a number at some numbers and attempts."""

    def step(state, number):
        attempt = int(state.health.attempt)
        value = np.nan if (number, attempt) in bad else given(number, attempt)
        return compiled(state, jnp.int32(number), jnp.float32(value))

    return State(jnp.float32(0), healthy()), step


def run_to_the_end(run, *, bad=(), step=None, show=None, policy="stop", attempts=3, steps=20):
    state, ours = begin(bad)

    def batch(number, attempt):
        return {"given": given(number, attempt)}

    return training.train(
        state, step or ours, steps=steps, images=lambda _: 1, run=run, save_every=4, record_every=3,
        show=show, guard=training.Guard(batch, policy, attempts),
    )  # fmt: skip


def total_of(attempts):
    """What the steps come to, by the attempt that each was made in."""
    total = np.float32(0)
    for number, attempt in enumerate(attempts):
        total = np.float32(0.9) * total + given(number, attempt)
    return total


def test_a_step_whose_numbers_are_bad_ends_the_training_and_what_it_was_given_is_kept(tmp_path):
    with pytest.raises(InputError, match="step 13 .* checkpoint of step 12 is good") as error:
        run_to_the_end(tmp_path, bad={(13, 0)})
    assert "\n" not in str(error.value)
    assert np.load(tmp_path / "bad_step_000013_0.npz")["given"] == given(13, 0)
    # The steps before it are recorded, and the checkpoint is from before it.
    assert [record["step"] for record in training.read_records(tmp_path)] == [3, 6, 9, 12]
    assert training.Checkpoints(tmp_path / "checkpoints").step == 12


@pytest.mark.parametrize("number, back_to", [(13, 12), (1, 0)])
def test_a_training_goes_back_and_on_with_other_numbers(tmp_path, number, back_to):
    state = run_to_the_end(tmp_path, bad={(number, 0)}, policy="roll back")
    assert int(state.health.attempt) == 1
    attempts = [int(step >= back_to) for step in range(20)]
    assert float(state.total) == pytest.approx(float(total_of(attempts)), rel=1e-6)
    steps = [record["step"] for record in training.read_records(tmp_path)]
    assert steps == sorted(set(steps)) and steps[-1] == 20


def test_a_training_that_goes_back_in_vain_ends(tmp_path):
    bad = {(13, attempt) for attempt in range(9)}
    with pytest.raises(InputError, match="step 13 are not finite after going back 2 times"):
        run_to_the_end(tmp_path, bad=bad, policy="roll back", attempts=2)
    assert len(list(tmp_path.glob("bad_step_*.npz"))) == 3


def test_a_training_that_went_back_and_was_killed_ends_like_one_that_was_not(tmp_path):
    bad = {(5, 0), (14, 1)}
    unbroken = run_to_the_end(tmp_path / "unbroken", bad=bad, policy="roll back")

    class Killed(Exception):
        pass

    for moment in (7, 15):
        _, ours = begin(bad)

        def step(state, number, moment=moment, ours=ours):
            if number == moment:
                raise Killed
            return ours(state, number)

        with pytest.raises(Killed):
            run_to_the_end(tmp_path / "killed", step=step, policy="roll back")
    resumed = run_to_the_end(tmp_path / "killed", bad=bad, policy="roll back")
    assert float(resumed.total) == float(unbroken.total)
    assert int(resumed.health.attempt) == int(unbroken.health.attempt) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_step_that_it_came_in_and_leaves(tmp_path, number):
    _, ours = begin()
    before = signal.getsignal(number)

    def step(state, done):
        if done == 9:
            os.kill(os.getpid(), number)
        return ours(state, done)

    with pytest.raises(Stopped, match="step 10, which is saved") as stop:
        run_to_the_end(tmp_path, step=step)
    assert stop.value.signal == number
    assert signal.getsignal(number) is before
    assert training.Checkpoints(tmp_path / "checkpoints").step == 10
    state = run_to_the_end(tmp_path)
    assert float(state.total) == float(run_to_the_end(tmp_path / "unbroken").total)


def test_a_second_signal_does_what_it_did_before():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("theirs"))
    try:
        with watched() as request:
            signal.raise_signal(signal.SIGTERM)
            assert (request.signal, heard) == (signal.SIGTERM, [])
            signal.raise_signal(signal.SIGTERM)
            assert heard == ["theirs"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_beside_the_main_thread_no_signal_is_taken():
    found = []

    def look():
        with watched() as request:
            found.append(request.signal)

    handler = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [0] and signal.getsignal(signal.SIGTERM) is handler
