"""Sums over all pairs of pixels a displacement apart, by the Wiener-Khinchin theorem."""

import functools
import math
from typing import cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float
from scipy.fft import next_fast_len

from idml_jax.typing import Array


def correlate_fields(
    first: Float[Array, "*space"], second: Float[Array, "*space"] | None = None, *, periodic: bool
) -> Float[Array, "*space"]:
    """Mean product of two fields of any values, over all pairs of pixels at each displacement.

    What `two_point_correlation` is for phases, without its checks: layout and borders are the
    same, and `first` is correlated with itself where `second` is not given.
    """
    spectra = [spectrum(field, periodic) for field in (first, second) if field is not None]
    pairs = pair_sums(spectra[0], spectra[-1], first.shape, periodic)
    return pairs / pairs_that_exist(first.shape, periodic, first.dtype)


def spectrum(field: Float[Array, "*space"], periodic: bool) -> Complex[Array, "*frequencies"]:
    """Fourier transform of a field, with zeros around it where borders do not wrap."""
    return jnp.fft.rfftn(field, _grid(field.shape, periodic))


def pair_sums(
    first: Complex[Array, "*frequencies"],
    second: Complex[Array, "*frequencies"],
    shape: tuple[int, ...],
    periodic: bool,
) -> Float[Array, "*space"]:
    """Sum of products at each displacement, zero at ``n // 2``, of two fields' spectra."""
    grid = _grid(shape, periodic)
    power = first.conj() * second
    for axis, (side, frequencies) in enumerate(zip(grid, power.shape, strict=True)):
        if side % 2 == 0:
            # A shift by half of an even side is a change of sign of every other frequency,
            # which costs no pass over the memory of its own.
            other = np.arange(frequencies) % 2 == 1
            across = [frequencies if place == axis else 1 for place in range(len(grid))]
            power = jnp.where(other.reshape(across), -power, power)
    field = jnp.fft.irfftn(power, grid)
    odd = [axis for axis, side in enumerate(grid) if side % 2]
    field = jnp.roll(field, [grid[axis] // 2 for axis in odd], odd) if odd else field
    return field[
        tuple(
            slice(side // 2 - n // 2, side // 2 - n // 2 + n)
            for side, n in zip(grid, shape, strict=True)
        )
    ]


def pairs_that_exist(
    shape: tuple[int, ...], periodic: bool, dtype: jnp.dtype
) -> Float[Array, "*displacements"]:
    """Number of pairs of pixels at each displacement, zero at ``n // 2``; one for all, periodic."""
    if periodic:
        return jnp.asarray(math.prod(shape), dtype)
    # Multiplied where it is used: a constant of that size would take seconds to compile in.
    sides = [jnp.asarray(overlap, dtype) for overlap in overlaps(shape, periodic)]
    return functools.reduce(jnp.multiply.outer, sides)


def overlaps(shape: tuple[int, ...], periodic: bool) -> list[Float[np.ndarray, " n"]]:
    """Along each axis the pairs at each displacement: their outer product is that of all."""
    if periodic:
        return [np.full(n, float(n)) for n in shape]
    return [n - np.abs(np.arange(n) - n // 2.0) for n in shape]


def _grid(shape: tuple[int, ...], periodic: bool) -> tuple[int, ...]:
    """Sides of the transform."""
    if periodic:
        return shape
    # Zeros as wide as the longest displacement kept, half a side, stop it from wrapping.
    return tuple(2 * cast(int, next_fast_len((n + n // 2 + 1) // 2, real=True)) for n in shape)
