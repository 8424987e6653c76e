"""How many evaluations each search takes, on laminates whose best conductivity is known exactly.

    python -m experiments.known_optimum --run runs/known_optimum

Latents of 16 numbers steer a laminate of two conductors: two of their directions turn its layers
and set the share of the better one, the others do nothing, and a search does not know which. Its
conductivity along the rows is closed: across the layers the harmonic mean, along them the
arithmetic one, a tensor that turns with them (G. W. Milton, *The Theory of Composites*, 2002,
section 9.2). As the layers turn several times from one end to the other, there are many optima,
of which one is best.

The sum of each strategy's regret, and how many evaluations it takes to what the best of as many
random draws as the budget reaches, over ten seeds.
"""

import dataclasses
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax import design, report
from idml_jax.cli import run_experiment
from idml_jax.design.strategies import StrategyName
from idml_jax.typing import Array, Latents
from idml_jax.workflows.design_report import COLOURS

FEATURES = 16
"""Length of a latent."""

TURNS = 2.5
"""Half turns of the layers from one end of their direction to the other."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Every strategy on laminates."""

    run: pathlib.Path = pathlib.Path("runs/known_optimum")
    """Folder for the searches and the figure; a run there goes on."""
    strategies: tuple[StrategyName, ...] = (
        "bayes", "trust-region", "sparse", "hedge", "polished", "gradient", "cma-es", "sobol",
        "random",
    )  # fmt: skip
    """How to search; random draws among them, as what the others are measured by."""
    evaluations: int = 200
    """Of each search."""
    seeds: int = 10
    """Searches of each strategy."""
    contrast: float = 10.0
    """Conductivity of the better conductor, in units of the other one's."""


def conductivity(latents: Float[Array, " latent"], contrast: float) -> Float[Array, ""]:
    """Along the rows, of the laminate that one latent stands for."""
    unit = latents / jnp.linalg.norm(latents)
    turned, share = _turned(unit[0]), _share(unit[1])
    along = 1 + share * (contrast - 1)
    across = 1 / (1 + share * (1 / contrast - 1))
    return along * jnp.cos(turned) ** 2 + across * jnp.sin(turned) ** 2


def _turned(along: Float[Array, "*many"]) -> Float[Array, "*many"]:
    """Angle of the layers with the rows, for the part of a latent along the first direction."""
    return TURNS * jnp.pi * (along - 0.35)


def _share(along: Float[Array, "*many"]) -> Float[Array, "*many"]:
    """Of the better conductor, for the part along the second direction."""
    return 0.5 + 0.4 * along


def optimum(contrast: float) -> float:
    """The largest conductivity of any latent: by a fine grid, as two of its numbers matter.

    The optimum has all of the latent in these two, and lies on their circle.
    """
    angles = np.linspace(-np.pi, np.pi, 200_001)
    latents = np.zeros((len(angles), FEATURES))
    latents[:, 0], latents[:, 1] = np.cos(angles), np.sin(angles)
    circle = jax.vmap(lambda one: conductivity(one, contrast))(jnp.asarray(latents, jnp.float32))
    # Within the circle the rest lies in numbers that do nothing; more of the better conductor
    # always conducts better, so that nothing is gained by that.
    return float(circle.max())


class Laminates:
    """As searches evaluate: values, and slopes where they are asked for."""

    def __init__(self, contrast: float):
        self.values = jax.jit(jax.vmap(lambda one: conductivity(one, contrast)))
        self.slopes = jax.jit(jax.vmap(jax.grad(lambda one: conductivity(one, contrast))))

    def measure(
        self, latents: Latents, aim: design.Aim, *, slopes: bool = False
    ) -> design.Measurements:
        """The conductivities."""
        values = np.asarray(self.values(latents), np.float64)[:, None]
        return design.Measurements(
            values, None, np.asarray(self.slopes(latents)) if slopes else None
        )


def evaluations_to(progress: Float[np.ndarray, " count"], value: float) -> float:
    """How many evaluations a search took to a value; infinitely many where it did not get there."""
    reached = np.flatnonzero(progress >= value)
    return float(reached[0] + 1) if len(reached) else math.inf


def main(config: Config) -> None:
    """Search, draw the regret and print the table."""
    best = optimum(config.contrast)
    evaluator, aim = Laminates(config.contrast), design.Aim.of(design.Objective("maximize"))
    progress: dict[str, Float[np.ndarray, "seeds count"]] = {}
    for name in config.strategies:
        found = []
        for seed in tqdm(range(config.seeds), desc=name, unit="search"):
            search = design.Search(
                FEATURES,
                aim,
                run=config.run / f"{name}_{seed}",
                strategy=design.strategy_of(name, config.evaluations),
                seed=seed,
            )
            history = design.evaluated(search, evaluator, config.evaluations, 8, f"seed {seed}")
            found.append(history.progress(aim))
        progress[name] = np.stack(found)
    rows: list[tuple[str, ...]] = [
        ("strategy", "regret, median", "worst", "evaluations to the best random, median", "half"),
    ]
    results: dict[str, Any] = {"optimum": best}
    for name, each in progress.items():
        regret = best - each[:, -1]
        needed = [
            evaluations_to(one, random[-1])
            for one, random in zip(each, progress["random"], strict=True)
        ]
        halves = sum(count <= config.evaluations / 2 for count in needed)
        results[name] = {"regret": regret.tolist(), "evaluations": needed}
        rows.append(
            (
                name,
                f"{np.median(regret):.4f}",
                f"{regret.max():.4f}",
                f"{np.median(needed):.0f}",
                f"{halves} of {config.seeds}",
            )
        )
    report.write_json(config.run / "result.json", results)
    figure, ax = report.new_figure(7.0, 4.2)
    for name, each in progress.items():
        regret = np.maximum(best - each, 1e-5)
        count = np.arange(1, config.evaluations + 1)
        ax.plot(count, np.median(regret, axis=0), color=COLOURS[name], label=name)
        low, high = np.quantile(regret, [0.25, 0.75], axis=0)
        ax.fill_between(count, low, high, color=COLOURS[name], alpha=0.12, linewidth=0)
    ax.set_yscale("log")
    ax.set_xlabel("evaluations")
    ax.set_ylabel("regret: median and quartiles of the seeds")
    ax.legend(frameon=False, ncols=2)
    figure.savefig(config.run / "regret.png", dpi=120)
    print(f"optimum {best:.4f}")
    print(report.aligned_text(rows))
    print(f"regret: {config.run / 'regret.png'}")


if __name__ == "__main__":
    run_experiment(main, Config)
