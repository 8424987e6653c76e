"""Searches of many dimensions on a function whose optimum is known: Ackley's, in 20 of them.

    python -m experiments.ackley_function --run runs/ackley

The problem of BoTorch's own tutorial on trust regions (https://botorch.org/docs/tutorials/turbo_1,
after D. Eriksson et al., NeurIPS 2019): batches of 4, 40 Sobol points, 464 evaluations in all, in
[-5, 10]^20. What its page ends at, of one run each: TuRBO-1 0.99, qLogEI 3.2, qEI 8.1; Sobol points
about 14. The least value is 0, at the origin.
"""

import dataclasses
import pathlib
import time

import numpy as np
from jaxtyping import Float

from idml_jax import design, report
from idml_jax.cli import run_experiment
from idml_jax.design.strategies import StrategyName
from idml_jax.typing import Latents

DIMENSIONS = 20


@dataclasses.dataclass(frozen=True)
class Config:
    """Strategies on Ackley's function."""

    run: pathlib.Path = pathlib.Path("runs/ackley")
    """Folder for the searches; a run there goes on."""
    strategies: tuple[StrategyName, ...] = ("trust-region", "bayes", "cma-es", "sobol")
    """How to search."""
    evaluations: int = 464
    """Of each."""
    seeds: tuple[int, ...] = (0,)
    """Of the searches."""


def ackley(points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """D. H. Ackley, *A Connectionist Machine for Genetic Hillclimbing*, 1987: 0 at the origin.

    Examples
    --------
    >>> import numpy as np
    >>> ackley(np.array([[0.0, 0.0], [1.0, 0.0]])).round(3).tolist()
    [0.0, 2.638]
    """
    far = -0.2 * np.sqrt(np.mean(points**2, axis=1))
    waves = np.mean(np.cos(2 * np.pi * points), axis=1)
    return 20 - 20 * np.exp(far) + np.e - np.exp(waves)


def main(config: Config) -> None:
    """Search, and print the least values."""
    space = design.Box((-5.0,) * DIMENSIONS, (10.0,) * DIMENSIONS)
    found: dict[str, list[float]] = {}
    rows: list[tuple[str, ...]] = [("strategy", *(f"seed {seed}" for seed in config.seeds), "s")]
    for name in config.strategies:
        began = time.perf_counter()
        for seed in config.seeds:
            search = design.Search(
                space,
                design.Objective("minimize"),
                run=config.run / f"{name}_{seed}",
                strategy=design.strategy_of(name, config.evaluations),
                start=2 * DIMENSIONS,
                seed=seed,
            )
            history = design.evaluated(search, Ackley(), config.evaluations, 4, name)
            found.setdefault(name, []).append(float(history.values.min()))
        seconds = time.perf_counter() - began
        rows.append((name, *(f"{value:.2f}" for value in found[name]), f"{seconds:.0f}"))
    report.write_json(config.run / "result.json", found)
    print(report.aligned_text(rows))


class Ackley:
    """As searches evaluate."""

    def measure(
        self, latents: Latents, aim: design.Aim, *, slopes: bool = False
    ) -> design.Measurements:
        """The function's values."""
        if slopes:
            raise ValueError("compared without gradients, as the tutorial does.")
        return design.Measurements(ackley(np.asarray(latents))[:, None])


if __name__ == "__main__":
    run_experiment(main, Config)
