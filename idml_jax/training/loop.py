"""The loop that every training shares: resume, step, record, save, and leave in good order."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from idml_jax.errors import InputError, Stopped
from idml_jax.training.checkpoint import Checkpoints
from idml_jax.training.health import Health
from idml_jax.training.processes import largest, leads
from idml_jax.training.records import Pictures, Records
from idml_jax.training.signals import StopRequest, watched
from idml_jax.typing import Array

State = TypeVar("State")


@dataclasses.dataclass(frozen=True)
class Guard:
    """What is done where the numbers of a step are not finite.

    The state has a `Health` as its ``health``, kept by `after_step`: a bad step and all that come
    after it change nothing, until the next record or checkpoint finds out.

    Parameters
    ----------
    batch : callable
        ``batch(number, attempt)``: what the step of that number was given, by name. It is written
        into the run's folder. Of several processes, the first alone calls it.
    policy : {"stop", "roll back"}
        Whether the training ends there, or goes back to its last checkpoint and on from there
        with other random numbers.
    attempts : int
        How often it may go back in all.
    """

    batch: Callable[[int, int], Mapping[str, Array]]
    policy: Literal["stop", "roll back"] = "stop"
    attempts: int = 3


@dataclasses.dataclass(frozen=True)
class Judge:
    """How a state is judged now and then, by what it is not trained on.

    Parameters
    ----------
    judge : callable
        ``judge(state, steps_done)`` returns the state, with what it keeps of the judgement, and
        numbers to record. Of several processes, all call it, and come to the same.
    over : callable
        ``over(state, steps_done)``: whether there is nothing more to be gained.
    every : int
        Steps between judgements; the last step is judged as well.
    """

    judge: Callable[[Any, int], tuple[Any, Mapping[str, float]]]
    over: Callable[[Any, int], bool]
    every: int


def train(
    state: State,
    step: Callable[[State, int], tuple[State, Any]],
    *,
    steps: int,
    images: Callable[[int], int],
    run: pathlib.Path,
    save_every: int = 100,
    record_every: int = 20,
    show: Callable[[State, int], Pictures | None] | None = None,
    title: str = "training",
    guard: Guard | None = None,
    judge: Judge | None = None,
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
        ``show(state, done)`` after every checkpoint, to draw samples; pictures that it returns are
        written into the events. Of several processes, the first alone calls it.
    title : str
        In front of the progress bar.
    guard : Guard, optional
        What is done where numbers are not finite; by default the training ends at the next
        record, and its last checkpoint is from before them or not.
    judge : Judge, optional
        How the state is judged, and when the training ends before its last step.

    Returns
    -------
    state : tree of arrays
        After the last step.

    Raises
    ------
    InputError
        If numbers are not finite, or a checkpoint cannot be written.
    Stopped
        If a signal asked for it, SIGTERM or that of Ctrl-C: after the step that it came in, which
        is saved. A second one does what it always does.

    Notes
    -----
    Several processes that train together all call it, with one folder that they all reach. Process
    0 writes what orbax does not, and a signal that comes to any of them stops all of them, after
    the same step: the next record's, because the host is that far ahead of the device anyway.
    """
    run.mkdir(parents=True, exist_ok=True)
    with Checkpoints(run / "checkpoints") as checkpoints, watched() as request:
        training = _Training(
            step,
            steps,
            images,
            run,
            save_every,
            record_every,
            show,
            title,
            guard,
            judge,
            checkpoints,
        )
        first = None
        if guard is not None and guard.policy == "roll back":
            # A copy to go back to, where no checkpoint is there yet: the state is donated.
            first = _copied(state)
        if checkpoints.step:
            state = checkpoints.restore(state)
        state, bad = training.onward(state, request)
        while bad is not None:
            state, bad = training.onward(training.gone_back(state, bad, first), request)
    return state


@dataclasses.dataclass(frozen=True)
class _Training:
    """What `train` was given, and the run's checkpoints."""

    step: Callable[[Any, int], tuple[Any, Any]]
    steps: int
    images: Callable[[int], int]
    folder: pathlib.Path
    save_every: int
    record_every: int
    show: Callable[[Any, int], Pictures | None] | None
    title: str
    guard: Guard | None
    judge: Judge | None
    checkpoints: Checkpoints

    def onward(self, state: State, request: StopRequest) -> tuple[State, Health | None]:
        """From the newest checkpoint to the end, or to where a bad step is found."""
        done = self.checkpoints.step
        if done >= self.steps or (done and self._over(state, done)):
            return state, None
        count = [self.images(number) for number in range(self.steps)]
        bar = tqdm(
            total=sum(count),
            initial=sum(count[:done]),
            desc=self.title,
            unit="img",
            smoothing=0.05,
            disable=not leads(),
        )
        with Records(self.folder, done=done) as records, bar:
            began, shown = time.perf_counter(), 0
            for number in range(done, self.steps):
                state, scalars = self.step(state, number)
                shown += count[number]
                now = number + 1
                asked = self._asked(request, now)
                state, judged = self._judged(state, now)
                over = bool(judged) and self._over(state, now)
                leaves = over or now == self.steps or asked != 0
                records_now = now % self.record_every == 0 or leaves or bool(judged)
                saves = now % self.save_every == 0 or leaves
                if (records_now or saves) and (bad := self._bad(state)) is not None:
                    return state, bad
                if records_now:
                    values = _numbers(scalars)
                    self._check(values, now)
                    ended = time.perf_counter()
                    speed = {"images_per_second": shown / (ended - began)}
                    records.write(now, values | speed | judged)
                    bar.update(shown)
                    shown, began = 0, ended
                if saves:
                    self.checkpoints.save(now, state)
                    if self.show is not None and leads():
                        records.write_pictures(now, self.show(state, now) or {})
                if over:
                    break
                if asked and now < self.steps:
                    raise Stopped(asked, now)
        return state, None

    def gone_back(self, state: Any, bad: Health, first: Any) -> Any:
        """The newest checkpoint's state, for another attempt; what was bad is written down.

        Raises
        ------
        InputError
            If the guard's policy is to stop, or it went back often enough.
        """
        assert self.guard is not None
        number, attempt = int(bad.bad_step), int(bad.attempt)
        path = self.folder / f"bad_step_{number:06d}_{attempt}.npz"
        if leads():
            given: dict[str, Any] = jax.device_get(dict(self.guard.batch(number, attempt)))
            np.savez_compressed(path, **given)
        if first is None or attempt >= self.guard.attempts:
            often = "" if first is None else f" after going back {attempt} times"
            raise InputError(
                f"{self.folder}: numbers of step {number} are not finite{often}; what it was given "
                f"is in {path.name}, and the checkpoint of step {self.checkpoints.step} is good: "
                "look for what is wrong with the images, or train in a new folder with a smaller "
                "learning rate or a larger penalty."
            )
        state = self.checkpoints.restore(state) if self.checkpoints.step else _copied(first)
        return state._replace(health=_next_attempt(state.health, attempt))

    def _judged(self, state: Any, done: int) -> tuple[Any, dict[str, float]]:
        """The state after its judgement, if it is time for one, and what it was judged."""
        if self.judge is None or (done % self.judge.every and done < self.steps):
            return state, {}
        state, scores = self.judge.judge(state, done)
        return state, dict(scores)

    def _over(self, state: Any, done: int) -> bool:
        return self.judge is not None and self.judge.over(state, done)

    def _asked(self, request: StopRequest, done: int) -> int:
        """The signal after which to leave now, the same in all processes; 0 for none."""
        if jax.process_count() == 1:
            return request.signal
        return largest(request.signal) if done % self.record_every == 0 else 0

    def _bad(self, state: Any) -> Health | None:
        """The state's health, if it is bad."""
        if self.guard is None or int(state.health.bad_step) < 0:
            return None
        return state.health

    def _check(self, values: Mapping[str, float], step: int) -> None:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"{self.folder}: {', '.join(bad)} no longer finite at step {step}; the checkpoint "
                f"of step {self.checkpoints.step} is good: train in a new run folder with a "
                "smaller learning rate or a larger penalty."
            )


def _numbers(scalars: Any) -> dict[str, float]:
    return {name: float(value) for name, value in jax.device_get(scalars)._asdict().items()}


def _copied(state: State) -> State:
    return jax.tree.map(jnp.copy, state)


def _next_attempt(health: Health, attempt: int) -> Health:
    return Health(jnp.full_like(health.bad_step, -1), jnp.full_like(health.attempt, attempt + 1))
