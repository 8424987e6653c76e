"""What a trained classifier is used for: the classes of new micrographs."""

import json
import pathlib
import sys
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.errors import InputError
from idml_jax.workflows.calibration import temperature_of
from idml_jax.workflows.channels import with_channels
from idml_jax.workflows.classify_data import squares_of
from idml_jax.workflows.classify_predict import Config


def predict(config: Config) -> str:
    """Write the class of each micrograph; a table of how many are of each, and told right."""
    classifier = training.load_classifier(config.run)
    known = json.loads((config.run / "result.json").read_text())
    classes, size = known["classes"], (known["size"][0], known["size"][1])
    temperature = temperature_of(config.run) if config.calibrated else None
    rows, wrong, true = [], [], []
    paths = paths_of(config.images)
    for path, truth in tqdm(paths, desc="micrographs", unit="image", delay=2):
        try:
            micrograph = data.read_micrograph(path, crop_bottom=config.crop_bottom)
            micrograph = with_channels(micrograph, classifier.channels)
            shares = shares_of(micrograph, classifier, size)
            if temperature is not None:
                # It was fitted to means over squares, and is for these.
                shares = evaluation.at_temperature(shares, temperature)
        except InputError as error:
            wrong.append(str(error))
            continue
        name = path.name if truth is None else f"{truth}/{path.name}"
        rows.append((name, classes[int(shares.argmax())], *map(float, shares)))
        true.append(truth)
    for message in wrong:
        print(f"left out: {message}", file=sys.stderr)
    if not rows:
        raise InputError(f"{config.images}: no micrograph could be used; see above.")
    config.out.parent.mkdir(parents=True, exist_ok=True)
    head = ("file", "label", *classes)
    report.write_atomically(config.out, report.csv_text(head, rows))
    return table_of(classes, rows, true)


def paths_of(images: pathlib.Path) -> list[tuple[pathlib.Path, str | None]]:
    """The files, each with its class where the folder that it lies in says it."""
    if images.is_file():
        return [(images, None)]
    inside = [each for each in images.iterdir() if each.is_dir()] if images.is_dir() else []
    if not inside:
        return [(path, None) for path in data.images_in(_there(images), "micrograph")]
    return [
        (path, folder.name)
        for folder in data.class_folders(images)
        for path in data.images_in(folder, "micrograph")
    ]


def shares_of(
    micrograph: data.Micrograph, classifier: training.TrainedClassifier, size: tuple[int, int]
) -> Float[np.ndarray, " classes"]:
    """Probabilities of the classes of one micrograph: the mean over its squares."""
    squares = squares_of([micrograph], np.zeros(1, int), size)
    return squares.of_sources(classifier.predict(squares.images))[0]


def table_of(classes: list[str], rows: list[tuple[Any, ...]], true: list[str | None]) -> str:
    """How many of each class, and of those that are known how many are told right."""
    counts = [sum(row[1] == name for row in rows) for name in classes]
    table = [("class", "micrographs")]
    table += [(name, str(count)) for name, count in zip(classes, counts, strict=True)]
    text = report.aligned_text(table)
    judged = [(row[1], truth) for row, truth in zip(rows, true, strict=True) if truth in classes]
    if judged:
        right = sum(said == truth for said, truth in judged)
        text += f"\n\ntold right: {right} of {len(judged)}, {right / len(judged):.3f}"
    return text


def _there(folder: pathlib.Path) -> pathlib.Path:
    if not folder.exists():
        raise InputError(f"{folder}: does not exist; name a micrograph, or a folder of them.")
    return folder
