"""The axis of the least eigenvalue of symmetric tensors, with a derivative where it is single."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.typing import Array


@jax.custom_jvp
def least_axis(
    tensors: Float[Array, "*space axes axes"],
) -> tuple[Float[Array, "*space axes"], Float[Array, "*space axes"]]:
    """Eigenvalues, ascending, and the eigenvector of the least, its largest component positive."""
    values, vectors = _eigen(tensors)
    return values, vectors[..., 0]


@least_axis.defjvp
def _least_axis_jvp(primals, tangents):
    """Of the eigenvector only what the other eigenvectors, apart from it, contribute.

    The derivative of `jnp.linalg.eigh` itself is NaN wherever any two eigenvalues are equal.
    """
    (tensors,), (change,) = primals, tangents
    values, vectors = _eigen(tensors)
    # In the frame of the eigenvectors.
    change = jnp.einsum("...ia,...ij,...jb->...ab", vectors, change, vectors, precision="highest")
    gap = values[..., :1] - values
    scale = jnp.max(jnp.abs(values), axis=-1, keepdims=True)
    apart = jnp.abs(gap) > 8 * jnp.finfo(values.dtype).eps * scale
    share = jnp.where(apart, change[..., :, 0] / jnp.where(apart, gap, 1), 0)
    axis_change = jnp.einsum("...ia,...a->...i", vectors, share, precision="highest")
    return (values, vectors[..., 0]), (jnp.diagonal(change, axis1=-2, axis2=-1), axis_change)


def _eigen(
    tensors: Float[Array, "*space axes axes"],
) -> tuple[Float[Array, "*space axes"], Float[Array, "*space axes axes"]]:
    """Eigenvalues, ascending, and eigenvectors in columns, the first with the sign of an axis."""
    values, vectors = jnp.linalg.eigh(tensors)
    largest = jnp.argmax(jnp.abs(vectors), axis=-2, keepdims=True)
    sign = jnp.sign(jnp.take_along_axis(vectors, largest, axis=-2))
    return values, vectors * sign
