"""Classes of new micrographs."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the class of micrographs with a trained network.

    Written is a table: the file, its class, and the probability of each. What cannot be read is
    told at the end, and the others are done.
    """

    run: pathlib.Path
    """Folder of the training."""
    images: pathlib.Path
    """A micrograph, or a folder of them, or of one folder a class: then it is said how many are
    told right."""
    out: pathlib.Path
    """The table to write (csv)."""
    calibrated: bool = False
    """Whether probabilities are at the temperature that the training fitted to the micrographs that
    it was judged by: the labels stay the same."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""


def run(config: Config) -> None:
    """Tell the classes, and print how many are of each."""
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_uses import predict

    print(predict(config))
    print(f"\ntable: {config.out}")
