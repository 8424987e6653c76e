"""Gaussian smoothing and its derivatives, exact for what the grid resolves."""

import functools
import math
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float
from scipy.fft import next_fast_len

from idml_jax.typing import Array


def gaussian_mean(
    field: Float[Array, "*space"], *, width: float | int, periodic: bool
) -> Float[Array, "*space"]:
    """A field smoothed by a Gaussian whose standard deviation is `width` pixels."""
    return _filtered(field, width, (None,), periodic=periodic)[0]


def gaussian_gradient(
    field: Float[Array, "*space"], *, width: float | int, periodic: bool
) -> Float[Array, "axes *space"]:
    """Gradient of a field smoothed by a Gaussian whose standard deviation is `width` pixels."""
    return jnp.stack(_filtered(field, width, tuple(range(field.ndim)), periodic=periodic))


@functools.partial(jax.jit, static_argnames=("width", "derivatives", "periodic"))
def _filtered(
    field: Float[Array, "*space"],
    width: float | int,
    derivatives: tuple[int | None, ...],
    *,
    periodic: bool,
) -> list[Float[Array, "*space"]]:
    """The smoothed field, or its derivative along an axis, one for each entry of the list."""
    shape = field.shape
    reach = 0
    if not periodic:
        # Six standard deviations of mirror image; the rest makes the transform fast.
        reach = math.ceil(6 * width)
        grid = [2 * cast(int, next_fast_len(n // 2 + reach + 1, real=True)) for n in shape]
        ends = [(reach, side - n - reach) for side, n in zip(grid, shape, strict=True)]
        field = jnp.pad(field, ends, mode="symmetric")
    transform = jnp.fft.rfftn(field)
    inner = tuple(slice(reach, reach + n) for n in shape)
    found = []
    for derivative in derivatives:
        filtered = transform
        for axis, factor in enumerate(_frequency_factors(field.shape, width, derivative)):
            across = [-1 if place == axis else 1 for place in range(field.ndim)]
            filtered = filtered * jnp.asarray(factor, transform.dtype).reshape(across)
        found.append(jnp.fft.irfftn(filtered, field.shape)[inner])
    return found


def _frequency_factors(
    shape: tuple[int, ...], width: float | int, derivative: int | None
) -> list[Complex[np.ndarray, " frequencies"]]:
    """What a Gaussian and a derivative multiply the frequencies of each axis by."""
    factors = []
    for axis, side in enumerate(shape):
        frequencies = np.fft.rfftfreq if axis == len(shape) - 1 else np.fft.fftfreq
        angular = 2 * math.pi * frequencies(side)
        factor = np.exp(-0.5 * (width * angular) ** 2).astype(complex)
        if axis == derivative:
            # The highest frequency of an even side has no sign, and so no derivative.
            factor = factor * np.where(np.isclose(np.abs(angular), math.pi), 0, 1j * angular)
        factors.append(factor)
    return factors
