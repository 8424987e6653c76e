"""Three-point bounds: what two- and three-point correlations say of effective properties."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from idml_jax.properties.bounds import Bounds
from idml_jax.properties.checks import check_coefficients
from idml_jax.properties.rotated_scheme import divergence, gradient, inverse_laplacian
from idml_jax.typing import Array


def three_point_bounds(conductivity: Float[Array, "*space"]) -> Bounds:
    r"""Three-point bounds of the conductivity of a periodic cell (Beran).

    Parameters
    ----------
    conductivity : float array of shape (M, N) or (P, M, N)
        Conductivity of each pixel, of any phases; 0 is an insulator.

    Returns
    -------
    bounds : Bounds
        Tensors of shape (d, d): the effective tensor less the lower one, and the upper one less
        the effective tensor, are positive semi-definite. Narrower than Voigt's and Reuss's,
        and, where the medium is isotropic, than Hashin and Shtrikman's.

    Raises
    ------
    ValueError, TypeError
        As `effective_conductivity` does.

    Notes
    -----
    The least energy of the fields :math:`\mathbf{E} + \sum_i a_i \Gamma (k' \mathbf{e}_i)`, the
    first order of a perturbation in the contrast, and of the fluxes that are their kin. Their
    energies hold triplets of pixels: they are what the integrals over :math:`S_3` of Beran,
    Milton and Torquato [1]_ are, over every triangle that the cell has, with no limit of
    isotropy. They bound the same discrete cell that `effective_conductivity` solves, rigorously.
    Two Fourier transforms for each axis and bound. Differentiable.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 21.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [4.0]]), (8, 16))  # of layers both are exact
    >>> low, high = three_point_bounds(layers)
    >>> [round(float(k), 3) for bound in (low, high) for k in bound.diagonal()]
    [1.6, 2.5, 1.6, 2.5]
    """
    return _bounds(check_coefficients(conductivity, "conductivity"))


def three_point_parameter(phase: Bool[Array, "*space"]) -> Float[Array, ""]:
    r"""Three-point parameter :math:`\zeta` of a phase, which the bounds of two phases depend on.

    Parameters
    ----------
    phase : boolean array of shape (M, N) or (P, M, N)
        A periodic cell.

    Returns
    -------
    parameter : float
        In [0, 1], as the mean over the axes; that of the other phase is one less it. NaN for a
        phase that is nowhere or everywhere.

    Raises
    ------
    ValueError
        If it has other than 2 or 3 axes.

    Notes
    -----
    The integral of :math:`S_3 - S_2 S_2 / \phi` over all triangles with the weight
    :math:`P_2(\cos \theta) / (r s)` in 3-D and :math:`\cos 2 \theta / (r s)` in 2-D [1]_, as a
    mean over the cell of the squared field of a weak perturbation: with the deviation
    :math:`I'` of the phase, :math:`\langle I \, |\Gamma I' \mathbf{E}|^2 \rangle = \phi (1 -
    \phi) (1 - \phi + (d - 1) \zeta) / d^2`. It is 1/2 in media that look the same with phases
    exchanged, and 0 or 1 for coated balls.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, equations 20.61 and
       20.66.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> board = (jnp.indices((16, 16)) // 8).sum(axis=0) % 2 == 0
    >>> round(float(three_point_parameter(board)), 3)
    0.5
    """
    phase = jnp.asarray(phase)
    share = check_coefficients(phase.astype(float), "phase")
    return _parameter(share)


@jax.jit
def _bounds(conductivity: Float[Array, "*space"]) -> Bounds:
    mean = conductivity.mean()
    unit = jnp.eye(conductivity.ndim, dtype=conductivity.dtype)
    upper = mean * unit - _gain(conductivity, _project)
    # An insulator resists any flux through it: the bound of series is 0, and stays there.
    insulates = (conductivity == 0).any()
    resistivity = 1 / jnp.where(insulates, 1, conductivity)
    least = resistivity.mean() * unit - _gain(resistivity, _free)
    return Bounds(jnp.where(insulates, 0, jnp.linalg.inv(least)), upper)


def _gain(coefficient: Float[Array, "*space"], project) -> Float[Array, "dim dim"]:
    """How much energy the best first-order fields spare, of unit mean fields."""
    dimensions = coefficient.ndim
    deviation = coefficient - coefficient.mean()
    units = jnp.eye(dimensions, dtype=coefficient.dtype)

    def first_order(unit: Float[Array, " dim"]) -> Float[Array, "dim *space"]:
        return project(deviation[None] * unit.reshape(-1, *(1,) * dimensions))

    fields = jax.lax.map(first_order, units)
    return energy_spared(fields, coefficient[None, None] * fields)


def energy_spared(
    fields: Float[Array, "fields n *space"], images: Float[Array, "fields n *space"]
) -> Float[Array, "n n"]:
    """How much energy the best sums of some fields spare, beside that of unit mean fields.

    The fields are of zero mean and may be added to uniform ones; their images are the fluxes or
    stresses that they bring about.
    """
    count, components = fields.shape[:2]
    couple = images.reshape(count, components, -1).mean(axis=-1)

    def row(field: Float[Array, "n *space"]) -> Float[Array, " fields"]:
        return jnp.einsum("a...,ia...->i", field, images, precision="highest")

    energy = jax.lax.map(row, fields) / math.prod(fields.shape[2:])
    # A uniform cell, or one that varies along some axes alone, has no field along the others.
    return couple.T @ jnp.linalg.pinv(energy, rtol=1e-6, hermitian=True) @ couple


def _project(field: Float[Array, "dim *space"]) -> Float[Array, "dim *space"]:
    """The part of a field that is the gradient of a potential, of zero mean."""
    return gradient(inverse_laplacian(field.shape[1:], field.dtype)(divergence(field)))


def _free(field: Float[Array, "dim *space"]) -> Float[Array, "dim *space"]:
    """The part of a field that has no divergence, and no mean."""
    axes = tuple(range(1, field.ndim))
    return field - field.mean(axis=axes, keepdims=True) - _project(field)


@jax.jit
def _parameter(share: Float[Array, "*space"]) -> Float[Array, ""]:
    dimensions, fraction = share.ndim, share.mean()
    units = jnp.eye(dimensions, dtype=share.dtype)

    def squares(unit: Float[Array, " dim"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        field = _project((share - fraction)[None] * unit.reshape(-1, *(1,) * dimensions))
        return (share[None] * field**2).sum(), (field**2).sum()

    own, every = jax.lax.map(squares, units)
    # Every square together is phi (1 - phi), less what the grid does not see.
    scaled = dimensions * own.sum() / jnp.where(every.sum() > 0, every.sum(), jnp.nan)
    return (scaled - (1 - fraction)) / (dimensions - 1)
