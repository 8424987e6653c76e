"""Phases and flaws of three materials, told from four to fifteen micrographs, or from one.

    python -m experiments.few_annotated_micrographs --data DATA --study superalloy

`superalloy` and `coating` are benchmarks of J. Stuckner, B. Harder, T. M. Smith, "Microstructure
segmentation with deep learning encoders pre-trained on a large microscopy dataset", npj Comput.
Mater. 8, 200 (2022): Super1, matrix, secondary and tertiary precipitates of a nickel alloy, and
EBC3, the oxide below an environmental barrier coating, and cracks through it, a quarter
of a percent of all pixels. `chromium` are precipitates of Z. Xia et al., Phys. Chem. Chem. Phys.
25, 15970 (2023). Here nothing is pre-trained.

Super3 (`--of Super3`) is the superalloy told from a single micrograph. Which one that is may be
luck: `--singly` does it with each of Super1's ten in turn.

`DATA` is a folder that holds nasa-superalloy, nasa-ebc and cr-precipitates, with their lists.
Every network is judged by the lists' `val`, which also decides when it is best.
"""

import dataclasses
import pathlib
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment
from idml_jax.errors import InputError

Name: TypeAlias = Literal["superalloy", "coating", "chromium"]


@dataclasses.dataclass(frozen=True)
class Study:
    """A set of annotated micrographs, and what learns from it."""

    folder: str
    of: str | None
    """Which of the lists in the folder."""
    classes: tuple[str, ...]
    recipe: training.SegmenterRecipe

    def read(
        self, sets: pathlib.Path, of: str | None
    ) -> tuple[list[data.Annotated], list[data.Annotated]]:
        """Micrographs of a list to learn from, and those that judge."""
        folder = sets / self.folder
        split = data.read_split(folder / "splits.json", name=of)
        # Some that the lists name are not in the stored copy of the source.
        there = {path.stem for path in (folder / "images").iterdir()}
        known, other = (
            data.read_annotated(
                folder / "images",
                folder / "masks",
                names=[name for name in names if name in there],
                classes=tuple(range(len(self.classes))),
            ).micrographs
            for names in (split.train, split.val)
        )
        return known, other


STUDIES: dict[Name, Study] = {
    # Tertiary precipitates are a few pixels wide: they are not zoomed, which blurs them, and hardly
    # shown more often than they are, or too much is taken for them. From one micrograph to the next
    # brightness differs by three times what the pixels of one do.
    "superalloy": Study(
        "nasa-superalloy",
        "Super1",
        ("matrix", "secondary", "tertiary"),
        training.SegmenterRecipe(
            features=(16, 32, 64, 128, 128),
            size=(192, 192),
            batch=6,
            local_contrast=385,
            steps=950,
            around_classes=0.2,
        ),
    ),
    # The oxide is told by what is above and below it, hundreds of pixels away, so the network sees
    # whole micrographs, in blocks that are finer than a crack is wide. Up is up in a section.
    "coating": Study(
        "nasa-ebc",
        "EBC3",
        ("background", "oxide", "crack"),
        training.SegmenterRecipe(
            features=(8, 16, 32, 64, 96, 128),
            size=(512, 512),
            binning=2,
            patch=2,
            batch=6,
            steps=1000,
            turns="sideways",
            class_weights="root",
            changes=data.Changes(
                zoom=0.4, angle=8.0, elastic=3.0, brightness=0.5, contrast=0.5, noise=0.2
            ),
        ),
    ),
    # One micrograph has twelve times the contrast of another.
    "chromium": Study(
        "cr-precipitates",
        None,
        ("matrix", "precipitate"),
        training.SegmenterRecipe(
            features=(16, 32, 64, 96),
            size=(256, 256),
            patch=2,
            local_contrast=161,
            steps=1000,
            turns="sideways",
            changes=data.Changes(zoom=0.4, contrast=0.2, noise=0.1),
        ),
    ),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Few annotated micrographs."""

    data: pathlib.Path
    """Folder that holds those of the studies."""
    study: Name
    """Which."""
    of: str | None = None
    """Which of the lists in its folder, in place of the study's: Super3 is one micrograph."""
    run: pathlib.Path = pathlib.Path("runs/few_annotated_micrographs")
    """Folder for the trainings and the table; a run there goes on; seconds are those since."""
    optimizer: Literal["adam", "muon"] = "muon"
    """By what the networks are trained."""
    steps: int | None = None
    """Of the training; by default as many as the study's recipe says."""
    networks: int = 1
    """Trained from other first values and draws; of several there is a mean as well."""
    singly: bool = False
    """Whether each micrograph by itself is learned from as well."""
    single_steps: int = 300
    """With one micrograph."""
    seed: int = 0
    """Of everything random."""


def turned_mean(networks: Sequence[training.Segmenter]) -> tuple[str, evaluation.PixelClassifier]:
    """What networks say in the mean of a micrograph however it is turned, and its name."""
    members = [one for each in networks for one in training.turned_members(each, each.turns)]
    turns = len(members) // len(networks)
    of = "U-Net" if len(networks) == 1 else f"{len(networks)} U-Nets"
    return f"{of}, mean of {turns} turns", training.UncertainSegmenter(members)


def main(config: Config) -> None:
    """Train, and print the table."""
    if config.networks < 1:
        raise InputError(f"--networks (={config.networks}) must be at least 1.")
    study = STUDIES[config.study]
    of = config.of or study.of
    run = config.run / (of or config.study)
    classes = tuple(range(len(study.classes)))
    known, other = study.read(config.data, of)
    rows: list[tuple[str, ...]] = [("trained on", "by", "mean IoU", *study.classes, "seconds")]
    results: dict[str, Any] = {}

    def seen(annotated: list[data.Annotated]) -> list[data.Annotated]:
        """In the light that the network sees them in."""
        return [one.in_local_contrast(study.recipe.local_contrast) for one in annotated]

    def scored(
        given: str,
        way: str,
        segmenter: evaluation.PixelClassifier,
        began: float,
        judged: list[data.Annotated] = other,
    ) -> None:
        scores = evaluation.scores_on(segmenter, judged, study.classes)
        seconds = time.perf_counter() - began
        results[f"{given}, {way}"] = scores | {"seconds": seconds}
        found = report.cells(scores, evaluation.score_columns(study.classes))
        rows.append((given, way, *found, f"{seconds:.0f}"))
        report.write_json(run / "result.json", results)

    def compared(name: str, given: list[data.Annotated], steps: int) -> None:
        began = time.perf_counter()
        forest = training.ForestSegmenter.of(seen(given), classes)
        scored(name, "random forest", forest, began, seen(other))
        began = time.perf_counter()
        networks: list[training.Segmenter] = []
        for number in range(config.networks):
            recipe = dataclasses.replace(
                study.recipe, steps=steps, optimizer=config.optimizer, seed=config.seed + number
            )
            folder = name.replace(" ", "_") + (f"_{number}" if number else "")
            networks.append(
                training.train_segmenter(
                    given, classes, recipe, run=run / folder, judge=evaluation.judge_pixels(other)
                )
            )
            if number == 0:
                scored(name, "U-Net", networks[0], began)
                scored(name, *turned_mean(networks), began)
        if config.networks > 1:
            scored(name, *turned_mean(networks), began)

    compared(f"all {len(known)}", known, config.steps or study.recipe.steps)
    if config.singly:
        for each in known:
            compared(each.name, [each], config.single_steps)
    print(report.aligned_text(rows))
    if config.singly:
        for way in dict.fromkeys(row[1] for row in rows[1:]):
            single = [results[f"{each.name}, {way}"]["mean IoU"] for each in known]
            print(
                f"{way}, of one: mean IoU {np.mean(single):.3f} +- {np.std(single, ddof=1):.3f}, "
                f"from {min(single):.3f} to {max(single):.3f}"
            )


if __name__ == "__main__":
    run_experiment(main, Config)
