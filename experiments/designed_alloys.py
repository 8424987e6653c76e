"""Conductors and stiff composites made of a superalloy's and a sandstone's structure.

    python -m experiments.designed_alloys --run runs/designed_alloys

The generators that come with the toolkit are searched for conductivity and for Young's modulus
along the rows, of two phases whose properties differ by 10 and by 100, at one volume fraction,
held within two points. Two questions:

- a target: what nine in ten random microstructures of that volume fraction stay below. How near
  does a design come, what is it when its pixels are halved, and does it look like the material?
- the most: how much is gained over the best of equally many random draws, and over their mean?
  Z. Yang et al., "Microstructural materials design via deep adversarial learning methodology",
  J. Mech. Des. 140, 111416 (2018), arXiv 1805.02791, are quoted with 4.8 % and 17.2 % for their
  optical absorption.
"""

import dataclasses
import pathlib
from typing import Any, Literal, TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from idml_jax import design, evaluation, properties, report, statistics, training
from idml_jax.cli import run_experiment

Name: TypeAlias = Literal["superalloy", "berea", "steel"]

DRAWN = 512
"""Random microstructures that say what is typical."""

WITHIN = 0.02
"""How far from it the volume fraction may be."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Designs of real materials' structure."""

    run: pathlib.Path = pathlib.Path("runs/designed_alloys")
    """Folder for the searches and the tables; a run there goes on."""
    generators: tuple[Name, ...] = ("superalloy", "berea")
    """Those to search."""
    contrasts: tuple[float, ...] = (10.0, 100.0)
    """Of the bright phase's property to the dark one's."""
    evaluations: int = 128
    """Of each search."""
    seeds: int = 10
    """Searches for the most of each property."""


def wanted_of(contrast: float) -> dict[str, properties.Property]:
    """The two properties, in units of the dark phase's."""
    elasticity = properties.Elasticity.of_young((1.0, contrast), (0.3, 0.3), unit="")
    return {
        "conductivity": properties.Conductivity((1.0, contrast), unit="").along("rows"),
        "young": elasticity.young_along("rows"),
    }


def main(config: Config) -> None:
    """Search, and print both tables."""
    targets: list[tuple[str, ...]] = [
        ("material", "property", "contrast", "target", "design", "pixels halved", "off by, %",
         "volume fraction", "typical"),
    ]  # fmt: skip
    gains: list[tuple[str, ...]] = [
        ("material", "property", "contrast", "over the best random, %", "over their mean, %",
         "seeds not below"),
    ]  # fmt: skip
    results: list[dict[str, Any]] = []
    for name in config.generators:
        gan = training.load_generator(name)
        images = gan.sample(jax.random.key(0), DRAWN)
        phases = np.asarray(jax.vmap(statistics.bright_phase)(images))
        for contrast in config.contrasts:
            for kind, wanted in wanted_of(contrast).items():
                case = Case(name, kind, contrast, gan, wanted, phases)
                target = case.reach(config)
                gain = case.most(config)
                targets.append(case.row(target))
                gains.append(case.row(gain))
                results.append({"case": case.row({}), "target": target, "gain": gain})
                report.write_json(config.run / "result.json", results)
    print(report.aligned_text(targets))
    print()
    print(report.aligned_text(gains))


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One property of one material's structure at one contrast."""

    name: str
    kind: str
    contrast: float
    gan: training.ProgressiveGAN
    wanted: properties.Property
    phases: np.ndarray
    """Of random images."""

    def row(self, numbers: dict[str, Any]) -> tuple[str, ...]:
        """For a table."""
        shown = (value for key, value in numbers.items() if not key.startswith("_"))
        return (self.name, self.kind, f"{self.contrast:g}", *map(str, shown))

    def constraint(self) -> design.Constraint:
        """The volume fraction is that of the middle random image."""
        middle = float(np.median(self.phases.mean(axis=(1, 2))))
        return design.Constraint("volume fraction", middle - WITHIN, middle + WITHIN)

    def search(self, config: Config, objective: design.Objective, seed: int) -> design.Design:
        """By expected improvement and at random, at one volume fraction."""
        return design.optimize_latents(
            self.gan,
            {"value": self.wanted, "volume fraction": statistics.volume_fraction},
            run=config.run / self.name / f"{self.kind}_{self.contrast:g}" / f"{objective}_{seed}",
            objective=design.Aim((objective,), (self.constraint(),)),
            evaluations=config.evaluations,
            seed=seed,
        )

    def reach(self, config: Config) -> dict[str, Any]:
        """The target, and the design that comes nearest."""
        near = self.constraint().excess(self.phases.mean(axis=(1, 2))) == 0
        each = jax.jit(lambda phases: jax.lax.map(self.wanted, phases, batch_size=32))
        values = np.asarray(each(self.phases[near]))
        target = float(f"{np.quantile(values, 0.9):.3g}")
        found = self.search(config, design.Objective("target", target), seed=0)
        phase = np.asarray(jax.vmap(statistics.bright_phase)(found.images[:1]))
        finer = float(self.wanted(phase[0].repeat(2, axis=0).repeat(2, axis=1)))
        typical = evaluation.typicality(phase, self.phases[:256], evaluation.STANDARD)
        return {
            "target": f"{target:g}",
            "design": f"{found.value:.4g}",
            "finer": f"{finer:.4g}",
            "off": f"{100 * abs(found.value / target - 1):.2f}",
            "fraction": f"{phase.mean():.3f} of {np.median(self.phases.mean(axis=(1, 2))):.3f}",
            "typical": f"{typical.overall[0]:.2f}",
        }

    def most(self, config: Config) -> dict[str, Any]:
        """How much more than random draws of the same number, over the seeds."""
        best, mean = [], []
        for seed in range(config.seeds):
            found = self.search(config, design.Objective("maximize"), seed)
            random = found.searches["random"].told.values
            feasible = random[found.aim.feasible(random), 0]
            best.append(100 * (found.value / feasible.max() - 1))
            mean.append(100 * (found.value / feasible.mean() - 1))
        return {
            "best": _interval(np.array(best)),
            "mean": _interval(np.array(mean)),
            "wins": f"{sum(gain >= 0 for gain in best)} of {config.seeds}",
            "_best": best,
            "_mean": mean,
        }


def _interval(gains: Float[np.ndarray, " seeds"]) -> str:
    """Mean, and the bootstrap interval of it at 95 %."""
    found = evaluation.bootstrap_mean([gains], resamples=10_000)
    return f"{float(found.mean):.1f} [{float(found.low):.1f}, {float(found.high):.1f}]"


if __name__ == "__main__":
    run_experiment(main, Config)
