"""What a progressive GAN is made with."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import jax.numpy as jnp
import optax
from flax import nnx
from jax.typing import DTypeLike

from idml_jax.data import CONTRAST, Turns
from idml_jax.models import Discriminator, Generator, Output
from idml_jax.training.adversarial_state import Loss, StepOptions
from idml_jax.training.conditions import Condition
from idml_jax.training.growth import Growth
from idml_jax.training.recipes import plain_fields

FIRST_SIZE = 8
"""Shorter side of the coarsest images, in pixels."""

QUICK_GROWTH = Growth(images=(1600, 4000, 7200, 6400), batches=(16, 16, 8, 8))
"""8 to 64 pixels in about six minutes on two CPU cores."""

NEWER_FIELDS = ("meanings", "labels", "contrast", "noise_from", "turns", "detector")
"""Those that came after recipes which were written without them."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a trained generator was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    latent_features : int
        Length of a latent vector.
    features : tuple of int
        Feature channels of each level, the coarsest first; each level has twice the side of the
        one before.
    first_size : pair of int
        Rows and cols of the coarsest images.
    channels : int
        Channels of an image, or phases.
    output : {"grey", "phases"}
        Whether the channels are grey values, or memberships of phases.
    conditions : int
        Numbers that say what is wanted of an image.
    meanings : tuple of Condition
        What these numbers mean, in their order, where that is known.
    labels : tuple of int
        The user's numbers of the phases, where they are known.
    codes : int
        Numbers beside them that are drawn at random and guessed from the image, so that they come
        to mean something (InfoGAN).
    periodic : bool
        Whether the generator's images tile the plane.
    noise : bool
        Whether the generator adds noise at every pixel, of strengths that it learns.
    noise_from : int
        First level that adds it.
    detector : bool
        Whether each image has a contrast and brightness, and its pixels noise, as a detector adds
        them: see `models.Detector`.
    turns : {"all", "mirrors", "sideways", "none"}
        How crops are turned at random: see `data.random_crops`. With all of their symmetries the
        images know no direction, whatever the material does.
    growth : Growth
        Images and batch size at each level.
    loss : {"non-saturating", "wasserstein"}
    penalties : tuple of float
        At each level, weight of the gradient penalty, R1 or WGAN-GP's.
    learning_rates : tuple of float
        At each level, of Adam with momentum 0.5 and 0.99, for both networks. Large,
        because equalized layers keep weights of order one and a short training has
        to move them; at the finest level small, or its new layers undo what the
        levels below have learned.
    half_life : int
        Images after which the generator's average has forgotten half.
    augmented : bool
        Whether the discriminator sees images that are changed at random, as far as it overfits.
    images_to_full : int
        Real images after which the probability of a change can have gone from 0 to 1.
    parts : int
        Parts that a batch is cut into, one in memory at a time.
    precision : {"float32", "bfloat16"}
        Type that the convolutions compute in.
    contrast : float
        Difference of the two phases' mean grey values on the scale of the images, as of
        `data.equalize_contrast`.
    pixel_size : pair of float, optional
        Sides of a pixel of the images along rows and cols, in metres; set by the training, where
        all micrographs have the same.
    seed : int
    """

    latent_features: int = 16
    features: tuple[int, ...] = (64, 64, 32, 16)
    first_size: tuple[int, int] = (FIRST_SIZE, FIRST_SIZE)
    channels: int = 1
    output: Output = "grey"
    conditions: int = 0
    meanings: tuple[Condition, ...] = ()
    labels: tuple[int, ...] = ()
    codes: int = 0
    periodic: bool = True
    noise: bool = True
    noise_from: int = 0
    detector: bool = False
    turns: Turns = "all"
    growth: Growth = QUICK_GROWTH
    loss: Loss = "non-saturating"
    penalties: tuple[float, ...] = (0.1, 0.1, 0.1, 0.2)
    learning_rates: tuple[float, ...] = (4e-3, 4e-3, 4e-3, 1e-3)
    half_life: int = 1000
    augmented: bool = False
    images_to_full: int = 50_000
    parts: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    contrast: float = CONTRAST
    pixel_size: tuple[float, float] | None = None
    seed: int = 0

    def __post_init__(self):
        given = {
            "features": len(self.features),
            "growth": len(self.growth.images),
            "learning_rates": len(self.learning_rates),
            "penalties": len(self.penalties),
        }
        if len(set(given.values())) != 1:
            raise ValueError(f"give every level one entry of each; the levels given are {given}.")
        if not 0 <= self.noise_from < len(self.features):
            raise ValueError(
                f"`noise_from` (={self.noise_from}) is a level, and these are 0 to "
                f"{len(self.features) - 1}."
            )
        if self.detector and self.output == "phases":
            raise ValueError("`detector` is of grey values; memberships of phases have no noise.")
        if not 0 < self.contrast <= 1:
            raise ValueError(f"`contrast` (={self.contrast}) must be above 0 and up to 1.")
        if self.output == "phases" and self.channels < 2:
            raise ValueError(f"`channels` (={self.channels}): there are two phases at least.")
        if self.labels and (self.output != "phases" or len(self.labels) != self.channels):
            raise ValueError(
                f"`labels` (={self.labels}) number the phases; there are {self.channels} channels "
                f"of {self.output}."
            )
        told = sum(one.width for one in self.meanings)
        if self.meanings and told != self.conditions:
            raise ValueError(
                f"`meanings` stand for {told} numbers, and `conditions` are {self.conditions}."
            )
        if len({len(one.values) for one in self.meanings}) > 1:
            raise ValueError("`meanings` go together: give each as many examples.")
        if self.augmented and self.loss == "wasserstein":
            raise ValueError("`augmented` follows the sign of scores: the Wasserstein's has none.")
        if any(batch % self.parts or batch < 2 * self.parts for batch in self.growth.batches):
            raise ValueError(
                f"`parts` (={self.parts}) cut each batch evenly, two images a part at least; the "
                f"batches are {self.growth.batches}."
            )

    @classmethod
    def of_size(
        cls,
        size: tuple[int, int],
        *,
        effort: float = 1.0,
        width: int = 64,
        features: Sequence[int] = (),
        shown: Sequence[int] = (),
        penalty: float = 1.0,
        **options: Any,
    ) -> "Recipe":
        """The recipe for images of a size.

        Parameters
        ----------
        size : pair of int
            Rows and cols; the shorter one is 8 times a power of two, of which the other one is a
            multiple as well.
        effort : float
            Images shown, in units of the default.
        width : int
            Feature channels up to 16 pixels; from there on half as many at each level, 8 at least.
        features : sequence of int
            Feature channels of each level, the coarsest first, in place of those.
        shown : sequence of int
            Images shown at each level before `effort`, in place of the default.
        penalty : float
            Weight of the gradient penalty, in units of the default.
        **options
            The other fields.

        Examples
        --------
        >>> Recipe.of_size((64, 128)).features
        (64, 64, 32, 16)
        >>> Recipe.of_size((64, 128)).size
        (64, 128)
        """
        levels = 1 + max(0, round(math.log2(min(size) / FIRST_SIZE))) if min(size) > 0 else 1
        factor = 2 ** (levels - 1)
        first = (size[0] // factor, size[1] // factor)
        if (first[0] * factor, first[1] * factor) != tuple(size) or min(first) != FIRST_SIZE:
            raise ValueError(
                f"size {size[0]} x {size[1]}: the shorter side is {FIRST_SIZE} times a power of "
                "two, as 64, and the other one a multiple of that power, as 96 or 128."
            )
        sides = [FIRST_SIZE * 2**level for level in range(levels)]
        for name, given in (("features", features), ("shown", shown)):
            if given and len(given) != levels:
                raise ValueError(
                    f"{name} {' '.join(map(str, given))}: {size[0]} x {size[1]} pixels have "
                    f"{levels} levels, from {FIRST_SIZE} pixels on; give one number a level."
                )
        channels = [max(8, min(width, 16 * width // side)) for side in sides]
        counts = [1600, 4000, *[7200] * max(0, levels - 3), 6400][:levels]
        return cls(
            features=tuple(features or channels),
            first_size=first,
            growth=Growth(
                images=tuple(round(count * effort) for count in shown or counts),
                batches=tuple(16 if side <= 16 else 8 for side in sides),
            ),
            penalties=(0.1 * penalty,) * (levels - 1) + (0.2 * penalty,),
            learning_rates=(4e-3,) * (levels - 1) + (1e-3,),
            **options,
        )

    @classmethod
    def from_plain(cls, options: dict[str, Any]) -> "Recipe":
        """The recipe of what `plain` made of it, and JSON of that."""
        plain = {name: _tupled(value) for name, value in options.items() if name != "growth"}
        growth = {name: _tupled(value) for name, value in options["growth"].items()}
        # What was written before there was noise is of a generator without it.
        plain.setdefault("noise", False)
        plain["meanings"] = tuple(map(Condition.from_plain, options.get("meanings", ())))
        return cls(growth=Growth(**growth), **plain)

    def plain(self) -> dict[str, Any]:
        """The fields as plain values: see `plain_fields`."""
        return plain_fields(self, NEWER_FIELDS)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and cols of the finest images."""
        factor = 2 ** (len(self.features) - 1)
        return self.first_size[0] * factor, self.first_size[1] * factor

    def networks(self) -> tuple[Generator, Discriminator]:
        """Both networks with the initial values of the seed."""
        dtype: DTypeLike | None = jnp.bfloat16 if self.precision == "bfloat16" else None
        shared = {
            "features": self.features,
            "first_size": self.first_size,
            "channels": self.channels,
            "conditions": self.conditions + self.codes,
            "dtype": dtype,
        }
        generator = Generator(
            self.latent_features,
            output=self.output,
            periodic=self.periodic,
            noise=self.noise,
            noise_from=self.noise_from,
            detector=self.detector,
            rngs=nnx.Rngs(self.seed),
            **shared,
        )
        return generator, Discriminator(codes=self.codes, rngs=nnx.Rngs(self.seed + 1), **shared)

    def transform(self) -> optax.GradientTransformation:
        """The optimizer of both networks, without its learning rate."""
        return optax.scale_by_adam(b1=0.5, b2=0.99)

    def step_options(self, level: int) -> StepOptions:
        """What a step of a level is told."""
        batch = self.growth.batches[level]
        return StepOptions(
            level=level,
            loss=self.loss,
            penalty=self.penalties[level],
            decay=0.5 ** (batch / self.half_life),
            parts=self.parts,
            penalized=max(2, batch // self.parts // 4),
            augmented=self.augmented,
            colour=self.output == "grey",
            images_to_full=self.images_to_full,
            codes=self.codes,
        )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
