"""Generators of micrographs: the tasks of ``idml generate``."""

import dataclasses

from idml_jax.workflows import (
    generate_evaluate,
    generate_interpolate,
    generate_project,
    generate_sample,
    generate_train,
)

TASKS = {
    "train": generate_train,
    "sample": generate_sample,
    "evaluate": generate_evaluate,
    "interpolate": generate_interpolate,
    "project": generate_project,
}
"""Each task's name and its workflow: a module with a `Config` and a `run(config)`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a generator on micrographs, and use it: `idml generate --help`."""
