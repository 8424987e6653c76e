"""Checkpoints: a state written whole or not at all, and the newest one found again."""

import contextlib
import json
import logging
import pathlib
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, TypeVar

import jax
from orbax.checkpoint import v1 as ocp

from idml_jax.errors import InputError

State = TypeVar("State")


class Checkpoints:
    """The checkpoints of a run: orbax folders named by the step, the newest two kept.

    Orbax writes into a temporary folder and renames it at the end, so that a
    process killed at any moment leaves the last whole checkpoint readable.

    Parameters
    ----------
    folder : path
        Where they are; made if it is not there.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        # Orbax reports its own progress, and failures that are raised as well.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        self._saver = ocp.training.Checkpointer(
            str(folder.resolve()),
            # Orbax's own policy and protocol differ in the name of a parameter's type.
            preservation_policy=ocp.training.preservation_policies.LatestN(2),  # pyright: ignore[reportArgumentType]
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._saver.close()
        except (OSError, ValueError):
            # A save that failed is raised by orbax once more here.
            if kind is None:
                raise

    @property
    def step(self) -> int:
        """Steps done in the newest checkpoint; 0 where there is none."""
        return 0 if self._saver.latest is None else int(self._saver.latest.step)

    def save(self, step: int, state: Any) -> None:
        """Write the state after `step` steps, before this call returns.

        Raises
        ------
        InputError
            If it cannot be written, as on a full disk; the one before stays.
        """
        if step == self.step:
            return
        before = self.step
        try:
            with _stray_failures_dropped():
                self._saver.save(step, _named(state), force=True)
        # Orbax reports what the operating system refused as either of the two.
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.folder}: the checkpoint of step {step} could not be written "
                f"({str(error).splitlines()[0][-160:]}); the one of step {before} is whole: make "
                "room on the disk and run the same command again."
            ) from error

    def restore(self, like: State) -> State:
        """The newest state; `like` gives its structure, shapes, types and devices.

        Raises
        ------
        InputError
            If the checkpoint holds another structure or other shapes.
        """
        named = _named(like)
        abstract = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
            for name, leaf in named.items()
        }
        try:
            loaded = self._saver.load(self.step, abstract)
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{self.folder}: the checkpoint of step {self.step} does not fit these networks "
                f"({str(error).splitlines()[0][:160]}); use the options it was made with, or "
                "another run folder."
            ) from error
        return jax.tree.unflatten(jax.tree.structure(like), [loaded[name] for name in named])


def options_of(path: pathlib.Path, what: str) -> dict[str, Any]:
    """The options that a trained network was made with.

    Raises
    ------
    InputError
        If they are not there: the folder holds no run of this kind.
    """
    if not path.exists():
        raise InputError(
            f"{path.parent}: no trained {what} here ({path.name} is missing); train one."
        )
    return json.loads(path.read_text())


def newest_state(run: pathlib.Path, like: State) -> State:
    """The state of the newest checkpoint of a run, as `Checkpoints.restore` has it.

    Raises
    ------
    InputError
        If there is none, or it does not fit.
    """
    with Checkpoints(run / "checkpoints") as checkpoints:
        if checkpoints.step == 0:
            raise InputError(f"{run}: its training has no checkpoint yet; start it again.")
        return checkpoints.restore(like)


@contextlib.contextmanager
def _stray_failures_dropped() -> Iterator[None]:
    """Keep quiet about the writes that fail, or are given up, after the first one has.

    Orbax raises the first failure and closes its event loop; every other array's write
    then fails on a thread of its own, or is never begun, and each would print lines that
    say no more. They come whenever they come, so what drops them stays after a failure.
    """
    before = sys.unraisablehook

    def drop(event: "sys.UnraisableHookArgs") -> None:
        if str(event.exc_value) != "Event loop is closed":
            before(event)

    sys.unraisablehook = drop
    try:
        yield
    except (OSError, ValueError):
        given_up = r"coroutine 'async_serialize_from_host\b.*' was never awaited"
        warnings.filterwarnings("ignore", given_up, RuntimeWarning)
        time.sleep(1.0)  # most have failed by then, also where the process ends at once
        raise
    sys.unraisablehook = before


def _named(state: Any) -> dict[str, Any]:
    """The leaves of a tree under their paths, such as ``average/first/linear/kernel``.

    A flat dictionary does not depend on how the containers of a framework are
    stored, and is read without it.
    """
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
