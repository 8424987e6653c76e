"""What convolutions of a network are normalized by: batches, groups of channels, or nothing."""

from typing import Literal, TypeAlias

from flax import nnx
from jaxtyping import Float

from idml_jax.typing import Array

Normalization: TypeAlias = Literal["batch", "group", "none"]
"""Over a batch, with running moments once it is trained; over groups of channels of an image; or
not at all."""

GROUPS = 8
"""Channels are normalized in this many groups at most (Y. Wu and K. He, ECCV 2018)."""


def normalization_of(kind: Normalization, features: int, rngs: nnx.Rngs) -> nnx.Module:
    """The layer that normalizes the last axis, over all others but, of groups, the first."""
    if kind == "batch":
        return nnx.BatchNorm(features, momentum=0.9, rngs=rngs)
    if kind == "group":
        groups = next(count for count in range(GROUPS, 0, -1) if features % count == 0)
        return nnx.GroupNorm(features, num_groups=groups, rngs=rngs)
    if kind == "none":
        return Same()
    raise ValueError(f'`normalization` (={kind!r}) is "batch", "group" or "none".')


class Same(nnx.Module):
    """Leaves features as they are; it has no parameters."""

    def __call__(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return x
