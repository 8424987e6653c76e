"""Dendrites or not, and seen along or across: a grid of features and classifiers, nested folds.

    python -m experiments.dendrite_views --run runs/dendrite_views

After A. Chowdhury, E. Kautz, B. Yener, D. Lewis, "Image driven machine learning methods for
microstructure recognition", Comput. Mater. Sci. 123, 176-187 (2016): micrographs with and without
dendrites, and those with them by whether they are cut along or across; handcrafted and learned
features, several classifiers, cross-validation. Their micrographs are not to be had; here dendrites
are trunks with side arms, cut along them, or the crosses that a cut across shows, beside grains and
spheroids, of random scale, direction, contrast and light.

Scales, vocabularies and principal components are learned inside each fold, and so is each
classifier's parameter chosen, by folds of its own.
"""

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import imageio.v3 as imageio
import jax
import numpy as np
import scipy.ndimage
from jaxtyping import Bool
from tqdm import tqdm

from idml_jax import report
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.workflows import classify_compare

SIDE = 96
"""Pixels along each side of a micrograph."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Dendrites, and how they are cut."""

    run: pathlib.Path = pathlib.Path("runs/dendrite_views")
    """Folder for the micrographs and the tables; a run there goes on."""
    each: int = 30
    """Micrographs of dendrites of each view, and of each of two things that are none."""
    folds: int = 5
    """Parts, each judged by once."""
    seed: int = 0
    """Of everything random."""


def along(random: np.random.Generator) -> Bool[np.ndarray, "rows cols"]:
    """Parallel trunks with side arms at a right angle, of any direction."""
    spacing, arms = random.uniform(18, 26), random.uniform(5, 8)
    rows, cols = np.indices((2 * SIDE, 2 * SIDE)) - SIDE
    place = rows + random.uniform(0, spacing)
    offset = (place + spacing / 2) % spacing - spacing / 2
    trunk = np.abs(offset) < 0.1 * spacing
    bent = random.uniform(0, arms, 64)[(place // spacing).astype(int) % 64]
    arm = (cols + bent + 0.5 * np.abs(offset)) % arms < 0.5 * arms
    length = 0.42 * spacing * (0.75 + 0.25 * np.sin(0.3 * cols + bent))
    return turned(trunk | (arm & (np.abs(offset) < length)), random)


def across(random: np.random.Generator) -> Bool[np.ndarray, "rows cols"]:
    """Crosses with side arms, on a square grid with gaps, of any direction."""
    spacing = random.uniform(20, 28)
    rows, cols = np.indices((2 * SIDE, 2 * SIDE)) - SIDE
    shift = random.uniform(0, spacing, 2)
    y, x = (
        (place + move) % spacing - spacing / 2
        for place, move in ((rows, shift[0]), (cols, shift[1]))
    )
    near, far = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    size = spacing * random.uniform(0.36, 0.44)
    cross = near < np.maximum(0.05, 0.16 - 0.22 * far / spacing) * spacing
    teeth = (near < 0.5 * (size - far)) & ((far + 0.3 * near) % 5 < 2.5)
    return turned((cross | teeth) & (far < size), random)


def turned(
    solid: Bool[np.ndarray, "rows cols"], random: np.random.Generator
) -> Bool[np.ndarray, "half half"]:
    """The middle of it, turned by any angle and slightly bent."""
    angle = random.uniform(0, 2 * math.pi)
    rows, cols = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    bends = scipy.ndimage.gaussian_filter(random.normal(size=(2, SIDE, SIDE)), (0, 12, 12))
    bends *= 2.0 / bends.std()
    rows, cols = rows + bends[0], cols + bends[1]
    places = (
        math.cos(angle) * rows - math.sin(angle) * cols + SIDE,
        math.sin(angle) * rows + math.cos(angle) * cols + SIDE,
    )
    return scipy.ndimage.map_coordinates(solid.astype(float), places, order=1) > 0.5


def grains(random: np.random.Generator) -> Bool[np.ndarray, "rows cols"]:
    """Equiaxed grains, by their boundaries."""
    key = jax.random.key(random.integers(2**31))
    labels = np.asarray(synthetic.voronoi(key, (SIDE, SIDE), grains=int(random.integers(15, 40))))
    edges = (labels != np.roll(labels, 1, 0)) | (labels != np.roll(labels, 1, 1))
    return np.logical_not(scipy.ndimage.binary_dilation(edges))


def spheroids(random: np.random.Generator) -> Bool[np.ndarray, "rows cols"]:
    """Discs, some of which overlap."""
    key = jax.random.key(random.integers(2**31))
    return np.asarray(
        synthetic.boolean_model(
            key, (SIDE, SIDE), radius=random.uniform(4, 8), volume_fraction=0.45
        )
    )


SEEN = {"along": along, "across": across, "grains": grains, "spheroids": spheroids}

TASKS = {
    "dendrites or not": {
        "dendrites": ("along", "across"),
        "others": ("grains", "spheroids"),
    },
    "along or across": {"along": ("along",), "across": ("across",)},
}
"""The paper's two, and what each of their classes is made of."""


def write(config: Config, folder: pathlib.Path, kinds: Sequence[str]) -> None:
    """Micrographs of each of some things to see, the same whatever the others are."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in tqdm(kinds, desc="micrographs", unit="kind"):
        random = np.random.default_rng((config.seed, list(SEEN).index(kind)))
        for number in range(config.each):
            contrast, middle = random.normal(0.18, 0.03), random.normal(0.5, 0.04)
            image = synthetic.render_micrograph(
                jax.random.key(random.integers(2**31)),
                SEEN[kind](random),
                greys=(middle - contrast, middle + contrast)[:: random.choice((-1, 1))],
                blur=0.9,
                uneven_light=0.1,
                noise=0.06,
            )
            grey = np.rint(255 * np.clip(np.asarray(image)[..., 0], 0, 1)).astype(np.uint8)
            png = imageio.imwrite("<bytes>", grey, extension=".png")
            report.write_atomically(folder / f"{kind}-{number:03d}.png", png)


def main(config: Config) -> None:
    """Make the micrographs, compare ways to tell them, and print both tables."""
    for task, classes in TASKS.items():
        run = config.run / task.replace(" ", "_")
        folder = run / "micrographs"
        write(config, folder, [kind for kinds in classes.values() for kind in kinds])
        rows = [
            (f"{kind}-{number:03d}.png", name)
            for name, kinds in classes.items()
            for kind in kinds
            for number in range(config.each)
        ]
        table = run / "classes.csv"
        report.write_atomically(table, report.csv_text(("file", "class"), rows))
        print(f"\n{task}")
        classify_compare.run(
            classify_compare.Config(
                images=folder,
                labels=table,
                run=run,
                features=("patterns", "haralick", "gradients", "words"),
                classifiers=("svm", "logistic", "forest", "neighbours"),
                folds=config.folds,
                nested=True,
                seed=config.seed,
            )
        )


if __name__ == "__main__":
    run_experiment(main, Config)
