"""The scalars of a run: one JSON line a record for ever, and TensorBoard events to look at."""

import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

import imageio.v3 as imageio
import numpy as np
from jaxtyping import UInt8
from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from idml_jax.training.processes import leads

Pictures: TypeAlias = Mapping[str, UInt8[np.ndarray, "rows cols colours"]]
"""Pictures in colour by their names."""


class Records:
    """Writes ``stats.jsonl`` and TensorBoard events into a run's folder.

    Of several processes that train together, the first writes and the others do nothing.

    Parameters
    ----------
    folder : path
        The run's folder.
    done : int
        Steps in the checkpoint that the run goes on from: lines of later steps,
        left by a process that was killed, are taken out, since they will be
        written again.
    """

    def __init__(self, folder: pathlib.Path, *, done: int):
        self._lines = folder / "stats.jsonl"
        self._events = None
        if not leads():
            return
        kept = [line for line in read_records(folder) if line["step"] <= done]
        self._lines.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._events = EventFileWriter(str(folder))

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        if self._events is not None:
            self._events.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add one record: the state of things after `step` steps."""
        if self._events is None:
            return
        with self._lines.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        summary = Summary(
            value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        )
        self._add(step, summary)

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """Add pictures of the state after `step` steps to the events alone."""
        if self._events is None or not pictures:
            return
        values = []
        for name, pixels in pictures.items():
            rows, cols, colours = pixels.shape
            image = Summary.Image(
                height=rows,
                width=cols,
                colorspace=colours,
                encoded_image_string=imageio.imwrite("<bytes>", pixels, extension=".png"),
            )
            values.append(Summary.Value(tag=name, image=image))
        self._add(step, Summary(value=values))

    def _add(self, step: int, summary: Summary) -> None:
        assert self._events is not None
        self._events.add_event(Event(step=step, wall_time=time.time(), summary=summary))


def read_records(folder: pathlib.Path) -> list[dict[str, Any]]:
    """The records of a run, oldest first; empty where there are none.

    A last line that was cut off by a killed process is left out.
    """
    path = folder / "stats.jsonl"
    if not path.exists():
        return []
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]
