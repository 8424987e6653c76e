"""The steps of `idml classify regress`, and its page."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from idml_jax import data, report
from idml_jax.workflows.classify_data import size_of, squares_of
from idml_jax.workflows.classify_errors import Errors, errors_of, numbers_of, table_of
from idml_jax.workflows.classify_folds import (
    Answer,
    Judged,
    answers_of,
    check_fits,
    chosen_of,
    told_by,
)
from idml_jax.workflows.classify_regress import Config
from idml_jax.workflows.classify_ways import FEATURES, REGRESSORS, grid_of, with_learner
from idml_jax.workflows.folding import digest_of, of_specimens, parted
from idml_jax.workflows.over_folds import judged_by
from idml_jax.workflows.provenance import end_page

FLOOR = "mean of the training"
"""What each way has to beat."""


def regressed(config: Config) -> str:
    """Fit and judge each way in each fold, or go on; the table, the best first."""
    known = read(config)
    shares = (1.0,)
    check_fits(known, config.regressors, shares, nested=config.nested, seed=config.seed)
    digest = hashlib.sha256(known.squares.images.tobytes() + known.targets.tobytes())
    claimed = {"images digest": digest.hexdigest()}
    claimed |= digest_of(config, known.micrographs, known.folds)
    report.claim(config.run / "config.json", config.plain() | claimed)
    answers: dict[str, list[Answer]] = {FLOOR: [floor_of(known, fold) for fold in known.folds]}
    fits = len(config.features) * len(config.regressors) * len(known.folds)
    with tqdm(total=fits, desc="fits", unit="fit", delay=2) as bar:
        for feature in config.features:
            made = FEATURES[feature](config.seed)
            for learner in config.regressors:
                pipeline = with_learner(made, learner, REGRESSORS[learner](config.seed))
                grid = grid_of(feature, learner) if config.nested else None
                answer = functools.partial(_answer, pipeline, known, grid, config.seed)
                path = config.run / "told" / f"{feature}_{learner}.json"
                answers[f"{feature}, {learner}"] = answers_of(path, known.folds, answer, bar.update)
    errors = [errors_of(way, known, found) for way, found in answers.items()]
    errors.sort(key=lambda each: np.mean([fold["MAE"] for fold in each.folds]))
    rows = table_of(errors, config.value)
    head, numbers = numbers_of(errors)
    report.write_atomically(config.run / "compared.csv", report.csv_text(head, numbers))
    report.write_json(config.run / "result.json", result_of(known, errors, answers))
    write_page(config, known, errors, answers)
    return report.aligned_text(rows)


def read(config: Config) -> Judged:
    """The user's micrographs and their numbers, in folds and cut.

    Raises
    ------
    InputError
        If files, table and folds do not fit, or two micrographs are the same.
    """
    given = data.read_valued(
        config.images, config.labels, config.value, crop_bottom=config.crop_bottom
    )
    given = given._replace(micrographs=of_specimens(given.micrographs, config))
    kept, folds = parted(config, given.micrographs)
    micrographs = [given.micrographs[place] for place in kept]
    places = np.arange(len(micrographs))
    squares = squares_of(micrographs, places, size_of(config.size, micrographs))
    return Judged(micrographs, given.values[kept], (), folds, squares)


def floor_of(known: Judged, fold: data.Fold) -> Answer:
    """The mean of what a fold is learned from, whatever the micrograph."""
    mean = known.targets[fold.fitted].mean()
    return Answer(np.full((len(fold.judged), 1), mean), len(fold.fitted))


def result_of(
    known: Judged, errors: Sequence[Errors], answers: Mapping[str, Sequence[Answer]]
) -> dict[str, Any]:
    """Every number, for JSON."""
    return {
        "folds": judged_by(known.folds, known.micrographs),
        "errors": {
            each.way: {
                "folds": each.folds,
                "MAE of all": list(map(float, each.interval)),
                "R2 of all": each.r2,
            }
            for each in errors
        },
        "chosen": chosen_of(answers),
    }


def write_page(
    config: Config,
    known: Judged,
    errors: Sequence[Errors],
    answers: Mapping[str, Sequence[Answer]],
) -> None:
    """Table, and what the best way says beside what is."""
    rows = table_of(errors, config.value)
    best = errors[0]
    page = report.Page(
        f"Ways to tell {config.value} of micrographs",
        f"{len(answers)} ways, {len(known.micrographs)} micrographs, {len(known.folds)} folds: "
        "each is judged by once, by what saw none of it.",
    )
    page.section(
        "Which way is least far off?",
        "Mean absolute and root mean square error and R2, mean and standard deviation over the "
        "folds; of all folds together the mean absolute error, with the interval that holds 95 % "
        "of resampled sets of as many specimens, and R2. That one of many ways is the best is "
        "chosen by the same folds: its score flatters a little.",
    )
    page.table(rows[0], rows[1:])
    page.figure(
        told_figure(config.value, known, answers[best.way]),
        f"What {best.way} says of each micrograph, upwards, and what is, to the right.",
    )
    end_page(page, config.plain(), config.run / "report.html")


def told_figure(value: str, known: Judged, answers: Sequence[Answer]) -> Figure:
    """What is said beside what is, and the line where they agree."""
    true = np.concatenate([known.targets[fold.judged] for fold in known.folds])
    told = np.concatenate([answer.told[:, 0] for answer in answers])
    figure, ax = report.new_figure(4.6, 4.2)
    ends = [min(true.min(), told.min()), max(true.max(), told.max())]
    ax.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    ax.scatter(true, told, s=12, alpha=0.7, color=report.REAL, linewidths=0)
    ax.set_xlabel(value)
    ax.set_ylabel(f"{value}, told")
    return figure


def _answer(
    pipeline: Any,
    known: Judged,
    grid: Mapping[str, Sequence[Any]] | None,
    seed: int,
    fold: data.Fold,
    number: int,
) -> Answer:
    return told_by(pipeline, known, fold, grid=grid, seed=seed)
