r"""Gradients on the pixels of a periodic cell, without ringing: Willot's rotated scheme.

Potentials and displacements live on the corners of the pixels, their derivatives in the pixels'
centres, each the mean over the edges around the centre. In Fourier space a derivative along axis a
is a multiplication by :math:`i e^{i (\xi_1 + \dots) / 2} \kappa_a` with a real :math:`\kappa_a`
(F. Willot, C. R. Mecanique 343, 232, 2015, equation 24), so that Green operators are those of the
continuum with :math:`\kappa` for the wave vector.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.typing import Array


def gradient(potential: Float[Array, "*space"]) -> Float[Array, "dim *space"]:
    """Gradient in the pixels' centres of a potential on their corners."""
    return jnp.stack([derivative(potential, axis) for axis in range(potential.ndim)])


def divergence(flux: Float[Array, "dim *space"]) -> Float[Array, "*space"]:
    """The adjoint of `gradient`: minus the divergence, on the corners."""
    total = adjoint_derivative(flux[0], 0)
    for axis in range(1, len(flux)):
        total = total + adjoint_derivative(flux[axis], axis)
    return total


def derivative(field: Float[Array, "*space"], along: int) -> Float[Array, "*space"]:
    """Derivative along an axis, in the centres, of a field on the corners."""
    for axis in range(field.ndim):
        ahead = jnp.roll(field, -1, axis)
        field = ahead - field if axis == along else (ahead + field) / 2
    return field


def adjoint_derivative(field: Float[Array, "*space"], along: int) -> Float[Array, "*space"]:
    """The adjoint of `derivative`: minus that derivative, on the corners, of one in the centres."""
    for axis in range(field.ndim):
        behind = jnp.roll(field, 1, axis)
        field = behind - field if axis == along else (behind + field) / 2
    return field


def wave_vectors(shape: tuple[int, ...], dtype: np.dtype) -> Float[Array, "dim *half"]:
    """The real wave vector of each frequency on the grid of `jnp.fft.rfftn`.

    It vanishes at zero frequency and wherever two axes alternate from pixel to pixel, as on a
    checkerboard, which the rotated scheme does not see.
    """
    dimensions = len(shape)
    angles = [2 * np.pi * np.fft.fftfreq(side) for side in shape[:-1]]
    angles.append(2 * np.pi * np.fft.rfftfreq(shape[-1]))
    rising, mean = [], []
    for axis, angle in enumerate(angles):
        across = [-1 if place == axis else 1 for place in range(dimensions)]
        cosine = np.cos(angle / 2)
        # What rounding leaves of the cosine of 90 degrees.
        cosine[np.abs(cosine) < 1e-12] = 0
        rising.append(jnp.asarray(2 * np.sin(angle / 2), dtype).reshape(across))
        mean.append(jnp.asarray(cosine, dtype).reshape(across))
    return jnp.stack(
        [
            functools.reduce(
                jnp.multiply,
                [rising[axis] if axis == along else mean[axis] for axis in range(dimensions)],
            )
            for along in range(dimensions)
        ]
    )


def inverse_squares(waves: Float[Array, "dim *half"]) -> Float[Array, "*half"]:
    """One over the squared length of each wave vector; 0 for those that vanish."""
    squared = (waves**2).sum(axis=0)
    return jnp.where(squared > 0, 1 / jnp.where(squared > 0, squared, 1), 0)


def inverse_laplacian(
    shape: tuple[int, ...], dtype: np.dtype
) -> Callable[[Float[Array, "*space"]], Float[Array, "*space"]]:
    """The inverse of ``divergence(gradient(.))`` for fields of a shape; 0 where that vanishes."""
    inverse = inverse_squares(wave_vectors(shape, dtype))

    def solve(source: Float[Array, "*space"]) -> Float[Array, "*space"]:
        spectrum = jnp.fft.rfftn(source)
        return jnp.fft.irfftn(inverse.astype(spectrum.dtype) * spectrum, shape)

    return solve
