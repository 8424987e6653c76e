"""Segmenters that are asked tile by tile: any image, and few sizes to compile for."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from idml_jax import data, integration, training
from idml_jax.training.segmenter import FRAME
from idml_jax.typing import Array, Image, Images

TILE = 512
"""Side of a tile, in pixels, where nobody says another."""

FEW_SIZES = 3
"""Sizes of images that a network is compiled for one by one. A tile's borders are computed twice
and more, which for few sizes takes longer than to compile."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tiled(training.AskedSegmenter):
    """A segmenter that computes an image tile by tile.

    Tiles begin at multiples of what sides are continued to, so that an image's borders are told as
    in the whole image; and an image larger than a tile along both axes is asked by tiles that the
    segmenter continues to one size.
    """

    tile: int = TILE

    def __call__(self, images: Images) -> Float[Array, "batch rows cols classes"]:
        """Probabilities of the classes, of the whole images."""
        return self.segmenter(images)

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Probabilities of the classes, in the memory of a tile."""
        multiple = math.lcm(self.segmenter.multiple, FRAME)
        halo = self.segmenter.reach
        halo += -halo % self.segmenter.multiple
        overlap = halo // 2
        tile = max(self.tile, 4 * halo, 2 * halo + overlap + multiple)
        return integration.predict_in_tiles(
            self.segmenter.predict,
            image,
            tile=tile + -tile % multiple,
            halo=halo,
            overlap=overlap,
            multiple=multiple,
        )


def asked_through(annotated: Sequence[data.Annotated]) -> Callable[[Any], Any] | None:
    """How a network is asked of images again and again, as `evaluation.judge_pixels` takes it.

    By tiles where the images have many sizes, and else as they are.
    """
    frames = {tuple(-(-side // FRAME) for side in one.micrograph.size) for one in annotated}
    return functools.partial(Tiled, tile=TILE) if len(frames) > FEW_SIZES else None
