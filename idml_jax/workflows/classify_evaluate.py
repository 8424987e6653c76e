"""How well a trained network tells the classes of other micrographs."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare what a trained network says of micrographs with their classes.

    Written are scores of each class with their intervals, the confusion of the classes, and
    told.csv, a row a micrograph, the least likely truth first.
    """

    run: pathlib.Path
    """Folder of the training."""
    images: pathlib.Path
    """Folder of one folder a class, with its micrographs; or of micrographs, with --labels."""
    out: pathlib.Path
    """Folder for the scores and their page."""
    labels: pathlib.Path | None = None
    """A table (csv) with the columns file and class, in place of a folder a class; where it has a
    column specimen, intervals are of resampled specimens."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""


def run(config: Config) -> None:
    """Compare, and print the scores."""
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_evaluation import evaluate

    print(evaluate(config))
    print(f"\nreport: {config.out / 'report.html'}")
