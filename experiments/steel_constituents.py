"""Constituents of an ultrahigh carbon steel, cross-validated over 20 micrographs.

    python -m experiments.steel_constituents --data DATA --labels fields

After B. L. DeCost, B. Lei, T. Francis, E. A. Holm, "High throughput quantitative metallography for
complex microstructures using deep learning: a case study in ultrahigh carbon steel", Microsc.
Microanal. 25, 21-29 (2019), arXiv 1805.08693: matrix, network of cementite, spheroidite and
Widmanstaetten cementite, in micrographs of several magnifications. They take features of a network
that was trained on photographs, and train what tells the classes from them (mean IoU of the fields,
as reviewed, 0.626); here nothing is pre-trained.

Spheroidite is annotated in two ways: as fields with all that lies between their particles, or
(`--labels particles`) as single particles, which are a few pixels wide, so that the network sees
finer pixels.

`DATA` is a folder that holds uhcs-segmentation, with its folds 1 to 5. Each fold is told by a
network, and by a random forest, that saw the other four; nothing is chosen by it.
"""

import dataclasses
import pathlib
from typing import Literal

from idml_jax import training
from idml_jax.cli import run_experiment
from idml_jax.workflows import segment_compare
from idml_jax.workflows.segment_data import AnnotatedSplit, read_annotated_split
from idml_jax.workflows.segment_study import recipe_of

NAMES = ("matrix", "network", "spheroidite", "Widmanstaetten")

BINNING = {"fields": 2, "particles": 1}
"""Pixels along each side of what the network sees as one, by what is annotated."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Constituents of a steel."""

    data: pathlib.Path
    """Folder that holds uhcs-segmentation."""
    labels: Literal["fields", "particles"] = "fields"
    """Of spheroidite."""
    run: pathlib.Path = pathlib.Path("runs/steel_constituents")
    """Folder for the trainings and the table of the labels, in its own; a run there goes on."""
    steps: int = 1000
    """Of each training."""
    binning: int | None = None
    """Pixels along each side of what the network sees as one; it is judged by all pixels. By
    default 2 for fields, 1 for particles."""
    patch: int = 2
    """Such blocks along each side of what is one on the network's finest grid."""
    side: int = 160
    """Of the crops, in blocks."""
    batch: int = 8
    """Crops in each step."""
    seed: int = 0
    """Of everything random."""


def comparison_of(config: Config) -> segment_compare.Config:
    """Coarse pixels for fields, as they are told by what is around."""
    folder = config.data / "uhcs-segmentation"
    return segment_compare.Config(
        folder / "images",
        folder / f"masks_{config.labels}",
        config.run / config.labels,
        fold_file=folder / "splits.json",
        of="cv_fold",
        without_folds=(0,),
        classes=tuple(range(len(NAMES))),
        names=NAMES,
        features=(32, 64, 96, 128),
        size=(config.side,),
        binning=BINNING[config.labels] if config.binning is None else config.binning,
        patch=config.patch,
        steps=config.steps,
        batch=config.batch,
        zoom=0.3,
        angle=20.0,
        noise=0.1,
        turned=True,
        seed=config.seed,
    )


def fold_of(config: Config, fold: int) -> tuple[AnnotatedSplit, training.SegmenterRecipe]:
    """What a fold is told by, and the fold; and what a network is trained with."""
    options = dataclasses.replace(comparison_of(config).of_fold(str(fold)), fold=fold)
    return read_annotated_split(options), recipe_of(options)


def main(config: Config) -> None:
    """Train and judge each fold, and print the tables."""
    segment_compare.run(comparison_of(config))


if __name__ == "__main__":
    run_experiment(main, Config)
