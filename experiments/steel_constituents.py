"""Constituents of an ultrahigh carbon steel, cross-validated over 20 micrographs.

    python -m experiments.steel_constituents --data DATA --run runs/steel_constituents

After B. L. DeCost, B. Lei, T. Francis, E. A. Holm, "High throughput quantitative metallography for
complex microstructures using deep learning: a case study in ultrahigh carbon steel", Microsc.
Microanal. 25, 21-29 (2019), arXiv 1805.08693: matrix, network of cementite, spheroidite and
Widmanstaetten cementite, as fields, in micrographs of several magnifications. They take features of
a network that was trained on photographs, and train what tells the classes from them; here nothing
is pre-trained.

`DATA` is a folder that holds uhcs-segmentation, with its folds 1 to 5. Each fold is told by a
network, and by a random forest, that saw the other four; nothing is chosen by it.
"""

import dataclasses
import pathlib

import tyro

from idml_jax.cli import prepare_jax
from idml_jax.workflows import segment_compare

NAMES = ("matrix", "network", "spheroidite", "Widmanstaetten")


@dataclasses.dataclass(frozen=True)
class Config:
    """Constituents of a steel."""

    data: pathlib.Path
    """Folder that holds uhcs-segmentation."""
    run: pathlib.Path = pathlib.Path("runs/steel_constituents")
    """Folder for the trainings and the table; a run there goes on."""
    steps: int = 600
    """Of each training."""
    binning: int = 2
    """Pixels along each side of what the network sees as one; it is judged by all pixels."""
    patch: int = 2
    """Such blocks along each side of what is one on the network's finest grid."""
    side: int = 160
    """Of the crops, in blocks."""
    batch: int = 8
    """Crops in each step."""
    seed: int = 0
    """Of everything random."""


def comparison_of(config: Config) -> segment_compare.Config:
    """Coarse pixels, as a field is told by what is around it."""
    folder = config.data / "uhcs-segmentation"
    return segment_compare.Config(
        folder / "images",
        folder / "masks_fields",
        config.run,
        fold_file=folder / "splits.json",
        of="cv_fold",
        without_folds=(0,),
        classes=tuple(range(len(NAMES))),
        names=NAMES,
        features=(32, 64, 96, 128),
        size=(config.side,),
        binning=config.binning,
        patch=config.patch,
        steps=config.steps,
        batch=config.batch,
        zoom=0.3,
        angle=20.0,
        noise=0.1,
        turned=True,
        seed=config.seed,
    )


def main(config: Config) -> None:
    """Train and judge each fold, and print the tables."""
    prepare_jax()
    segment_compare.run(comparison_of(config))


if __name__ == "__main__":
    main(tyro.cli(Config))
