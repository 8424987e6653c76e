"""From a folder of micrographs to a generator of such images, and how far to trust it."""

import dataclasses
import json
import math
import pathlib
from typing import Any, Literal

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options

NEWER_OPTIONS = (
    "conditions classes volume_fraction phases contrast features shown penalty noise noise_from "
    "turns detector"
).split()
"""Those that came after runs whose folders do not know them."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a progressive GAN on micrographs, and compare what it makes with ones it never saw.

    Started again in its folder, it goes on where it stopped.
    """

    images: pathlib.Path
    """Folder of micrographs (tif, png, jpg, bmp)."""
    run: pathlib.Path
    """Folder for everything that the training writes."""
    conditions: pathlib.Path | None = None
    """Table (csv) of what is known of the micrographs, which the generator is then told: a column
    `file`, and others, each of numbers or of names of classes."""
    classes: bool = False
    """Whether the micrographs lie in one folder a class, and the generator is told which."""
    volume_fraction: bool = False
    """Whether it is told the volume fraction of the bright phase, found in each crop."""
    phases: bool = False
    """Whether the files are label images: it then makes phases, under the same labels."""
    size: tuple[int, ...] = (64,)
    """Side of the images in pixels, or rows and cols: the shorter side 8 times a power of two."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each micrograph: the microscope's information bar."""
    binning: int | None = None
    """Pixels to average into one along each axis. By default as few as let an image show nine
    correlation lengths of the material, but none that would make its features thin."""
    contrast: float = 0.6
    """Difference of the mean grey values that the dark and the bright phase get, at most 1. With
    more than two grey values, as of grains, 0.4 or less: fewer of them are clipped."""
    held_out: float = 0.2
    """Share of the micrographs that is never trained on."""
    effort: float = 1.0
    """Images shown in training, in units of the default: at 64 pixels about six minutes on two CPU
    cores."""
    width: int = 64
    """Feature channels of the coarse levels."""
    features: tuple[int, ...] = ()
    """Feature channels of each level, the coarsest first, in place of those of the width."""
    shown: tuple[int, ...] = ()
    """Images shown at each level, which the effort multiplies, in place of the default."""
    penalty: float = 1.0
    """Weight of the gradient penalty, in units of the default: less for a sharper judgement."""
    latent_features: int = 16
    """Length of a latent vector."""
    periodic: bool = True
    """Whether the generated images tile the plane."""
    noise: bool = True
    """Whether the generator adds noise of its own at every pixel: grain and shot noise need it,
    smooth faces come out cleaner without."""
    noise_from: int = 0
    """First level that adds it, 0 the coarsest: from the last one on, faces come out even and
    grained."""
    detector: bool = False
    """Whether the generator gives each image a contrast and brightness of its own and each pixel
    noise, as a detector does: where these change from shot to shot."""
    turns: Literal["all", "mirrors", "sideways", "none"] = "all"
    """How crops are turned at random: by every symmetry of their shape; by those that leave rows
    rows and cols cols, where the material has directions, as a rolled one; by left and right
    exchanged alone, where up and down differ; or not at all, where a mirror image is another
    material."""
    loss: Literal["non-saturating", "wasserstein"] = "non-saturating"
    """Logistic loss with R1 penalty, or Wasserstein loss with gradient penalty."""
    augmented: bool = False
    """Whether the discriminator sees images that are changed at random, as far as it learns them
    by heart: for a few small micrographs."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type that the convolutions compute in."""
    parts: int = 1
    """Parts that each batch is cut into, one in memory at a time."""
    save_every: int = 100
    """Steps between checkpoints: what a killed training loses at most."""
    nonfinite: Literal["stop", "roll back"] = "stop"
    """What is done where a number is not finite: end, or go on from the last checkpoint with other
    random numbers. What the step was given is kept either way."""
    licence: str = ""
    """Of the micrographs: it is written on the card that goes with the generator."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) not in (1, 2):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        for name in ("effort", "width", "latent_features", "parts", "save_every"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} (={value}) must be positive.")
        for name in ("features", "shown"):
            if any(value < 1 for value in getattr(self, name)):
                raise InputError(f"--{name} (={getattr(self, name)}) must be positive.")
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise InputError(f"--penalty (={self.penalty}) must not be negative.")
        if self.phases and self.contrast != type(self).contrast:
            raise InputError("--contrast is of grey micrographs, and --phases are label images.")
        if self.noise_from and not self.noise:
            raise InputError("--noise-from says where noise begins, and --no-noise has none.")
        if self.detector and self.phases:
            raise InputError("--detector is of grey micrographs, and --phases are label images.")
        if self.binning is not None and self.binning < 1:
            raise InputError(f"--binning (={self.binning}) must be at least 1.")
        if self.classes and self.conditions is not None:
            raise InputError(
                "--classes and --conditions: give one; a class may be a column of the table."
            )

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        return plain_options(self, without=("run", "save_every", "licence"), newer=NEWER_OPTIONS)

    def command(self) -> str:
        """What to type for the same generator."""
        chosen = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        standard = {field.name: field.default for field in dataclasses.fields(self)}
        words = ["idml generate train"]
        for name, value in chosen.items():
            flag = "--" + name.replace("_", "-")
            if value == standard[name] or name == "licence":
                continue
            if isinstance(value, bool):
                words.append(flag if value else flag.replace("--", "--no-"))
            elif isinstance(value, tuple):
                words.append(" ".join([flag, *map(str, value)]))
            else:
                words.append(f"{flag} {value.name if isinstance(value, pathlib.Path) else value}")
        return " ".join(words)


def run(config: Config) -> None:
    """Train, or go on with it, compare, and print what came out."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.report import claim
    from idml_jax.workflows.conditioning import informed
    from idml_jax.workflows.generate_study import read, recipe_of, study, summary

    result = config.run / "result.json"
    recipe = recipe_of(config)
    if (config.run / "config.json").exists():
        claim(config.run / "config.json", config.plain())
    if not result.exists():
        material = read(config, recipe)
        recipe = informed(
            recipe, material, fraction=config.volume_fraction, table=config.conditions
        )
        claim(config.run / "config.json", config.plain())
        claim(config.run / "micrographs.json", material.fingerprint())
        study(config, recipe, material)
    print(summary(json.loads(result.read_text())))
    print(f"\nreport: {config.run / 'report.html'}")
