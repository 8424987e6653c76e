"""From a folder of micrographs to a designed microstructure: every room of the house, once."""

import dataclasses
import json
import math
import pathlib
from typing import Any, Literal

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options


@dataclasses.dataclass(frozen=True)
class Config:
    """From a folder of micrographs to a designed microstructure, in one command.

    Reads micrographs, trains a progressive GAN on them, proves that what it makes is the same
    material, computes its conductivity, and searches the GAN's latents for the microstructure
    that conducts as wanted. Started again in its folder, it goes on where it stopped.
    """

    images: pathlib.Path | None = None
    """Folder of micrographs (tif, png, jpg, bmp). By default the package makes some itself:
    spinodal decomposition, where the truth is known."""
    run: pathlib.Path = pathlib.Path("runs/quickstart")
    """Folder for everything that the run writes."""
    size: int = 64
    """Side of the generated images in pixels, 8 times a power of two."""
    goal: Literal["maximize", "minimize"] = "maximize"
    """Extreme of the conductivity along the rows to look for; not used where a target is given."""
    target: float | None = None
    """Conductivity along the rows to reach, in units of the dark phase's."""
    contrast: float = 10.0
    """Conductivity of the bright phase, in units of the dark phase's."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each micrograph: the microscope's information bar."""
    binning: int | None = None
    """Pixels to average into one along each axis. By default as few as let an image show nine
    correlation lengths of the material, but none that would make its features thin."""
    held_out: float = 0.2
    """Share of the micrographs that is never trained on."""
    effort: float = 1.0
    """Images shown in training, in units of the default: about six minutes on two CPU cores."""
    evaluations: int = 128
    """Microstructures evaluated by the search, and as many by random search."""
    periodic: bool = True
    """Whether the generated images tile the plane."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        for name in ("contrast", "effort"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name} (={value}) must be positive and finite.")
        if self.evaluations < 8:
            raise InputError(f"--evaluations (={self.evaluations}) must be at least 8.")
        if self.binning is not None and self.binning < 1:
            raise InputError(f"--binning (={self.binning}) must be at least 1.")

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without the folder: what a run is recognized by."""
        return plain_options(self, without=("run",))


def run(config: Config) -> None:
    """Carry the quickstart out, or go on with it, and print the result."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.report import claim
    from idml_jax.workflows.quickstart_report import summary
    from idml_jax.workflows.quickstart_study import prepare, study

    result = config.run / "result.json"
    if (config.run / "config.json").exists():
        claim(config.run / "config.json", config.plain())
    if not result.exists():
        material = prepare(config)
        claim(config.run / "config.json", config.plain())
        claim(config.run / "micrographs.json", material.fingerprint())
        study(config, material)
    print(summary(json.loads(result.read_text())))
    print(f"\nreport: {config.run / 'report.html'}")
