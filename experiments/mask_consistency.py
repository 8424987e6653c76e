"""How well masks of small precipitates can be told at all: what they say of where grey values end.

    python -m experiments.mask_consistency --data DATA

The masks of the superalloy of `few_annotated_micrographs` follow the noise of its micrographs: an
annotator's tool grew regions up to a grey value, another one at each precipitate. So the mask of a
precipitate is its pixels below a threshold, and nobody can tell it better than the threshold can
be told. Of each tertiary precipitate, in its exact place, which no one has who is to find it:

- its own best threshold: what any answer by grey values comes to at most;
- half way between its core and its surroundings;
- a threshold that a linear model expects, by ridge regression on the precipitates of the training
  micrographs, of how deep, how wide and in what noise it is.

With `--run` a trained segmenter is taken apart beside: what it missed, what it saw where the masks
have nothing, how well it tells the pixels of those that it found, and how well the very micrographs
that it was trained on.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float, Int
from skimage import measure
from sklearn.linear_model import RidgeCV

from experiments.few_annotated_micrographs import STUDIES
from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment

STUDY = STUDIES["superalloy"]
TERTIARY = STUDY.classes.index("tertiary")
LEAST = 12
"""Pixels of a precipitate that is looked at."""
AROUND = 3
"""Pixels around a precipitate that may be taken for it, and then for its surroundings."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Masks of small precipitates."""

    data: pathlib.Path
    """Folder that holds nasa-superalloy."""
    run: pathlib.Path | None = None
    """A segmenter of its three classes."""


class Precipitate(NamedTuple):
    """Pixels that may be of it, relative to its surroundings."""

    grey: Float[np.ndarray, " pixels"]
    within: Bool[np.ndarray, " pixels"]
    depth: float
    """Of its core."""
    width: float
    """Side of a square of as many pixels as are below half its depth."""
    noise: float
    """Deviation of its surroundings."""

    def told(self, threshold: float) -> tuple[int, int]:
        """Pixels of it that lie below a threshold, and all that are its or lie below."""
        below = self.grey <= threshold
        return int((below & self.within).sum()), int((below | self.within).sum())

    def best_threshold(self) -> float:
        """The one that tells it best."""
        order = np.argsort(self.grey)
        right = np.cumsum(self.within[order])
        either = self.within.sum() + np.arange(1, len(order) + 1) - right
        return float(self.grey[order][(right / either).argmax()])


def precipitates_of(one: data.Annotated) -> list[Precipitate]:
    """All that are large enough and have surroundings of their own."""
    image = one.micrograph.image[..., 0].astype(np.float64)
    # A little smoother: the tool that masks were drawn with seems to be.
    smooth, smoother = (scipy.ndimage.gaussian_filter(image, width) for width in (0.6, 1.0))
    numbers = _numbered(one.labels == TERTIARY)
    found = []
    for number, place in enumerate(scipy.ndimage.find_objects(numbers), 1):
        place = tuple(slice(max(0, at.start - 6), at.stop + 6) for at in place)
        within = numbers[place] == number
        other = (one.labels[place] > 0) & ~within
        near, far = _grown(within, AROUND), _grown(within, 2 * AROUND)
        ring = far & ~near & ~_grown(other, 2)
        if within.sum() < LEAST or ring.sum() < LEAST:
            continue
        near &= ~other
        level = float(np.median(image[place][ring]))
        core = float(np.sort(smoother[place][near])[:5].mean()) - level
        grey = smooth[place][near] - level
        width = float((grey < core / 2).sum() ** 0.5)
        noise = float(image[place][ring].std())
        found.append(Precipitate(grey, within[near], core, width, noise))
    return found


def overlap(told: Sequence[Precipitate], thresholds: Sequence[float]) -> float:
    """Intersection over union of all of them together."""
    pairs = zip(told, thresholds, strict=True)
    counts = np.array([each.told(threshold) for each, threshold in pairs])
    return float(np.divide(*counts.sum(axis=0)))


def taken_apart(
    segmenter: training.Segmenter, annotated: Sequence[data.Annotated]
) -> list[tuple[str, ...]]:
    """Rows: what a segmenter found, in pixels, and how well it tells what it found."""
    rows: list[tuple[str, ...]] = []
    rows.append(
        ("micrograph", "IoU", "pixels", "missed whole", "seen in nothing", "IoU of the found")
    )
    sums = np.zeros(5, int)
    for one in annotated:
        there = one.labels == TERTIARY
        told = segmenter.predict(one.micrograph.image).argmax(axis=-1) == TERTIARY
        missed, seen = _apart(there, told), _apart(told, there)
        both, either = int((there & told).sum()), int((there | told).sum())
        counts = np.array([both, either, int(there.sum()), missed, seen])
        rows.append((one.name, *_shown(counts)))
        sums += counts
    rows.append(("all", *_shown(sums)))
    return rows


def _shown(counts: np.ndarray) -> tuple[str, ...]:
    both, either, there, missed, seen = map(int, counts)
    found = both / (either - missed - seen)
    return f"{both / either:.3f}", f"{there}", f"{missed}", f"{seen}", f"{found:.3f}"


def _apart(mask: Bool[np.ndarray, "rows cols"], other: Bool[np.ndarray, "rows cols"]) -> int:
    """Pixels of the regions of a mask that have none in common with the other."""
    numbers = _numbered(mask)
    return int((mask & ~np.isin(numbers, np.unique(numbers[other]))).sum())


def _numbered(mask: Bool[np.ndarray, "rows cols"]) -> Int[np.ndarray, "rows cols"]:
    """Its regions by number from 1, neighbours by sides alone."""
    return np.asarray(measure.label(mask, connectivity=1))


def _grown(mask: Bool[np.ndarray, "rows cols"], by: int) -> Bool[np.ndarray, "rows cols"]:
    return np.asarray(scipy.ndimage.binary_dilation(mask, iterations=by), bool)


def main(config: Config) -> None:
    """Print the tables."""
    train, val = STUDY.read(config.data, STUDY.of)
    known, unseen = ([each for one in part for each in precipitates_of(one)]
                     for part in (train, val))  # fmt: skip

    def features(part: list[Precipitate]) -> np.ndarray:
        return np.array([(each.depth, each.width, each.noise) for each in part])

    best = [each.best_threshold() for each in known]
    expected = RidgeCV().fit(features(known), best).predict(features(unseen))
    rows = [("threshold", f"IoU of {len(unseen)} precipitates of val")]
    for name, thresholds in {
        "each one's best": [each.best_threshold() for each in unseen],
        "half its depth": [each.depth / 2 for each in unseen],
        "expected of depth, width and noise": list(expected),
    }.items():
        rows.append((name, f"{overlap(unseen, thresholds):.3f}"))
    print(report.aligned_text(rows))
    if config.run is not None:
        segmenter = training.load_segmenter(config.run)
        print("\n" + report.aligned_text(taken_apart(segmenter, val)))
        columns = evaluation.score_columns(STUDY.classes)
        table: list[tuple[str, ...]] = [("network", "micrographs", "mean IoU", *STUDY.classes)]
        networks = {"best": segmenter, "last": training.load_segmenter(config.run, last=True)}
        for state, network in networks.items():
            for name, part in (("val", val), ("those it was trained on", train)):
                scores = evaluation.scores_on(network, part, STUDY.classes)
                table.append((state, name, *report.cells(scores, columns)))
        print("\n" + report.aligned_text(table))


if __name__ == "__main__":
    run_experiment(main, Config)
