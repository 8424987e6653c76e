"""The steps of `idml classify compare`."""

import dataclasses
import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from idml_jax import data, report
from idml_jax.workflows import classify_train
from idml_jax.workflows.classify_compare import Config
from idml_jax.workflows.classify_compare_page import write_page
from idml_jax.workflows.classify_data import ClassifiedSplit, size_of, squares_of
from idml_jax.workflows.classify_embedding import EMBEDDING, check_unseen, embedding_of, features_of
from idml_jax.workflows.classify_folds import (
    Answer,
    Judged,
    answers_of,
    check_fits,
    chosen_of,
    told_by,
)
from idml_jax.workflows.classify_scores import (
    Scores,
    chosen_inside,
    numbers_of,
    scores_over_folds,
    table_of,
)
from idml_jax.workflows.classify_sets import read_known
from idml_jax.workflows.classify_study import trained
from idml_jax.workflows.classify_ways import (
    CLASSIFIERS,
    FEATURES,
    grid_of,
    left_out,
    pairs_of,
    with_learner,
)
from idml_jax.workflows.folding import against, digest_of, of_specimens, parted, tell_unjudged
from idml_jax.workflows.over_folds import judged_by

NETWORK = "network"
INSIDE = "the best by inner folds"


class Way(NamedTuple):
    """One way to tell classes."""

    name: str
    answer: Callable[[data.Fold, int, float], Answer]
    """``answer(fold, number, share)`` fits and tells."""


def compared(config: Config) -> str:
    """Fit and judge each way in each fold, or go on; the table, the best first."""
    names = features_of(config)
    pairs = pairs_of(names, config.classifiers)
    known = read(config)
    if config.embedding is not None:
        check_unseen(config.embedding, known.micrographs, known.folds)
    learners = config.classifiers if names else ()
    check_fits(known, learners, config.shares, nested=config.nested, seed=config.seed)
    squares = known.squares
    digest = hashlib.sha256(squares.images.tobytes() + squares.labels.tobytes())
    claimed = {"images digest": digest.hexdigest()}
    claimed |= digest_of(config, known.micrographs, known.folds)
    report.claim(config.run / "config.json", config.plain() | claimed)
    scores: list[Scores] = []
    answers: dict[str, list[Answer]] = {}
    if left := left_out(names, config.classifiers):
        print(left, file=sys.stderr)
    fits = (len(pairs) + config.network) * len(config.shares) * len(known.folds)
    with tqdm(total=fits, desc="fits", unit="fit", delay=2) as bar:
        for way in ways_of(config, known):
            for share in config.shares:
                name = way.name if share == 1 else f"{way.name}, {share:g} of them"
                path = config.run / "told" / f"{name.replace(', ', '_').replace(' ', '_')}.json"
                answer = functools.partial(_answer, way, share)
                found = answers_of(path, known.folds, answer, bar.update)
                scores.append(scores_over_folds(way.name, share, known, found))
                if share == max(config.shares):
                    answers[way.name] = found
    searched = {name: found for name, found in answers.items() if found[0].inner is not None}
    if len(searched) > 1:
        inside = chosen_inside(searched)
        scores.append(scores_over_folds(INSIDE, max(config.shares), known, inside))
        answers[INSIDE] = inside
    whole = [each for each in scores if each.share == max(config.shares)]
    report.write_atomically(config.run / "compared.csv", report.csv_text(*numbers_of(whole)))
    if len(config.shares) > 1:
        report.write_atomically(config.run / "curves.csv", report.csv_text(*numbers_of(scores)))
    report.write_json(config.run / "result.json", result_of(known, scores, answers))
    write_page(config, known, scores, answers)
    return report.aligned_text(table_of(whole))


def read(config: Config) -> Judged:
    """The user's micrographs, in folds and cut.

    Raises
    ------
    InputError
        If a file cannot be used, files and folds do not fit, a class is in one only, or two
        micrographs are the same.
    """
    given = read_known(config.images, config.labels, crop_bottom=config.crop_bottom)
    given = given._replace(micrographs=of_specimens(given.micrographs, config))
    if config.val is None:
        kept, folds = parted(config, given.micrographs, given.labels, given.classes)
        micrographs, labels = [given.micrographs[place] for place in kept], given.labels[kept]
    else:
        other = read_known(
            config.val, config.val_labels, classes=given.classes, crop_bottom=config.crop_bottom
        )
        judging = of_specimens(other.micrographs, config)
        folds = [against(given.micrographs, judging)]
        micrographs = [*given.micrographs, *judging]
        labels = np.concatenate([given.labels, other.labels])
    squares = squares_of(micrographs, labels, size_of(config.size, micrographs))
    known = Judged(micrographs, labels, given.classes, folds, squares)
    tell_unjudged(known.unjudged)
    return known


def ways_of(config: Config, known: Judged) -> Iterator[Way]:
    """All that are compared; features are computed once for all that learn from them."""
    pairs = pairs_of(features_of(config), config.classifiers)
    for feature, of_feature in itertools.groupby(pairs, key=lambda pair: pair[0]):
        made = made_of(config, known, feature)
        for _, learner in of_feature:
            pipeline = with_learner(made, learner, CLASSIFIERS[learner](config.seed))
            grid = grid_of(feature, learner) if config.nested else None

            def answer(fold: data.Fold, number: int, share: float, pipeline=pipeline, grid=grid):
                return told_by(pipeline, known, fold, share=share, grid=grid, seed=config.seed)

            yield Way(f"{feature}, {learner}", answer)
    if config.network:
        yield Way(NETWORK, functools.partial(by_network, config, known))


def made_of(config: Config, known: Judged, feature: str) -> Any:
    """The transformer that a name stands for."""
    if feature == EMBEDDING and config.embedding is not None:
        return embedding_of(config.embedding, known.squares.images.shape[-1])
    return FEATURES[feature](config.seed)


def by_network(config: Config, known: Judged, fold: data.Fold, number: int, share: float) -> Answer:
    """The same by a network; how long it is trained is not chosen by what it is judged by."""
    part = known.part_of(fold, share, config.seed)
    parts = ClassifiedSplit(
        [known.micrographs[place] for place in part],
        known.targets[part],
        [known.micrographs[place] for place in fold.judged],
        known.targets[fold.judged],
        known.classes,
        (known.squares.images.shape[1], known.squares.images.shape[2]),
    )
    folder = f"{number:02d}" if share == 1 else f"{number:02d}_{share:g}"
    run = config.run / "folds" / folder
    options = classify_train.Config(config.images, run, steps=config.steps, seed=config.seed)
    # All folds are learned from alike: those that are left as those that are there.
    for known_by in sorted(run.parent.glob("*/classifier.json"))[:1]:
        options = dataclasses.replace(options, **classify_train.older_options(known_by))
    squares = int(np.isin(known.squares.sources, part).sum())
    options = dataclasses.replace(options, batch=min(options.batch, squares))
    return Answer(trained(options, parts, judged=False), len(part))


def result_of(
    known: Judged, scores: list[Scores], answers: dict[str, list[Answer]]
) -> dict[str, Any]:
    """Every number, for JSON."""
    return {
        "classes": list(known.classes),
        "folds": judged_by(known.folds, known.micrographs),
        "folds without a class": known.unjudged,
        "scores": [each.plain() for each in scores],
        "chosen": chosen_of(answers),
    }


def _answer(way: Way, share: float, fold: data.Fold, number: int) -> Answer:
    return way.answer(fold, number, share)
