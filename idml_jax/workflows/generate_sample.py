"""Images of a trained generator, by the thousand, each of which can be made again."""

import dataclasses
import pathlib
from typing import Literal

from idml_jax.errors import InputError
from idml_jax.workflows.told import by_name


@dataclasses.dataclass(frozen=True)
class Config:
    """Make images with a trained generator.

    The latents and the noise that they were made of, and the options, are kept beside them, and in
    conditions.csv what the generator was told, if it is told anything. An image depends on the
    seed and its own number alone: asked for more of them, the first ones are the same.
    """

    run: pathlib.Path
    """Folder of the training, a generator's .safetensors file, or the name of one that comes with
    the toolkit, as superalloy, berea or steel."""
    out: pathlib.Path
    """Folder for the images: a new one, or one of the same options."""
    count: int = 64
    """Number of images."""
    wanted: tuple[str, ...] = ()
    """What is wanted of them, by name and in your own units: hours=24 class=nital
    "volume fraction"=0.4. By default what images of the training were, at random."""
    format: Literal["png", "tiff", "npy"] = "png"
    """One 8-bit PNG an image, one float32 TIFF an image, or one float32 array of all. Of phases
    whole numbers, their labels, and in the array memberships."""
    truncation: float = 1.0
    """Below 1 images are more typical and less varied; at 0 they are all the same."""
    seed: int = 0
    """Of everything random."""
    batch: int = 32
    """Images in memory at a time."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        for name in ("count", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} (={getattr(self, name)}) must be at least 1.")
        if not 0 <= self.truncation <= 1:
            raise InputError(f"--truncation (={self.truncation}) must lie between 0 and 1.")
        by_name(self.wanted)


def run(config: Config) -> None:
    """Make the images, and say where they are."""
    config.check()
    from idml_jax.workflows.generate_images import write_samples

    write_samples(config)
    print(f"{config.count} images: {config.out}")
