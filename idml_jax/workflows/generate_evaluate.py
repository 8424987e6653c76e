"""How good a generator is, once more: with more images, or beside other micrographs."""

import dataclasses
import json
import pathlib

from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare a trained generator's images with micrographs, in twelve statistics and in features.

    By default with those that its training held out. Of other micrographs one half stands for
    the training's, so that what real ones differ by is known. A generator that is told something
    is told what these micrographs are, and judged by whether its images are it.
    """

    run: pathlib.Path
    """Folder of the training, a generator's .safetensors file, or the name of one that comes with
    the toolkit, as superalloy, berea or steel."""
    out: pathlib.Path
    """Folder for the report: a new one, or one of the same options."""
    images: pathlib.Path | None = None
    """Folder of micrographs; by default that of the training."""
    conditions: pathlib.Path | None = None
    """Table (csv) of what is known of them; by default that of the training."""
    encoder: pathlib.Path | None = None
    """Folder of a trained classifier. Images are compared in its features as well: kernel distance
    (KID), precision, recall, density and coverage, each beside that of training micrographs."""
    count: int = 1024
    """Generated images."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int | None = None
    """Rows to cut off each micrograph; by default as in the training."""
    binning: int | None = None
    """Pixels to average into one along each axis; by default as in the training."""
    seed: int | None = None
    """Of the latents and the division of the micrographs; by default the training's."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.count < 1:
            raise InputError(f"--count (={self.count}) must be at least 1.")
        if self.binning is not None and self.binning < 1:
            raise InputError(f"--binning (={self.binning}) must be at least 1.")


def run(config: Config) -> None:
    """Compare, and print what came out."""
    config.check()
    from idml_jax.workflows.generate_uses import evaluate

    result = config.out / "result.json"
    evaluate(config, result)
    print(json.loads(result.read_text())["text"])
    print(f"\nreport: {config.out / 'report.html'}")
