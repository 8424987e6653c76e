"""Generators of micrographs: the tasks of ``idml generate``."""

import dataclasses

from idml_jax.workflows import generate_sample, generate_train

TASKS = {"train": generate_train, "sample": generate_sample}
"""Each task's name and its workflow: a module with a `Config` and a `run(config)`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a generator on micrographs, and let it make images: `idml generate --help`."""
