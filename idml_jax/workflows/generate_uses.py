"""What a trained generator is used for: judged again, walked through, and asked for an image."""

import hashlib
import io
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float

from idml_jax import data, design, report, training
from idml_jax.errors import InputError
from idml_jax.typing import Array, Images
from idml_jax.workflows import generate_evaluate, generate_interpolate, generate_project
from idml_jax.workflows.assessment import assess
from idml_jax.workflows.generate_images import told_of, told_text
from idml_jax.workflows.material import Material, material_of_run
from idml_jax.workflows.options import plain_options
from idml_jax.workflows.phases import greys
from idml_jax.workflows.provenance import end_page


def evaluate(config: generate_evaluate.Config, result: pathlib.Path) -> None:
    """Write ``report.html`` and the result, where they are not there already."""
    gan = training.load_generator(config.run)
    recipe = gan.recipe
    if recipe.codes or (recipe.conditions and not recipe.meanings):
        raise _told(config.run)
    _check_channels(config.run, recipe)
    encoder = None if config.encoder is None else _encoder(config.encoder, recipe)
    material = _material(config, gan, config.conditions)
    _claim(config, gan, material)
    if result.exists():
        return
    print(material)
    seed = config.seed or 0
    assessment = assess(gan, material, count=config.count, seed=seed, encoder=encoder)
    page = report.Page(
        "A generator, compared",
        "Statistics of what it makes beside those of micrographs.",
    )
    assessment.show(page, gan.recipe.pixel_size)
    end_page(page, {**_plain(config), "binning used": material.binning}, config.out / "report.html")
    report.write_json(result, assessment.plain())


def interpolate(config: generate_interpolate.Config) -> None:
    """Write ``interpolation.png``, the images and latents as arrays, and what was told."""
    gan = training.load_generator(config.run)
    told = told_of(config, gan.recipe)
    _check_channels(config.run, gan.recipe)
    _claim(config, gan)
    ends = design.random_latents(2 * config.count, gan.latent_features, seed=config.seed)
    latents = design.interpolate_latents(ends[::2], ends[1::2], config.steps)
    conditions = training.encode_conditions(gan.recipe.meanings, told) if told else None
    images = []
    for row, way in enumerate(latents):
        # All of a row are told the same: what changes is of the latents.
        wanted = None if conditions is None else np.repeat(conditions[[row]], config.steps, axis=0)
        images.append(np.asarray(gan(way, wanted)))
    greys_of_all = greys(np.concatenate(images), gan.recipe.labels)
    _write_sheet(config.out / "interpolation.png", greys_of_all, config.steps)
    _write_array(config.out / "latents.npy", latents)
    _write_array(config.out / "images.npy", np.stack(images))
    if told:
        report.write_atomically(config.out / "conditions.csv", told_text("row", told))


def project(config: generate_project.Config) -> str:
    """Write ``projection.png``, latents and images, ``errors.csv``; the table for the terminal."""
    gan = training.load_generator(config.run)
    if gan.recipe.conditions + gan.recipe.codes:
        raise _told(config.run)
    _check_channels(config.run, gan.recipe)
    material = _material(config, gan)
    _claim(config, gan, material)
    seed = config.seed or 0
    cut = [
        (micrograph.name, crop)
        for micrograph in material.held_out
        for crop in data.grid_crops(micrograph.image, gan.size)
    ]
    order = np.random.default_rng(seed).permutation(len(cut))[: config.count]
    crops = np.stack([cut[place][1] for place in order])
    found = design.project(gan, crops, steps=config.steps, seed=seed)
    halves = np.concatenate([crops, found.images])
    _write_sheet(config.out / "projection.png", greys(halves, gan.recipe.labels), len(crops))
    _write_array(config.out / "latents.npy", found.latents)
    _write_array(config.out / "images.npy", found.images)
    # Of phases the even image has the shares of all of them.
    deviation = np.sqrt(crops.var(axis=(1, 2)).mean(axis=-1))
    head = ("micrograph", "crop", "rms error", "of the best random image", "of a grey image")
    rows = [
        (cut[place][0], number, *(f"{value:.4f}" for value in values))
        for number, (place, *values) in enumerate(
            zip(order, found.errors, found.start_errors, deviation, strict=True)
        )
    ]
    report.write_atomically(config.out / "errors.csv", report.csv_text(head, rows))
    medians = [np.median(each) for each in (found.errors, found.start_errors, deviation)]
    names = ("rms error, median", "of the best of 256 random images", "of a grey image")
    return report.aligned_text(
        [(name, f"{value:.4f}") for name, value in zip(names, medians, strict=True)]
    )


def parameters_digest(gan: training.ProgressiveGAN) -> str:
    """What tells a generator from others."""
    leaves = jax.tree.leaves(nnx.state(gan.generator))
    parameters = b"".join(np.asarray(leaf).tobytes() for leaf in leaves)
    return hashlib.sha256(parameters).hexdigest()[:16]


def _told(run: pathlib.Path) -> InputError:
    return InputError(
        f"{run}: this generator is told what is wanted of an image; use it in Python, with "
        "`conditions`."
    )


def _check_channels(run: pathlib.Path, recipe: training.Recipe) -> None:
    if recipe.channels > 1 and not recipe.labels:
        raise InputError(
            f"{run}: this generator's images have {recipe.channels} channels; use it in Python, "
            "where micrographs of as many can be given."
        )


def _encoder(run: pathlib.Path, recipe: training.Recipe) -> Callable[[Images], Array]:
    """The features of a classifier that sees such images."""
    classifier = training.load_classifier(run)
    if classifier.channels != recipe.channels:
        raise InputError(
            f"{run}: this classifier sees {classifier.channels} channels, and the generator's "
            f"images have {recipe.channels}; give one that was trained on such images."
        )
    return classifier.features


def _material(
    config: generate_evaluate.Config | generate_project.Config,
    gan: training.ProgressiveGAN,
    conditions: pathlib.Path | None = None,
) -> Material:
    names = ("images", "pixel_size", "crop_bottom", "binning", "seed")
    options = {name: getattr(config, name) for name in names}
    recipe = gan.recipe
    return material_of_run(
        config.run,
        size=gan.size,
        meanings=recipe.meanings,
        labels=recipe.labels,
        contrast=recipe.contrast,
        conditions=conditions,
        **options,
    )


def _claim(config: Any, gan: training.ProgressiveGAN, material: Material | None = None) -> None:
    """What the folder belongs to: options, generator and micrographs."""
    known = {"generator": parameters_digest(gan)}
    if material is not None:
        known |= material.fingerprint()
    report.claim(config.out / "options.json", _plain(config) | known)


def _plain(config: Any) -> dict[str, Any]:
    newer = [name for name in ("conditions", "wanted") if hasattr(config, name)]
    return plain_options(config, without=("out",), newer=newer)


def _write_sheet(
    path: pathlib.Path, images: Float[np.ndarray, "count rows cols"], columns: int
) -> None:
    report.write_grey_png(path, report.sheet(images, columns=columns))


def _write_array(path: pathlib.Path, array: Float[np.ndarray, "*shape"]) -> None:
    np.save(buffer := io.BytesIO(), array)
    report.write_atomically(path, buffer.getvalue())
