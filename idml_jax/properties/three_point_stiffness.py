"""Three-point bounds of the stiffness, by the first order of a perturbation in the contrast."""

from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.properties.bounds import Bounds
from idml_jax.properties.elastic_cell import (
    Plane,
    checked_moduli,
    hooke,
    planar_bulk,
    uniform_field,
)
from idml_jax.properties.mandel import PAIRS, to_tensor, to_vector
from idml_jax.properties.rotated_scheme import inverse_squares, wave_vectors
from idml_jax.properties.three_point import energy_spared
from idml_jax.typing import Array

Parts: TypeAlias = tuple[Float[Array, "n *space"], Float[Array, "n *space"]]
"""Two parts of a field of tensors, in Mandel's notation."""


def three_point_bounds_of_stiffness(
    bulk: Float[Array, "*space"], shear: Float[Array, "*space"], *, plane: Plane = "strain"
) -> Bounds:
    r"""Three-point bounds of the stiffness of a periodic cell of isotropic phases.

    Parameters
    ----------
    bulk, shear, plane
        As in `effective_stiffness`.

    Returns
    -------
    bounds : Bounds
        Matrices of shape (3, 3) or (6, 6) in Mandel's notation: the effective stiffness less the
        lower one, and the upper one less the effective stiffness, are positive semi-definite.
        Narrower than Voigt's and Reuss's. The lower one is 0 where there are pores.

    Raises
    ------
    ValueError, TypeError
        As `effective_stiffness` does.

    Notes
    -----
    The least energy of the mean strains and of the compatible fields that they bring about in the
    first order of the contrast, stretches along a wave and shears across it each with a factor of
    their own; and of the mean stresses and the fields in equilibrium that are their kin. What
    they hold of the microstructure are triplets of pixels, as do the integrals over :math:`S_3` of
    Beran and Molyneux and of Milton and Phan-Thien [1]_, here with no limit of isotropy. Of a
    hydrostatic load in an isotropic medium the upper one is Milton's,

    .. math::
        K \le \langle K \rangle - \frac{\phi \phi' (K' - K)^2}{\langle \tilde K \rangle
        + 2 (d - 1) / d \, \langle \mu \rangle_\zeta}

    with `three_point_parameter` in the weights. They bound the same discrete cell that
    `effective_stiffness` solves, rigorously. Memory: about 60 fields in 2-D and 250 in 3-D.
    Differentiable.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 21.3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [3.0]]), (4, 8))  # of layers both are exact
    >>> for bound in three_point_bounds_of_stiffness(layers, layers / 2):
    ...     print([round(float(entry), 3) for entry in bound.diagonal()])
    [2.5, 3.2, 1.5]
    [2.5, 3.2, 1.5]
    """
    bulk, shear = checked_moduli(bulk, shear)
    return _bounds(planar_bulk(bulk, shear, plane), shear)


@jax.jit
def _bounds(bulk: Float[Array, "*space"], shear: Float[Array, "*space"]) -> Bounds:
    upper = _least_mean(bulk, shear, _compatible)
    # A pore gives way to any stress: the bound of series is 0, and stays there.
    empty = (jnp.minimum(bulk, shear) == 0).any()
    soft = [1 / jnp.where(empty, 1, modulus) for modulus in (bulk, shear)]
    # The inverse of Hooke's law is of the same form.
    lower = _least_mean(soft[0] / bulk.ndim**2, soft[1] / 4, _in_equilibrium)
    return Bounds(jnp.where(empty, 0, jnp.linalg.inv(lower)), upper)


def _least_mean(
    bulk: Float[Array, "*space"], shear: Float[Array, "*space"], split
) -> Float[Array, "n n"]:
    """Mean energies of unit loads, less what the best first-order fields spare."""
    law = hooke(bulk, shear)
    units = jnp.eye(len(PAIRS[bulk.ndim]), dtype=bulk.dtype)
    axes = tuple(range(1, bulk.ndim + 1))

    def of_load(unit: Float[Array, " n"]) -> tuple[Array, Array]:
        image = law(uniform_field(unit, bulk.shape))
        mean = image.mean(axis=axes)
        return mean, jnp.stack(split(image - mean.reshape(-1, *(1,) * bulk.ndim)))

    means, fields = jax.lax.map(of_load, units)
    fields = fields.reshape(-1, *fields.shape[2:])
    return means - energy_spared(fields, jax.lax.map(law, fields))


def _compatible(field: Float[Array, "n *space"]) -> Parts:
    """The parts of a field of zero mean that are strains: stretched along waves, and sheared."""
    tensor, unit, shape = _spectrum(field)
    across = jnp.einsum("i...,ij...->j...", unit, tensor)
    along = jnp.einsum("i...,i...->...", unit, across)
    stretch = jnp.einsum("i...,j...,...->ij...", unit, unit, along)
    half = jnp.einsum("i...,j...->ij...", unit, across)
    return _field(stretch, shape), _field(half + half.swapaxes(0, 1) - 2 * stretch, shape)


def _in_equilibrium(field: Float[Array, "n *space"]) -> Parts:
    """The parts of a field of zero mean that are stresses: of equal pull across waves, the rest."""
    tensor, unit, shape = _spectrum(field)
    dimensions = len(shape)
    identity = jnp.eye(dimensions, dtype=tensor.dtype).reshape(-1, dimensions, *(1,) * dimensions)
    flat = identity - jnp.einsum("i...,j...->ij...", unit, unit)
    free = jnp.einsum("ia...,ab...,bj...->ij...", flat, tensor, flat)
    pull = jnp.einsum("ii...->...", free) / jnp.einsum("ii...->...", flat)
    equal = pull[None, None] * flat
    return _field(equal, shape), _field(free - equal, shape)


def _spectrum(field: Float[Array, "n *space"]) -> tuple[Array, Array, tuple[int, ...]]:
    """Transform as tensors, the components first; unit wave vectors; shape of the cell."""
    shape = field.shape[1:]
    axes = tuple(range(1, field.ndim))
    vectors = jnp.moveaxis(jnp.fft.rfftn(field, axes=axes), 0, -1)
    tensor = jnp.moveaxis(to_tensor(vectors), (-2, -1), (0, 1))
    waves = wave_vectors(shape, field.dtype)
    unit = waves * jnp.sqrt(inverse_squares(waves))[None]
    return tensor, unit.astype(tensor.dtype), shape


def _field(tensor: Array, shape: tuple[int, ...]) -> Float[Array, "n *space"]:
    """Back from the spectrum of tensors to a field of vectors."""
    vectors = jnp.moveaxis(to_vector(jnp.moveaxis(tensor, (0, 1), (-2, -1))), -1, 0)
    return jnp.fft.irfftn(vectors, shape, axes=tuple(range(1, len(shape) + 1)))
