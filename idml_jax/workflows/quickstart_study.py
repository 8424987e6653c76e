"""The steps of the quickstart, each one room of the house."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from idml_jax import data, design, evaluation, properties, report, statistics, training
from idml_jax.typing import Images
from idml_jax.workflows.quickstart import Config
from idml_jax.workflows.quickstart_report import Results, write_report

SAMPLES = 256
"""Generated images that are compared with the held-out micrographs."""

SHOWN = 8
"""Images that a person is shown, and whose nearest training crop is looked for."""


def study(config: Config, micrographs: Sequence[data.Micrograph]) -> None:
    """From checked micrographs to ``report.html`` and ``result.json``."""
    began = time.perf_counter()
    key = jax.random.key(config.seed)
    train, held_out, binning = _prepare(config, micrographs)
    print(
        f"{len(train)} micrographs to train on, {len(held_out)} held out; "
        f"{binning} x {binning} pixels averaged into one."
    )
    gan = training.train_progressive_gan(
        train, run=config.run, recipe=_recipe(config), show=_show_samples(config)
    )
    trained = time.perf_counter()

    print("comparing generated with held-out micrographs ...")
    images = gan.sample(jax.random.fold_in(key, 1), SAMPLES)
    comparison = evaluation.compare(images, held_out, train, seed=config.seed)
    nearest = [evaluation.nearest_training_crop(image, train) for image in images[:SHOWN]]
    crops = np.concatenate([data.grid_crops(m.image, gan.size) for m in held_out])
    chosen = np.random.default_rng(config.seed).permutation(len(crops))[:SHOWN]
    floor = [evaluation.nearest_training_crop(crop, train) for crop in crops[chosen]]

    conductivity = properties.Conductivity(phases=(1.0, config.contrast), unit="k of dark")
    along_rows = conductivity.along("rows")
    result = design.optimize_latents(
        gan,
        along_rows,
        run=config.run / "design",
        phase=statistics.bright_phase,
        objective=_objective(config),
        evaluations=config.evaluations,
        start=min(32, config.evaluations // 2),
        seed=config.seed,
    )
    report.write_grey_png(config.run / "design" / "design.png", result.image[..., 0])

    each = jax.jit(lambda batch: jax.lax.map(lambda x: along_rows(x), batch, batch_size=32))
    results = Results(
        config=config.plain(),
        held_out_images=crops,
        generated_images=images,
        comparison=comparison,
        nearest=nearest,
        nearest_held_out=floor,
        generated_values=np.asarray(each(statistics.bright_phase(images))),
        held_out_values=np.asarray(each(statistics.bright_phase(crops))),
        design=result,
        design_tensor=np.asarray(conductivity.tensor(statistics.bright_phase(result.image))),
        records=training.read_records(config.run),
        pixel_size=train[0].pixel_size,
        binning=binning,
        seconds={"training": trained - began, "all": time.perf_counter() - began},
    )
    write_report(config.run / "report.html", results)
    report.write_json(config.run / "result.json", results.numbers())


def read_micrographs(config: Config) -> list[data.Micrograph]:
    """The user's micrographs, or ours; checked before anything is written."""
    options = {"pixel_size": config.pixel_size, "crop_bottom": config.crop_bottom}
    if config.images is not None:
        micrographs = data.read_folder(config.images, **options)
    else:
        folder = config.run / "micrographs"
        if not folder.is_dir() or len(list(folder.glob("*.png"))) < 12:
            report.claim(config.run / "config.json", config.plain())
            _make_micrographs(folder, config.seed)
        micrographs = data.read_folder(folder, **options)
    data.check_sizes(micrographs, size=_recipe(config).size)
    return [micrograph.grey() for micrograph in micrographs]


def _make_micrographs(folder: pathlib.Path, seed: int) -> None:
    """Twelve pictures of one spinodally decomposed alloy, 37 % of it bright."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2), 12)
    fields = jax.jit(
        lambda keys: jax.lax.map(lambda k: data.spinodal(k, (256, 256), composition=-0.2), keys)
    )(keys)
    for index, field in enumerate(np.asarray(fields)):
        report.write_grey_png(folder / f"spinodal_{index:02d}.png", (field + 1) / 2)


def _prepare(
    config: Config, micrographs: Sequence[data.Micrograph]
) -> tuple[list[data.Micrograph], list[data.Micrograph], int]:
    """Training and held-out micrographs, binned and on one grey scale; the binning."""
    train, held_out = data.split_by_specimen(
        micrographs, held_out=config.held_out, seed=config.seed
    )
    size = _recipe(config).size
    binning = config.binning or data.choose_binning(train, size)
    data.check_sizes(micrographs, size=size * binning)

    def prepared(group):
        return [data.equalize_contrast(micrograph.binned(binning)) for micrograph in group]

    return prepared(train), prepared(held_out), binning


def _recipe(config: Config) -> training.Recipe:
    default = training.Recipe()
    images = tuple(round(count * config.effort) for count in default.growth.images)
    return dataclasses.replace(
        default,
        growth=dataclasses.replace(default.growth, images=images),
        periodic=config.periodic,
        seed=config.seed,
    )


def _show_samples(config: Config) -> Callable[[Images, int], None]:
    def show(images: Images, done: int) -> None:
        picture = report.sheet(np.asarray(images)[..., 0], columns=4)
        report.write_grey_png(config.run / "samples" / f"step_{done:06d}.png", picture)

    return show


def _objective(config: Config) -> design.Objective:
    if config.target is None:
        return design.Objective(config.goal)
    return design.Objective("target", config.target)
