"""Voxels between two faces of an image: what leads through, and what conducts to what."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jax.core import Tracer
from jaxtyping import Bool, Float

from idml_jax.properties.multigrid import Network, shifted
from idml_jax.typing import Array


def checked_axis(axis: int, dimensions: int) -> int:
    """The axis counted from 0."""
    if not -dimensions <= axis < dimensions:
        raise ValueError(
            f"`axis` (={axis}) is out of range: the array has the axes 0 to {dimensions - 1}."
        )
    return axis % dimensions


def leads_through(conducts: Bool[Array, "*space"], axis: int) -> Bool[Array, ""]:
    """Whether a path of faces leads from the first layer to the last."""
    if isinstance(conducts, Tracer):
        return _flooded(conducts, axis)
    labels = cast(tuple[np.ndarray, int], scipy.ndimage.label(np.asarray(conducts)))[0]
    first, last = (labels.take(place, axis) for place in (0, -1))
    return jnp.asarray((np.intersect1d(first, last) > 0).any())


def _flooded(conducts: Bool[Array, "*space"], axis: int) -> Bool[Array, ""]:
    """The same in a compiled function: from the first layer on, voxel by voxel."""
    first = jnp.arange(conducts.shape[axis]) == 0
    start = conducts & first.reshape([-1 if k == axis else 1 for k in range(conducts.ndim)])

    def spread(state: tuple[Array, Array]) -> tuple[Array, Array]:
        wet, _ = state
        wider = wet
        for along in range(wet.ndim):
            beside = shifted(wider, -1, along) | shifted(wider, 1, along)
            wider = conducts & (wider | beside)
        return wider, jnp.any(wider != wet)

    wet, _ = jax.lax.while_loop(lambda state: state[1], spread, (start, jnp.any(start)))
    return jnp.take(wet, -1, axis=axis).any()


def network_between(diffusivity: Float[Array, "*space"], axis: int) -> Network:
    """Voxels and the conductances of the faces between them, and of the two outer faces."""
    between = []
    for along in range(diffusivity.ndim):
        ahead = shifted(diffusivity, -1, along)
        total = diffusivity + ahead
        between.append(2 * diffusivity * ahead / jnp.where(total > 0, total, 1))
    return Network(tuple(between), 2 * diffusivity * of_outer_layers(diffusivity, axis, 1, 1))


def of_outer_layers(
    diffusivity: Float[Array, "*space"], axis: int, first: int, last: int
) -> Float[Array, "*broadcast"]:
    """Values of the first and the last layer along an axis, and 0 between."""
    values = jnp.zeros(diffusivity.shape[axis], diffusivity.dtype).at[0].add(first).at[-1].add(last)
    return values.reshape([-1 if k == axis else 1 for k in range(diffusivity.ndim)])


def values_of_open_space(diffusivity: Float[Array, "*space"], axis: int) -> Float[Array, "*space"]:
    """The concentration of open space."""
    side = diffusivity.shape[axis]
    values = 1 - (jnp.arange(side, dtype=diffusivity.dtype) + 0.5) / side
    values = values.reshape([-1 if k == axis else 1 for k in range(diffusivity.ndim)])
    return jnp.where(diffusivity > 0, values, 0)
