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
import json
import pathlib
import time
from typing import Any

import numpy as np
import tyro

from idml_jax import data, evaluation, report, training
from idml_jax.cli import prepare_jax

NAMES = ("matrix", "network", "spheroidite", "Widmanstaetten")


@dataclasses.dataclass(frozen=True)
class Config:
    """Constituents of a steel."""

    data: pathlib.Path
    """Folder that holds uhcs-segmentation."""
    run: pathlib.Path = pathlib.Path("runs/steel_constituents")
    """Folder for the trainings and the table; a run there goes on."""
    steps: int = 400
    """Of each training."""
    binning: int = 2
    """Pixels along each side of what the network sees as one; it is judged by all pixels."""
    side: int = 160
    """Of the crops, in blocks of so many pixels."""
    batch: int = 8
    """Crops in each step."""
    seed: int = 0
    """Of everything random."""


def recipe_of(config: Config) -> training.SegmenterRecipe:
    """A deeper network than by default, of coarser pixels: a field is told by what is around."""
    return training.SegmenterRecipe(
        features=(16, 32, 64, 96, 128),
        size=(config.side, config.side),
        binning=config.binning,
        steps=config.steps,
        batch=config.batch,
        class_weights="root",
        changes=data.Changes(zoom=0.3, angle=20.0, brightness=0.2, contrast=0.2, noise=0.1),
        seed=config.seed,
    )


def main(config: Config) -> None:
    """Train and judge each fold, and print the table."""
    prepare_jax()
    folder = config.data / "uhcs-segmentation"
    fold_of: dict[str, int] = json.loads((folder / "splits.json").read_text())["cv_fold"]
    images = {path.stem for path in (folder / "images").iterdir()}
    folds = sorted({fold for name, fold in fold_of.items() if name in images})
    classes = tuple(range(len(NAMES)))
    annotated = {
        fold: data.read_annotated(
            folder / "images",
            folder / "masks_fields",
            names=[name for name in images if fold_of[name] == fold],
            classes=classes,
        ).micrographs
        for fold in folds
    }
    counts: dict[str, list[np.ndarray]] = {"random forest": [], "U-Net": []}
    seconds: dict[str, float] = dict.fromkeys(counts, 0.0)
    for fold in folds:
        known = [one for other in folds if other != fold for one in annotated[other]]
        began = time.perf_counter()
        forest = training.ForestSegmenter.of(known, classes)
        counts["random forest"].append(evaluation.pixel_counts(forest, annotated[fold]).sum(axis=0))
        seconds["random forest"] += time.perf_counter() - began
        began = time.perf_counter()
        segmenter = training.train_segmenter(
            known, classes, recipe_of(config), run=config.run / f"fold_{fold}"
        )
        counts["U-Net"].append(evaluation.pixel_counts(segmenter, annotated[fold]).sum(axis=0))
        seconds["U-Net"] += time.perf_counter() - began
    rows: list[tuple[str, ...]] = [("by", "mean IoU", *NAMES, "over folds", "seconds a fold")]
    results: dict[str, Any] = {"folds": folds}
    for way, of_folds in counts.items():
        whole = evaluation.pixel_scores(np.sum(of_folds, axis=0), NAMES)
        each = [evaluation.pixel_scores(of_fold, NAMES)["mean IoU"] for of_fold in of_folds]
        results[way] = {"scores": whole, "mean IoU of folds": each, "seconds": seconds[way]}
        rows.append(
            (
                way,
                f"{whole['mean IoU']:.3f}",
                *(f"{whole[f'IoU, {name}']:.3f}" for name in NAMES),
                f"{np.mean(each):.3f} +- {np.std(each, ddof=1):.3f}",
                f"{seconds[way] / len(folds):.0f}",
            )
        )
    report.write_json(config.run / "result.json", results)
    print(report.aligned_text(rows))


if __name__ == "__main__":
    main(tyro.cli(Config))
