"""Effective stiffness of a periodic cell, of isotropic phases or of crystals."""

import functools

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Float

from idml_jax.properties.checks import check_converged, check_within
from idml_jax.properties.conjugate_gradient import Solution, Tolerance
from idml_jax.properties.elastic_cell import (
    Plane,
    checked_moduli,
    energies,
    hooke,
    hooke_of_crystals,
    planar_bulk,
    unit_strains,
)
from idml_jax.properties.mandel import isotropic_stiffness
from idml_jax.typing import Array


def effective_stiffness(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    *,
    plane: Plane = "strain",
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> Float[Array, "n n"]:
    r"""Effective stiffness of a periodic cell of isotropic phases.

    Solves :math:`\nabla \cdot C : (\mathbf{E} + \nabla^s \mathbf{u}) = 0` for a unit mean
    strain :math:`\mathbf{E}` in each component.

    Parameters
    ----------
    bulk, shear : float array of shape (M, N) or (P, M, N)
        Bulk modulus K and shear modulus :math:`\mu` of each pixel, those of the material in
        three dimensions. Both 0 is a pore.
    plane : "strain" or "stress"
        Of a 2-D cell: plane strain, with the bulk modulus :math:`K + \mu / 3` in the plane, or
        plane stress, with :math:`9 K \mu / (3 K + 4 \mu)`. Nothing in 3-D.
    tolerance : float
        The residual, in the norm of the preconditioner and relative to the applied load, at
        which the iteration stops. The stiffness's error is of its square.
    max_iterations : int
        Limit of the iteration.

    Returns
    -------
    stiffness : float array of shape (3, 3) or (6, 6)
        Symmetric, in Mandel's notation, with the axes in the order of the array's: (11, 22,
        :math:`\sqrt 2` 12), or (11, 22, 33, :math:`\sqrt 2` 23, :math:`\sqrt 2` 13,
        :math:`\sqrt 2` 12). `voigt_stiffness` and `engineering_constants` rewrite it. In a
        compiled function all NaN if the iteration did not converge.

    Raises
    ------
    ValueError
        If the arrays do not have 2 or 3 axes and one shape, or, outside of jit, a modulus is
        negative or not finite.
    TypeError
        If an array is not of floats.
    ConvergenceError
        Outside of jit, if the iteration did not converge within the limit.

    Notes
    -----
    The rotated scheme on the pixels [1]_: displacements on their corners, strains in their
    centres, so that fields do not ring and pores may be empty. Conjugate gradients,
    preconditioned by the Green operator of a homogeneous medium [2]_; their number grows as
    the root of the contrast and hardly with the size. Memory: about 40 fields in 2-D and 60
    in 3-D, where the six loads are solved one after another.

    The stiffness is the energy of the solutions, which is stationary in them: its first
    derivative is that of the energy at fixed fields, exact at convergence, with no adjoint
    solve and no memory of the iterations.

    Limits: laminates are exact; phases of one shear modulus have, in the limit of fine
    pixels, the bulk modulus :math:`\langle 1 / (K + 4 \mu / 3) \rangle^{-1} - 4 \mu / 3`
    whatever their arrangement (Hill), in the plane of plane strain with :math:`\mu` for
    :math:`4 \mu / 3`.

    References
    ----------
    .. [1] F. Willot, "Fourier-based schemes for computing the mechanical response of
       composites with accurate local fields", C. R. Mecanique 343, 232 (2015).
    .. [2] J. Zeman et al., J. Comput. Phys. 229, 8065 (2010).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[1.0], [3.0]]), (4, 8))
    >>> stiffness = effective_stiffness(layers, layers / 2)
    >>> [round(float(entry), 3) for entry in stiffness.diagonal()]  # 1 / <3 / 5 K> across
    [2.5, 3.2, 1.5]
    """
    bulk, shear = checked_moduli(bulk, shear)
    in_plane = planar_bulk(bulk, shear, plane)
    stiffness, solution = _stiffness(in_plane, shear, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, bulk=bulk, shear=shear)
    moduli = jnp.stack([in_plane, shear])
    check_within(stiffness, *(_uniform(mean(moduli), bulk.ndim) for mean in (_series, _parallel)))
    return stiffness


def effective_stiffness_of_crystals(
    stiffness: Float[Array, "n n *space"],
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> Float[Array, "n n"]:
    """Effective stiffness of a periodic cell of phases that may be anisotropic, as crystals are.

    Parameters
    ----------
    stiffness : float array of shape (3, 3, M, N) or (6, 6, P, M, N)
        Stiffness of each pixel in Mandel's notation, symmetric and positive semi-definite. Of a
        polycrystal of N grains: ``rotated_stiffness(crystal, rotations)[labels]`` with the two
        axes of components moved to the front.
    tolerance, max_iterations
        As in `effective_stiffness`.

    Returns
    -------
    stiffness : float array of shape (3, 3) or (6, 6)

    Raises
    ------
    ValueError, TypeError, ConvergenceError
        As `effective_stiffness` does; and if the components are not 3 by 3 for a plane, or 6 by
        6 in space.

    Notes
    -----
    As `effective_stiffness`, beside the memory of the stiffnesses themselves.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from idml_jax.properties import cubic_stiffness
    >>> crystal = cubic_stiffness(168.4, 121.4, 75.4)
    >>> cell = jnp.broadcast_to(crystal[:, :, None, None, None], (6, 6, 2, 2, 2))
    >>> bool(jnp.allclose(effective_stiffness_of_crystals(cell), crystal))
    True
    """
    stiffness = _checked_crystals(stiffness)
    found, solution = _stiffness_of_crystals(stiffness, tolerance, max_iterations)
    check_converged(solution, tolerance, max_iterations, stiffness=stiffness)
    return found


def _checked_crystals(stiffness: Float[Array, "n n *space"]) -> Float[Array, "n n *space"]:
    stiffness = jnp.asarray(stiffness)
    dimensions = stiffness.ndim - 2
    count = {2: 3, 3: 6}.get(dimensions)
    if count is None or stiffness.shape[:2] != (count, count):
        raise ValueError(
            f"`stiffness` has the shape {stiffness.shape}; it is (3, 3, rows, cols) or (6, 6, "
            "planes, rows, cols): the components first."
        )
    if not jnp.issubdtype(stiffness.dtype, jnp.floating):
        raise TypeError(f"`stiffness` is of {stiffness.dtype}; give floats.")
    if not isinstance(stiffness, Tracer):
        if not bool(jnp.allclose(stiffness, stiffness.swapaxes(0, 1), rtol=1e-4)):
            raise ValueError(
                "`stiffness` is not symmetric, or not finite; see `rotated_stiffness`."
            )
    return stiffness


def _series(moduli: Float[Array, "2 *space"]) -> Float[Array, "2"]:
    """Harmonic mean: 0 where there is a pore."""
    axes = tuple(range(1, moduli.ndim))
    return jnp.where((moduli > 0).all(axes), 1 / (1 / moduli).mean(axes), 0)


def _parallel(moduli: Float[Array, "2 *space"]) -> Float[Array, "2"]:
    return moduli.mean(tuple(range(1, moduli.ndim)))


def _uniform(moduli: Float[Array, "2"], dimensions: int) -> Float[Array, "n n"]:
    """Stiffness of one material with these moduli, in as many dimensions."""
    return isotropic_stiffness(moduli[0], moduli[1], dimensions)


# Compiled as a whole: outside of a jit the solver would be compiled anew at each call.
@functools.partial(jax.jit, static_argnames="max_iterations")
def _stiffness(
    bulk: Float[Array, "*space"],
    shear: Float[Array, "*space"],
    tolerance: Tolerance,
    max_iterations: int,
) -> tuple[Float[Array, "n n"], Solution]:
    # Fields are found for the values and not for their derivatives: see the notes.
    frozen = jax.lax.stop_gradient((bulk, shear))
    reference = (frozen[0].mean(), frozen[1].mean())
    found = unit_strains(hooke(*frozen), reference, bulk.shape, tolerance, max_iterations)
    strains, solution = jax.lax.stop_gradient(found)
    return energies(strains, hooke(bulk, shear), solution.converged), solution


@functools.partial(jax.jit, static_argnames="max_iterations")
def _stiffness_of_crystals(
    stiffness: Float[Array, "n n *space"], tolerance: Tolerance, max_iterations: int
) -> tuple[Float[Array, "n n"], Solution]:
    shape, dimensions = stiffness.shape[2:], stiffness.ndim - 2
    frozen = jax.lax.stop_gradient(stiffness)
    # The isotropic part of the mean stiffness.
    mean = frozen.reshape(*frozen.shape[:2], -1).mean(axis=-1)
    bulk = mean[:dimensions, :dimensions].sum() / dimensions**2
    shear = (jnp.trace(mean) - dimensions * bulk) / (2 * (len(mean) - 1))
    found = unit_strains(hooke_of_crystals(frozen), (bulk, shear), shape, tolerance, max_iterations)
    strains, solution = jax.lax.stop_gradient(found)
    return energies(strains, hooke_of_crystals(stiffness), solution.converged), solution
