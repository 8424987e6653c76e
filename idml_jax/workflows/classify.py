"""Classes of micrographs: the tasks of ``idml classify``."""

import dataclasses

from idml_jax.workflows import classify_compare, classify_predict, classify_train

TASKS = {"train": classify_train, "predict": classify_predict, "compare": classify_compare}
"""Each task's name and its workflow: a module with a `Config` and a `run(config)`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the classes of micrographs: `idml classify --help`."""
