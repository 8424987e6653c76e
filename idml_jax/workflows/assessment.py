"""How good a generator is: its images beside held-out and training micrographs."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax import data, evaluation, report, training
from idml_jax.workflows.generator_figures import (
    copies,
    correlations,
    every_statistic,
    pictures,
)
from idml_jax.workflows.material import Material

SHOWN = 8
"""Images whose nearest training crop is looked for, generated and held out."""


class Assessment(NamedTuple):
    """Generated images, and what was found of them."""

    images: Float[np.ndarray, "count rows cols 1"]
    crops: Float[np.ndarray, "crops rows cols 1"]
    """Of the held-out micrographs."""
    comparison: evaluation.Comparison
    nearest: list[evaluation.Nearest]
    """Training crops nearest to the first generated images."""
    nearest_held_out: list[evaluation.Nearest]
    """The same of some held-out crops."""

    def plain(self) -> dict[str, Any]:
        """Every number, for JSON."""
        return {
            "comparison": self.comparison.plain(),
            "nearest training crop": {
                "generated": _median(self.nearest),
                "held-out": _median(self.nearest_held_out),
            },
            "text": str(self.comparison),
        }

    def show(self, page: report.Page, pixel_size: tuple[float, float] | None) -> None:
        """The sections of a page that it fills."""
        page.section("The material, and what the generator makes of it")
        page.figure(
            pictures(self.crops, self.images),
            "Held-out micrographs above, generated images below.",
        )
        page.section("Is it the same material?")
        page.figure(
            correlations(self.comparison, pixel_size),
            "Radially averaged two-point correlation of the bright phase: means with 95 % "
            "bootstrap intervals, micrographs resampled first and their crops second.",
        )
        page.table(evaluation.COLUMNS, self.comparison.rows())
        page.figure(
            every_statistic(self.comparison, pixel_size),
            "Every statistic of the table: mean and 95 % bootstrap interval, lengths along the "
            "axis, numbers in units of pixels.",
        )
        page.section(
            "Is it a copy?",
            "Each generated image above the training crop nearest to it, over every place and all "
            "eight symmetries.",
        )
        page.figure(
            copies(self.images, self.nearest),
            "Root mean square difference to the nearest training crop: generated "
            f"{_median(self.nearest):.3f}, held-out crops {_median(self.nearest_held_out):.3f} "
            "(medians).",
        )


def assess(
    gan: training.ProgressiveGAN, material: Material, *, count: int, seed: int
) -> Assessment:
    """Compare images of random latents with the held-out micrographs, and look for copies.

    Parameters
    ----------
    gan : ProgressiveGAN
    material : Material
    count : int
        Generated images.
    seed : int
        Of the latents, the bootstrap, and the choice of the crops that are looked for.
    """
    print("comparing generated with held-out micrographs ...")
    images = gan.sample(jax.random.fold_in(jax.random.key(seed), 1), count)
    comparison = evaluation.compare(images, material.held_out, material.train, seed=seed)
    crops = np.concatenate([data.grid_crops(each.image, gan.size) for each in material.held_out])
    chosen = np.random.default_rng(seed).permutation(len(crops))[:SHOWN]
    bar = tqdm((*images[:SHOWN], *crops[chosen]), desc="nearest crops", unit="img", delay=2)
    nearest = [evaluation.nearest_training_crop(image, material.train) for image in bar]
    shown = len(images[:SHOWN])
    return Assessment(images, crops, comparison, nearest[:shown], nearest[shown:])


def told(results: dict[str, Any]) -> list[tuple[str, str]]:
    """What the terminal says of copies, from the plain numbers."""
    nearest = results["nearest training crop"]
    return [
        (f"nearest training crop, {kind}", f"{nearest[kind]:.3f} grey values rms")
        for kind in ("generated", "held-out")
    ]


def _median(nearest: list[evaluation.Nearest]) -> float:
    return float(np.median([near.distance for near in nearest]))
