"""The steps of `idml generate train`, and its page."""

import time
from typing import Any

import numpy as np

from idml_jax import report, training
from idml_jax.errors import InputError
from idml_jax.typing import Images
from idml_jax.workflows.assessment import Assessment, assess, told
from idml_jax.workflows.conditioning import training_conditions
from idml_jax.workflows.directions import tell_of_directions
from idml_jax.workflows.generate_train import Config
from idml_jax.workflows.generator_figures import training_curves
from idml_jax.workflows.material import Material, read_material
from idml_jax.workflows.phases import greys
from idml_jax.workflows.provenance import end_page, versions

SAMPLES = 512
"""Generated images that are compared with the held-out micrographs."""


def recipe_of(config: Config) -> training.Recipe:
    """What the generator will be made with.

    Raises
    ------
    InputError
        If there is none for the options.
    """
    size = (config.size[0], config.size[-1])
    names = (
        "width features shown penalty latent_features periodic noise noise_from detector turns "
        "loss augmented precision parts contrast seed"
    ).split()
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
        contrast=config.contrast,
        held_out=config.held_out,
        seed=config.seed,
        table=config.conditions,
        classes=config.classes,
        phases=config.phases,
    )


def study(config: Config, recipe: training.Recipe, material: Material) -> None:
    """From checked micrographs to a trained generator, ``report.html`` and ``result.json``."""
    began = time.perf_counter()
    print(material)
    tell_of_directions(material.train, recipe.turns)

    def show(images: Images, done: int) -> None:
        picture = report.sheet(greys(np.asarray(images), material.labels), columns=4)
        report.write_grey_png(config.run / "samples" / f"step_{done:06d}.png", picture)

    gan = training.train_progressive_gan(
        material.train,
        run=config.run,
        recipe=recipe,
        conditions=training_conditions(recipe, material),
        save_every=config.save_every,
        show=show,
        nonfinite=config.nonfinite,
    )
    trained = time.perf_counter() - began
    assessment = assess(gan, material, count=SAMPLES, seed=config.seed)
    results = {
        **assessment.plain(),
        "size": list(gan.size),
        "pixel size": gan.recipe.pixel_size,
        "binning": material.binning,
        "seconds": {"training": trained, "all": time.perf_counter() - began},
    }
    page = report.Page(
        "A generator of micrographs",
        "A progressive GAN learned the material; statistics compare what it makes with "
        "micrographs it never saw.",
    )
    assessment.show(page, gan.recipe.pixel_size)
    page.section("Training")
    page.figure(
        training_curves(training.read_records(config.run)),
        "Losses; diversity near 0 would be a collapse, and 1 of told apart a discriminator that "
        "teaches nothing any more.",
    )
    end_page(page, {**config.plain(), "binning used": material.binning}, config.run / "report.html")
    card = card_of(config, gan, material, assessment)
    report.write_atomically(config.run / "CARD.md", card)
    training.write_generator(config.run / "generator.safetensors", gan, card=card)
    report.write_json(config.run / "result.json", results)


def card_of(
    config: Config, gan: training.ProgressiveGAN, material: Material, assessment: Assessment
) -> str:
    """What a reader of the generator's file has to know: Markdown."""
    sizes = gan.recipe.pixel_size
    pixel = "not known" if sizes is None else " x ".join(f"{side:.4g} m" for side in sizes)
    scale = "on the grey scale that `idml_jax.data.equalize_contrast` makes"
    if gan.recipe.labels:
        scale = f"memberships of the phases {', '.join(map(str, gan.recipe.labels))}"
    return "\n".join(
        [
            "# A generator of micrographs",
            "",
            f"- images: {gan.size[0]} x {gan.size[1]} pixels, a pixel {pixel}, {scale}",
            *(f"- told of each image: {one}" for one in gan.recipe.meanings),
            f"- micrographs: {config.images.name}, {len(material.train)} to train on and "
            f"{len(material.held_out)} held out, {material.binning} x {material.binning} pixels "
            "averaged into one",
            f"- licence of the micrographs: {config.licence or 'not stated'}",
            f"- method: progressive GAN, {gan.recipe.growth.steps} steps, latents of "
            f"{gan.latent_features} numbers, seed {config.seed}; idml_jax {versions()['idml-jax']}",
            f"- command: `{config.command()}`",
            "",
            f"Scores, of {len(assessment.images)} images beside the held-out micrographs:",
            "",
            "```",
            assessment.text,
            "```",
            "",
        ]
    )


def summary(results: dict[str, Any]) -> str:
    """The table that the terminal shows at the end."""
    seconds = results["seconds"]
    rows = [
        *told(results),
        ("time, all", f"{seconds['all']:.0f} s"),
        ("time, training", f"{seconds['training']:.0f} s"),
    ]
    return f"{results['text']}\n\n{report.aligned_text(rows)}"
