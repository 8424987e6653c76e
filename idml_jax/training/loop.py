"""The loop that every training shares: resume, step, record, save."""

import math
import pathlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from tqdm import tqdm

from idml_jax.errors import InputError
from idml_jax.training.checkpoint import Checkpoints
from idml_jax.training.records import Records

State = TypeVar("State")


def train(
    state: State,
    step: Callable[[State, int], tuple[State, Any]],
    *,
    steps: int,
    images: Callable[[int], int],
    run: pathlib.Path,
    save_every: int = 100,
    record_every: int = 20,
    show: Callable[[State, int], None] | None = None,
    title: str = "training",
) -> State:
    """Train to `steps` steps, from the newest checkpoint of the run if there is one.

    A run that was stopped and started again ends, on a CPU, with the same state
    bit for bit, as long as `step` draws its random numbers from the step's number.

    Parameters
    ----------
    state : tree of arrays
        The state before the first step. It is donated: do not use it again.
    step : callable
        ``step(state, number)``, from 0, returns the next state and a named tuple
        of scalars.
    steps : int
        Steps in all.
    images : callable
        Images shown in the step of a number, for the progress bar.
    run : path
        The run's folder.
    save_every, record_every : int
        Steps between checkpoints and between records; a record is where the host
        waits for the device.
    show : callable, optional
        ``show(state, done)`` after every checkpoint, to draw samples.
    title : str
        In front of the progress bar.

    Returns
    -------
    state : tree of arrays
        After the last step.

    Raises
    ------
    InputError
        If a recorded scalar is not finite, or a checkpoint cannot be written.
    """
    run.mkdir(parents=True, exist_ok=True)
    with Checkpoints(run / "checkpoints") as checkpoints:
        done = checkpoints.step
        if done:
            state = checkpoints.restore(state)
        if done >= steps:
            return state
        shown = [sum(images(number) for number in range(done)), 0]
        total = shown[0] + sum(images(number) for number in range(done, steps))
        bar = tqdm(total=total, initial=shown[0], desc=title, unit="img", smoothing=0.05)
        with Records(run, done=done) as records, bar:
            began = time.perf_counter()
            for number in range(done, steps):
                state, scalars = step(state, number)
                shown[1] += images(number)
                last = number + 1 == steps
                if (number + 1) % record_every == 0 or last:
                    values = {
                        name: float(value)
                        for name, value in jax.device_get(scalars)._asdict().items()
                    }
                    _check(values, number + 1, checkpoints)
                    now = time.perf_counter()
                    values["images_per_second"] = shown[1] / (now - began)
                    records.write(number + 1, values)
                    bar.update(shown[1])
                    shown[1], began = 0, now
                if (number + 1) % save_every == 0 or last:
                    checkpoints.save(number + 1, state)
                    if show is not None:
                        show(state, number + 1)
    return state


def _check(values: dict[str, float], step: int, checkpoints: Checkpoints) -> None:
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise InputError(
            f"{checkpoints.folder}: {', '.join(bad)} no longer finite at step {step}; the "
            f"checkpoint of step {checkpoints.step} is good: train in a new run folder with a "
            "smaller learning rate or a larger penalty."
        )
