"""Materials Knowledge System: local fields as convolutions of the microstructure."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, Float, Int

from idml_jax.typing import Array


@dataclasses.dataclass(frozen=True)
class Localization:
    r"""A local field as a sum of convolutions, one for each phase.

    .. math:: p_s = \sum_h \sum_t \alpha^h_t \, m^h_{s - t}

    with the membership m of phase h and its influence coefficients :math:`\alpha` [1]_. Made by
    `calibrate_localization`.

    Parameters
    ----------
    influence : complex array of shape (phases, *frequencies)
        Discrete Fourier transform of the coefficients, the half that is kept of a real one.
    shape : tuple of int
        Of the cell that it is for.

    References
    ----------
    .. [1] T. Fast, S. R. Kalidindi, "Formulation and calibration of higher-order elastic
       localization relationships using the MKS approach", Acta Materialia 59, 4595 (2011).
    """

    influence: Complex[Array, "phases *frequencies"]
    shape: tuple[int, ...]

    def __call__(self, memberships: Float[Array, "phases *space"]) -> Float[Array, "*space"]:
        """The field of one microstructure; differentiable, a batch is `jax.vmap`.

        Raises
        ------
        ValueError
            If the shape is not that of the cell; see `resized`.
        """
        memberships = jnp.asarray(memberships)
        if memberships.shape != (len(self.influence), *self.shape):
            raise ValueError(
                f"`memberships` has the shape {memberships.shape}; the coefficients are for "
                f"{(len(self.influence), *self.shape)}: see `resized` for another size."
            )
        axes = tuple(range(1, memberships.ndim))
        spectrum = (jnp.asarray(self.influence) * jnp.fft.rfftn(memberships, axes=axes)).sum(axis=0)
        return jnp.fft.irfftn(spectrum, self.shape).astype(memberships.dtype)

    def coefficients(self) -> Float[Array, "phases *space"]:
        """The influence coefficients in space, zero displacement in the middle, at ``n // 2``."""
        axes = tuple(range(1, len(self.shape) + 1))
        found = jnp.fft.irfftn(jnp.asarray(self.influence), self.shape, axes=axes)
        return jnp.fft.fftshift(found, axes)

    def resized(self, shape: tuple[int, ...]) -> "Localization":
        """The same for a larger cell: coefficients that decay within the smaller one.

        Raises
        ------
        ValueError
            If a side is shorter than that of the cell that was calibrated on.
        """
        if len(shape) != len(self.shape) or any(
            new < old for new, old in zip(shape, self.shape, strict=True)
        ):
            raise ValueError(
                f"`shape` is {shape}; the coefficients are known on {self.shape}, and go on as "
                "zeros in a cell with no shorter side."
            )
        # The middle of the smaller cell on the middle of the larger one.
        before = [new // 2 - old // 2 for new, old in zip(shape, self.shape, strict=True)]
        pads = [
            (first, new - old - first)
            for first, new, old in zip(before, shape, self.shape, strict=True)
        ]
        wide = jnp.pad(self.coefficients(), [(0, 0), *pads])
        axes = tuple(range(1, len(shape) + 1))
        return Localization(jnp.fft.rfftn(jnp.fft.ifftshift(wide, axes), axes=axes), tuple(shape))


def delta_microstructures(phases: int, shape: tuple[int, ...]) -> Int[np.ndarray, "count *space"]:
    """Cells of one phase with a single pixel of another one, for every ordered pair.

    Parameters
    ----------
    phases : int
        Number of phases, 2 or more.
    shape : tuple of int
        Pixels or voxels along each side of a cell.

    Returns
    -------
    labels : int array of shape (phases (phases - 1), *shape)
        The odd pixel is at ``n // 2`` along each axis.

    Examples
    --------
    >>> delta_microstructures(2, (1, 3)).tolist()
    [[[0, 1, 0]], [[1, 0, 1]]]
    """
    if phases < 2:
        raise ValueError(f"`phases` (={phases}) must be 2 or more.")
    middle = tuple(side // 2 for side in shape)
    cells = []
    for matrix in range(phases):
        for odd in range(phases):
            if odd != matrix:
                cell = np.full(shape, matrix, np.int32)
                cell[middle] = odd
                cells.append(cell)
    return np.stack(cells)


def calibrate_localization(
    memberships: Float[Array, "count phases *space"], fields: Float[Array, "count *space"]
) -> Localization:
    r"""Influence coefficients that fit the fields of a number of microstructures best.

    Parameters
    ----------
    memberships : float array of shape (count, phases, *space)
        Of each phase, in [0, 1]; at each pixel they add up to 1. Of labels:
        ``jnp.moveaxis(jax.nn.one_hot(labels, phases), -1, 1)``.
    fields : float array of shape (count, *space)
        What the solver found in each, under one and the same load: a component of the strain.

    Returns
    -------
    localization : Localization

    Raises
    ------
    ValueError
        If the shapes do not go together, or a number is not finite.

    Notes
    -----
    Least squares at each frequency by itself, as the convolutions separate there [1]_; of the many
    best ones the smallest, since memberships that add up to 1 leave one phase's coefficients
    undetermined at all frequencies but 0. From `delta_microstructures` alone the linear term of
    the expansion in the contrast follows, exact where the contrast is small; from many
    microstructures of a kind the best linear rule for them. Memory: that of the transforms of
    `memberships`.

    References
    ----------
    .. [1] D. B. Brough, D. Wheeler, S. R. Kalidindi, "Materials Knowledge Systems in Python",
       Integr. Mater. Manuf. Innov. 6, 36 (2017), equation 10.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> deltas = delta_microstructures(2, (5, 5))
    >>> members = jnp.moveaxis(jax.nn.one_hot(deltas, 2), -1, 1)
    >>> fields = 1.0 + members[:, 1] + 0.5 * jnp.roll(members[:, 1], 1, axis=-1)
    >>> localization = calibrate_localization(members, fields)
    >>> bool(jnp.allclose(localization(members[0]), fields[0], atol=1e-5))
    True
    """
    members, fields = jnp.asarray(memberships), jnp.asarray(fields)
    shape = fields.shape[1:]
    if (
        members.ndim != fields.ndim + 1
        or members.shape[0] != len(fields)
        or members.shape[2:] != shape
    ):
        raise ValueError(
            f"`memberships` has the shape {members.shape} and `fields` {fields.shape}; they are "
            "(count, phases, *sides) and (count, *sides)."
        )
    if not bool(jnp.isfinite(members).all() & jnp.isfinite(fields).all()):
        raise ValueError("`memberships` and `fields` are finite; see what the solver returned.")
    return Localization(_fitted(members, fields), shape)


@jax.jit
def _fitted(
    members: Float[Array, "count phases *space"], fields: Float[Array, "count *space"]
) -> Complex[Array, "phases *frequencies"]:
    """The smallest solution of the normal equations at each frequency."""
    axes = tuple(range(2, members.ndim))
    inputs = jnp.fft.rfftn(members, axes=axes)
    outputs = jnp.fft.rfftn(fields, axes=tuple(axis - 1 for axis in axes))
    exact = jax.lax.Precision.HIGHEST
    normal = jnp.einsum("ng...,nh...->...gh", inputs.conj(), inputs, precision=exact)
    right = jnp.einsum("ng...,n...->...g", inputs.conj(), outputs, precision=exact)
    # What the memberships' sum leaves undetermined is rounding, beside what they determine.
    cutoff = math.sqrt(jnp.finfo(members.dtype).eps)
    inverse = jnp.linalg.pinv(normal, rtol=cutoff, hermitian=True)
    found = jnp.einsum("...gh,...h->...g", inverse, right, precision=exact)
    return jnp.moveaxis(found, -1, 0)
