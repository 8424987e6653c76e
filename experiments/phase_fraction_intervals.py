"""Whether intervals of phase fractions hold the true ones as often as they say.

    python -m experiments.phase_fraction_intervals --run runs/phase_fraction_intervals

Micrographs of three phases that the computer makes, so that the fractions are known: level cuts of
Gaussian fields, blurred, with noise of an amplifier and uneven light, of other strengths in each
image. A small U-Net learns to tell the phases from 16 of them, and the best of it is chosen by
others, to which the intervals are fitted as `idml segment predict --uncertainty` does. On images
that nothing was fitted to, the share of phases is counted whose true fraction lies in its interval:
if all pixels were independent; if members of a segmenter differed from the truth as they do from
each other; and by conformal prediction with one width, or in units of how unsure the members are.

One fit to few images may cover more or less by luck, so that both are done again on many other
divisions of the same images: what the law is about.
"""

import dataclasses
import pathlib
import time
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy import stats
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment

CLASSES = (0, 1, 2)
GREYS = (0.35, 0.5, 0.65)
LEVELS = (0.5, 0.8, 0.9, 0.95)


@dataclasses.dataclass(frozen=True)
class Config:
    """Coverage of intervals of phase fractions."""

    run: pathlib.Path = pathlib.Path("runs/phase_fraction_intervals")
    """Folder for the trainings and the table; trainings there go on."""
    side: int = 128
    """Of the images, in pixels."""
    trained: int = 16
    """Images to train on."""
    fitted: int = 40
    """Images to choose the network by, and to fit the intervals to."""
    tested: int = 200
    """Images on which coverage is counted."""
    steps: int = 250
    """Of each training."""
    members: int = 3
    """Networks of the ensemble."""
    draws: int = 16
    """Of dropout."""
    divisions: int = 500
    """How often the last two kinds of images are divided anew."""
    seed: int = 0
    """Of everything random."""


class Fractions(NamedTuple):
    """Of images, by one way of telling them."""

    true: Float[np.ndarray, "images classes"]
    told: Float[np.ndarray, "images classes"]
    spread: Float[np.ndarray, "images classes"]
    """The unit of intervals."""
    deviation: Float[np.ndarray, "images classes"]
    """Of the members, or what it would be of independent pixels."""


def micrograph(seed: int, number: int, side: int) -> data.Annotated:
    """Three phases of random fractions, seen through a microscope of random faults."""
    random = np.random.default_rng([seed, number])
    field_key, noise_key = jax.random.split(jax.random.key(int(random.integers(2**31))))
    length, bright, middle = random.uniform((4, 0.1, 0.1), (9, 0.4, 0.4))
    field = data.synthetic.gaussian_random_field(field_key, (side, side), length=length)
    cuts = (data.synthetic.level_cut(field, share) for share in (bright, bright + middle))
    labels = np.stack([np.asarray(cut) for cut in cuts]).sum(axis=0, dtype=np.int32)
    image = data.synthetic.render_micrograph(
        noise_key,
        labels,
        greys=GREYS,
        blur=random.uniform(0.5, 2.0),
        uneven_light=random.uniform(0.0, 0.25),
        noise=random.uniform(0.02, 0.15),
    )
    return data.Annotated(data.Micrograph(np.asarray(image), f"{number}"), labels)


def trained(
    config: Config, seed: int, known: list[data.Annotated], judged: list[data.Annotated]
) -> training.Segmenter:
    """A small network with dropout."""
    recipe = training.SegmenterRecipe(
        features=(8, 16, 32),
        dropout=0.2,
        size=(64, 64),
        steps=config.steps,
        judge_every=max(1, config.steps // 5),
        seed=seed,
    )
    return training.train_segmenter(
        known,
        CLASSES,
        recipe,
        run=config.run / f"network_{seed}",
        judge=evaluation.judge_pixels(judged),
    )


def fractions_by(
    segmenter: training.UncertainSegmenter, annotated: list[data.Annotated], way: str
) -> Fractions:
    """What members say of the fractions of each image."""
    found = []
    for one in tqdm(annotated, desc=way, unit="image"):
        told = segmenter.tell(one.micrograph.image)
        true = evaluation.class_fractions(one.labels, classes=len(CLASSES))
        labels = told.probabilities.argmax(axis=-1)
        best = evaluation.class_fractions(labels, classes=len(CLASSES))
        members = evaluation.class_fractions(told.labels, classes=len(CLASSES))
        unsure = evaluation.fraction_spread(told.labels, told.probabilities)
        found.append((true, best, unsure, members.std(axis=0, ddof=1)))
    return Fractions(*(np.array(each) for each in zip(*found, strict=True)))


def fractions_of_pixels(
    segmenter: training.Segmenter, annotated: list[data.Annotated]
) -> Fractions:
    """As of independent pixels that each are of a class by its probability."""
    found = []
    for one in annotated:
        shares = segmenter.predict(one.micrograph.image)
        true = evaluation.class_fractions(one.labels, classes=len(CLASSES))
        told = evaluation.class_fractions(shares.argmax(axis=-1), classes=len(CLASSES))
        deviation = np.sqrt((shares * (1 - shares)).sum(axis=(0, 1))) / one.labels.size
        found.append((true, told, np.ones_like(told), deviation))
    return Fractions(*(np.array(each) for each in zip(*found, strict=True)))


def held(
    fractions: Fractions, fitted: np.ndarray, tested: np.ndarray, level: float, *, normal: bool
) -> tuple[Float[np.ndarray, "tested classes"], Float[np.ndarray, "tested classes"]]:
    """Which of the tested fractions lie in their intervals, and how wide these are.

    By deviations as those of normal numbers, or by spreads and fitted to images.
    """
    true, told, spread, deviation = (each[tested] for each in fractions)
    if normal:
        reach = stats.norm.ppf((1 + level) / 2) * deviation
    else:
        known = (each[fitted] for each in fractions[:3])
        reach = evaluation.FractionIntervals.of(*known).factor(level) * spread
    low, high = np.maximum(told - reach, 0), np.minimum(told + reach, 1)
    return ((low <= true) & (true <= high)).astype(float), high - low


def main(config: Config) -> None:
    """Train, count, and print the table."""
    count = config.trained + config.fitted + config.tested
    made = [micrograph(config.seed, number, config.side) for number in range(count)]
    known, others = made[: config.trained], made[config.trained :]
    began = time.process_time()
    networks = [
        trained(config, seed, known, others[: config.fitted]) for seed in range(config.members)
    ]
    seconds = time.process_time() - began
    members = {
        "turns": training.turned_members(networks[0]),
        "dropout": training.thinned_members(networks[0], config.draws),
        "ensemble": networks,
    }
    by_way = {
        way: fractions_by(training.UncertainSegmenter(each), others, way)
        for way, each in members.items()
    }
    of_pixels = fractions_of_pixels(networks[0], others)
    ways = {"independent pixels": (of_pixels, True)}
    ways |= {f"{way}, as they differ": (each, True) for way, each in by_way.items()}
    ways |= {"conformal, one width": (of_pixels, False)}
    ways |= {f"conformal, {way}": (each, False) for way, each in by_way.items()}

    first = np.arange(config.fitted), np.arange(config.fitted, len(others))
    random = np.random.default_rng(config.seed)
    orders = [random.permutation(len(others)) for _ in range(config.divisions)]
    divisions = [(order[: config.fitted], order[config.fitted :]) for order in orders]
    head = ("by", "level", "held", "of images, 95 %", "on other divisions", "width")
    rows: list[tuple[str, ...]] = [head]
    result: dict[str, list[dict[str, float]]] = {}
    for way, (fractions, normal) in ways.items():
        for level in LEVELS:
            inside, width = held(fractions, *first, level, normal=normal)
            # The classes of an image go together: it counts once.
            low, high = wilson(inside.mean(), len(inside))
            again = [held(fractions, *each, level, normal=normal)[0].mean() for each in divisions]
            values = {
                "level": level,
                "held": float(inside.mean()),
                "low": low,
                "high": high,
                "divisions": float(np.mean(again)),
                "width": float(width.mean()),
            }
            result.setdefault(way, []).append(values)
            rows.append(
                (
                    way,
                    f"{level}",
                    f"{inside.mean():.3f}",
                    f"[{low:.3f}, {high:.3f}]",
                    f"{np.mean(again):.3f}",
                    f"{width.mean():.4f}",
                )
            )
    text = report.aligned_text(rows)
    for way, each in by_way.items():
        off = np.abs(each.told - each.true)
        ranks = np.mean(
            [rank_correlation(*pair) for pair in zip(off.T, each.spread.T, strict=True)]
        )
        text += f"\n{way}: off by {off.mean():.4f}, in rank order as the spread by {ranks:.2f}"
    print(f"{text}\n{config.members} trainings: {seconds:.0f} s of a processor")
    report.write_json(config.run / "result.json", {"coverage": result, "seconds": seconds})


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's."""
    return float(np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1])


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent draws: E. B. Wilson, JASA 22, 209-212 (1927)."""
    z = stats.norm.ppf(0.975)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float(middle - reach), float(middle + reach)


if __name__ == "__main__":
    run_experiment(main, Config)
