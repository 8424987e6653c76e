"""What lies between the images of a generator."""

import dataclasses
import pathlib

from idml_jax.errors import InputError
from idml_jax.workflows.told import by_name


@dataclasses.dataclass(frozen=True)
class Config:
    """Make the images between pairs of random latents, along the latents' sphere.

    A generator that has learned a material, and not its micrographs, makes the same material all
    the way; one that has learned pictures fades from the one to the other.
    """

    run: pathlib.Path
    """Folder of the training, a generator's .safetensors file, or the name of one that comes with
    the toolkit, as superalloy, berea or steel."""
    out: pathlib.Path
    """Folder for the images and their latents: a new one, or one of the same options."""
    count: int = 6
    """Pairs of latents: rows of the sheet."""
    steps: int = 9
    """Images from the one to the other, both included."""
    wanted: tuple[str, ...] = ()
    """What is wanted of the images, where the generator is told anything: as hours=24 class=nital.
    By default each row is what an image of the training was, at random."""
    seed: int = 0
    """Of the latents, and of what is drawn."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.count < 1:
            raise InputError(f"--count (={self.count}) must be at least 1.")
        if self.steps < 2:
            raise InputError(f"--steps (={self.steps}) count both ends: 2 at least.")
        by_name(self.wanted)


def run(config: Config) -> None:
    """Make the images, and say where they are."""
    config.check()
    from idml_jax.workflows.generate_uses import interpolate

    interpolate(config)
    print(f"{config.count} ways of {config.steps} images: {config.out / 'interpolation.png'}")
