"""The steps of `idml classify evaluate`."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.errors import listed
from idml_jax.typing import Array
from idml_jax.workflows.calibration import reliability_of, show_reliability
from idml_jax.workflows.channels import with_channels
from idml_jax.workflows.classify_evaluate import Config
from idml_jax.workflows.classify_figures import examples_figure
from idml_jax.workflows.classify_sets import read_known
from idml_jax.workflows.classify_study import counts_of, taken_of
from idml_jax.workflows.classify_uses import shares_of
from idml_jax.workflows.duplicates import check_once, seen_before
from idml_jax.workflows.over_folds import by_specimen
from idml_jax.workflows.provenance import end_page

OF_ALL = ("accuracy", "macro-F1")
OF_CLASSES = ("precision", "recall", "F1")


def evaluate(config: Config) -> str:
    """Tell the classes of micrographs and compare; a table of the scores of each class."""
    classifier = training.load_classifier(config.run)
    trained = json.loads((config.run / "result.json").read_text())
    classes, size = tuple(trained["classes"]), (trained["size"][0], trained["size"][1])
    known = read_known(
        config.images,
        config.labels,
        classes=classes,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
    )
    micrographs = [with_channels(each, classifier.channels) for each in known.micrographs]
    labels = known.labels
    check_once(micrographs)
    data.check_sizes(micrographs, size=size)
    _tell_seen(micrographs, trained.get("digests", {}))
    bar = tqdm(micrographs, desc="micrographs", unit="image", delay=2)
    shares = np.array([shares_of(each, classifier, size) for each in bar])
    counts = counts_of(labels, shares)
    scores = intervals_of(micrographs, labels, shares, classes)
    rows = table_of(scores, classes, counts)
    config.out.mkdir(parents=True, exist_ok=True)
    told_text = report.csv_text(*rows_of(micrographs, labels, shares, classes))
    report.write_atomically(config.out / "told.csv", told_text)
    numbers = [(name, *map(float, of)) for name, of in scores.items()]
    scores_text = report.csv_text(("score", "of all", "low", "high"), numbers)
    report.write_atomically(config.out / "scores.csv", scores_text)
    kinds = {"as it is": reliability_of(shares, labels)}
    temperature = trained.get("calibration", {}).get("temperature", 1)
    if temperature != 1:
        warm = evaluation.at_temperature(shares, temperature)
        kinds[f"at the temperature {temperature:.2f}"] = reliability_of(warm, labels)
    result = {
        "micrographs": len(micrographs),
        "expected calibration error": {name: each.error for name, each in kinds.items()},
        "classes": list(classes),
        "counts": counts.tolist(),
        "scores": {
            name: {"of all": mean, "low": low, "high": high} for name, mean, low, high in numbers
        },
    }
    report.write_json(config.out / "result.json", result)
    page = report.Page(
        "Classes of micrographs, told by a trained network",
        f"{config.run} tells the classes of the {len(micrographs)} micrographs of {config.images}.",
    )
    page.section(
        "How well are the classes told?",
        "In brackets the interval that holds 95 % of resampled sets of as many micrographs, or "
        "specimens where they are known.",
    )
    page.table(rows[0], rows[1:])
    figure = report.confusion_figure(counts, classes)
    page.figure(figure, "Share of each true class, down, that was taken for which, across.")
    figure.savefig(config.out / "confusion.png", dpi=110)
    page.section(
        "How sure is it, and is it right to be?",
        "How far probabilities are off in the mean (expected calibration error); the temperature, "
        "if there is one, was fitted by the training to the micrographs that it was judged by.",
    )
    show_reliability(page, kinds, "micrographs")
    page.section("What it thinks least of")
    page.figure(
        examples_figure(micrographs, labels, shares, classes),
        "By how little the network thinks that they are what they are: their name, what it says.",
    )
    end_page(page, vars(config), config.out / "report.html")
    off = ", ".join(f"{each.error:.3f} {name}" for name, each in kinds.items())
    return f"{report.aligned_text(rows)}\n\nexpected calibration error: {off}"


def intervals_of(
    micrographs: Sequence[data.Micrograph],
    labels: Int[np.ndarray, " count"],
    shares: Float[np.ndarray, "count classes"],
    classes: Sequence[str],
) -> dict[str, evaluation.Interval]:
    """Every score with its interval: "accuracy", "macro-F1", and "recall, bainite" of each class.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Those of a specimen are resampled together.
    labels : int array of shape (count,)
    shares : array of shape (count, classes)
        Probabilities of the classes.
    classes : sequence of str

    Returns
    -------
    intervals : dict from str to Interval
        NaN of a class for which a score says nothing.
    """
    everything = data.Fold("all", np.arange(0), np.arange(len(micrographs)))
    groups = by_specimen([everything], micrographs, [taken_of(labels, shares)])
    found = evaluation.bootstrap_score(groups, _every_score)
    names = [*OF_ALL, *(f"{score}, {name}" for score in OF_CLASSES for name in classes)]
    return {
        name: evaluation.Interval(*(part[place] for part in found))
        for place, name in enumerate(names)
    }


@jax.jit
@jax.vmap
def _every_score(counts: Int[Array, "classes classes"]) -> Float[Array, " scores"]:
    """In the order of their names."""
    nothing = float("nan")
    of_all = (
        evaluation.accuracy(counts),
        evaluation.f_score(counts, average="macro", zero_division=nothing),
    )
    of_classes = (
        score(counts, zero_division=nothing)
        for score in (evaluation.precision, evaluation.recall, evaluation.f_score)
    )
    return jnp.concatenate([jnp.stack(of_all), *of_classes])


def table_of(
    scores: Mapping[str, evaluation.Interval],
    classes: Sequence[str],
    counts: Int[np.ndarray, "classes classes"],
) -> list[tuple[str, ...]]:
    """A row for each class, and one for all; a class that is not there has none."""
    rows: list[tuple[str, ...]] = [("class", "micrographs", *OF_CLASSES)]
    for name, count in zip(classes, counts.sum(axis=1), strict=True):
        rows.append((name, str(count), *(_cell(scores[f"{one}, {name}"]) for one in OF_CLASSES)))
    rows.append(("all", str(counts.sum()), "", "", ""))
    rows[-1] = (*rows[-1][:2], *(f"{name} {_cell(scores[name])}" for name in OF_ALL), "")
    return rows


def rows_of(
    micrographs: Sequence[data.Micrograph],
    labels: Int[np.ndarray, " count"],
    shares: Float[np.ndarray, "count classes"],
    classes: Sequence[str],
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Head and rows of what is said of each micrograph, the least likely truth first."""
    of_truth = np.take_along_axis(shares, labels[:, None], axis=1)[:, 0]
    rows = [
        (
            micrographs[int(place)].name,
            classes[int(labels[place])],
            classes[int(shares[place].argmax())],
            *map(float, shares[place]),
        )
        for place in np.argsort(of_truth, kind="stable")
    ]
    return ("file", "true", "told", *classes), rows


def _tell_seen(
    micrographs: Sequence[data.Micrograph], digests: Mapping[str, Sequence[str]]
) -> None:
    """Tell of micrographs that the network was trained on, or chosen by."""
    for role, seen in seen_before(micrographs, digests).items():
        if seen:
            print(
                f"{len(seen)} of {len(micrographs)} micrographs {role}, so that scores flatter: "
                f"{listed([each.label for each in seen])}.",
                file=sys.stderr,
            )


def _cell(interval: evaluation.Interval) -> str:
    if not np.isfinite(interval.mean):
        return "-"
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
