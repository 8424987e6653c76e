"""The steps of `idml segment evaluate`: how right a segmenter is of annotated micrographs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.errors import InputError
from idml_jax.workflows.segment_evaluate import Config
from idml_jax.workflows.segment_tiles import Tiled
from idml_jax.workflows.segment_uses import names_of

SHAPES = ("boundary F", "adapted Rand error")
"""Scores of where the boundaries and the regions of a class are. An image has them; of several they
are the mean over those that have the class."""


def evaluate(config: Config) -> str:
    """Compare with masks; a table of the scores of each class."""
    segmenter = Tiled(training.load_segmenter(config.run), config.tile)
    names = names_of(config.run, segmenter.classes)
    chosen = None
    if config.split is not None:
        chosen = getattr(data.read_split(config.split, name=config.of), config.part)
        if not chosen:
            raise InputError(f'{config.split}: the list "{config.part}" is empty.')
    annotated = data.read_annotated(
        config.images,
        config.masks,
        names=chosen,
        classes=segmenter.classes,
        unlabelled=config.unlabelled,
        crop_bottom=config.crop_bottom,
    ).micrographs
    counts, shapes = compared(segmenter, annotated, config.tolerance)
    each = [
        evaluation.pixel_scores(of_image, names) | named(of_shapes, names)
        for of_image, of_shapes in zip(counts, shapes, strict=True)
    ]
    whole = evaluation.pixel_scores(counts.sum(axis=0), names) | named(mean_of(shapes), names)
    head = ("file", *whole)
    rows = [(one.name, *of.values()) for one, of in zip(annotated, each, strict=True)]
    config.out.mkdir(parents=True, exist_ok=True)
    report.write_atomically(config.out / "scores.csv", report.csv_text(head, rows))
    of_images = np.array([of["mean IoU"] for of in each])
    interval = evaluation.bootstrap_mean([value[None] for value in of_images])
    result = {
        "images": [one.name for one in annotated],
        "scores": whole,
        "tolerance of boundaries": config.tolerance,
        "counts": counts.sum(axis=0).tolist(),
        "mean IoU of an image": {name: float(value) for name, value in interval._asdict().items()},
    }
    report.write_json(config.out / "result.json", result)
    columns = ("IoU", "Dice", "precision", "recall", *SHAPES)
    table = [("class", *columns)]
    table += [
        (name, *report.cells(whole, [f"{column}, {name}" for column in columns])) for name in names
    ]
    return (
        f"{report.aligned_text(table)}\n\nmean IoU {whole['mean IoU']:.3f}, accuracy "
        f"{whole['accuracy']:.3f}; of an image {of_images.mean():.3f} "
        f"[{interval.low:.3f}, {interval.high:.3f}], from {of_images.min():.3f} to "
        f"{of_images.max():.3f}"
    )


def compared(
    segmenter: Tiled, annotated: Sequence[data.Annotated], tolerance: float
) -> tuple[Int[np.ndarray, "images classes classes"], Float[np.ndarray, "images shapes classes"]]:
    """Of each image what was taken for what, and the scores of boundaries and regions."""
    classes = len(segmenter.classes)
    counts, shapes = [], []
    for one in tqdm(annotated, desc="micrographs", unit="image", delay=2):
        found = segmenter.predict(one.micrograph.image).argmax(axis=-1)
        given = one.labels, found
        counts.append(evaluation.confusion_matrix(*given, classes=classes))
        boundary = evaluation.boundary_f_score(*given, classes=classes, tolerance=tolerance)
        shapes.append((boundary, evaluation.adapted_rand_error(*given, classes=classes)))
    return np.asarray(counts, np.int64), np.array(shapes)


def mean_of(
    shapes: Float[np.ndarray, "images shapes classes"],
) -> Float[np.ndarray, "shapes classes"]:
    """Over the images that have a score; NaN where none has."""
    known = np.isfinite(shapes)
    total = np.where(known, shapes, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def named(shapes: Float[np.ndarray, "shapes classes"], names: Sequence[str]) -> dict[str, float]:
    """The scores of boundaries and regions by their names."""
    return {
        f"{score}, {name}": float(value)
        for score, values in zip(SHAPES, shapes, strict=True)
        for name, value in zip(names, values, strict=True)
    }
