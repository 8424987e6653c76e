"""From a generator and a wanted property to the microstructures that have it."""

import dataclasses
import math
import pathlib
from typing import Any, Literal

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options
from idml_jax.workflows.told import by_name


@dataclasses.dataclass(frozen=True)
class Config:
    """Search a generator's latents for microstructures that have a property.

    Each strategy spends the same number of evaluations; the designs are the first one's. Started
    again in its folder, the search goes on where it stopped.

    Properties by name: conductivity-rows, conductivity-cols, young-rows, young-cols, of two phases,
    and conductivity and young, their means over both axes; the other components of their tensors,
    conductivity-rows-cols and stiffness-11, -22, -12, -66, -16 and -26, where 1 is along the rows:
    with a --target each they are matched together; diffusivity-rows, tortuosity-rows,
    permeability-rows and the same along cols, through the phase from face to face; volume-fraction,
    specific-surface, mean-thickness, percolation-rows and -cols (1 or 0); typical, the share of
    the material's images that are at least as far from their mean; realism, the score of the
    training's discriminator, in deviations from the mean of typical images; with --like,
    two-point-error and lineal-path-error. With --command, whatever the program prints.
    """

    generator: pathlib.Path
    """Folder of a training, a generator's .safetensors file, or the name of one that comes with the
    toolkit, as superalloy, berea or steel."""
    run: pathlib.Path
    """Folder for everything that the search writes."""
    property: tuple[str, ...] = ()
    """What is wanted, by name; of several either all to be made large or small, which are traded
    off, or each to have its target."""
    target: tuple[float, ...] = ()
    """The value to reach, one for each property."""
    maximize: bool = False
    """Search for the largest value."""
    minimize: bool = False
    """Search for the smallest value."""
    goal: tuple[str, ...] = ()
    """In place of these, a goal for each property: young-rows=max, volume-fraction=min,
    conductivity-rows=3. They are traded off."""
    constraint: tuple[str, ...] = ()
    """Ranges to keep to, each as volume-fraction=0.3:0.4, mean-thickness=5: or
    percolation-rows=1:."""
    like: pathlib.Path | None = None
    """A micrograph that the design is to be like: with nothing else wanted, in its two-point
    correlation. Its pixels are as large as the generator's, or a whole part of them."""
    wanted: tuple[str, ...] = ()
    """What the generator is told of every image, if it is told anything, as hours=24 class=nital.
    Numbers that are left out are searched, within what the training saw."""
    phase: str | None = None
    """The phase that is meant: bright, what is brighter than the middle of the grey scale, or dark;
    of a generator of phases the label of one."""
    conductivity: tuple[float, float] = (1.0, 10.0)
    """Conductivities outside the phase and in it."""
    young: tuple[float, float] = (1.0, 10.0)
    """Young's moduli outside the phase and in it; 0 is a pore."""
    poisson: tuple[float, float] = (0.3, 0.3)
    """Poisson's ratios outside the phase and in it."""
    command: str | None = None
    """Another program that evaluates: it is given the path of an image in the place of {image}, and
    prints a number for each property as its last line."""
    timeout: float = 600.0
    """Seconds that the program may take for an image."""
    retries: int = 1
    """Further tries where it fails."""
    images: pathlib.Path | None = None
    """Folder of micrographs that the designs are compared with; by default those of the training,
    where the generator knows them, else images of the generator itself."""
    conditions: pathlib.Path | None = None
    """Table that says of these micrographs what the generator is told, if it is told anything."""
    pixel_size: float | None = None
    """Metres a pixel of these micrographs, and of --like, where the files do not say it or say it
    wrong."""
    crop_bottom: int | None = None
    """Rows to cut off each of them, and of --like: the microscope's information bar."""
    binning: int | None = None
    """Pixels of these to average into one along each axis."""
    strategies: tuple[
        Literal[
            "bayes", "trust-region", "sparse", "hedge", "polished", "gradient", "cma-es", "sobol",
            "random",
        ],
        ...,
    ] = ("bayes", "random")  # fmt: skip
    """How to search, the first one for the answer and the others to compare with: by expected
    improvement, a trust region, with sparse priors for long latents, with a portfolio of
    acquisitions, by expected improvement and then along the gradient, along the gradient from the
    start, by an evolution strategy, evenly or at random."""
    directions: int | None = None
    """Search only that many directions of the latents, those along which images change most."""
    evaluations: int = 128
    """Microstructures that each strategy may evaluate."""
    start: int = 32
    """Evenly spread ones before anything is learned."""
    batch: int = 8
    """Evaluated at a time."""
    repeats: int = 1
    """Images of each latent, of different noise: the value is their mean, of known error."""
    designs: int = 4
    """Best microstructures to keep, of a single goal."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range, or that do not go together.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if self.like is not None and not (self.goal or self.property):
            if self.command is not None:
                raise InputError(
                    "--like alone is what the toolkit measures: with --command say by --property "
                    "what the program prints."
                )
            if self.target or self.maximize or self.minimize:
                raise InputError("--like alone is matched: leave out --target and the others.")
        elif bool(self.goal) == bool(self.property):
            raise InputError(
                "say what is wanted: --property NAME, or --goal NAME=max, or --like IMAGE."
            )
        ways = [bool(self.target), self.maximize, self.minimize]
        if self.property and sum(ways) != 1:
            raise InputError("--property goes with one of --target X, --maximize and --minimize.")
        if self.goal and any(ways):
            raise InputError("--goal says what to do: leave out --target, --maximize, --minimize.")
        if self.target and len(self.target) != len(self.property):
            raise InputError(
                f"--target gives {len(self.target)} values for {len(self.property)} properties."
            )
        if not all(math.isfinite(value) for value in self.target):
            raise InputError(f"--target (={self.target}) must be finite.")
        by_name(self.wanted)
        for name in ("evaluations", "start", "batch", "repeats", "designs", "timeout"):
            if not getattr(self, name) > 0:
                raise InputError(f"--{name} (={getattr(self, name)}) must be positive.")
        if not 2 <= self.start <= self.evaluations:
            raise InputError(
                f"--start (={self.start}) must lie between 2 and the {self.evaluations} "
                "evaluations."
            )
        if self.retries < 0:
            raise InputError(f"--retries (={self.retries}) must not be negative.")
        if not self.strategies or len(set(self.strategies)) < len(self.strategies):
            raise InputError(f"--strategies (={self.strategies}): give each once, one at least.")
        if not all(0 < value < math.inf for value in self.conductivity):
            raise InputError(f"--conductivity (={self.conductivity}) must be positive, twice.")
        if not (all(0 <= value < math.inf for value in self.young) and any(self.young)):
            raise InputError(f"--young (={self.young}) must not be negative, nor 0 twice.")
        if not all(-1 < value < 0.5 for value in self.poisson):
            raise InputError(f"--poisson (={self.poisson}) must lie between -1 and 0.5.")
        if self.command is not None and {"gradient", "polished"} & set(self.strategies):
            raise InputError("--command has no gradient: take other --strategies.")
        if self.command is not None and self.repeats > 1:
            raise InputError("--repeats is for what the toolkit computes, not for --command.")

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = ("run", "evaluations", "designs", "timeout", "retries")
        return plain_options(self, without=left, newer=("like", "wanted", "conditions"))


def run(config: Config) -> None:
    """Search, or go on with it, and print what was found."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.design_results import summary
    from idml_jax.workflows.design_study import study

    print(summary(study(config)))
    print(f"\nreport: {config.run / 'report.html'}")
