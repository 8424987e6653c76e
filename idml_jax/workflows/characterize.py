"""From micrographs or labels to every statistic of a phase, and what it does."""

import dataclasses
import json
import math
import pathlib
from typing import Any, Literal

import tyro

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options


@dataclasses.dataclass(frozen=True)
class Config:
    """Every statistic of one phase in each image: tables, curves and a report, in one command.

    Reads grey micrographs and thresholds them, or reads images and volumes of labels. Writes
    statistics.csv, one row a file in the order given, statistics.json, which has the curves too,
    report.html and a table of the particles in each image; with --properties also properties.csv,
    a row for each property of each file, with its unit.
    """

    files: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """Images (tif, png, jpg, bmp) or TIFF stacks, which are volumes of labels, one or more; a
    folder stands for those in it, by name."""
    out: pathlib.Path
    """Folder for everything that is written."""
    label: int | None = None
    """The phase's number, where the files hold labels. By default they are grey images."""
    threshold: float | None = None
    """Grey value in [0, 1], black to white, that parts dark from bright. By default Otsu's, of
    each image by itself; the table states what was used."""
    phase: Literal["bright", "dark"] = "bright"
    """Phase of a grey image: what is above the threshold, or all else."""
    periodic: bool = False
    """Whether each image tiles the plane."""
    properties: bool = False
    """Also what the phase does along each axis: its tortuosity, diffusivity and permeability, and
    the properties that the options below are given for."""
    conductivity: tuple[float, float] | None = None
    """Conductivities outside the phase and in it, in W/(m K), for the effective one."""
    young: tuple[float, float] | None = None
    """Young's moduli outside the phase and in it, in GPa, for the effective ones; 0 is a pore."""
    poisson: tuple[float, float] = (0.3, 0.3)
    """Poisson's ratios outside the phase and in it."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without the folder: what its results are recognized by."""
        return plain_options(self, without=("out",))

    def check(self) -> None:
        """Refuse options out of range, or that do not go together.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if not self.files:
            raise InputError("no file given; name images, or a folder of them.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(
                f"--threshold (={self.threshold}) must lie in [0, 1], from black to white."
            )
        if self.label is not None and (self.threshold is not None or self.phase != "bright"):
            raise InputError(
                f"--label (={self.label}) names the phase of label images; --threshold and --phase "
                "are for grey ones: leave them out, or leave out --label."
            )
        if not self.properties and (self.conductivity or self.young):
            given = "--conductivity" if self.conductivity else "--young"
            raise InputError(f"{given} is for the properties; ask for them with --properties.")
        if self.conductivity and not all(0 < value < math.inf for value in self.conductivity):
            raise InputError(f"--conductivity (={self.conductivity}) must be positive, twice.")
        if self.young and not (
            all(0 <= each < math.inf for each in self.young) and any(self.young)
        ):
            raise InputError(f"--young (={self.young}) are two moduli, one of them above 0.")
        if not all(-1 < ratio < 0.5 for ratio in self.poisson):
            raise InputError(f"--poisson (={self.poisson}) must lie between -1 and 0.5, twice.")
        if self.pixel_size is not None and not 0 < self.pixel_size < math.inf:
            raise InputError(f"--pixel-size (={self.pixel_size}) must be positive, in metres.")
        if self.crop_bottom < 0:
            raise InputError(f"--crop-bottom (={self.crop_bottom}) must not be negative.")


def run(config: Config) -> None:
    """Characterize the images, or find that it was done, and print the result."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.characterize_properties import properties_of_all
    from idml_jax.workflows.characterize_report import write_results
    from idml_jax.workflows.characterize_study import claim_folder, measure_all, read_all
    from idml_jax.workflows.characterize_tables import summary

    samples = read_all(config)
    finished = config.out / "statistics.json"
    claim_folder(config, samples, write=False)
    if not finished.exists():
        measured = measure_all(samples, periodic=config.periodic)
        properties = properties_of_all(config, samples)
        claim_folder(config, samples, write=True)
        write_results(config, samples, measured, properties)
    print(summary(json.loads(finished.read_text())))
    print(f"\nreport: {config.out / 'report.html'}")
