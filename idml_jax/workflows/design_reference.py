"""What designs are compared with: crops of the material, or typical images of the generator."""

import json
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from idml_jax import data, evaluation, training
from idml_jax.workflows.design import Config
from idml_jax.workflows.material import Material, material_of_run

TYPICAL = 256
"""Images of the generator that stand for the material where no micrograph is at hand."""

SHOWN = 8
"""Held-out crops whose nearest training crop is looked for, to compare with that of designs."""


class Reference(NamedTuple):
    """Images that designs should look like."""

    name: str
    images: Float[np.ndarray, "many rows cols 1"]
    material: Material | None
    """The micrographs that they are crops of."""

    def nearest(self, images: Float[np.ndarray, "count rows cols 1"]) -> list[float]:
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


def reference_of(config: Config, gan: training.ProgressiveGAN) -> Reference:
    """Crops of the training micrographs, where they are known; else images of the generator.

    Raises
    ------
    InputError
        If a micrograph cannot be used.
    """
    folder = training.find_generator(config.generator)
    if config.images is None and _micrographs_of(folder) is None:
        latents = jax.random.key(config.seed)
        return Reference("typical images of the generator", gan.sample(latents, TYPICAL), None)
    material = material_of_run(
        folder,
        size=gan.size,
        images=config.images,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
        binning=config.binning,
        contrast=gan.recipe.contrast,
        seed=None,
    )
    crops = np.concatenate([data.grid_crops(each.image, gan.size) for each in material.train])
    return Reference("crops of the training micrographs", crops, material)


def _micrographs_of(run: pathlib.Path) -> str | None:
    """The folder of micrographs that a run was trained on, if it is still there."""
    config = run / "config.json"
    folder = json.loads(config.read_text()).get("images") if config.exists() else None
    return folder if folder is not None and pathlib.Path(folder).exists() else None
