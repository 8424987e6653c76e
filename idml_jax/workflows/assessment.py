"""How good a generator is: its images beside held-out and training micrographs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax import evaluation, report, training
from idml_jax.typing import Array, Images
from idml_jax.workflows.asked import Asked, ask
from idml_jax.workflows.conditioning import crops_and_told, dealt
from idml_jax.workflows.generator_figures import (
    copies,
    correlations,
    every_statistic,
    pictures,
)
from idml_jax.workflows.material import Material
from idml_jax.workflows.phases import compare_phases, greys

SHOWN = 8
"""Images whose nearest training crop is looked for, generated and held out."""


class Assessment(NamedTuple):
    """Generated images, and what was found of them."""

    images: Float[np.ndarray, "count rows cols channels"]
    crops: Float[np.ndarray, "crops rows cols channels"]
    """Of the held-out micrographs."""
    comparisons: dict[str, evaluation.Comparison]
    """By the phase that was looked at."""
    nearest: list[evaluation.Nearest]
    """Training crops nearest to the first generated images."""
    nearest_held_out: list[evaluation.Nearest]
    """The same of some held-out crops."""
    labels: tuple[int, ...] = ()
    """Of phases; none of grey images."""
    asked: Asked | None = None
    """Whether the images are what was asked for, where something was."""
    features: evaluation.FeatureComparison | None = None
    """In the features of an encoder, where one was given."""

    @property
    def comparison(self) -> evaluation.Comparison:
        """Of the first phase that was looked at: of grey images the bright one, and no other."""
        return next(iter(self.comparisons.values()))

    @property
    def text(self) -> str:
        """What the terminal and the card say of it."""
        parts = [str(one) for one in self.comparisons.values()]
        if self.labels:
            parts = [
                f"{name}\n\n{part}" for name, part in zip(self.comparisons, parts, strict=True)
            ]
        further = (str(each) for each in (self.asked, self.features) if each is not None)
        return "\n\n".join([*parts, *further])

    def plain(self) -> dict[str, Any]:
        """Every number, for JSON."""
        further: dict[str, Any] = {"labels": list(self.labels)} if self.labels else {}
        if len(self.comparisons) > 1:
            further["comparisons"] = {name: one.plain() for name, one in self.comparisons.items()}
        if self.asked is not None:
            further["asked for"] = self.asked.plain()
        if self.features is not None:
            further["features"] = self.features.plain()
        return {
            "comparison": self.comparison.plain(),
            "nearest training crop": {
                "generated": _median(self.nearest),
                "held-out": _median(self.nearest_held_out),
            },
            "text": self.text,
            **further,
        }

    def show(self, page: report.Page, pixel_size: tuple[float, float] | None) -> None:
        """The sections of a page that it fills."""
        page.section("The material, and what the generator makes of it")
        page.figure(
            pictures(self._shown(self.crops), self._shown(self.images)),
            "Held-out micrographs above, generated images below.",
        )
        page.section("Is it the same material?")
        for phase, comparison in self.comparisons.items():
            page.figure(
                correlations(comparison, pixel_size),
                f"Radially averaged two-point correlation of the {phase}: means with 95 % "
                "bootstrap intervals, micrographs resampled first and their crops second.",
            )
            page.table(evaluation.COLUMNS, comparison.rows())
            page.figure(
                every_statistic(comparison, pixel_size),
                "Every statistic of the table: mean and 95 % bootstrap interval, lengths along the "
                "axis, numbers in units of pixels.",
            )
        if self.features is not None:
            page.section("As an encoder sees it")
            page.table(evaluation.FEATURE_COLUMNS, self.features.rows())
        if self.asked is not None:
            self.asked.show(page)
        page.section(
            "Is it a copy?",
            "Each generated image above the training crop nearest to it, over every place and all "
            "eight symmetries.",
        )
        page.figure(
            copies(self._shown(self.images), [self._drawn(near) for near in self.nearest]),
            "Root mean square difference to the nearest training crop: generated "
            f"{_median(self.nearest):.3f}, held-out crops {_median(self.nearest_held_out):.3f} "
            "(medians).",
        )

    def _shown(
        self, images: Float[np.ndarray, "count rows cols channels"]
    ) -> Float[np.ndarray, "count rows cols 1"]:
        return greys(images, self.labels)[..., None]

    def _drawn(self, near: evaluation.Nearest) -> evaluation.Nearest:
        if not self.labels:
            return near
        return near._replace(crop=greys(near.crop[None], self.labels)[0])


def assess(
    gan: training.ProgressiveGAN,
    material: Material,
    *,
    count: int,
    seed: int,
    encoder: Callable[[Images], Array] | None = None,
) -> Assessment:
    """Compare images of random latents with the held-out micrographs, and look for copies.

    A generator that is told something is told what the crops of these micrographs are.

    Parameters
    ----------
    gan : ProgressiveGAN
    material : Material
    count : int
        Generated images.
    seed : int
        Of the latents, the bootstrap, and the choice of the crops that are looked for.
    encoder : callable, optional
        From a batch of images to features that they are compared in as well.
    """
    print("comparing generated with held-out micrographs ...")
    crops, told = crops_and_told(material.held_out, material, gan.recipe)
    conditions = None
    if gan.recipe.meanings:
        # As the held-out crops are, so that nothing but the generator makes a difference.
        wanted = dealt(told, count, seed=seed)
        conditions = training.encode_conditions(gan.recipe.meanings, wanted)
    key = jax.random.fold_in(jax.random.key(seed), 1)
    images = gan.sample(key, count, conditions=conditions)
    comparisons = compare_phases(images, material, seed=seed)
    asked = ask(gan, material, seed=seed) if gan.recipe.meanings else None
    features = None
    if encoder is not None:
        real = material.held_out, material.train
        features = evaluation.compare_features(images, *real, encoder, seed=seed)
    chosen = np.random.default_rng(seed).permutation(len(crops))[:SHOWN]
    bar = tqdm((*images[:SHOWN], *crops[chosen]), desc="nearest crops", unit="img", delay=2)
    nearest = [evaluation.nearest_training_crop(image, material.train) for image in bar]
    shown = len(images[:SHOWN])
    split = nearest[:shown], nearest[shown:]
    return Assessment(images, crops, comparisons, *split, material.labels, asked, features)


def told(results: dict[str, Any]) -> list[tuple[str, str]]:
    """What the terminal says of copies, from the plain numbers."""
    nearest = results["nearest training crop"]
    unit = "memberships" if results.get("labels") else "grey values"
    return [
        (f"nearest training crop, {kind}", f"{nearest[kind]:.3f} {unit} rms")
        for kind in ("generated", "held-out")
    ]


def _median(nearest: list[evaluation.Nearest]) -> float:
    return float(np.median([near.distance for near in nearest]))
