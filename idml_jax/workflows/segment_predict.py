"""Classes of the pixels of new micrographs, of any size."""

import dataclasses
import pathlib
from typing import Literal, TypeAlias

from idml_jax.errors import InputError

Uncertainty: TypeAlias = Literal["none", "turns", "dropout", "ensemble"]
"""Whose members say how unsure a segmenter is."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the class of each pixel of micrographs with a trained network.

    Written are a label image for each, with the values that the classes have in the masks; an
    overlay to look at; and shares.csv, the share of each class in each image, with --uncertainty
    as an interval too. What cannot be read is told at the end, and the others are done.
    """

    run: pathlib.Path
    """Folder of the training."""
    images: pathlib.Path
    """A micrograph, or a folder of them."""
    out: pathlib.Path
    """Folder for the label images."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    overlays: bool = True
    """Whether images with their classes in colour are written as well."""
    probabilities: bool = False
    """Whether the probability of each class is written as well, a float32 TIFF of a page each."""
    calibrated: bool = False
    """Whether probabilities are at the temperature that the training fitted to micrographs that it
    was judged by: the labels stay the same, but for those of --uncertainty."""
    uncertainty: Uncertainty = "none"
    """Whose members are asked: the image turned as in the training, the network with channels left
    out as by --dropout in the training, or several runs (--others). Labels are then by their mean,
    and shares.csv has the columns low and high of each class: an interval that holds the true share
    at the --level, fitted to annotated micrographs."""
    draws: int = 16
    """Members of --uncertainty dropout."""
    others: tuple[pathlib.Path, ...] = ()
    """Folders of the other runs of --uncertainty ensemble, of the same classes and trained on the
    same micrographs, with another --seed or other options."""
    level: float = 0.9
    """Share of images whose true share of a class the intervals are to hold. It takes level / (1 -
    level) annotated micrographs at least: 9 for 0.9, 19 for 0.95."""
    annotated: tuple[pathlib.Path, pathlib.Path] | None = None
    """Folders of the micrographs and masks that intervals are fitted to, of which those are left
    out that were trained on (by name). By default those that the training was judged by, where it
    found them; others that are like the new ones are better."""
    maps: bool = False
    """Whether for each image a float32 TIFF of two pages is written: how unsure each pixel is, the
    entropy of the mean probabilities, and how much of it is that the members differ, the mutual
    information, both in nats."""
    tile: int = 512
    """Side of what is computed at a time: smaller ones take less memory."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.tile < 1:
            raise InputError(f"--tile (={self.tile}) must be positive.")
        if not 0 < self.level < 1:
            raise InputError(f"--level (={self.level}) must lie between 0 and 1.")
        if self.draws < 2:
            raise InputError(f"--draws (={self.draws}): two at least; one agrees with itself.")
        if (self.uncertainty == "ensemble") != bool(self.others):
            raise InputError("--others and --uncertainty ensemble go together: give both.")
        if self.uncertainty == "none" and (self.maps or self.annotated):
            raise InputError(
                "--maps and --annotated are of --uncertainty: add turns, dropout or ensemble."
            )
        if self.calibrated and self.uncertainty == "none" and not self.probabilities:
            raise InputError(
                "--calibrated changes probabilities and no label: add --probabilities or "
                "--uncertainty."
            )


def run(config: Config) -> None:
    """Tell the classes, and print the share of each."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_uses import predict

    print(predict(config))
    print(f"\nlabels: {config.out}")
