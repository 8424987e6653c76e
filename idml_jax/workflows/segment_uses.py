"""What a trained segmenter is used for: the classes of new micrographs, and how right they are."""

import csv
import dataclasses
import json
import pathlib
import sys

import imageio.v3 as imageio
import numpy as np
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax import data, evaluation, integration, report, training
from idml_jax.errors import InputError
from idml_jax.typing import Image
from idml_jax.workflows import characterize, segment_evaluate, segment_measure, segment_predict
from idml_jax.workflows.segment_figures import colours_of

OVERLAY = 0.45
"""Share of the colour of its class in a pixel of an overlay."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tiled:
    """A segmenter that computes an image tile by tile."""

    segmenter: training.Segmenter
    tile: int

    @property
    def classes(self) -> tuple[int, ...]:
        """As the segmenter's."""
        return self.segmenter.classes

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Probabilities of the classes, in the memory of a tile."""
        multiple = self.segmenter.multiple
        halo = self.segmenter.reach
        halo += -halo % multiple
        tile = max(self.tile, 4 * halo)
        return integration.predict_in_tiles(
            self.segmenter.predict,
            image,
            tile=tile + -tile % multiple,
            halo=halo,
            overlap=halo // 2,
            multiple=multiple,
        )


def predict(config: segment_predict.Config) -> str:
    """Write what each micrograph's pixels are; a table of the share of each class."""
    segmenter = Tiled(training.load_segmenter(config.run), config.tile)
    names = names_of(config.run, segmenter.classes)
    paths = [config.images]
    if config.images.is_dir():
        paths = data.images_in(config.images, "micrograph")
    data.check_names(paths)
    config.out.mkdir(parents=True, exist_ok=True)
    rows, wrong = [], []
    for path in tqdm(paths, desc="micrographs", unit="image", delay=2):
        try:
            micrograph = _read(path, config, segmenter.segmenter.channels)
        except InputError as error:
            wrong.append(str(error))
            continue
        shares = segmenter.predict(micrograph.image)
        labels = shares.argmax(axis=-1)
        _write(config, micrograph, labels, shares, segmenter.classes)
        of_classes = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
        rows.append((micrograph.name, *of_classes.tolist()))
    head = ("file", *names)
    report.write_atomically(config.out / "shares.csv", report.csv_text(head, rows))
    for message in wrong:
        print(f"left out: {message}", file=sys.stderr)
    if not rows:
        raise InputError(f"{config.images}: no micrograph could be used; see above.")
    shown = [(name, *(f"{share:.4f}" for share in of_classes)) for name, *of_classes in rows]
    return report.aligned_text([head, *shown])


def evaluate(config: segment_evaluate.Config) -> str:
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
    counts = evaluation.pixel_counts(segmenter, annotated)
    each = [evaluation.pixel_scores(of_image, names) for of_image in counts]
    whole = evaluation.pixel_scores(counts.sum(axis=0), names)
    head = ("file", *whole)
    rows = [(one.name, *of.values()) for one, of in zip(annotated, each, strict=True)]
    config.out.mkdir(parents=True, exist_ok=True)
    report.write_atomically(config.out / "scores.csv", report.csv_text(head, rows))
    of_images = np.array([of["mean IoU"] for of in each])
    interval = evaluation.bootstrap_mean([value[None] for value in of_images])
    result = {
        "images": [one.name for one in annotated],
        "scores": whole,
        "counts": counts.sum(axis=0).tolist(),
        "mean IoU of an image": {name: float(value) for name, value in interval._asdict().items()},
    }
    report.write_json(config.out / "result.json", result)
    columns = ("IoU", "Dice", "precision", "recall")
    table = [("class", *columns)]
    table += [
        (name, *(f"{whole[f'{column}, {name}']:.3f}" for column in columns)) for name in names
    ]
    return (
        f"{report.aligned_text(table)}\n\nmean IoU {whole['mean IoU']:.3f}, accuracy "
        f"{whole['accuracy']:.3f}; of an image {of_images.mean():.3f} "
        f"[{interval.low:.3f}, {interval.high:.3f}], from {of_images.min():.3f} to "
        f"{of_images.max():.3f}"
    )


def measure(config: segment_measure.Config) -> str:
    """Write what each micrograph's pixels are, and the measures of each class; its shares."""
    text = predict(config.prediction())
    classes = training.load_segmenter(config.run).classes
    rows: list[list[str]] = []
    head: list[str] = []
    for value, name in zip(classes, names_of(config.run, classes), strict=True):
        folder = config.out / name.replace("/", "_")
        print(f"\n{name}")
        characterize.run(config.measurement(value, folder))
        with (folder / "statistics.csv").open(newline="") as file:
            columns, *of_files = csv.reader(file)
        head = [columns[0], "class", *columns[1:]]
        rows += [[first, name, *rest] for first, *rest in of_files]
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
    found = micrograph.image.shape[-1]
    if found == channels:
        return micrograph
    if channels == 1:
        return micrograph.grey()
    raise InputError(
        f"{path}: has {found} channels, and the network was trained on {channels}; give "
        "micrographs as those of the training."
    )


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
        grey = micrograph.image.mean(axis=-1, keepdims=True)
        mixed = (1 - OVERLAY) * grey + OVERLAY * colours_of(len(classes))[labels]
        picture = np.rint(255 * mixed).astype(np.uint8)
        folder = config.out / "overlays"
        folder.mkdir(exist_ok=True)
        png = imageio.imwrite("<bytes>", picture, extension=".png")
        report.write_atomically(folder / f"{micrograph.name}.png", png)
    if config.probabilities:
        folder = config.out / "probabilities"
        folder.mkdir(exist_ok=True)
        pages = np.moveaxis(shares, -1, 0).astype(np.float32)
        tiff = integration.tiff_bytes(pages, micrograph.pixel_size)
        report.write_atomically(folder / f"{micrograph.name}.tif", tiff)
