"""Classes of the pixels of new micrographs, of any size."""

import dataclasses
import pathlib

from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Config:
    """Tell the class of each pixel of micrographs with a trained network.

    Written are a label image for each, with the values that the classes have in the masks; an
    overlay to look at; and shares.csv, the share of each class in each image. What cannot be read
    is told at the end, and the others are done.
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
    tile: int = 512
    """Side of what is computed at a time: smaller ones take less memory."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.tile < 1:
            raise InputError(f"--tile (={self.tile}) must be positive.")


def run(config: Config) -> None:
    """Tell the classes, and print the share of each."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_uses import predict

    print(predict(config))
    print(f"\nlabels: {config.out}")
