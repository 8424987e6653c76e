"""Dendrites: how the same pixels are best cut for a training, and other cameras' images are told.

    python -m experiments.dendrite_crops --run runs/dendrite_crops

After T. Stan, Z. T. Thompson, P. W. Voorhees, "Optimizing convolutional neural networks to perform
semantic segmentation on large materials imaging datasets: X-ray tomography and serial sectioning",
Mater. Charact. 160, 110119 (2020): from few annotated images many small crops teach a network more
than few large ones of as many pixels, and the network does better than conventional segmentation.
Their volumes are not to be had; here the dendrites are grown by a phase field, and seen with noise,
blur and uneven light.

Each plan shows the network as many pixels in each step, for as many steps. Then the best one's
network is given images of another camera, darker and of less contrast, as they are and after their
histograms have been matched to that of an image that it learned from.
"""

import dataclasses
import pathlib
import time
from typing import Any

import jax
import numpy as np
from skimage import exposure
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.typing import Image

SIDE = 512
"""Pixels along each side of an image."""

PLANS = ((32, 64), (64, 16), (128, 4), (256, 1))
"""Side of the crops, and how many of them are in each step."""

CLASSES = ("liquid", "solid")


@dataclasses.dataclass(frozen=True)
class Config:
    """Crops of dendrites."""

    run: pathlib.Path = pathlib.Path("runs/dendrite_crops")
    """Folder for the trainings and the table; a run there goes on."""
    known: int = 6
    """Images to learn from."""
    seen: int = 4
    """Images to judge by."""
    steps: int = 250
    """Of each training."""
    seeds: tuple[int, ...] = (0, 1)
    """Of the trainings."""


def drawn(number: int) -> data.Annotated:
    """Dendrites, and how they are seen."""
    keys = jax.random.split(jax.random.key(number))
    grown = synthetic.dendrites(keys[0], (SIDE, SIDE), nuclei=8, steps=1000)
    solid = np.asarray(grown) > 0.5
    image = synthetic.render_micrograph(
        keys[1], solid, greys=(0.42, 0.58), blur=1.2, uneven_light=0.12, noise=0.12
    )
    micrograph = data.Micrograph(np.clip(np.asarray(image), 0, 1), f"dendrites-{number}")
    return data.Annotated(micrograph, solid.astype(np.int32))


def of_another_camera(image: Image) -> Image:
    """Darker, of less contrast, and not in proportion."""
    return (0.05 + 0.5 * image**1.8).astype(np.float32)


def with_images(annotated: data.Annotated, image: Image) -> data.Annotated:
    """The same classes of another image."""
    micrograph = dataclasses.replace(annotated.micrograph, image=image.astype(np.float32))
    return data.Annotated(micrograph, annotated.labels)


def scores(
    segmenter: evaluation.PixelClassifier, annotated: list[data.Annotated]
) -> dict[str, float]:
    """Of pixels, and of where boundaries are."""
    found = evaluation.scores_on(segmenter, annotated, CLASSES)
    off = [
        evaluation.boundary_displacement(
            one.labels, segmenter.predict(one.micrograph.image).argmax(axis=-1), classes=2
        )[1]
        for one in annotated
    ]
    return {
        "accuracy": found["accuracy"],
        "mean IoU": found["mean IoU"],
        "boundary, pixels": float(np.mean(off)),
    }


def main(config: Config) -> None:
    """Grow, train by each plan, and print the tables."""
    numbers = tqdm(range(config.known + config.seen), desc="dendrites", unit="image")
    made = [drawn(number) for number in numbers]
    known, seen = made[: config.known], made[config.known :]
    columns = ("accuracy", "mean IoU", "boundary, pixels")
    rows: list[tuple[str, ...]] = [("told by", *columns, "seconds")]
    results: dict[str, Any] = {}

    def row(name: str, found: list[dict[str, float]], seconds: float) -> None:
        results[name] = {"scores": found, "seconds": seconds}
        cells = []
        for column in columns:
            values = [each[column] for each in found]
            cells.append(f"{np.mean(values):.4f}")
            if len(values) > 1:
                cells[-1] += f" +- {np.std(values, ddof=1):.4f}"
        rows.append((name, *cells, f"{seconds:.0f}"))
        report.write_json(config.run / "result.json", results)

    began = time.perf_counter()
    threshold = training.ThresholdSegmenter.of(known, (0, 1))
    row("threshold (Otsu)", [scores(threshold, seen)], time.perf_counter() - began)
    networks: dict[str, training.Segmenter] = {}
    for side, batch in PLANS:
        name, found = f"{batch} crops of {side} x {side}", []
        began = time.perf_counter()
        for seed in config.seeds:
            networks[name] = training.train_segmenter(
                known,
                (0, 1),
                training.SegmenterRecipe(
                    features=(8, 16, 32, 48),
                    size=(side, side),
                    batch=batch,
                    steps=config.steps,
                    around_classes=0.0,
                    changes=data.Changes(),
                    seed=seed,
                ),
                run=config.run / f"{side}_{seed}",
            )
            found.append(scores(networks[name], seen))
        row(name, found, (time.perf_counter() - began) / len(config.seeds))
    best = max(
        networks, key=lambda name: np.mean([one["mean IoU"] for one in results[name]["scores"]])
    )
    other = [with_images(one, of_another_camera(one.micrograph.image)) for one in seen]
    reference = known[0].micrograph.image
    matched = [
        with_images(one, exposure.match_histograms(one.micrograph.image, reference))
        for one in other
    ]
    row("another camera", [scores(networks[best], other)], 0.0)
    row("another camera, matched", [scores(networks[best], matched)], 0.0)
    print(report.aligned_text(rows))


if __name__ == "__main__":
    run_experiment(main, Config)
