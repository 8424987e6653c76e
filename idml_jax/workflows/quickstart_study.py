"""The steps of the quickstart, each one room of the house."""

import pathlib
import time
from collections.abc import Callable

import jax
import numpy as np

from idml_jax import data, design, properties, report, statistics, training
from idml_jax.errors import InputError
from idml_jax.typing import Images
from idml_jax.workflows.assessment import assess
from idml_jax.workflows.material import Material, read_material
from idml_jax.workflows.quickstart import Config
from idml_jax.workflows.quickstart_report import Results, write_report

MADE = 12
"""Micrographs that the package makes itself where the user has none."""

SAMPLES = 256
"""Generated images that are compared with the held-out micrographs."""


def study(config: Config, material: Material) -> None:
    """From checked micrographs to ``report.html`` and ``result.json``."""
    began = time.perf_counter()
    print(material)
    gan = training.train_progressive_gan(
        material.train, run=config.run, recipe=_recipe(config), show=_show_samples(config)
    )
    trained = time.perf_counter()

    assessment = assess(gan, material, count=SAMPLES, seed=config.seed)
    images, crops = assessment.images, assessment.crops
    conductivity = properties.Conductivity(
        phases=(1.0, config.contrast), unit="times the dark phase's"
    )
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
    report.write_grey_png(config.run / "design" / "design.png", result.images[0, ..., 0])

    each = jax.jit(lambda batch: jax.lax.map(lambda x: along_rows(x), batch, batch_size=32))
    results = Results(
        config=config.plain(),
        assessment=assessment,
        property=along_rows,
        generated_values=np.asarray(each(statistics.bright_phase(images))),
        held_out_values=np.asarray(each(statistics.bright_phase(crops))),
        design=result,
        design_tensor=np.asarray(conductivity.tensor(statistics.bright_phase(result.images[0]))),
        records=training.read_records(config.run),
        pixel_size=gan.recipe.pixel_size,
        binning=material.binning,
        seconds={"training": trained - began, "all": time.perf_counter() - began},
    )
    write_report(config.run / "report.html", results)
    report.write_json(config.run / "result.json", results.numbers())


def prepare(config: Config) -> Material:
    """The user's micrographs, or ours."""
    size = _recipe(config).size
    folder = config.images
    if folder is None:
        folder = config.run / "micrographs"
        if len(list(folder.glob("*.png"))) < MADE:
            report.claim(config.run / "config.json", config.plain())
            _make_micrographs(folder, config.seed)
    return read_material(
        folder,
        size=size,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
        binning=config.binning,
        held_out=config.held_out,
        seed=config.seed,
    )


def _make_micrographs(folder: pathlib.Path, seed: int) -> None:
    """Pictures of one spinodally decomposed alloy, 37 % of it bright."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 2), MADE)
    fields = jax.jit(
        lambda keys: jax.lax.map(lambda k: data.spinodal(k, (256, 256), composition=-0.2), keys)
    )(keys)
    for index, field in enumerate(np.asarray(fields)):
        report.write_grey_png(folder / f"spinodal_{index:02d}.png", (field + 1) / 2)


def _recipe(config: Config) -> training.Recipe:
    options = {"effort": config.effort, "periodic": config.periodic, "seed": config.seed}
    try:
        return training.Recipe.of_size((config.size, config.size), **options)
    except ValueError as error:
        raise InputError(str(error)) from error


def _show_samples(config: Config) -> Callable[[Images, int], None]:
    def show(images: Images, done: int) -> None:
        picture = report.sheet(np.asarray(images)[..., 0], columns=4)
        report.write_grey_png(config.run / "samples" / f"step_{done:06d}.png", picture)

    return show


def _objective(config: Config) -> design.Objective:
    if config.target is None:
        return design.Objective(config.goal)
    return design.Objective("target", config.target)
