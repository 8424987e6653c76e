"""Real images as each level of a growing GAN is shown them, and what they are told to be."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PRNGKeyArray

from idml_jax.data import Cut, Resident, random_crops_and_sources
from idml_jax.models import downsample, upsample
from idml_jax.training.progressive_recipe import Recipe
from idml_jax.typing import Array, Conditions, Images

Known: TypeAlias = Conditions | Callable[[Images], Conditions]
"""What real images are told to be: by their micrographs, or found in the images themselves."""

Wanted: TypeAlias = Known | tuple[Known, ...]
"""One of these, or several, one behind the other."""


@dataclasses.dataclass(frozen=True)
class RealImages:
    """Random crops of micrographs.

    Parameters
    ----------
    recipe : Recipe
    conditions : array of shape (micrographs, conditions), callable, or a tuple of them, optional
        As for `train_progressive_gan`.
    """

    recipe: Recipe
    conditions: Wanted | None

    def check(self, micrographs: int) -> None:
        """Refuse conditions that the recipe does not know of, or that are not one row each.

        Raises
        ------
        ValueError
        """
        wanted = self.recipe.conditions
        if (self.conditions is not None) != bool(wanted):
            given = "none" if self.conditions is None else "some"
            raise ValueError(
                f"the recipe has `conditions` (={wanted}) and the training was given {given}: give "
                "both, or neither."
            )
        arrays = [part for part in self._parts if not callable(part)]
        told = sum(part.shape[1] for part in arrays)
        # How many numbers a function finds shows in the first batch.
        fits = told == wanted if len(arrays) == len(self._parts) else told < wanted
        if not fits or any(len(part) != micrographs for part in arrays):
            shapes = ", ".join(str(part.shape) for part in arrays)
            raise ValueError(
                f"`conditions` has the shape {shapes}; {(micrographs, wanted)} is expected of all "
                "together: one row a micrograph."
            )

    @property
    def _parts(self) -> tuple[Known, ...]:
        """What is told by micrograph, and what is found in crops, in their order."""
        if self.conditions is None:
            return ()
        return self.conditions if isinstance(self.conditions, tuple) else (self.conditions,)

    def of_step(
        self, fed: Resident | Cut, key: PRNGKeyArray, fade: Float[jax.Array, ""], *, level: int
    ) -> tuple[Images, Conditions | None]:
        """A batch for a step of a level, and its conditions."""
        count = self.recipe.growth.batches[level]
        crops, conditions = self.crops(fed, key, count)
        levels = len(self.recipe.features)
        images = images_of_level(crops, fade, level=level, levels=levels)
        return images, conditions

    def crops(
        self, fed: Resident | Cut, key: PRNGKeyArray, count: int
    ) -> tuple[Images, Conditions | None]:
        """Crops of full size, and their conditions; the key is not used where they are cut."""
        if isinstance(fed, Cut):
            crops, sources = fed.images.astype(jnp.float32) / jnp.float32(255), fed.sources
        else:
            crops, sources = random_crops_and_sources(
                key, fed, count=count, size=self.recipe.size, turns=self.recipe.turns
            )
        return crops, self._conditions_of(crops, sources)

    def _conditions_of(self, crops: Images, sources: Int[Array, " count"]) -> Conditions | None:
        if self.conditions is None:
            return None
        parts = [
            part(crops).astype(jnp.float32)
            if callable(part)
            else jnp.asarray(part, jnp.float32)[sources]
            for part in self._parts
        ]
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=1)


def images_of_level(
    crops: Images, fade: Float[jax.Array, ""], *, level: int, levels: int
) -> Float[Array, "batch height width channels"]:
    """Crops of full size, averaged down to the size of a level.

    While a level fades in, the real images fade in as well (Karras et al. 2018,
    appendix A), so that the discriminator is not told real from fake by sharpness.
    """
    images = crops
    for _ in range(levels - 1 - level):
        images = downsample(images)
    if level == 0:
        return images
    below = upsample(downsample(images))
    return below + fade * (images - below)
