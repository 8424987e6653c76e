"""The steps of `idml segment compare`, and its page."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from idml_jax import data, report
from idml_jax.errors import listed
from idml_jax.workflows.folding import (
    digest_of,
    of_specimens,
    parted,
    tell_unjudged,
    unjudged_text,
)
from idml_jax.workflows.light import tell_of_light
from idml_jax.workflows.over_folds import judged_by
from idml_jax.workflows.provenance import end_page
from idml_jax.workflows.segment_compare import Config
from idml_jax.workflows.segment_data import called, read_masks
from idml_jax.workflows.segment_fold_scores import (
    Folded,
    OverFolds,
    folds_table_of,
    numbers_of,
    scores_of,
    table_of,
)
from idml_jax.workflows.segment_study import NETWORK, fitted, ways_of


def compared(config: Config) -> str:
    """Train and judge each way in each fold, or go on; the tables of scores."""
    known = read(config)
    micrographs = [one.micrograph for one in known.annotated]
    digest = hashlib.sha256()
    for one in known.annotated:
        digest.update(one.micrograph.image.tobytes() + one.labels.tobytes())
    claimed = {"images digest": digest.hexdigest()}
    claimed |= digest_of(config, micrographs, known.folds)
    report.claim(config.run / "config.json", config.plain() | claimed)
    tell_of_light(micrographs, config.local_contrast)
    path = config.run / "folds.json"
    done: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    wanted = ways_of(config)
    for fold in tqdm(known.folds, desc="folds", unit="fold", delay=2):
        if {*wanted} <= {*done.get(fold.name, {})}:
            continue
        print(f"\nfold {fold.name}")
        _, counts, seconds = fitted(config.of_fold(fold.name), known.sides(fold), judged=False)
        told = {way: {"counts": of.tolist(), "seconds": seconds[way]}
                for way, of in counts.items()}  # fmt: skip
        # What was judged before took as long as it did then.
        done[fold.name] = told | done.get(fold.name, {})
        report.write_json(path, done)
    scores = {way: scores_of(way, known, done) for way in wanted}
    report.write_json(config.run / "result.json", result_of(known, scores))
    head, rows = numbers_of(known, scores)
    report.write_atomically(config.run / "compared.csv", report.csv_text(head, rows))
    tables = table_of(known, scores), folds_table_of(known, scores)
    write_page(config, known, scores, tables)
    return "\n\n".join(
        f"{title}\n{report.aligned_text(table)}"
        for title, table in zip(("of all pixels", "over the folds"), tables, strict=True)
    )


def read(config: Config) -> Folded:
    """The user's micrographs and masks, in folds.

    Raises
    ------
    InputError
        If a file cannot be used, files and folds do not fit, two micrographs are the same, or a
        class is in one fold only.
    """
    annotated = read_masks(config)
    micrographs = of_specimens([one.micrograph for one in annotated.micrographs], config)
    kept, folds = parted(config, micrographs)
    chosen = [
        data.Annotated(micrographs[place], annotated.micrographs[place].labels) for place in kept
    ]
    names = called(config, annotated)
    there = classes_of(chosen, names)
    data.check_learned(folds, there, names, source=config.fold_file or "folds")
    found = Folded(chosen, folds, annotated.classes, names)
    tell_unjudged(unjudged(found))
    return found


def classes_of(
    annotated: Sequence[data.Annotated], names: Sequence[str]
) -> Bool[np.ndarray, "count classes"]:
    """Whether a pixel of each class is annotated in each micrograph."""
    counts = [np.bincount(one.labels[one.labels >= 0], minlength=len(names)) for one in annotated]
    return np.array(counts) > 0


def unjudged(known: Folded) -> dict[str, list[str]]:
    """The classes of which a fold is judged by none."""
    return data.classes_unjudged(known.folds, classes_of(known.annotated, known.names), known.names)


def result_of(known: Folded, scores: Mapping[str, OverFolds]) -> dict[str, Any]:
    """Every number, for JSON."""
    return {
        "classes": dict(zip(known.names, known.classes, strict=True)),
        "folds": judged_by(known.folds, [one.micrograph for one in known.annotated]),
        "folds without a class": unjudged(known),
        "scores": {
            way: {
                "of all pixels": of.whole,
                "mean IoU of all pixels, 95 %": [float(of.interval.low), float(of.interval.high)],
                "of folds": of.folds,
                "counts": of.counts.tolist(),
                "seconds a fold": of.seconds,
            }
            for way, of in scores.items()
        },
    }


def write_page(
    config: Config,
    known: Folded,
    scores: Mapping[str, OverFolds],
    tables: Sequence[list[tuple[str, ...]]],
) -> None:
    """Both tables, and what the network takes for what."""
    page = report.Page(
        "Classes of pixels over folds",
        f"{len(known.annotated)} micrographs, {len(known.names)} classes, {len(known.folds)} "
        "folds: each is told by what saw none of it, and nothing is chosen by it.",
    )
    page.section(
        "How well is each class told?",
        "Of all pixels, counted together; in brackets the interval that holds 95 % of resampled "
        "sets of as many micrographs, or specimens where they are known.",
    )
    page.table(tables[0][0], tables[0][1:])
    page.section("How much do folds differ?", "Mean and standard deviation over the folds.")
    page.table(tables[1][0], tables[1][1:])
    page.section("What the network takes for what")
    page.figure(
        report.confusion_figure(scores[NETWORK].counts, known.names),
        "Share of the pixels of each true class, down, that was taken for which, across.",
    )
    page.section("Folds", unjudged_text(unjudged(known)))
    page.table(
        ("fold", "micrographs", *(f"mean IoU, {way}" for way in scores)),
        [
            (
                fold.name,
                listed([known.annotated[place].name for place in fold.judged]),
                *(report.cell(of.folds[number]["mean IoU"]) for of in scores.values()),
            )
            for number, fold in enumerate(known.folds)
        ],
    )
    end_page(page, config.plain(), config.run / "report.html")
