"""Bounds and estimates of effective properties from volume fractions alone."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from idml_jax.typing import Array

Values: TypeAlias = Sequence[float | int] | Float[Array, " phases"]
"""One number for each phase."""


class Bounds(NamedTuple):
    """Where an effective property lies."""

    low: Float[Array, "..."]
    high: Float[Array, "..."]


class ModuliBounds(NamedTuple):
    """Where the effective bulk and shear modulus lie."""

    bulk: Bounds
    shear: Bounds


class Moduli(NamedTuple):
    """Bulk and shear modulus of an isotropic medium."""

    bulk: Float[Array, ""]
    shear: Float[Array, ""]


def voigt_reuss_bounds(values: Values, fractions: Values) -> Bounds:
    """Arithmetic and harmonic mean: phases in parallel and in series (Wiener; Voigt and Reuss).

    Parameters
    ----------
    values : sequence of float
        A conductivity, a bulk or a shear modulus of each phase, not negative.
    fractions : sequence of float
        Volume fraction of each phase; they add up to 1.

    Returns
    -------
    bounds : Bounds
        For any arrangement; of a tensor, for each of its eigenvalues.

    Raises
    ------
    ValueError
        If there are not as many fractions as values, a value is negative, or the fractions do
        not add up to 1.

    Examples
    --------
    >>> bounds = voigt_reuss_bounds([1.0, 3.0], [0.5, 0.5])
    >>> float(bounds.low), float(bounds.high)
    (1.5, 2.0)
    """
    values, fractions = _checked(fractions, values=values)
    return Bounds(_mean_after(lambda value: value, values, fractions), (fractions * values).sum())


def hashin_shtrikman_conductivity(
    conductivities: Values, fractions: Values, *, dimensions: int = 3
) -> Bounds:
    r"""Hashin-Shtrikman bounds of the conductivity of an isotropic medium of any phases.

    Parameters
    ----------
    conductivities, fractions
        As in `voigt_reuss_bounds`.
    dimensions : int
        2 or 3.

    Returns
    -------
    bounds : Bounds

    Raises
    ------
    ValueError
        As `voigt_reuss_bounds` does; and if there are other than 2 or 3 dimensions.

    Notes
    -----
    :math:`\langle 1 / (k + (d - 1) k_0) \rangle^{-1} - (d - 1) k_0` with the least and the
    largest conductivity for :math:`k_0` [1]_. Coated balls reach both. Differentiable.

    References
    ----------
    .. [1] Z. Hashin, S. Shtrikman, J. Appl. Phys. 33, 3125 (1962).

    Examples
    --------
    >>> bounds = hashin_shtrikman_conductivity([1.0, 10.0], [0.5, 0.5])
    >>> round(float(bounds.low), 4), round(float(bounds.high), 4)
    (2.8, 4.7059)
    """
    values, fractions = _checked(fractions, conductivities=conductivities)
    _check_dimensions(dimensions)
    return Bounds(
        *(
            _shifted_mean(values, fractions, (dimensions - 1) * extreme(values))
            for extreme in (jnp.min, jnp.max)
        )
    )


def hashin_shtrikman_moduli(
    bulk: Values, shear: Values, fractions: Values, *, dimensions: int = 3
) -> ModuliBounds:
    r"""Hashin-Shtrikman bounds of the moduli of an isotropic medium of any phases.

    Parameters
    ----------
    bulk, shear : sequence of float
        Moduli of each phase; in 2 dimensions the bulk modulus is that of the plane,
        :math:`K + \mu / 3` in plane strain.
    fractions, dimensions
        As in `hashin_shtrikman_conductivity`.

    Returns
    -------
    bounds : ModuliBounds

    Raises
    ------
    ValueError
        As `hashin_shtrikman_conductivity` does.

    Notes
    -----
    Walpole's form, which holds also where the softest phase in one modulus is not the softest
    in the other [1]_: :math:`\langle 1 / (K + H) \rangle^{-1} - H` with :math:`H = 4 \mu_0 / 3`,
    and for the shear modulus :math:`H = \mu_0 (9 K_0 + 8 \mu_0) / (6 (K_0 + 2 \mu_0))`; in 2
    dimensions :math:`\mu_0`, and :math:`K_0 \mu_0 / (K_0 + 2 \mu_0)`.

    References
    ----------
    .. [1] L. J. Walpole, J. Mech. Phys. Solids 14, 151 (1966).

    Examples
    --------
    >>> bounds = hashin_shtrikman_moduli([1.0, 4.0], [0.5, 2.0], [0.5, 0.5])
    >>> [round(float(value), 4) for value in bounds.bulk]
    [1.7895, 2.0645]
    """
    bulks, shears, fractions = _checked(fractions, bulk=bulk, shear=shear)
    _check_dimensions(dimensions)
    references = [Moduli(extreme(bulks), extreme(shears)) for extreme in (jnp.min, jnp.max)]
    found = [_moduli_beside(each, bulks, shears, fractions, dimensions) for each in references]
    return ModuliBounds(*(Bounds(*pair) for pair in zip(*found, strict=True)))


def maxwell_conductivity(
    matrix: float | Float[Array, ""],
    inclusion: float | Float[Array, ""],
    fraction: float | Float[Array, ""],
    *,
    dimensions: int = 3,
) -> Float[Array, ""]:
    """Maxwell's estimate of the conductivity of a matrix with balls, or disks, in it.

    Exact to first order in the fraction of the balls, and one of the Hashin-Shtrikman bounds:
    the lower one if the matrix conducts less. The same for permittivity: Clausius and Mossotti,
    Maxwell and Garnett.

    Parameters
    ----------
    matrix, inclusion : float
        Conductivities.
    fraction : float
        Volume fraction of the balls.
    dimensions : int
        2 or 3.

    Examples
    --------
    >>> round(float(maxwell_conductivity(1.0, 10.0, 0.5)), 4)
    2.8
    """
    _check_dimensions(dimensions)
    values = jnp.asarray([matrix, inclusion], float)
    fractions = jnp.asarray([1 - fraction, fraction], float)
    return _shifted_mean(values, fractions, (dimensions - 1) * values[0])


def self_consistent_conductivity(
    conductivities: Values, fractions: Values, *, dimensions: int = 3
) -> Float[Array, ""]:
    r"""Bruggeman's self-consistent estimate: each phase as balls in the effective medium.

    Parameters
    ----------
    conductivities, fractions, dimensions
        As in `hashin_shtrikman_conductivity`.

    Returns
    -------
    conductivity : float
        Between the Hashin-Shtrikman bounds. With an insulator it is 0 where the others fill less
        than 1 / d.

    Notes
    -----
    The root k of :math:`\sum \phi_i (k_i - k) / (k_i + (d - 1) k) = 0`, by bisection in the
    logarithm. No phase is the matrix: exact for checkerboards in 2-D, which are symmetric.

    Examples
    --------
    >>> round(float(self_consistent_conductivity([1.0, 4.0], [0.5, 0.5], dimensions=2)), 5)
    2.0
    """
    values, fractions = _checked(fractions, conductivities=conductivities)
    _check_dimensions(dimensions)

    def excess(guess: Float[Array, ""]) -> Float[Array, ""]:
        return (fractions * (values - guess) / (values + (dimensions - 1) * guess)).sum()

    def halve(_, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = jnp.sqrt(low * high)
        above = excess(middle) > 0
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    top = values.max()
    tiny = jnp.finfo(values.dtype).eps
    low, high = jax.lax.fori_loop(0, 60, halve, (tiny**2 * top, top))
    # With an insulator and too little else nothing conducts.
    return jnp.where(low > tiny * top, jnp.sqrt(low * high), 0)


def self_consistent_moduli(
    bulk: Values, shear: Values, fractions: Values, *, dimensions: int = 3
) -> Moduli:
    """Self-consistent estimate of both moduli: each phase as balls in the effective medium.

    Parameters
    ----------
    bulk, shear, fractions, dimensions
        As in `hashin_shtrikman_moduli`.

    Returns
    -------
    moduli : Moduli
        Between the Hashin-Shtrikman bounds. A porous medium has no stiffness left at a porosity
        of one half in 3-D, and of two thirds in 2-D with incompressible walls.

    Notes
    -----
    The equations of R. Hill, J. Mech. Phys. Solids 13, 213 (1965), as a fixed point of the form
    of the bounds with the effective moduli for the reference, from Voigt's mean downwards.

    Examples
    --------
    >>> moduli = self_consistent_moduli([1.0, 4.0], [0.5, 2.0], [0.5, 0.5])
    >>> 1.7895 < float(moduli.bulk) < 2.0645
    True
    """
    bulks, shears, fractions = _checked(fractions, bulk=bulk, shear=shear)
    _check_dimensions(dimensions)
    start = Moduli((fractions * bulks).sum(), (fractions * shears).sum())
    return jax.lax.fori_loop(
        0,
        500,
        lambda _, moduli: _moduli_beside(moduli, bulks, shears, fractions, dimensions),
        start,
    )


def _moduli_beside(
    reference: Moduli,
    bulks: Float[Array, " phases"],
    shears: Float[Array, " phases"],
    fractions: Float[Array, " phases"],
    dimensions: int,
) -> Moduli:
    """Moduli of a mixture whose phases sit in a reference medium."""
    bulk, shear = reference
    if dimensions == 3:
        stiff, resisting = 4 * shear / 3, shear * (9 * bulk + 8 * shear)
        weak = 6 * (bulk + 2 * shear)
    else:
        stiff, resisting, weak = shear, shear * bulk, bulk + 2 * shear
    hard = resisting / jnp.where(weak > 0, weak, 1)
    return Moduli(_shifted_mean(bulks, fractions, stiff), _shifted_mean(shears, fractions, hard))


def _shifted_mean(
    values: Float[Array, " phases"], fractions: Float[Array, " phases"], shift: Float[Array, ""]
) -> Float[Array, ""]:
    """Harmonic mean of what is shifted up, shifted down again."""
    return _mean_after(lambda value: value + shift, values, fractions) - shift


def _mean_after(
    change: Callable[[Array], Array],
    values: Float[Array, " phases"],
    fractions: Float[Array, " phases"],
) -> Float[Array, ""]:
    """Harmonic mean of changed values: 0 if a phase that is there has none."""
    changed = change(values)
    nothing = ((changed <= 0) & (fractions > 0)).any()
    inverse = (fractions / jnp.where(changed > 0, changed, 1)).sum()
    return jnp.where(nothing, 0, 1 / inverse)


def _check_dimensions(dimensions: int) -> None:
    if dimensions not in (2, 3):
        raise ValueError(f"`dimensions` (={dimensions}) is 2 or 3.")


def _checked(fractions: Values, **values: Values) -> tuple[Float[Array, " phases"], ...]:
    """Values and fractions as arrays, if they can be those of phases."""
    shares = jnp.asarray(fractions, float)
    arrays = []
    for name, given in values.items():
        array = jnp.asarray(given, float)
        if array.shape != shares.shape or array.ndim != 1:
            raise ValueError(
                f"`{name}` has the shape {array.shape} and `fractions` {shares.shape}: give one "
                "number of each for every phase."
            )
        if not isinstance(array, Tracer) and not bool((array >= 0).all()):
            raise ValueError(f"`{name}` (={np.asarray(array).tolist()}) must not be negative.")
        arrays.append(array)
    if not isinstance(shares, Tracer) and not (
        bool((shares >= 0).all()) and abs(float(shares.sum()) - 1) < 1e-5
    ):
        raise ValueError(f"`fractions` (={np.asarray(shares).tolist()}) must add up to 1.")
    return (*arrays, shares)
