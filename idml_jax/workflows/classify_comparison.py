"""The steps of `idml classify compare`."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.model_selection import RepeatedStratifiedKFold
from tqdm import tqdm

from idml_jax import data, report
from idml_jax.errors import InputError
from idml_jax.workflows import classify_train
from idml_jax.workflows.classify_compare import Config
from idml_jax.workflows.classify_data import ClassifiedSplit, Squares, size_of, squares_of
from idml_jax.workflows.classify_study import scores_of, trained
from idml_jax.workflows.classify_ways import pipeline_of
from idml_jax.workflows.duplicates import check_once

NETWORK = "network"


class Fold(NamedTuple):
    """Numbers of micrographs: to fit to, and to judge by."""

    fitted: Int[np.ndarray, " some"]
    judged: Int[np.ndarray, " others"]


def compared(config: Config) -> str:
    """Fit and judge each way in each fold, or go on; the table, the best first."""
    known = read(config)
    size = size_of(config.size, known.micrographs)
    squares = squares_of(known.micrographs, known.labels, size)
    folds = folds_of(config, known)
    digest = hashlib.sha256(squares.images.tobytes() + squares.labels.tobytes())
    report.claim(config.run / "config.json", config.plain() | {"images digest": digest.hexdigest()})
    path = config.run / "folds.json"
    done: dict[str, list[dict[str, float]]] = json.loads(path.read_text()) if path.exists() else {}
    wanted = [f"{one}, {other}" for one in config.features for other in config.classifiers]
    wanted += [NETWORK] if config.network else []
    left = [way for way in wanted if way not in done]
    for way in tqdm(left, desc="ways", unit="way", delay=2):
        done[way] = [
            scores_of(known.labels[fold.judged], shares)
            for fold, shares in shares_of(config, way, known, squares, folds)
        ]
        report.write_json(path, done)
    rows = table_of({way: done[way] for way in wanted})
    report.write_atomically(config.run / "compared.csv", report.csv_text(rows[0], rows[1:]))
    return report.aligned_text(rows)


def read(config: Config) -> data.ClassifiedSet:
    """The user's micrographs.

    Raises
    ------
    InputError
        If a file cannot be used, a class has fewer micrographs than there are folds, or two of them
        are the same.
    """
    known = data.read_classified(config.images, crop_bottom=config.crop_bottom)
    counts = np.bincount(known.labels)
    few = [name for name, n in zip(known.classes, counts, strict=True) if n < config.folds]
    if len(known.classes) < 2 or few:
        what = (
            f"{', '.join(few)} with fewer micrographs than {config.folds} folds" if few else "one"
        )
        raise InputError(
            f"{config.images}: classes: {what}; there are two at least, each with a micrograph for "
            "every fold: add some, or take fewer --folds."
        )
    check_once(known.micrographs)
    return known


def folds_of(config: Config, known: data.ClassifiedSet) -> list[Fold]:
    """The same for every way."""
    parted = RepeatedStratifiedKFold(
        n_splits=config.folds, n_repeats=config.repeats, random_state=config.seed
    )
    places = np.zeros((len(known.labels), 1))
    return [Fold(*numbers) for numbers in parted.split(places, known.labels)]


def shares_of(
    config: Config, way: str, known: data.ClassifiedSet, squares: Squares, folds: list[Fold]
) -> Iterator[tuple[Fold, Float[np.ndarray, "judged classes"]]]:
    """Probabilities of the classes of what each fold is judged by."""
    for number, fold in enumerate(folds):
        if way == NETWORK:
            yield fold, by_network(config, known, fold, number)
            continue
        pipeline = pipeline_of(*way.split(", "), config.seed)
        inside = np.isin(squares.sources, fold.fitted)
        pipeline.fit(squares.images[inside], squares.labels[inside])
        of_squares = np.zeros((int((~inside).sum()), len(known.classes)))
        of_squares[:, pipeline.classes_] = pipeline.predict_proba(squares.images[~inside])
        outside = np.searchsorted(fold.judged, squares.sources[~inside])
        rest = Squares(squares.images[~inside], squares.labels[~inside], outside)
        yield fold, rest.of_sources(of_squares)


def by_network(
    config: Config, known: data.ClassifiedSet, fold: Fold, number: int
) -> Float[np.ndarray, "judged classes"]:
    """The same by a network; how long it is trained is not chosen by what it is judged by."""
    micrographs = np.array(known.micrographs, object)
    size = size_of(config.size, known.micrographs)
    parts = ClassifiedSplit(
        list(micrographs[fold.fitted]),
        known.labels[fold.fitted],
        list(micrographs[fold.judged]),
        known.labels[fold.judged],
        known.classes,
        size,
    )
    run = pathlib.Path(config.run) / "folds" / f"{number:02d}"
    options = classify_train.Config(config.images, run, steps=config.steps, seed=config.seed)
    batch = min(options.batch, len(parts.train))
    return trained(dataclasses.replace(options, batch=batch), parts, judged=False)


def table_of(done: dict[str, list[dict[str, Any]]]) -> list[tuple[str, ...]]:
    """A row for each way, the best first: mean and deviation over the folds."""
    rows = []
    for way, folds in done.items():
        cells = [way]
        for name in ("accuracy", "macro-F1", "surprise"):
            values = [each[name] for each in folds]
            deviation = np.std(values, ddof=min(1, len(values) - 1))
            cells.append(f"{np.mean(values):.3f} +- {deviation:.3f}")
        rows.append((float(np.mean([each["accuracy"] for each in folds])), tuple(cells)))
    rows.sort(key=lambda row: -row[0])
    return [("by", "accuracy", "macro-F1", "surprise, nats"), *(row for _, row in rows)]
