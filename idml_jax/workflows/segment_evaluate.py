"""How well a trained network tells the classes of pixels of other micrographs."""

import dataclasses
import math
import pathlib
from typing import Literal

from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare what a trained network says of micrographs with their masks."""

    run: pathlib.Path
    """Folder of the training."""
    images: pathlib.Path
    """Folder of micrographs."""
    masks: pathlib.Path
    """Folder of their masks, of the same names and with the values of the training."""
    out: pathlib.Path
    """Folder for scores.csv, a row an image, and result.json."""
    split: pathlib.Path | None = None
    """Lists of names (JSON), as of the training; by default all files."""
    of: str | None = None
    """Which split is meant, of a file that holds several by name."""
    part: Literal["train", "val", "test"] = "test"
    """Which list of it."""
    unlabelled: int | None = None
    """The value of pixels that nobody annotated."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    tile: int = 512
    """Side of what is computed at a time."""
    tolerance: float = 2.0
    """Pixels by which a boundary may be off and still be right, in the boundary F."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.tile < 1:
            raise InputError(f"--tile (={self.tile}) must be positive.")
        if not 0 <= self.tolerance < math.inf:
            raise InputError(f"--tolerance (={self.tolerance}) must not be negative.")
        if self.split is None and self.of is not None:
            raise InputError("--of says which split of a file: give the file by --split.")


def run(config: Config) -> None:
    """Compare, and print the scores."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_scores import evaluate

    print(evaluate(config))
