"""The steps of `idml segment train`, and its page."""

import json
import time
from typing import Any

import numpy as np

from idml_jax import data, evaluation, report, training
from idml_jax.models.resnet import DEPTHS
from idml_jax.workflows.light import tell_of_light
from idml_jax.workflows.provenance import end_page
from idml_jax.workflows.segment_calibration import pixel_calibration
from idml_jax.workflows.segment_data import AnnotatedSplit, read_annotated_split
from idml_jax.workflows.segment_figures import examples_figure, judged_curves, overlay_sheet
from idml_jax.workflows.segment_tiles import asked_through
from idml_jax.workflows.segment_train import CHANGES, Config

NETWORK, TURNED = "U-Net", "U-Net, mean of turns"

FLOORS = {
    "threshold (Otsu)": training.ThresholdSegmenter,
    "random forest": training.ForestSegmenter,
}
"""What a network has to beat."""


def ways_of(config: Config) -> tuple[str, ...]:
    """What tells the classes, in the order of the tables."""
    floors = tuple(FLOORS) if config.floors else ()
    return (*floors, NETWORK, TURNED) if config.turned else (*floors, NETWORK)


def recipe_of(config: Config) -> training.SegmenterRecipe:
    """What the segmenter will be made with."""
    same = (
        "normalization residual attention dropout turns around_classes class_weights "
        "boundary_weight steps batch optimizer learning_rate judge_every patience precision frozen "
        "encoder_rate symmetric binning local_contrast patch seed"
    ).split()
    depth = None if config.encoder is None else DEPTHS[config.encoder]
    standard = (16, 32, 64, 128) if depth is None else (128, 64, 48, 32, 16)
    standard = (4, 8, 16, 32) if config.symmetric else standard
    return training.SegmenterRecipe(
        encoder=depth,
        features=config.features or standard,
        size=(config.size[0], config.size[-1]),
        loss=training.SegmentationLoss(
            focus=config.focus, overlap=config.overlap, missed=config.missed
        ),
        changes=data.Changes(**{name: getattr(config, name) for name in CHANGES}),
        **{name: getattr(config, name) for name in same},
    )


def study(config: Config) -> str:
    """From checked micrographs to a trained segmenter and its page; the table of scores."""
    parts = read_annotated_split(config)
    report.claim(config.run / "config.json", config.plain())
    print(parts)
    tell_of_light([one.micrograph for one in parts.train], config.local_contrast)
    segmenter, counts, seconds = fitted(config, parts, judged=config.fold is None)
    calibration = pixel_calibration(segmenter, parts.val)
    results = {
        "classes": dict(zip(parts.names, parts.classes, strict=True)),
        "train": [one.name for one in parts.train],
        "val": [one.name for one in parts.val],
        "scores": {
            name: evaluation.pixel_scores(each.sum(axis=0), parts.names)
            for name, each in counts.items()
        },
        "counts": {name: each.sum(axis=0).tolist() for name, each in counts.items()},
        "calibration": calibration.plain(),
        # Where they were found, wherever what comes later is called from.
        "folders": [str(folder.resolve()) for folder in (config.images, config.masks)],
        "seconds": seconds,
    }
    rows = table_of(results["scores"], parts.names, seconds)
    page = report.Page(
        "Classes of pixels",
        f"A U-Net learned {len(parts.names)} classes from {len(parts.train)} micrographs; it is "
        f"judged by {len(parts.val)} that it was not trained on.",
    )
    page.section(
        "How well is each class told?",
        "Of all pixels of the micrographs that it is not "
        "trained on. IoU: what was told right of a class, over all that is of it or was "
        "taken for it.",
    )
    page.table(rows[0], rows[1:])
    of_network = counts[NETWORK]
    page.figure(
        report.confusion_figure(of_network.sum(axis=0), parts.names),
        "Share of each true class, down, that was taken for which, across.",
    )
    calibration.show(page)
    page.section("The best and the worst")
    page.figure(
        examples_figure(segmenter, parts.val, of_network),
        "Micrograph, mask, what the network says, and where it is wrong: the best and the worst.",
    )
    page.section("Training")
    page.figure(
        judged_curves(training.read_records(config.run)),
        "Loss of batches, and mean IoU of the micrographs that it is judged by; the best is kept."
        if config.fold is None
        else "Loss of batches; the last network is kept, as nothing is chosen by a fold.",
    )
    end_page(page, config.plain(), config.run / "report.html")
    report.write_json(config.run / "result.json", results)
    return f"{report.aligned_text(rows)}\n\n{calibration}"


def fitted(
    config: Config, parts: AnnotatedSplit, *, judged: bool = True
) -> tuple[evaluation.PixelClassifier, dict[str, np.ndarray], dict[str, float]]:
    """The network, and of it and the floors what each class was taken for, and the seconds.

    Parameters
    ----------
    config : Config
    parts : AnnotatedSplit
    judged : bool
        Whether the held-out micrographs decide which network is kept; else it is the last one, and
        they are judged by alone.
    """
    counts: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap() -> float:
        nonlocal began
        now = time.perf_counter()
        passed, began = now - began, now
        return passed

    if config.floors:
        # In the light that the network sees them in.
        seen, unseen = ([one.in_local_contrast(config.local_contrast) for one in part]
                        for part in (parts.train, parts.val))  # fmt: skip
        for name, kind in FLOORS.items():
            counts[name] = evaluation.pixel_counts(kind.of(seen, parts.classes), unseen)
            seconds[name] = lap()

    def show(segmenter: training.Segmenter, done: int) -> training.Pictures:
        picture = overlay_sheet(segmenter, parts.val)
        report.write_colour_png(config.run / "samples" / f"step_{done:06d}.png", picture)
        return {"held-out: grey, told, annotated": picture}

    through = asked_through(parts.val)
    segmenter = training.train_segmenter(
        parts.train,
        parts.classes,
        recipe_of(config),
        run=config.run,
        weights=config.weights,
        judge=evaluation.judge_pixels(parts.val, through=through) if judged else None,
        save_every=config.save_every,
        show=show,
    )
    asked = segmenter if through is None else through(segmenter)
    counts[NETWORK] = evaluation.pixel_counts(asked, parts.val)
    seconds[NETWORK] = lap() + _spent_before(config)
    if config.turned:
        turned = training.UncertainSegmenter(training.turned_members(asked, config.turns))
        counts[TURNED] = evaluation.pixel_counts(turned, parts.val)
        seconds[TURNED] = seconds[NETWORK] + lap()
    return asked, counts, seconds


def _spent_before(config: Config) -> float:
    """Seconds that a run which is gone on with took before, if it was finished."""
    done = config.run / "result.json"
    return json.loads(done.read_text())["seconds"][NETWORK] if done.exists() else 0.0


def table_of(
    scores: dict[str, dict[str, Any]], names: tuple[str, ...], seconds: dict[str, float]
) -> list[tuple[str, ...]]:
    """A row for each way to tell classes."""
    columns = (*evaluation.score_columns(names), "accuracy")
    rows: list[tuple[str, ...]] = [("by", *columns, "seconds")]
    for way, of_way in scores.items():
        rows.append((way, *report.cells(of_way, columns), f"{seconds[way]:.0f}"))
    return rows
