"""How far and how finely a network sees a steel, and what it then tells of its constituents.

    python -m experiments.field_of_view --data DATA --run runs/field_of_view

The micrographs of `experiments.steel_constituents`: a field is told by what it is made of, which is
a few pixels wide, and by what is around it, which is hundreds away. A network sees farther by more
resolutions, or by coarser pixels, which cost it what is fine. Networks of either kind are trained
for as many steps on as many of their own pixels, which takes about as long, on crops of the same
part of a micrograph; what judges them is one fold, at full resolution, and nothing is chosen by it.

`DATA` is a folder that holds uhcs-segmentation, with its folds 1 to 5.
"""

import dataclasses
import pathlib
import time
from typing import Any

from experiments.steel_constituents import NAMES, fold_of
from experiments.steel_constituents import Config as Steel
from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment

FEATURES = (16, 32, 64, 96, 128)
"""Channels at each resolution, the finest first; shallower networks have the first of them."""

SIGHTS = ((1, 3), (1, 5), (2, 3), (2, 5), (4, 3), (4, 5))
"""Pixels along each side of what a network sees as one, and how many resolutions it has."""


@dataclasses.dataclass(frozen=True)
class Config:
    """How far and how finely a network sees."""

    data: pathlib.Path
    """Folder that holds uhcs-segmentation."""
    run: pathlib.Path = pathlib.Path("runs/field_of_view")
    """Folder for the trainings and the table; a run there goes on; seconds are those since."""
    fold: int = 1
    """What judges: of 1 to 5."""
    side: int = 320
    """Of the crops, in pixels of the micrographs."""
    steps: int = 150
    """Of each training."""
    batch: int = 2
    """Crops in each step, of networks that see all pixels; of coarser ones as many more."""
    seed: int = 0
    """Of everything random."""


def main(config: Config) -> None:
    """Train, and print the table."""
    parts, _ = fold_of(Steel(config.data), config.fold)
    rows: list[tuple[str, ...]] = [
        ("pixels in one", "resolutions", "sees, pixels", "mean IoU", *NAMES, "seconds")
    ]
    results: dict[str, Any] = {}
    for binning, levels in SIGHTS:
        began = time.perf_counter()
        recipe = training.SegmenterRecipe(
            features=FEATURES[:levels],
            size=(config.side // binning, config.side // binning),
            binning=binning,
            batch=config.batch * binning**2,
            steps=config.steps,
            class_weights="root",
            changes=data.Changes(zoom=0.3, angle=20.0, noise=0.1),
            seed=config.seed,
        )
        name = f"{binning}_{levels}"
        segmenter = training.train_segmenter(
            parts.train, parts.classes, recipe, run=config.run / name
        )
        seconds = time.perf_counter() - began
        scores = evaluation.scores_on(segmenter, parts.val, NAMES)
        results[name] = scores | {"sees": segmenter.reach, "seconds": seconds}
        report.write_json(config.run / "result.json", results)
        found = report.cells(scores, evaluation.score_columns(NAMES))
        rows.append((f"{binning}", f"{levels}", f"{segmenter.reach}", *found, f"{seconds:.0f}"))
    print(report.aligned_text(rows))
    print(f"\njudged by the {len(parts.val)} micrographs of fold {config.fold}")


if __name__ == "__main__":
    run_experiment(main, Config)
