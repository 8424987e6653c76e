"""The steps of `idml classify train`, and its page."""

import functools
import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from idml_jax import data, evaluation, report, training
from idml_jax.models.resnet import DEPTHS
from idml_jax.workflows.calibration import calibration_of, reliability_of
from idml_jax.workflows.classify_data import ClassifiedSplit, read_classified_split, squares_of
from idml_jax.workflows.classify_figures import examples_figure, judged_curves
from idml_jax.workflows.classify_train import Config
from idml_jax.workflows.classify_ways import pipeline_of
from idml_jax.workflows.provenance import end_page

NETWORK = "network"

OFF_BY = "expected calibration error"

FLOORS = {
    "local binary patterns, SVM": ("patterns", "svm"),
    "local binary patterns, logistic regression": ("patterns", "logistic"),
    "Haralick, random forest": ("haralick", "forest"),
}
"""What a network has to beat: features of texture, and what learns from them in seconds."""


def recipe_of(config: Config) -> training.ClassifierRecipe:
    """What the classifier will be made with."""
    same = (
        "features balanced steps batch optimizer learning_rate mixing focus judge_every patience "
        "seed normalization dropout frozen crop decay"
    ).split()
    settled = config.settled()
    return training.ClassifierRecipe(
        architecture=config.network,
        averaging=0.98,
        by_itself=True,
        **{name: getattr(settled, name) for name in same},
    )


def study(config: Config) -> str:
    """From checked micrographs to a trained classifier and its page; the table of scores."""
    parts = read_classified_split(config)
    report.claim(config.run / "config.json", config.plain())
    print(parts)
    found, seconds = told(config, parts)
    scores = {
        way: scores_of(parts.val_labels, each)
        | {OFF_BY: reliability_of(each, parts.val_labels).error}
        for way, each in found.items()
    }
    calibration = calibration_of(
        found[NETWORK],
        parts.val_labels,
        what="micrographs",
        command="idml classify predict --calibrated",
    )
    results = {
        "classes": list(parts.classes),
        "size": list(parts.size),
        "scores": scores,
        "seconds": seconds,
        "calibration": calibration.plain(),
        "val": {
            one.name: dict(zip(parts.classes, row.tolist(), strict=True))
            for one, row in zip(parts.val, found[NETWORK], strict=True)
        },
    }
    results["digests"] = {
        "are trained on": [data.digest_of(one) for one in parts.train],
        "were judged by": [data.digest_of(one) for one in parts.val],
    }
    rows = table_of(scores, seconds)
    counts = counts_of(parts.val_labels, found[NETWORK])
    page = report.Page(
        "Classes of micrographs",
        f"A network learned {len(parts.classes)} classes from {len(parts.train)} micrographs; it "
        f"is judged by {len(parts.val)} that it was not trained on.",
    )
    page.section(
        "How well are the classes told?",
        "Of the micrographs that are not trained on; in brackets the interval that holds 95 % of "
        "resampled sets of as many. Off by: the expected calibration error of the probabilities, "
        "which of few micrographs is not 0 either where they are what they say.",
    )
    page.table(rows[0], rows[1:])
    page.figure(
        report.confusion_figure(counts, parts.classes),
        "Share of each true class, down, that the network took for which, across.",
    )
    calibration.show(page)
    page.section("What it is unsure of")
    page.figure(
        examples_figure(parts.val, parts.val_labels, found[NETWORK], parts.classes),
        "Micrographs of which the network is least sure, or wrong: what they are, what it says.",
    )
    page.section("Training")
    page.figure(
        judged_curves(training.read_records(config.run)),
        "Loss of batches, and the share of the micrographs it is judged by that is told right.",
    )
    end_page(page, config.plain(), config.run / "report.html")
    report.write_json(config.run / "result.json", results)
    return f"{report.aligned_text(rows)}\n\n{calibration}"


def told(
    config: Config, parts: ClassifiedSplit
) -> tuple[dict[str, Float[np.ndarray, "held_out classes"]], dict[str, float]]:
    """Probabilities of the held-out micrographs' classes, each way, and the seconds it took."""
    known = squares_of(parts.train, parts.train_labels, parts.size)
    seen = squares_of(parts.val, parts.val_labels, parts.size)
    found, seconds = {}, {}
    for name, way in FLOORS.items():
        began, pipeline = time.perf_counter(), pipeline_of(*way, config.seed)
        pipeline.fit(known.images, known.labels)
        shares = np.zeros((len(seen.labels), len(parts.classes)))
        shares[:, pipeline.classes_] = pipeline.predict_proba(seen.images)
        found[name] = seen.of_sources(shares)
        seconds[name] = time.perf_counter() - began
    began = time.perf_counter()
    found[NETWORK] = trained(config, parts)
    seconds[NETWORK] = time.perf_counter() - began
    return found, seconds


def trained(
    config: Config, parts: ClassifiedSplit, *, judged: bool = True
) -> Float[np.ndarray, "held_out classes"]:
    """Probabilities of the held-out micrographs' classes by a network that is trained, or gone on.

    Parameters
    ----------
    config : Config
    parts : ClassifiedSplit
    judged : bool
        Whether the held-out micrographs decide which network is kept; else it is the last one, and
        they are judged by alone.
    """
    known = squares_of(parts.train, parts.train_labels, parts.size)
    seen = squares_of(parts.val, parts.val_labels, parts.size)

    def judge(classifier: training.TrainedClassifier) -> dict[str, float]:
        of_micrographs = seen.of_sources(classifier.predict(seen.images))
        scores = scores_of(parts.val_labels, of_micrographs)
        return {name: scores[name] for name in ("accuracy", "macro-F1", "surprise")} | {
            # What decides is right first, and among equals sure.
            "told": scores["accuracy"] - 1e-3 * scores["surprise"]
        }

    classifier = training.train_classifier(
        known.images,
        known.labels,
        recipe_of(config),
        run=config.run,
        weights=config.weights,
        augment=functools.partial(changed, config),
        judge=judge if judged else None,
        by="told",
        save_every=config.save_every,
    )
    if config.network in DEPTHS:
        training.write_encoder(config.run / "encoder.safetensors", classifier.network)
    return seen.of_sources(classifier.predict(seen.images))


def changed(config: Config, key: Any, images: Any) -> Any:
    """A batch seen another way: turned, zoomed, of other light."""
    turn_key, change_key = jax.random.split(key)
    images = data.turn_at_random(turn_key, images)
    changes = data.Changes(
        zoom=config.zoom,
        brightness=config.brightness,
        contrast=config.contrast,
        noise=config.noise,
    )
    # Changes are told in deviations of an image. Nothing is annotated in it.
    deviation = images.std(axis=(1, 2, 3), keepdims=True) + 1e-3
    nothing = jnp.zeros(images.shape[:3], jnp.int32)
    seen, _ = changes(change_key, images / deviation, nothing)
    return seen * deviation


def counts_of(
    labels: Int[np.ndarray, " count"], shares: Float[np.ndarray, "count classes"]
) -> Int[np.ndarray, "classes classes"]:
    """Of which class each was taken for."""
    predictions = shares.argmax(axis=1)
    return np.asarray(
        evaluation.confusion_matrix(labels, predictions, classes=shares.shape[1]), np.int64
    )


def taken_of(
    labels: Int[np.ndarray, " count"], shares: Float[np.ndarray, "count classes"]
) -> Int[np.ndarray, "count classes classes"]:
    """The same of each by itself: of which class, and for which one it was taken."""
    taken = np.zeros((len(labels), shares.shape[1], shares.shape[1]), np.int64)
    taken[np.arange(len(labels)), labels, shares.argmax(axis=1)] = 1
    return taken


def scores_of(
    labels: Int[np.ndarray, " count"], shares: Float[np.ndarray, "count classes"]
) -> dict[str, float]:
    """Accuracy with its interval, macro-F1, and the mean surprise in nats."""
    right = (shares.argmax(axis=1) == labels).astype(float)
    interval = evaluation.bootstrap_mean([each[None] for each in right])
    of_truth = np.take_along_axis(shares, labels[:, None], axis=1)[:, 0]
    return {
        "accuracy": float(right.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "macro-F1": float(
            evaluation.f_score(counts_of(labels, shares), average="macro", zero_division=np.nan)
        ),
        "surprise": float(-np.log(np.maximum(of_truth, 1e-6)).mean()),
    }


def table_of(
    scores: Mapping[str, Mapping[str, float]], seconds: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """A row for each way to tell classes."""
    rows = [("by", "accuracy", "macro-F1", "surprise, nats", "off by", "seconds")]
    for way, of in scores.items():
        rows.append(
            (
                way,
                f"{of['accuracy']:.3f} [{of['low']:.3f}, {of['high']:.3f}]",
                f"{of['macro-F1']:.3f}",
                f"{of['surprise']:.3f}",
                f"{of[OFF_BY]:.3f}",
                f"{seconds[way]:.0f}",
            )
        )
    return rows
