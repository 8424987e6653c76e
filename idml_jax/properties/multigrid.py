"""A multigrid cycle for diffusion between voxels, also through pores: a preconditioner."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Shaped

from idml_jax.typing import Array

SMALLEST = 4
"""Cells along the shortest side below which no coarser grid is made."""

SWEEPS = 12
"""Of the smoother on the coarsest grid, in place of a solution."""


class Network(NamedTuple):
    """Voxels as nodes that conduct to their neighbours, and to fixed values outside."""

    between: tuple[Float[Array, "..."], ...]
    """For each axis the conductance from a voxel to the next one: one layer less than voxels."""
    outside: Float[Array, "*space"]
    """Conductance from a voxel to a fixed value."""

    @property
    def diagonal(self) -> Float[Array, "*space"]:
        """All conductances of each voxel."""
        total = self.outside
        for axis, conductance in enumerate(self.between):
            before, behind = beside(conductance, axis)
            total = total + before + behind
        return total

    def apply(self, values: Float[Array, "*space"]) -> Float[Array, "*space"]:
        """What flows out of each voxel at these values, with zero outside."""
        total = self.outside * values
        for axis, conductance in enumerate(self.between):
            # Not with the sign turned: XLA would keep the negative of each conductance.
            before, behind = beside(conductance * jnp.diff(values, axis=axis), axis)
            total = total + before - behind
        return total

    def energy_between(self, values: Float[Array, "*space"]) -> Float[Array, ""]:
        """What flows between voxels, times the differences that it flows along."""
        total = jnp.zeros((), values.dtype)
        for axis, conductance in enumerate(self.between):
            total = total + (conductance * jnp.diff(values, axis=axis) ** 2).sum()
        return total

    def coarsened(self) -> "Network":
        """Blocks of two voxels along each axis as one; half of what conducts between them."""
        # Values that are equal in a block flow twice too easily: their distance has doubled.
        between = []
        for axis, conductance in enumerate(self.between):
            joining = jax.lax.slice_in_dim(conductance, 1, None, 2, axis=axis)
            between.append(_summed(joining, skip=axis) / 2)
        return Network(tuple(between), _summed(self.outside) / 2)


def multigrid(network: Network) -> Callable[[Float[Array, "*space"]], Float[Array, "*space"]]:
    """One symmetric V-cycle as a linear map that approximates the inverse of a network.

    A step of damped Jacobi iteration before and after the correction of a grid half as fine, whose
    cells are blocks of voxels: it takes pores as they are, and coarse cells conduct by as many
    faces as join them. Voxels that conduct to nothing are left at zero.
    """
    levels = [network]
    while min(levels[-1].outside.shape) >= 2 * SMALLEST:
        levels.append(levels[-1].coarsened())
    inverses = []
    for level in levels:
        diagonal = level.diagonal
        # Damping at which the highest frequencies of all directions are smoothed alike.
        damping = 2 * diagonal.ndim / (2 * diagonal.ndim + 1)
        inverses.append(jnp.where(diagonal > 0, damping / jnp.where(diagonal > 0, diagonal, 1), 0))

    # A loop whose length XLA does not know ends a fusion: it would else compute every value anew
    # for each of its neighbours, and for each voxel of a block, level by level.
    once = jnp.where(network.outside.max() < 0, 2, 1)

    def cycle(residual: Float[Array, "*space"], depth: int) -> Float[Array, "*space"]:
        level, inverse = levels[depth], inverses[depth]

        def smooth(_, values: Float[Array, "*space"]) -> Float[Array, "*space"]:
            return values + inverse * (residual - level.apply(values))

        values = inverse * residual
        if depth == len(levels) - 1:
            return jax.lax.fori_loop(0, SWEEPS * once, smooth, values)
        # What the first step leaves, `residual - level.apply(values)`.
        left = jax.lax.fori_loop(0, once, lambda _, r: r - level.apply(inverse * r), residual)
        coarse = _spread(cycle(_summed(left), depth + 1), residual.shape)
        return jax.lax.fori_loop(0, once, smooth, values + jnp.where(inverse > 0, coarse, 0))

    return lambda residual: cycle(residual, 0)


def beside(
    faces: Float[Array, "..."], axis: int
) -> tuple[Float[Array, "*space"], Float[Array, "*space"]]:
    """Of each voxel the face before it and the one behind it; zero where there is none."""
    before, behind = ([(0, 0)] * faces.ndim for _ in range(2))
    before[axis], behind[axis] = (1, 0), (0, 1)
    return jnp.pad(faces, before), jnp.pad(faces, behind)


def shifted(field: Shaped[Array, "*space"], by: int, axis: int) -> Shaped[Array, "*space"]:
    """The field moved by one voxel forwards or backwards; zero comes in."""
    pads = [(0, 0)] * field.ndim
    pads[axis] = (1, 0) if by > 0 else (0, 1)
    kept = [slice(None)] * field.ndim
    kept[axis] = slice(None, -1) if by > 0 else slice(1, None)
    return jnp.pad(field[tuple(kept)], pads)


def _summed(field: Float[Array, "..."], skip: int | None = None) -> Float[Array, "..."]:
    """Sums over blocks of two along each axis but one; the last of an odd number by itself."""
    summed = [axis for axis in range(field.ndim) if axis != skip]
    field = jnp.pad(field, [(0, k in summed and side % 2) for k, side in enumerate(field.shape)])
    for axis in summed:
        first, second = (jax.lax.slice_in_dim(field, k, None, 2, axis=axis) for k in (0, 1))
        field = first + second
    return field


def _spread(field: Float[Array, "*half"], shape: tuple[int, ...]) -> Float[Array, "*space"]:
    """Each value in a block of two along each axis."""
    twice = [length for side in field.shape for length in (side, 2)]
    blocks = jnp.broadcast_to(jnp.expand_dims(field, range(1, 2 * field.ndim, 2)), twice)
    wide = blocks.reshape([2 * side for side in field.shape])
    return wide[tuple(slice(side) for side in shape)]
