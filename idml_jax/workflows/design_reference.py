"""What designs are compared with: crops of the material, or typical images of the generator."""

import json
import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax import data, evaluation, training
from idml_jax.errors import InputError
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_subject import Subject
from idml_jax.workflows.material import Material, material_of_run

TYPICAL = 256
"""Images of the generator that stand for the material where no micrograph is at hand."""

SHOWN = 8
"""Held-out crops whose nearest training crop is looked for, to compare with that of designs."""


class Reference(NamedTuple):
    """Images that designs should look like."""

    name: str
    images: Float[np.ndarray, "many rows cols channels"]
    material: Material | None
    """The micrographs that they are crops of."""

    def nearest(self, images: Float[np.ndarray, "count rows cols channels"]) -> list[float]:
        """How far each image is from the training crop nearest to it; nothing without any."""
        if self.material is None:
            return []
        train = self.material.train
        return [evaluation.nearest_training_crop(image, train).distance for image in images]

    def nearest_held_out(self, size: tuple[int, int], seed: int) -> float | None:
        """The same of held-out crops, in the median."""
        if self.material is None:
            return None
        crops = np.concatenate(
            [data.grid_crops(each.image, size) for each in self.material.held_out]
        )
        chosen = np.random.default_rng(seed).permutation(len(crops))[:SHOWN]
        return float(np.median(self.nearest(crops[chosen])))


def reference_of(config: Config, subject: Subject) -> Reference:
    """Crops of the training micrographs, where they are known; else images of the generator.

    Of a generator that is told classes those of the micrographs of these classes.

    Raises
    ------
    InputError
        If a micrograph cannot be used, or there is none of these classes.
    """
    folder, recipe = training.find_generator(config.generator), subject.recipe
    if config.images is None and _micrographs_of(folder) is None:
        images = subject.sample(TYPICAL, seed=config.seed)
        return Reference("typical images of the generator", images, None)
    material = material_of_run(
        folder,
        size=recipe.size,
        images=config.images,
        meanings=recipe.meanings,
        labels=recipe.labels,
        conditions=config.conditions,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
        binning=config.binning,
        contrast=recipe.contrast,
        seed=None,
    )
    train, held_out = (
        [each for each in group if subject.is_meant(material.known.get(each.name, {}))]
        for group in (material.train, material.held_out)
    )
    if not train:
        raise InputError(
            f"{config.images or folder}: no training micrograph is of {', '.join(config.wanted)}."
        )
    crops = np.concatenate([data.grid_crops(each.image, recipe.size) for each in train])
    kept = material._replace(train=train, held_out=held_out or material.held_out)
    return Reference("crops of the training micrographs", crops, kept)


def _micrographs_of(run: pathlib.Path) -> str | None:
    """The folder of micrographs that a run was trained on, if it is still there."""
    config = run / "config.json"
    folder = json.loads(config.read_text()).get("images") if config.exists() else None
    return folder if folder is not None and pathlib.Path(folder).exists() else None
