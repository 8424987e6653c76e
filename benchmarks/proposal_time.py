"""How long a search thinks: seconds for the next eight points, by evaluations and latents.

    python -m benchmarks.proposal_time

Random latents of typical length and a smooth property of them. The second of two questions is
timed: the first one loads libraries. One thread, as searches run.
"""

import dataclasses
import time

import numpy as np
import tyro
from jaxtyping import Float

from idml_jax import design, report


@dataclasses.dataclass(frozen=True)
class Config:
    """What to time."""

    evaluations: tuple[int, ...] = (50, 200, 1000)
    """Points that were told before."""
    dimensions: tuple[int, ...] = (16, 64, 512)
    """Length of latents."""
    strategies: tuple[str, ...] = ("bayes", "trust-region", "sparse", "cma-es")
    """Those that think."""
    batch: int = 8
    """Points to name."""
    limit: float = 600.0
    """Seconds after which the larger cases of a strategy are left out, and said to be."""


def asked(dimensions: int, count: int) -> design.Question:
    """A question after so many answers."""
    space = design.Sphere(dimensions)
    points = space.drawn(count, seed=0)
    history = design.History.empty(dimensions, 1)
    for first in range(0, count, 10):
        part = points[first : first + 10]
        history = history.with_asked(part, "", {}).with_told(part, smooth(part)[:, None])
    aim = design.Aim.of(design.Objective("maximize"))
    return design.Question(space, aim, history, 8, start=20, seed=0)


def smooth(points: Float[np.ndarray, "count dim"]) -> Float[np.ndarray, " count"]:
    """A property that two directions matter for."""
    return np.sin(2 * points[:, 0]) + points[:, 1] ** 2


def main(config: Config) -> None:
    """Time every case and print the table."""
    rows: list[tuple[str, ...]] = [("strategy", "latents", *(f"n={n}" for n in config.evaluations))]
    for name in config.strategies:
        strategy = design.strategy_of(name, 2000)
        strategy(asked(8, 30))
        slow = False
        for dimensions in config.dimensions:
            cells = []
            for count in config.evaluations:
                if slow:
                    cells.append("not run")
                    continue
                question = asked(dimensions, count)._replace(count=config.batch)
                began = time.perf_counter()
                strategy(question)
                seconds = time.perf_counter() - began
                cells.append(f"{seconds:.1f} s")
                slow = seconds > config.limit
            rows.append((name, str(dimensions), *cells))
    print(report.aligned_text(rows))


if __name__ == "__main__":
    main(tyro.cli(Config))
