"""What a trained segmenter is used for: the classes of new micrographs, and their measures."""

import csv
import json
import pathlib
import sys
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax import data, integration, report, training
from idml_jax.errors import InputError
from idml_jax.workflows import characterize, segment_measure, segment_predict
from idml_jax.workflows.channels import with_channels
from idml_jax.workflows.segment_figures import overlaid
from idml_jax.workflows.segment_tiles import Tiled
from idml_jax.workflows.segment_uncertain import segmenter_of, uncertainty_of


def predict(config: segment_predict.Config) -> str:
    """Write what each micrograph's pixels are; a table of the share of each class."""
    unsure = uncertainty_of(config) if config.uncertainty != "none" else None
    segmenter = Tiled(segmenter_of(config), config.tile)
    names = names_of(config.run, segmenter.classes)
    paths = [config.images]
    if config.images.is_dir():
        paths = data.images_in(config.images, "micrograph")
    data.check_names(paths)
    config.out.mkdir(parents=True, exist_ok=True)
    rows, wrong = [], []
    for path in tqdm(paths, desc="micrographs", unit="image", delay=2):
        try:
            micrograph = _read(path, config, segmenter.channels)
        except InputError as error:
            wrong.append(str(error))
            continue
        told = None if unsure is None else unsure.segmenter.tell(micrograph.image)
        shares = segmenter.predict(micrograph.image) if told is None else told.probabilities
        labels = shares.argmax(axis=-1)
        _write(config, micrograph, labels, shares, segmenter.classes)
        of_classes = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
        row: tuple[Any, ...] = (micrograph.name, *of_classes.tolist())
        if unsure is not None and told is not None:
            found = unsure.of(told)
            row += (*found.low.tolist(), *found.high.tolist())
            _write_maps(config, micrograph, told)
        rows.append(row)
    head = ("file", *names)
    if unsure is not None:
        head += tuple(f"{end}, {name}" for end in ("low", "high") for name in names)
        report.write_json(config.out / "intervals.json", unsure.plain())
    report.write_atomically(config.out / "shares.csv", report.csv_text(head, rows))
    for message in wrong:
        print(f"left out: {message}", file=sys.stderr)
    if not rows:
        raise InputError(f"{config.images}: no micrograph could be used; see above.")
    text = report.aligned_text([("file", *names), *(_shown(row, len(names)) for row in rows)])
    return text if unsure is None else f"{text}\n\n{unsure}"


def _shown(row: tuple[Any, ...], classes: int) -> tuple[str, ...]:
    """The share of each class, and its interval where there is one."""
    name, shares, ends = row[0], row[1 : 1 + classes], row[1 + classes :]
    if not ends:
        return (name, *(f"{share:.4f}" for share in shares))
    each = zip(shares, ends[:classes], ends[classes:], strict=True)
    return (name, *(f"{share:.4f} [{low:.4f}, {high:.4f}]" for share, low, high in each))


def measure(config: segment_measure.Config) -> str:
    """Write what each micrograph's pixels are, and the measures of each class; its shares."""
    prediction = config.prediction()
    text = predict(prediction)
    classes = training.load_segmenter(config.run).classes
    names = names_of(config.run, classes)
    with (prediction.out / "shares.csv").open(newline="") as file:
        shares = {row["file"]: row for row in csv.DictReader(file)}
    ends = ("low", "high") if config.uncertainty != "none" else ()
    rows: list[list[str]] = []
    head: list[str] = []
    for value, name in zip(classes, names, strict=True):
        folder = config.out / name.replace("/", "_")
        print(f"\n{name}")
        characterize.run(config.measurement(value, folder))
        with (folder / "statistics.csv").open(newline="") as file:
            columns, *of_files = csv.reader(file)
        # Of the image itself: the volume fraction's own interval is of what it was taken from.
        head = [columns[0], "class", *columns[1:], *(f"segmented_fraction_{end}" for end in ends)]
        for first, *rest in of_files:
            # A label image that was there before has none.
            of_image = shares.get(pathlib.Path(first).stem, {})
            rows.append([first, name, *rest, *(of_image.get(f"{end}, {name}", "") for end in ends)])
    rows.sort(key=lambda row: row[0])
    report.write_atomically(config.out / "measures.csv", report.csv_text(head, rows))
    return text


def names_of(run: pathlib.Path, classes: tuple[int, ...]) -> tuple[str, ...]:
    """What a training's tables call its classes."""
    done = run / "result.json"
    if not done.exists():
        return tuple(map(str, classes))
    return tuple(json.loads(done.read_text())["classes"])


def _read(path: pathlib.Path, config: segment_predict.Config, channels: int) -> data.Micrograph:
    """A micrograph with the channels that the network takes."""
    micrograph = data.read_micrograph(
        path, pixel_size=config.pixel_size, crop_bottom=config.crop_bottom
    )
    return with_channels(micrograph, channels)


def _write(
    config: segment_predict.Config,
    micrograph: data.Micrograph,
    labels: Int[np.ndarray, "rows cols"],
    shares: Float[np.ndarray, "rows cols classes"],
    classes: tuple[int, ...],
) -> None:
    """The label image and, as wanted, what it looks like and how sure it is."""
    values = np.asarray(classes)
    fits = np.uint8 if values.min() >= 0 and values.max() < 256 else np.int32
    stored = values.astype(fits)[labels]
    tiff = integration.tiff_bytes(stored, micrograph.pixel_size)
    report.write_atomically(config.out / f"{micrograph.name}.tif", tiff)
    if config.overlays:
        picture = overlaid(micrograph.image, labels, len(classes))
        report.write_colour_png(config.out / "overlays" / f"{micrograph.name}.png", picture)
    if config.probabilities:
        pages = np.moveaxis(shares, -1, 0).astype(np.float32)
        tiff = integration.tiff_bytes(pages, micrograph.pixel_size)
        report.write_atomically(config.out / "probabilities" / f"{micrograph.name}.tif", tiff)


def _write_maps(
    config: segment_predict.Config, micrograph: data.Micrograph, told: training.Told
) -> None:
    """How unsure each pixel is, as wanted."""
    if not config.maps:
        return
    pages = np.stack([told.entropy, told.information]).astype(np.float32)
    tiff = integration.tiff_bytes(pages, micrograph.pixel_size)
    report.write_atomically(config.out / "uncertainty" / f"{micrograph.name}.tif", tiff)
