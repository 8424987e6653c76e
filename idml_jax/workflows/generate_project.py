"""What a generator can make that is most like given micrographs."""

import dataclasses
import pathlib

from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Config:
    """Find the latents whose images are most like crops of micrographs.

    What cannot be found, the generator did not learn.
    """

    run: pathlib.Path
    """Folder of the training, a generator's .safetensors file, or the name of one that comes with
    the toolkit, as superalloy, berea or steel."""
    out: pathlib.Path
    """Folder for the latents and the images: a new one, or one of the same options."""
    images: pathlib.Path | None = None
    """Folder of micrographs, of which held-out ones are taken; by default that of the training."""
    count: int = 16
    """Crops to look for, chosen at random."""
    steps: int = 200
    """Steps of each descent."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int | None = None
    """Rows to cut off each micrograph; by default as in the training."""
    binning: int | None = None
    """Pixels to average into one along each axis; by default as in the training."""
    seed: int | None = None
    """Of the choice and of the starts; by default the training's."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        for name in ("count", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} (={getattr(self, name)}) must be at least 1.")
        if self.binning is not None and self.binning < 1:
            raise InputError(f"--binning (={self.binning}) must be at least 1.")


def run(config: Config) -> None:
    """Look for the latents, and print how far the images are off."""
    config.check()
    from idml_jax.workflows.generate_uses import project

    print(project(config))
    print(f"\n{config.out / 'projection.png'}")
