"""How far apart, or how alike, the members of two samples of vectors are, each with each."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.typing import Array


def pairwise_distances(
    first: Float[Array, "n features"], second: Float[Array, "m features"]
) -> Float[Array, "n m"]:
    """Euclidean distance of each vector of one sample from each of another.

    From differences, so that equal vectors are at the distance 0 exactly. Differentiable;
    where two vectors are equal the gradient is 0.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> pairwise_distances(jnp.zeros((1, 2)), jnp.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[5.0, 0.0]]
    """
    squared = _squared_distances(jnp.asarray(first), jnp.asarray(second))
    apart = squared > 0
    # The root is safe on both branches, or its derivative would be NaN on both.
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)


def gaussian_kernel(
    first: Float[Array, "n features"],
    second: Float[Array, "m features"],
    *,
    width: float | Float[Array, ""],
) -> Float[Array, "n m"]:
    r"""Gaussian kernel :math:`\exp(-|x - y|^2 / (2 w^2))` of a width w.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> gaussian_kernel(jnp.zeros((1, 3)), jnp.zeros((2, 3)), width=1.0).tolist()
    [[1.0, 1.0]]
    """
    return jnp.exp(-_squared_distances(jnp.asarray(first), jnp.asarray(second)) / (2 * width**2))


def linear_kernel(
    first: Float[Array, "n features"], second: Float[Array, "m features"]
) -> Float[Array, "n m"]:
    """Scalar product of each with each.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> linear_kernel(jnp.ones((1, 3)), jnp.full((2, 3), 2.0)).tolist()
    [[6.0, 6.0]]
    """
    # In full precision: an accelerator would round each product to 8 or 10 bits.
    return jnp.matmul(jnp.asarray(first), jnp.asarray(second).T, precision="highest")


def polynomial_kernel(
    first: Float[Array, "n features"], second: Float[Array, "m features"], *, degree: int = 3
) -> Float[Array, "n m"]:
    r"""Polynomial kernel :math:`(x \cdot y / d + 1)^k` of degree k, for d features.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> polynomial_kernel(jnp.ones((1, 4)), jnp.ones((1, 4))).tolist()
    [[8.0]]
    """
    return (linear_kernel(first, second) / jnp.shape(first)[-1] + 1) ** degree


@jax.jit
def _squared_distances(
    first: Float[Array, "n features"], second: Float[Array, "m features"]
) -> Float[Array, "n m"]:
    """Compiled, so that no array of all differences is made."""
    return jnp.sum((first[:, None, :] - second[None]) ** 2, axis=-1)
