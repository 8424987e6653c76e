"""The steps of `idml generate train`, and its page."""

import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.errors import InputError
from idml_jax.typing import Images
from idml_jax.workflows.generate_train import Config
from idml_jax.workflows.generator_figures import copies, correlations, pictures, training_curves
from idml_jax.workflows.material import Material, read_material
from idml_jax.workflows.provenance import versions

SAMPLES = 512
"""Generated images that are compared with the held-out micrographs."""

SHOWN = 8
"""Images whose nearest training crop is looked for."""


def recipe_of(config: Config) -> training.Recipe:
    """What the generator will be made with.

    Raises
    ------
    InputError
        If there is none for the options.
    """
    size = (config.size[0], config.size[-1])
    names = "width latent_features periodic loss augmented precision parts seed".split()
    options = {name: getattr(config, name) for name in names}
    try:
        return training.Recipe.of_size(size, effort=config.effort, **options)
    except ValueError as error:
        raise InputError(str(error)) from error


def read(config: Config, recipe: training.Recipe) -> Material:
    """The user's micrographs."""
    return read_material(
        config.images,
        size=recipe.size,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
        binning=config.binning,
        held_out=config.held_out,
        seed=config.seed,
    )


def study(config: Config, recipe: training.Recipe, material: Material) -> None:
    """From checked micrographs to a trained generator, ``report.html`` and ``result.json``."""
    began = time.perf_counter()
    print(material)

    def show(images: Images, done: int) -> None:
        picture = report.sheet(np.asarray(images)[..., 0], columns=4)
        report.write_grey_png(config.run / "samples" / f"step_{done:06d}.png", picture)

    gan = training.train_progressive_gan(
        material.train,
        run=config.run,
        recipe=recipe,
        save_every=config.save_every,
        show=show,
        nonfinite=config.nonfinite,
    )
    trained = time.perf_counter() - began
    print("comparing generated with held-out micrographs ...")
    images = gan.sample(jax.random.fold_in(jax.random.key(config.seed), 1), SAMPLES)
    comparison = evaluation.compare(images, material.held_out, material.train, seed=config.seed)
    crops = np.concatenate([data.grid_crops(each.image, gan.size) for each in material.held_out])
    order = np.random.default_rng(config.seed).permutation(len(crops))[:SHOWN]
    bar = tqdm((*images[:SHOWN], *crops[order]), desc="nearest crops", unit="img", delay=2)
    nearest = [evaluation.nearest_training_crop(image, material.train) for image in bar]
    distances = [near.distance for near in nearest]
    results = {
        "comparison": comparison.plain(),
        "nearest training crop": {
            "generated": float(np.median(distances[:SHOWN])),
            "held-out": float(np.median(distances[SHOWN:])),
        },
        "size": list(gan.size),
        "pixel size": gan.recipe.pixel_size,
        "binning": material.binning,
        "seconds": {"training": trained, "all": time.perf_counter() - began},
        "text": str(comparison),
    }
    page = report.Page(
        "A generator of micrographs",
        "A progressive GAN learned the material; statistics compare what it makes with "
        "micrographs it never saw.",
    )
    page.section("The material, and what the generator makes of it")
    page.figure(pictures(crops, images), "Held-out micrographs above, generated images below.")
    page.section("Is it the same material?")
    page.figure(
        correlations(comparison, gan.recipe.pixel_size),
        "Radially averaged two-point correlation of the bright phase: means with 95 % bootstrap "
        "intervals, micrographs resampled first and their crops second.",
    )
    page.table(evaluation.COLUMNS, comparison.rows())
    page.section(
        "Is it a copy?",
        "Each generated image above the training crop nearest to it, over every place and all "
        "eight symmetries.",
    )
    page.figure(
        copies(images, nearest[:SHOWN]),
        "Root mean square difference to the nearest training crop: generated "
        f"{results['nearest training crop']['generated']:.3f}, held-out crops "
        f"{results['nearest training crop']['held-out']:.3f} (medians).",
    )
    page.section("Training")
    page.figure(
        training_curves(training.read_records(config.run)),
        "Losses; diversity near 0 would be a collapse, and 1 of told apart a discriminator that "
        "teaches nothing any more.",
    )
    page.section("Configuration")
    page.settings({**config.plain(), "binning used": material.binning})
    page.section("Versions")
    page.settings(versions())
    page.write(config.run / "report.html")
    report.write_json(config.run / "result.json", results)


def summary(results: Mapping[str, Any]) -> str:
    """The table that the terminal shows at the end."""
    nearest, seconds = results["nearest training crop"], results["seconds"]
    rows = [
        ("nearest training crop, generated", f"{nearest['generated']:.3f} grey values rms"),
        ("nearest training crop, held-out", f"{nearest['held-out']:.3f} grey values rms"),
        ("time, all", f"{seconds['all']:.0f} s"),
        ("time, training", f"{seconds['training']:.0f} s"),
    ]
    return f"{results['text']}\n\n{report.aligned_text(rows)}"
