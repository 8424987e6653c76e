"""Voxels between two faces of an image: what leads through, and what conducts to what.

Whatever goes along an axis goes from the first layer of axis 0 to the last here: `upright` turns
the array so, and the axes of a cube share what is compiled.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jax.core import Tracer
from jaxtyping import Bool, Float, Shaped

from idml_jax.properties.multigrid import Network, shifted
from idml_jax.typing import Array


def upright(field: Shaped[Array, "*space"], axis: int) -> Shaped[Array, "*turned"]:
    """The array with an axis in front of the others.

    Raises
    ------
    ValueError
        If it has no such axis.
    """
    if not -field.ndim <= axis < field.ndim:
        raise ValueError(
            f"`axis` (={axis}) is out of range: the array has the axes 0 to {field.ndim - 1}."
        )
    return jnp.moveaxis(field, axis, 0)


def turned_back(vectors: Float[Array, "dim *turned"], axis: int) -> Float[Array, "dim *space"]:
    """A field of vectors of an upright array as one of the array that it came from."""
    axis %= len(vectors)
    order = [*range(1, axis + 1), 0, *range(axis + 1, len(vectors))]
    return jnp.moveaxis(vectors[jnp.array(order)], 1, axis + 1)


def leads_through(conducts: Bool[Array, "*space"]) -> Bool[Array, ""]:
    """Whether a path of faces leads from the first layer to the last."""
    if isinstance(conducts, Tracer):
        return _flooded(conducts)
    labels = cast(tuple[np.ndarray, int], scipy.ndimage.label(np.asarray(conducts)))[0]
    return jnp.asarray((np.intersect1d(labels[0], labels[-1]) > 0).any())


def _flooded(conducts: Bool[Array, "*space"]) -> Bool[Array, ""]:
    """The same in a compiled function: from the first layer on, voxel by voxel."""
    start = jnp.zeros_like(conducts).at[0].set(conducts[0])

    def spread(state: tuple[Array, Array]) -> tuple[Array, Array]:
        wet, _ = state
        wider = wet
        for along in range(wet.ndim):
            beside = shifted(wider, -1, along) | shifted(wider, 1, along)
            wider = conducts & (wider | beside)
        return wider, jnp.any(wider != wet)

    wet, _ = jax.lax.while_loop(lambda state: state[1], spread, (start, jnp.any(start)))
    return wet[-1].any()


def network_between(diffusivity: Float[Array, "*space"]) -> Network:
    """Voxels and the conductances of the faces between them, and of the two outer faces."""
    between = []
    for along in range(diffusivity.ndim):
        here, ahead = (
            jax.lax.slice_in_dim(diffusivity, start, end, axis=along)
            for start, end in ((0, -1), (1, None))
        )
        total = here + ahead
        between.append(2 * here * ahead / jnp.where(total > 0, total, 1))
    return Network(tuple(between), 2 * of_outer_layers(diffusivity, first=True, last=True))


def of_outer_layers(
    field: Float[Array, "*space"], *, first: bool = False, last: bool = False
) -> Float[Array, "*space"]:
    """The values of the first layer, of the last, or of both, and 0 between."""
    kept = jnp.zeros_like(field)
    for layer in [0] * first + [-1] * last:
        kept = kept.at[layer].add(field[layer])
    return kept


def values_of_open_space(diffusivity: Float[Array, "*space"]) -> Float[Array, "*space"]:
    """The concentration of open space."""
    side = len(diffusivity)
    values = 1 - (jnp.arange(side, dtype=diffusivity.dtype) + 0.5) / side
    return jnp.where(diffusivity > 0, values.reshape(-1, *(1,) * (diffusivity.ndim - 1)), 0)
