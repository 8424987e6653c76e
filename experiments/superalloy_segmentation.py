"""Three phases of a nickel superalloy, told from ten micrographs, or from one.

    python -m experiments.superalloy_segmentation --data DATA --run runs/superalloy_segmentation

The benchmarks Super1 and Super3 of J. Stuckner, B. Harder, T. M. Smith, "Microstructure
segmentation with deep learning encoders pre-trained on a large microscopy dataset", npj Comput.
Mater. 8, 200 (2022): matrix, secondary and tertiary precipitates of SEM images, ten of which are to
train on in the one and a single one in the other; both are judged by the same four. Here nothing is
pre-trained.

Which single image it is may be luck: so the second is done with each of the ten in turn.

`DATA` is a folder that holds nasa-superalloy with its images, masks and splits.json.
"""

import dataclasses
import pathlib
import time
from typing import Any

import numpy as np
import tyro

from idml_jax import data, evaluation, report, training
from idml_jax.cli import prepare_jax

CLASSES = (0, 1, 2)
NAMES = ("matrix", "secondary", "tertiary")


@dataclasses.dataclass(frozen=True)
class Config:
    """Three phases of a superalloy."""

    data: pathlib.Path
    """Folder that holds nasa-superalloy."""
    run: pathlib.Path = pathlib.Path("runs/superalloy_segmentation")
    """Folder for the trainings and the tables; a run there goes on."""
    steps: int = 900
    """With ten micrographs."""
    single_steps: int = 300
    """With each one of them."""
    seed: int = 0
    """Of everything random."""


def recipe_of(steps: int, seed: int) -> training.SegmenterRecipe:
    """The same but for how long."""
    return training.SegmenterRecipe(
        steps=steps,
        changes=data.Changes(zoom=0.15, brightness=0.3, contrast=0.3, noise=0.1),
        judge_every=max(1, steps // 9),
        seed=seed,
    )


def main(config: Config) -> None:
    """Train, and print both tables."""
    prepare_jax()
    folder = config.data / "nasa-superalloy"
    split = data.read_split(folder / "splits.json", name="Super1")
    known, other = (
        data.read_annotated(folder / "images", folder / "masks", names=names, classes=CLASSES)
        for names in (split.train, split.val)
    )
    one = data.read_split(folder / "splits.json", name="Super3").train[0]
    rows: list[tuple[str, ...]] = [("trained on", "mean IoU", *NAMES, "seconds")]
    results: dict[str, Any] = {}

    def scored(name: str, segmenter: evaluation.PixelClassifier, began: float) -> None:
        counts = evaluation.pixel_counts(segmenter, other.micrographs).sum(axis=0)
        scores = evaluation.pixel_scores(counts, NAMES)
        seconds = time.perf_counter() - began
        results[name] = scores | {"seconds": seconds}
        columns = ("mean IoU", *(f"IoU, {phase}" for phase in NAMES))
        rows.append((name, *(f"{scores[each]:.3f}" for each in columns), f"{seconds:.0f}"))
        report.write_json(config.run / "result.json", results)

    def trained(name: str, given: list[data.Annotated], steps: int) -> None:
        began = time.perf_counter()
        segmenter = training.train_segmenter(
            given,
            CLASSES,
            recipe_of(steps, config.seed),
            run=config.run / name.replace(" ", "_"),
            judge=evaluation.judge_pixels(other.micrographs),
        )
        scored(name, segmenter, began)

    for name, given in (
        ("ten", known.micrographs),
        (one, [each for each in known.micrographs if each.name == one]),
    ):
        began = time.perf_counter()
        scored(f"{name}, random forest", training.ForestSegmenter.of(given, CLASSES), began)
    trained("ten", known.micrographs, config.steps)
    for each in known.micrographs:
        trained(each.name, [each], config.single_steps)
    print(report.aligned_text(rows))
    of_single = [results[each.name]["mean IoU"] for each in known.micrographs]
    print(
        f"\nof one image: {np.mean(of_single):.3f} +- {np.std(of_single, ddof=1):.3f}, from "
        f"{min(of_single):.3f} to {max(of_single):.3f}; Super3's own, {one}: "
        f"{results[one]['mean IoU']:.3f}"
    )


if __name__ == "__main__":
    main(tyro.cli(Config))
