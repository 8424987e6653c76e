"""Bayesian optimization of a trained generator's latents beside random draws, over many seeds.

    python -m experiments.latent_search --generator runs/quickstart --seeds 10

One search alone says little: both have luck. This repeats the quickstart's search with other
seeds and prints, for each, the best value of the search and of as many random draws. A. Li et
al., "Accelerated microstructure design by generative adversarial networks and Bayesian
optimization" (J. Mech. Des. 2018) reports the same comparison for an optical property.
"""

import dataclasses
import pathlib
from typing import Literal

import numpy as np

from idml_jax.cli import run_experiment


@dataclasses.dataclass(frozen=True)
class Config:
    """The quickstart's search, once for each seed."""

    generator: pathlib.Path
    """The run folder of a trained generator, its file, or a name such as superalloy."""
    run: pathlib.Path = pathlib.Path("runs/latent_search")
    """Folder for the searches, one in each `seed_N`; a search that is there goes on."""
    seeds: int = 10
    """Number of searches."""
    evaluations: int = 128
    """Microstructures evaluated by each search, and as many random draws."""
    goal: Literal["maximize", "minimize"] = "maximize"
    """Extreme of the conductivity along the rows to look for."""
    contrast: float = 10.0
    """Conductivity of the bright phase, in units of the dark phase's."""


def main(config: Config) -> None:
    """Search with every seed and print the table."""
    from idml_jax import design, properties, statistics, training

    generator = training.load_generator(config.generator)
    conductivity = properties.Conductivity(phases=(1.0, config.contrast), unit="k of dark")
    objective = design.Objective(config.goal)
    found = [
        design.optimize_latents(
            generator,
            conductivity.along("rows"),
            run=config.run / f"seed_{seed}",
            phase=statistics.bright_phase,
            objective=objective,
            evaluations=config.evaluations,
            seed=seed,
        )
        for seed in range(config.seeds)
    ]
    print("seed  search  random  mean of random")
    for seed, one in enumerate(found):
        print(
            f"{seed:4d}  {one.value:6.3f}  {one.best_value('random'):6.3f}  "
            f"{one.searches['random'].values.mean():6.3f}"
        )
    gains = np.array(
        [objective.score(one.value) - objective.score(one.best_value("random")) for one in found]
    )
    share = 100 * gains / np.array([abs(one.best_value("random")) for one in found])
    print(
        f"search at or above random: {(gains >= 0).sum()} of {len(gains)}; gain "
        f"{share.mean():.1f} % of the best random draw on average, "
        f"{np.median(share):.1f} % in the median"
    )


if __name__ == "__main__":
    run_experiment(main, Config)
