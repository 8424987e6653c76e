"""The mechanics of a periodic cell on pixels: strain, stress, force, and a homogeneous medium."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from idml_jax.properties.checks import check_coefficients
from idml_jax.properties.conjugate_gradient import Solution, Tolerance, conjugate_gradient
from idml_jax.properties.mandel import PAIRS
from idml_jax.properties.rotated_scheme import (
    adjoint_derivative,
    derivative,
    inverse_squares,
    wave_vectors,
)
from idml_jax.typing import Array

Plane: TypeAlias = Literal["strain", "stress"]
"""What a 2-D cell stands for: a section of a body that cannot or that can move out of its plane."""

Stress: TypeAlias = Callable[[Float[Array, "n *space"]], Float[Array, "n *space"]]
"""Hooke's law of a cell: from a strain field to the stress field, in Mandel's notation."""


def checked_moduli(
    bulk: Float[Array, "*space"], shear: Float[Array, "*space"]
) -> tuple[Float[Array, "*space"], Float[Array, "*space"]]:
    """Both moduli, if they can be those of one cell."""
    bulk, shear = check_coefficients(bulk, "bulk"), check_coefficients(shear, "shear")
    if bulk.shape != shear.shape or bulk.dtype != shear.dtype:
        raise ValueError(
            f"`bulk` is {bulk.dtype} of the shape {bulk.shape} and `shear` {shear.dtype} of "
            f"{shear.shape}: give equal."
        )
    return bulk, shear


def planar_bulk(
    bulk: Float[Array, "*space"], shear: Float[Array, "*space"], plane: Plane
) -> Float[Array, "*space"]:
    """Bulk modulus in as many dimensions as the cell has."""
    if plane not in ("strain", "stress"):
        raise ValueError(f"`plane` (={plane!r}) is 'strain' or 'stress'.")
    if bulk.ndim == 3:
        return bulk
    if plane == "strain":
        return bulk + shear / 3
    resisting = 3 * bulk + 4 * shear
    return 9 * bulk * shear / jnp.where(resisting > 0, resisting, 1)


def hooke(bulk: Float[Array, "*space"], shear: Float[Array, "*space"]) -> Stress:
    """Stress of isotropic pixels."""
    dimensions = bulk.ndim
    lame = bulk - 2 * shear / dimensions

    def stress(strain: Float[Array, "n *space"]) -> Float[Array, "n *space"]:
        pressure = lame * sum(strain[axis] for axis in range(dimensions))
        parts = [2 * shear * part for part in strain]
        return jnp.stack([p + pressure if k < dimensions else p for k, p in enumerate(parts)])

    return stress


def hooke_of_crystals(stiffness: Float[Array, "n n *space"]) -> Stress:
    """Stress of pixels with a stiffness each."""
    return lambda strain: jnp.einsum("ij...,j...->i...", stiffness, strain, precision="highest")


def uniform_field(vector: Float[Array, " n"], shape: tuple[int, ...]) -> Float[Array, "n *space"]:
    """A strain or a stress that is the same in every pixel."""
    return jnp.broadcast_to(vector.reshape(-1, *(1,) * len(shape)), (len(vector), *shape))


def strain_of(displacement: Float[Array, "dim *space"]) -> Float[Array, "n *space"]:
    """Strain in the pixels' centres of a displacement of their corners."""
    root = math.sqrt(0.5)
    return jnp.stack(
        [
            derivative(displacement[i], i)
            if i == j
            else root * (derivative(displacement[i], j) + derivative(displacement[j], i))
            for i, j in PAIRS[len(displacement)]
        ]
    )


def force_of(stress: Float[Array, "n *space"]) -> Float[Array, "dim *space"]:
    """The adjoint of `strain_of`: minus the divergence, on the corners."""
    dimensions, root = stress.ndim - 1, math.sqrt(0.5)
    force = [jnp.zeros(stress.shape[1:], stress.dtype)] * dimensions
    for part, (i, j) in zip(stress, PAIRS[dimensions], strict=True):
        force[i] = force[i] + (1 if i == j else root) * adjoint_derivative(part, j)
        if i != j:
            force[j] = force[j] + root * adjoint_derivative(part, i)
    return jnp.stack(force)


def green(
    bulk: Float[Array, ""], shear: Float[Array, ""], shape: tuple[int, ...]
) -> Callable[[Float[Array, "dim *space"]], Float[Array, "dim *space"]]:
    """From forces to the displacements of a homogeneous medium, without the mean."""
    dimensions = len(shape)
    waves = wave_vectors(shape, bulk.dtype)
    inverse = inverse_squares(waves)
    lame = bulk - 2 * shear / dimensions
    # A cell of nothing has no forces either.
    share = (lame + shear) / jnp.where(shear > 0, lame + 2 * shear, 1)
    axes = tuple(range(1, dimensions + 1))

    def displace(force: Float[Array, "dim *space"]) -> Float[Array, "dim *space"]:
        spectrum = jnp.fft.rfftn(force, axes=axes)
        dtype = spectrum.dtype
        spectrum = spectrum * (inverse / jnp.where(shear > 0, shear, 1)).astype(dtype)[None]
        along = (waves.astype(dtype) * spectrum).sum(axis=0) * (share * inverse).astype(dtype)
        return jnp.fft.irfftn(spectrum - waves.astype(dtype) * along[None], shape, axes=axes)

    return displace


def unit_strains(
    stress: Stress,
    reference: tuple[Float[Array, ""], Float[Array, ""]],
    shape: tuple[int, ...],
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, "n n *space"], Solution]:
    """Strain fields under a unit mean strain in each component."""
    precondition = green(*reference, shape)
    dtype = reference[0].dtype

    def solve(mean: Float[Array, " n"]) -> tuple[Float[Array, "n *space"], Solution]:
        mean = uniform_field(mean, shape)
        solution = conjugate_gradient(
            lambda displacement: force_of(stress(strain_of(displacement))),
            -force_of(stress(mean)),
            precondition,
            tolerance=tolerance,
            max_iterations=max_iterations,
        )
        return mean + strain_of(solution.x), solution._replace(x=jnp.zeros((), dtype))

    units = jnp.eye(len(PAIRS[len(shape)]), dtype=dtype)
    # In space one load after another: the memory of six would be that of a cell twice as wide.
    return jax.vmap(solve)(units) if len(shape) == 2 else jax.lax.map(solve, units)


def energies(
    strains: Float[Array, "n n *space"], stress: Stress, converged: Bool[Array, " n"]
) -> Float[Array, "n n"]:
    """Mean products of the strains under two loads, and the stress."""

    def row(strain: Float[Array, "n *space"]) -> Float[Array, " n"]:
        # By default a GPU multiplies float32 in a shorter format, good to three digits.
        products = jnp.einsum("a...,ia...->i", stress(strain), strains, precision="highest")
        return products / math.prod(strain.shape[1:])

    return jnp.where(converged.all(), jax.lax.map(row, strains), jnp.nan)
