"""Seven families of microstructures, told by the visual words that their micrographs hold.

    python -m experiments.texture_families --run runs/texture_families

After B. L. DeCost, E. A. Holm, "A computer vision approach for automated analysis and
classification of microstructural image data", Comput. Mater. Sci. 110, 126-133 (2015): local
descriptors, a vocabulary of them by k-means, and a support vector machine with the chi-squared
kernel on how often each word occurs; seven classes of 105 micrographs. Theirs are of many
materials and not to be had: here the families are synthetic, 15 micrographs of each, of random
scale, fraction, contrast and light, which the classes share.

Everything, the vocabulary too, is learned inside each of five folds.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from idml_jax import report
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.training import ChiSquaredMachine, features

SIDE = 128
"""Pixels along each side of a micrograph."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Seven families of microstructures."""

    run: pathlib.Path = pathlib.Path("runs/texture_families")
    """Folder for the table and a sheet of samples."""
    each: int = 15
    """Micrographs of each family."""
    repeats: int = 1
    """Times that they are parted into five folds."""
    seed: int = 0
    """Of everything random."""


Family = Callable[[PRNGKeyArray, float], Bool[np.ndarray, "rows cols"]]
"""A microstructure of so many pixels from one feature to the next."""


def grains(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Polycrystal: its boundaries."""
    labels = np.asarray(synthetic.voronoi(key, (SIDE, SIDE), grains=round((SIDE / scale) ** 2)))
    return (labels != np.roll(labels, 1, 0)) | (labels != np.roll(labels, 1, 1))


def lamellae(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Straight layers of one direction, in grains of another one each."""
    grain_key, angle_key = jax.random.split(key)
    labels = np.asarray(synthetic.voronoi(grain_key, (SIDE, SIDE), grains=5))
    angles = np.asarray(jax.random.uniform(angle_key, (labels.max() + 1,), maxval=math.pi))
    rows, cols = np.indices(labels.shape)
    along = rows * np.sin(angles)[labels] + cols * np.cos(angles)[labels]
    return along % scale < scale / 2


def dendrites(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Solid that grew from a melt: the larger the scale, the fewer crystals."""
    grown = synthetic.dendrites(key, (2 * SIDE, 2 * SIDE), nuclei=round(72 / scale), steps=800)
    return np.asarray(grown).reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3)) > 0.5


def spheroids(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Discs that do not touch."""
    packing = synthetic.hard_spheres(key, (SIDE, SIDE), radius=scale / 3, volume_fraction=0.3)
    return np.asarray(packing.labels) > 0


def spinodal(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """What a mixture parts into."""
    return np.asarray(synthetic.spinodal(key, (SIDE, SIDE), wavelength=scale)) > 0


def fibres(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Rods of all directions, one upon the other."""
    return np.asarray(
        synthetic.fibres(key, (SIDE, SIDE), length=4 * scale, radius=scale / 8, volume_fraction=0.3)
    )


def pearlite(key: PRNGKeyArray, scale: float) -> Bool[np.ndarray, "rows cols"]:
    """Thin wavy plates in colonies."""
    return np.asarray(synthetic.pearlite(key, (SIDE, SIDE), spacing=scale))


FAMILIES: Mapping[str, Family] = {
    each.__name__: each
    for each in (grains, lamellae, dendrites, spheroids, spinodal, fibres, pearlite)
}


def micrographs_of(
    config: Config,
) -> tuple[Float[np.ndarray, "count rows cols 1"], Int[np.ndarray, " count"]]:
    """Of all families, one behind the other, and the number of each one's."""
    random, images = np.random.default_rng(config.seed), []
    for family in tqdm(FAMILIES.values(), desc="families", unit="family"):
        for _ in range(config.each):
            scale = 12 * math.exp(random.normal(scale=0.2))
            keys = jax.random.split(jax.random.key(random.integers(2**31)))
            middle, contrast = random.normal(0.5, 0.05), random.normal(0.2, 0.04)
            greys = (middle - contrast, middle + contrast)[:: random.choice((-1, 1))]
            image = synthetic.render_micrograph(
                keys[1],
                family(keys[0], scale),
                greys=greys,
                blur=1.0,
                uneven_light=0.1,
                noise=0.06,
            )
            images.append(np.clip(np.asarray(image), 0, 1))
    return np.stack(images), np.repeat(np.arange(len(FAMILIES)), config.each)


def ways(seed: int) -> dict[str, Any]:
    """The paper's, and what is beside it."""
    words = features.VisualWords(words=100, seed=seed)
    machine = ChiSquaredMachine(C=10, gamma=1.0, seed=seed)
    return {
        "bag of words, chi-squared": make_pipeline(words, machine),
        "bag of words, Gaussian": make_pipeline(words, StandardScaler(), SVC(C=10)),
        "VLAD, linear": make_pipeline(
            features.VisualWords(words=32, kind="vlad", seed=seed), SVC(kernel="linear")
        ),
        "keypoints, chi-squared": make_pipeline(
            features.VisualWords(words=100, places="keypoints", seed=seed),
            machine,
        ),
        "local binary patterns, Gaussian": make_pipeline(
            features.LocalBinaryPatterns(), StandardScaler(), SVC(C=10)
        ),
    }


def main(config: Config) -> None:
    """Make the micrographs, tell them in folds, and print the table."""
    images, labels = micrographs_of(config)
    config.run.mkdir(parents=True, exist_ok=True)
    shown = images.reshape(len(FAMILIES), config.each, SIDE, SIDE, 1)[:, :5]
    sheet = shown[..., 0].transpose(0, 2, 1, 3).reshape(len(FAMILIES) * SIDE, -1)
    report.write_grey_png(config.run / "samples.png", sheet)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=config.repeats, random_state=config.seed)
    rows: list[tuple[str, ...]] = [("by", "accuracy", "worst fold")]
    results = {}
    for name, way in tqdm(ways(config.seed).items(), desc="ways", unit="way"):
        found = cross_val_score(way, images, labels, cv=folds)
        results[name] = found.tolist()
        rows.append((name, f"{found.mean():.3f} +- {found.std(ddof=1):.3f}", f"{found.min():.3f}"))
    report.write_json(config.run / "result.json", results)
    print(report.aligned_text(rows))
    print(f"samples: {config.run / 'samples.png'}")


if __name__ == "__main__":
    run_experiment(main, Config)
