"""Classes of pixels: the tasks of ``idml segment``."""

import dataclasses

from idml_jax.workflows import (
    segment_compare,
    segment_evaluate,
    segment_measure,
    segment_predict,
    segment_train,
)

TASKS = {
    "train": segment_train,
    "compare": segment_compare,
    "predict": segment_predict,
    "evaluate": segment_evaluate,
    "measure": segment_measure,
}
"""Each task's name and its workflow: a module with a `Config` and a `run(config)`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a network to tell the classes of pixels, and use it: `idml segment --help`."""
