"""Symmetric tensors as vectors in Mandel's notation, and moduli in the forms people quote them."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Inexact

from idml_jax.typing import Array

PAIRS = {2: ((0, 0), (1, 1), (0, 1)), 3: ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))}
"""Axes of each component of a vector, for 2 and 3 dimensions."""


class EngineeringConstants(NamedTuple):
    """Constants of a stiffness along the axes of the array."""

    young: Float[Array, " dim"]
    """Young's modulus in tension along each axis."""
    poisson: Float[Array, "dim dim"]
    """``poisson[i, j]``: contraction along j over extension along i; the diagonal is -1."""
    shear: Float[Array, " shears"]
    """Shear modulus in each plane of axes, in the order of the stiffness."""


def to_vector(tensor: Inexact[Array, "*any dim dim"]) -> Inexact[Array, "*any n"]:
    r"""Components of symmetric tensors, those off the diagonal times :math:`\sqrt 2`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> [round(float(part), 3) for part in to_vector(jnp.array([[1.0, 3.0], [3.0, 2.0]]))]
    [1.0, 2.0, 4.243]
    """
    tensor = jnp.asarray(tensor)
    parts = [
        tensor[..., i, j] * (1 if i == j else math.sqrt(2)) for i, j in PAIRS[tensor.shape[-1]]
    ]
    return jnp.stack(parts, axis=-1)


def to_tensor(vector: Inexact[Array, "*any n"]) -> Inexact[Array, "*any dim dim"]:
    """Symmetric tensors of their components, as `to_vector` gives them."""
    vector = jnp.asarray(vector)
    dimensions = {3: 2, 6: 3}[vector.shape[-1]]
    place = {pair: index for index, pair in enumerate(PAIRS[dimensions])}
    rows = [
        [
            vector[..., place[min(i, j), max(i, j)]] / (1 if i == j else math.sqrt(2))
            for j in range(dimensions)
        ]
        for i in range(dimensions)
    ]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def voigt_stiffness(stiffness: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """A stiffness in Voigt's notation, which takes engineering shears: rows and columns alike.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(voigt_stiffness(jnp.eye(3))[2, 2]), 6)
    0.5
    """
    stiffness = jnp.asarray(stiffness)
    count = {3: 2, 6: 3}[stiffness.shape[-1]]
    scale = np.where(np.arange(stiffness.shape[-1]) < count, 1, math.sqrt(0.5))
    return stiffness * jnp.asarray(np.outer(scale, scale), stiffness.dtype)


def engineering_constants(stiffness: Float[Array, "n n"]) -> EngineeringConstants:
    """Young's moduli, Poisson's ratios and shear moduli of a stiffness along its axes.

    Parameters
    ----------
    stiffness : array of shape (3, 3) or (6, 6)
        In Mandel's notation, as `effective_stiffness` gives it. In plane strain the
        constants are those in the plane.

    Returns
    -------
    constants : EngineeringConstants

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> bulk, shear = bulk_and_shear(210.0, 0.3)
    >>> constants = engineering_constants(isotropic_stiffness(bulk, shear))
    >>> round(float(constants.young[0]), 3), round(float(constants.poisson[0, 1]), 3)
    (210.0, 0.3)
    """
    compliance = jnp.linalg.inv(jnp.asarray(stiffness))
    count = {3: 2, 6: 3}[compliance.shape[-1]]
    own = jnp.diagonal(compliance)
    young = 1 / own[:count]
    return EngineeringConstants(
        young, -compliance[:count, :count].T * young[:, None], 0.5 / own[count:]
    )


def bulk_and_shear(
    young: float | Float[Array, "..."], poisson: float | Float[Array, "..."]
) -> tuple[float | Float[Array, "..."], float | Float[Array, "..."]]:
    """Bulk and shear modulus of Young's modulus and Poisson's ratio.

    Examples
    --------
    >>> bulk_and_shear(1.0, 0.25)
    (0.6666666666666666, 0.4)
    """
    return young / (3 * (1 - 2 * poisson)), young / (2 * (1 + poisson))


def isotropic_stiffness(
    bulk: float | Float[Array, ""], shear: float | Float[Array, ""], dimensions: int = 3
) -> Float[Array, "n n"]:
    """Stiffness of an isotropic material; in 2 dimensions `bulk` is that of the plane.

    Examples
    --------
    >>> isotropic_stiffness(1.0, 0.75).tolist()[0][:2]
    [2.0, 0.5]
    """
    count = len(PAIRS[dimensions])
    trace = np.zeros((count, count))
    trace[:dimensions, :dimensions] = 1
    dtype = jnp.result_type(bulk, shear, 0.0)
    lame = bulk - 2 * shear / dimensions
    return lame * jnp.asarray(trace, dtype) + 2 * shear * jnp.eye(count, dtype=dtype)


def cubic_stiffness(c11: float, c12: float, c44: float) -> Float[Array, "6 6"]:
    """Stiffness of a cubic crystal along its axes, from its three constants in Voigt's notation.

    Examples
    --------
    >>> copper = cubic_stiffness(168.4, 121.4, 75.4)
    >>> round(float(copper[3, 3]), 3)
    150.8
    """
    stiffness = np.zeros((6, 6))
    stiffness[:3, :3] = c12
    stiffness[np.arange(6), np.arange(6)] = [c11] * 3 + [2 * c44] * 3
    return jnp.asarray(stiffness, float)


def rotated_stiffness(
    stiffness: Float[Array, "n n"], rotation: Float[Array, "*any dim dim"]
) -> Float[Array, "*any n n"]:
    """A stiffness turned by one rotation matrix, or by each of many.

    Parameters
    ----------
    stiffness : array of shape (n, n)
        In Mandel's notation, along the axes of the crystal.
    rotation : array of shape (..., dim, dim)
        Its columns are the axes of the crystal along those of the array, as
        `scipy.spatial.transform.Rotation.as_matrix` gives them.

    Returns
    -------
    stiffness : array of shape (..., n, n)
        Along the axes of the array.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> quarter = jnp.array([[0.0, -1.0], [1.0, 0.0]])
    >>> rotated_stiffness(jnp.diag(jnp.array([1.0, 2.0, 3.0])), quarter).diagonal().tolist()
    [2.0, 1.0, 3.0]
    """
    rotation = jnp.asarray(rotation)
    pairs = PAIRS[rotation.shape[-1]]
    root = math.sqrt(2)

    def entry(row: tuple[int, int], column: tuple[int, int]) -> Array:
        (i, j), (a, b) = row, column
        if a == b:
            return rotation[..., i, a] * rotation[..., j, a] * (1 if i == j else root)
        both = rotation[..., i, a] * rotation[..., j, b] + rotation[..., i, b] * rotation[..., j, a]
        return both * (1 / root if i == j else 1)

    rows = [jnp.stack([entry(row, column) for column in pairs], axis=-1) for row in pairs]
    turn = jnp.stack(rows, axis=-2)
    return jnp.einsum(
        "...ij,jk,...lk->...il", turn, jnp.asarray(stiffness), turn, precision="highest"
    )
