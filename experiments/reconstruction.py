"""Micrographs from their statistics: by gradient, beside Yeong and Torquato's annealing.

    python -m experiments.reconstruction --images ../shared/data/mcrpy-microstructures

Reconstructs each label image from its two-point correlation at every displacement and its lineal
path along rows and columns, writes pictures and `report.html`, and prints the mean square error of
S2. Annealing gets the same statistics, a start of the same volume fraction, and as much time as
`--patience` says, in units of the gradient's. The ratio is that of the times to one sum of errors:
to each of `LEVELS`, and to the least that the gradient reached; "more than" where annealing did
not get there.

Follows P. Seibert et al., "Microstructure Characterization and Reconstruction in Python: MCRpy",
IMMI 11, 450 (2022), whose four images these are.
"""

import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool

from idml_jax import data, report, statistics
from idml_jax.cli import run_experiment

if TYPE_CHECKING:
    import jax

    from idml_jax.typing import Array

CHUNK = 4_000
"""Exchanges of the annealing between two looks at the clock."""

LEVELS = (1e-3, 1e-4, 1e-5)
"""Sums of mean square errors to which both are timed."""

STEPS = (5, 20)
"""L-BFGS steps on each grid of the shorter searches, which get to the larger errors."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Micrographs from their statistics."""

    images: pathlib.Path
    """Folder of label images; the phase is label 1."""
    out: pathlib.Path = pathlib.Path("runs/reconstruction")
    """Folder for the pictures and the report."""
    side: int | None = None
    """Side of the middle that is taken of each image; by default the whole of it."""
    longest: int = 63
    """Longest length of the lineal path, in pixels."""
    iterations: int = 100
    """L-BFGS steps on each of three grids, of the whole search."""
    patience: float = 8.0
    """Time that the annealing gets, in units of the gradient's."""
    seed: int = 0
    """Of the starts and of the exchanges."""


class Run(NamedTuple):
    """A search, or where one was."""

    error: float
    """Sum of the mean squares."""
    seconds: float
    """Without the compilation."""


@dataclasses.dataclass(frozen=True)
class Study:
    """What was found for one image."""

    name: str
    original: Bool[np.ndarray, "rows cols"]
    gradient: "statistics.Reconstruction"
    annealed: "statistics.Reconstruction"
    searches: list[Run]
    annealing: list[Run]

    def ratio(self, error: float) -> str:
        """How much longer annealing takes to a sum of errors than the shortest search there."""
        ours = min((run.seconds for run in self.searches if run.error <= error), default=None)
        if ours is None:
            return "not reached"
        there = [run.seconds for run in self.annealing if run.error <= error]
        taken = there[0] if there else self.annealing[-1].seconds
        return f"{'' if there else 'more than '}{taken / ours:.1f}"


def study(name: str, phase: Bool[np.ndarray, "rows cols"], config: Config) -> Study:
    """Both reconstructions of one image."""
    import jax

    key = jax.random.key(config.seed)
    s2 = statistics.two_point_correlation(phase)
    longest = min(config.longest, min(phase.shape) - 1)
    paths = {a: statistics.lineal_path(phase, axis=a, longest=longest) for a in (0, 1)}
    targets = [
        statistics.two_point_target(s2),
        *(statistics.lineal_path_target(path, axis=axis) for axis, path in paths.items()),
    ]

    def search(steps: int) -> "tuple[statistics.Reconstruction, Run]":
        compiled = (
            jax.jit(
                lambda key: statistics.reconstruct(
                    key, targets, shape=phase.shape, iterations=steps
                )
            )
            .lower(key)
            .compile()
        )
        began = time.perf_counter()
        found = jax.block_until_ready(compiled(key))
        return found, Run(float(found.errors.sum()), time.perf_counter() - began)

    shorter = [search(steps)[1] for steps in STEPS if steps < config.iterations]
    gradient, whole = search(config.iterations)
    annealed, annealing = anneal_until(
        whole.error, config.patience * whole.seconds, key, phase, s2, paths
    )
    return Study(name, phase, gradient, annealed, [*shorter, whole], annealing)


def anneal_until(
    error: float,
    limit: float,
    key: "jax.Array",
    phase: Bool[np.ndarray, "rows cols"],
    s2: "Array",
    paths: "Mapping[int, Array]",
) -> "tuple[statistics.Reconstruction, list[Run]]":
    """Anneal random pixels until the sum of errors is as small, or for so many seconds."""
    import jax

    start = jax.random.permutation(key, phase.ravel()).reshape(phase.shape)

    def exchange(start: "Array", count: int) -> "statistics.Reconstruction":
        # Without heat: with it, the same error takes longer still.
        found = statistics.anneal(
            jax.random.fold_in(key, count),
            start,
            s2,
            lineal_paths=paths,
            exchanges=CHUNK,
            acceptance=0.0,
        )
        return jax.block_until_ready(found)

    found = exchange(start, 0)  # compiles
    began, runs = time.perf_counter(), []
    while not runs or (runs[-1].seconds < limit and runs[-1].error > error):
        found = exchange(found.phase if runs else start, len(runs) + 1)
        runs.append(Run(float(found.errors.sum()), time.perf_counter() - began))
    return found, runs


def show(page: report.Page, found: Study) -> None:
    """Add the three pictures of a study to the report."""
    figure, ax = report.new_figure(9, 3.4)
    pictures = np.stack([found.original, found.gradient.phase, found.annealed.phase])
    report.draw_images(ax, pictures.astype(np.float32), columns=3, title=found.name)
    page.figure(figure, "the micrograph, its reconstruction by gradient, and by annealing")


def main(config: Config) -> None:
    """Reconstruct every image and print the table."""
    page = report.Page(
        "Micrographs from their statistics",
        "From the two-point correlation at every displacement and the lineal path along both axes.",
    )
    head = (
        "image",
        "S2 error",
        "lineal path errors",
        "seconds",
        "S2 error of annealing",
        *(f"ratio to {level:.0e}" for level in LEVELS),
        "ratio to the least",
    )
    rows = []
    for path in sorted(config.images.glob("*.png")):
        phase = data.read_labels(path) == 1
        if config.side is not None:
            top, left = ((side - config.side) // 2 for side in phase.shape)
            phase = phase[top : top + config.side, left : left + config.side]
        found = study(path.stem, phase, config)
        errors = [f"{float(error):.1e}" for error in found.gradient.errors]
        row = (
            path.stem,
            errors[0],
            ", ".join(errors[1:]),
            f"{found.searches[-1].seconds:.1f}",
            f"{float(found.annealed.errors[0]):.1e}",
            *(found.ratio(level) for level in LEVELS),
            found.ratio(found.searches[-1].error),
        )
        rows.append(row)
        print("  ".join(f"{name} {cell}" for name, cell in zip(head, row, strict=True)), flush=True)
        report.write_grey_png(
            config.out / f"{path.stem}.png", np.asarray(found.gradient.phase, np.float32)
        )
        show(page, found)
    page.section(
        "Errors",
        "Mean squares. The ratio is the time of annealing to ours, to one sum of the errors.",
    )
    page.table(head, rows)
    page.settings(dataclasses.asdict(config))
    page.write(config.out / "report.html")
    print(f"\nreport: {config.out / 'report.html'}")


if __name__ == "__main__":
    run_experiment(main, Config)
