"""Classes of micrographs: the tasks of ``idml classify``."""

import dataclasses

from idml_jax.workflows import (
    classify_compare,
    classify_evaluate,
    classify_predict,
    classify_regress,
    classify_train,
)

TASKS = {
    "train": classify_train,
    "predict": classify_predict,
    "evaluate": classify_evaluate,
    "compare": classify_compare,
    "regress": classify_regress,
}
"""Each task's name and its workflow: a module with a `Config` and a `run(config)`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the classes of micrographs: `idml classify --help`."""
