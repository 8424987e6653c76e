"""From a micrograph to how the alloy was processed, and micrographs that a generator adds.

    python -m experiments.processing_conditions --run runs/processing_conditions

The study of W. Ma et al., "Image-driven discriminative and generative machine learning algorithms
for establishing microstructure-processing relationships", J. Appl. Phys. 128, 134901 (2020), arXiv
2007.13417: ten processing conditions, 272 micrographs, told apart with an F1 of 95.1 % by a random
forest on area fractions, texture and features of networks; a progressive GAN makes more of them.

Here the micrographs are those of `processing_series`: synthetic, as many and as imbalanced, 60 of
the commonest condition and 6 of the rarest. Three in ten specimens of each condition are held out,
of everything. What is classified and generated are crops; a micrograph's probabilities are the
mean over its crops.

Takes about 23 minutes of processor time, the most of it the generator's.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from sklearn.ensemble import RandomForestClassifier
from tqdm import tqdm

from experiments.processing_series import (
    CLASSES,
    CROP,
    EACH,
    SERIES,
    Crops,
    crops_of,
    specimens_of,
    texture,
)
from idml_jax import data, evaluation, report, training
from idml_jax.cli import run_experiment
from idml_jax.typing import Images


@dataclasses.dataclass(frozen=True)
class Config:
    """Ten processing conditions, told from micrographs with and without generated ones."""

    run: pathlib.Path = pathlib.Path("runs/processing_conditions")
    """Folder for the trainings, the numbers and the sample sheet; a run there goes on."""
    effort: float = 4.0
    """Images shown in the generator's training, in units of the default recipe's."""
    steps: int = 800
    """Of each classifier's training."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of networks and forests: each way to classify is tried with each."""
    trees: int = 400
    """Of a random forest."""
    seed: int = 0
    """Of the series, its split, the generator and its samples."""


def make_more(known: Sequence[Sequence[data.Micrograph]], count: int, config: Config) -> Crops:
    """So many images of each class, by a progressive GAN that is told the class."""
    # Repeated, so that the generator sees each class equally often, however rare it is.
    most = max(map(len, known))
    shown = [
        (number, micrograph)
        for number, of_class in enumerate(known)
        for micrograph in of_class
        for _ in range(round(most / len(of_class)))
    ]
    recipe = training.Recipe.of_size(
        (CROP, CROP),
        effort=config.effort,
        # The grain of these micrographs is that of single pixels.
        noise_from=3,
        # Their contrast changes from shot to shot.
        detector=True,
        # A rolled alloy has directions.
        turns="mirrors",
        augmented=True,
        conditions=CLASSES,
        seed=config.seed,
    )
    # Of unit mean square, as conditions are.
    told = math.sqrt(CLASSES) * np.eye(CLASSES, dtype=np.float32)
    gan = training.train_progressive_gan(
        [each for _, each in shown],
        run=config.run / "generator",
        recipe=recipe,
        conditions=told[[number for number, _ in shown]],
    )
    labels = np.repeat(np.arange(CLASSES), count)
    key = jax.random.key(config.seed + 1)
    images = gan.sample(key, len(labels), conditions=told[labels])
    return Crops(images, labels, texture(images))


def forest(config: Config, seed: int) -> RandomForestClassifier:
    """A random forest, before it is fitted."""
    return RandomForestClassifier(
        config.trees, class_weight="balanced_subsample", random_state=seed, n_jobs=-1
    )


def scores(truth: Crops, probabilities: Float[np.ndarray, "count classes"]) -> dict[str, Any]:
    """Of the micrographs, and of their crops each by itself."""
    of_micrographs = probabilities.reshape(-1, EACH, CLASSES).mean(axis=1)
    found: dict[str, Any] = {}
    for name, labels, each in (
        ("micrographs", truth.labels[::EACH], of_micrographs),
        ("crops", truth.labels, probabilities),
    ):
        counts = evaluation.confusion_matrix(labels, each.argmax(axis=1), classes=CLASSES)
        found |= {
            f"macro-F1, {name}": float(evaluation.f_score(counts, average="macro")),
            f"accuracy, {name}": float(evaluation.accuracy(counts)),
            f"confusion, {name}": counts.tolist(),
        }
    return found


def classify(
    config: Config, name: str, seed: int, known: Crops, seen: Crops
) -> tuple[dict[str, Any], training.TrainedClassifier]:
    """Three ways to tell the condition, trained on known crops and scored on held-out ones."""
    recipe = training.ClassifierRecipe(
        features=(8, 16, 32, 64), steps=config.steps, batch=16, learning_rate=2e-2, seed=seed
    )
    run = config.run / "classifiers" / f"{name}, seed {seed}".replace(" ", "_").replace(",", "")
    network = training.train_classifier(
        known.images, known.labels, recipe, run=run, augment=data.turn_at_random
    )

    def by_forest(given: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return np.asarray(forest(config, seed).fit(given, known.labels).predict_proba(asked))

    features = (evaluation.encode(crops.images, network.features) for crops in (known, seen))
    ways = {
        "forest on texture": by_forest(known.texture, seen.texture),
        "network": network.predict(seen.images),
        "forest on the network's features": by_forest(*features),
    }
    return {way: scores(seen, found) for way, found in ways.items()}, network


def told_apart(config: Config, one: Crops, other: Crops) -> list[float]:
    """Accuracy, for each seed, of a forest that tells two sets of crops apart; 0.5 if it cannot.

    As many of each class are in both. It is fitted on every second micrograph, one of each
    specimen, and scored on the others.
    """
    features = np.concatenate([one.texture, other.texture])
    truth = np.repeat([0, 1], [len(one.labels), len(other.labels)])
    fits = np.tile(np.arange(len(one.labels)) // EACH % 2 == 0, 2)
    found = []
    for seed in config.seeds:
        fitted = forest(config, seed).fit(features[fits], truth[fits])
        predicted = np.asarray(fitted.predict(features[~fits]))
        counts = evaluation.confusion_matrix(truth[~fits], predicted, classes=2)
        found.append(float(evaluation.accuracy(counts)))
    return found


def standardized(
    network: training.TrainedClassifier, known: Crops
) -> Callable[[Images], Float[np.ndarray, "batch features"]]:
    """A network's features in units of what they vary by, for kernels that ask for unit size."""
    found = evaluation.encode(known.images, network.features)
    mean, deviation = found.mean(axis=0), found.std(axis=0)
    # A feature that never varies tells nothing, and has no unit.
    varies = deviation > 0
    return lambda images: (
        (np.asarray(network.features(images)) - mean)[:, varies] / deviation[varies]
    )


def materials(
    known: Sequence[Sequence[data.Micrograph]],
    held_out: Sequence[Sequence[data.Micrograph]],
    generated: Crops,
) -> dict[str, dict[str, Any]]:
    """Of each class the area fraction, and how far off the two-point correlation is."""
    found = {}
    two = evaluation.VOLUME_FRACTION, evaluation.TWO_POINT
    for number, condition in enumerate(tqdm(SERIES, desc="two-point statistics", delay=2)):
        images = generated.images[generated.labels == number]
        compared = evaluation.compare(
            images, held_out[number], known[number], descriptors=two, permutations=1
        )
        s2 = compared[evaluation.TWO_POINT.name]
        found[str(condition)] = {
            "training micrographs": len(known[number]),
            "area fraction, held out": float(compared.held_out.fraction.mean),
            "area fraction, generated": float(compared.generated.fraction.mean),
            "S2 distance": s2.distance,
            "S2 distance, training to held out": s2.floor,
            "S2 distance, real to real": s2.scatter,
        }
    return found


def draw(path: pathlib.Path, seen: Crops, generated: Crops) -> None:
    """Held-out crops above generated ones, a column a class."""
    figure, axes = report.new_panels(1.35 * CLASSES, 9.2, 2, 1)
    for ax, crops, title in zip(
        axes[:, 0], (seen, generated), ("held out", "generated"), strict=True
    ):
        # Every second: of each micrograph two, of which the rarest class has two.
        of_class = [np.flatnonzero(crops.labels == number)[::2][:3] for number in range(CLASSES)]
        shown = np.stack(of_class, axis=1).ravel()
        report.draw_images(ax, crops.images[shown, ..., 0], columns=CLASSES)
        ax.set_title(title, loc="left", pad=14)
        for number, condition in enumerate(SERIES):
            ax.text((CROP + 2) * number, -4, str(condition), fontsize=7)
    figure.savefig(path, dpi=120)


def mean_and_deviation(values: Sequence[float]) -> str:
    """As text; of one seed the deviation is 0."""
    return f"{np.mean(values):.3f} +- {np.std(values, ddof=min(1, len(values) - 1)):.3f}"


def table_of_scores(found: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Each set that was trained on, and each way to classify, over the seeds."""
    columns = "macro-F1, micrographs", "accuracy, micrographs", "macro-F1, crops"
    rows: list[tuple[str, ...]] = [("trained on", "by", *columns)]
    for name, ways in found.items():
        for way, of_seeds in ways.items():
            values = ([each[column] for each in of_seeds] for column in columns)
            rows.append((name, way, *map(mean_and_deviation, values)))
    return report.aligned_text(rows)


def table_of_materials(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a class."""
    head = ("condition", *next(iter(found.values())))
    rows = [
        (
            name,
            *(f"{value:.4f}" if isinstance(value, float) else str(value) for value in of.values()),
        )
        for name, of in found.items()
    ]
    return report.aligned_text([head, *rows])


def main(config: Config) -> None:
    """Make the series, train on it, and print what was told right and what the generator adds."""
    options = dataclasses.asdict(config)
    del options["run"]
    report.claim(config.run / "config.json", options)
    random = np.random.default_rng(config.seed)
    numbers = tqdm(range(CLASSES), desc="micrographs", unit="condition")
    parts = [
        data.split_by_specimen(specimens_of(number, random), held_out=0.3, seed=config.seed)
        for number in numbers
    ]
    known_micrographs, held_out = [part[0] for part in parts], [part[1] for part in parts]
    known, seen = (crops_of(each) for each in (known_micrographs, held_out))
    lacking = EACH * max(map(len, known_micrographs))
    generated = make_more(known_micrographs, lacking, config)

    counts = np.bincount(known.labels)
    sets = {
        "real": known,
        "real and generated": known.beside(generated.first(lacking - counts)),
        "generated": generated,
    }
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in sets}
    encoder = None
    for name, crops in sets.items():
        for seed in config.seeds:
            ways, network = classify(config, name, seed, crops, seen)
            encoder = encoder or network
            for way, of_seed in ways.items():
                found[name].setdefault(way, []).append(of_seed)
    assert encoder is not None

    alike = np.bincount(seen.labels)
    made, others = generated.first(alike), known.first(alike)
    # As many of each class on every side.
    features = evaluation.compare_features(
        made.images, [seen.images], [others.images], standardized(encoder, known), size=100
    )
    result = {
        "crops": {name: len(crops.labels) for name, crops in sets.items()}
        | {"held out": len(seen.labels)},
        "classification": found,
        "materials": materials(known_micrographs, held_out, generated),
        "told apart": {
            "generated from held out": told_apart(config, seen, made),
            "training from held out": told_apart(config, seen, others),
        },
        "features": features.plain(),
    }
    report.write_json(config.run / "result.json", result)
    draw(config.run / "samples.png", seen, generated)
    print(table_of_scores(found))
    print(table_of_materials(result["materials"]))
    for name, accuracies in result["told apart"].items():
        print(f"{name}, by a forest on texture: accuracy {mean_and_deviation(accuracies)}")
    print(features)
    print(f"samples: {config.run / 'samples.png'}")


if __name__ == "__main__":
    run_experiment(main, Config)
