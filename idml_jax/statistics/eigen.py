"""Eigenvectors of fields of symmetric tensors, 2 by 2 or 3 by 3, for all pixels at once."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


@jax.custom_jvp
def least_axis(
    tensors: Float[Array, "*space axes axes"],
) -> tuple[Float[Array, "*space axes"], Float[Array, "*space axes"]]:
    """Eigenvalues, ascending, and the eigenvector of the least, its largest component positive."""
    values, vectors = _eigen(tensors)
    return values, vectors[..., 0]


@least_axis.defjvp
def _least_axis_jvp(primals, tangents):
    """Of the eigenvector only what the other eigenvectors, apart from it, contribute."""
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


@jax.jit
def _eigen(
    tensors: Float[Array, "*space axes axes"],
) -> tuple[Float[Array, "*space axes"], Float[Array, "*space axes axes"]]:
    """Eigenvalues, ascending, and eigenvectors in columns, the first with the sign of an axis."""
    scale = jnp.max(jnp.abs(tensors), axis=(-2, -1))
    scale = jnp.where(scale > 0, scale, 1)
    solve = _eigen_of_two if tensors.shape[-1] == 2 else _eigen_of_three
    values, vectors = solve(tensors / scale[..., None, None])
    # The largest component of the first vector is positive.
    largest = vectors[0][0]
    for part in vectors[0][1:]:
        largest = jnp.where(jnp.abs(part) > jnp.abs(largest), part, largest)
    sign = jnp.where(largest < 0, -1, 1).astype(largest.dtype)
    vectors = [[sign * part for part in vectors[0]], *vectors[1:]]
    columns = jnp.stack([jnp.stack(vector, axis=-1) for vector in vectors], axis=-1)
    return jnp.stack(values, axis=-1) * scale[..., None], columns


def _eigen_of_two(tensors: Float[Array, "*space 2 2"]) -> tuple[list[Array], list[list[Array]]]:
    """Both eigenvalues, ascending, and their vectors, each a list of its components."""
    first, second, between = tensors[..., 0, 0], tensors[..., 1, 1], tensors[..., 0, 1]
    low, high, cosine, sine = _low_and_high(first, second, between)
    return [low, high], [[cosine, sine], [-sine, cosine]]


def _eigen_of_three(tensors: Float[Array, "*space 3 3"]) -> tuple[list[Array], list[list[Array]]]:
    """The eigenvalue that stands alone, by Cardano's formula; the other two in the plane across."""
    entries = [[tensors[..., min(i, j), max(i, j)] for j in range(3)] for i in range(3)]
    mean = (entries[0][0] + entries[1][1] + entries[2][2]) / 3
    rest = [[entries[i][j] - mean if i == j else entries[i][j] for j in range(3)] for i in range(3)]
    squares = [_dot(row, row) for row in rest]
    spread = jnp.sqrt((squares[0] + squares[1] + squares[2]) / 6)
    divisor = jnp.where(spread > 0, spread, 1)
    rest = [[entry / divisor for entry in row] for row in rest]
    ratio = _dot(rest[0], _cross(rest[1], rest[2])) / 2
    # Below zero the least stands alone, above zero the largest; each is well conditioned there.
    least_alone = ratio < 0
    third = jnp.arccos(jnp.clip(jnp.abs(ratio), 0, 1)) / 3
    alone = mean + jnp.where(least_alone, -2, 2).astype(mean.dtype) * spread * jnp.cos(third)

    # Its vector is across the rows of what is left: from the two that are least parallel.
    rows = [
        [entries[i][j] - alone if i == j else entries[i][j] for j in range(3)] for i in range(3)
    ]
    axis = [jnp.ones_like(mean), jnp.zeros_like(mean), jnp.zeros_like(mean)]
    longest = jnp.zeros_like(mean)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        candidate = _cross(rows[one], rows[other])
        length = jnp.sqrt(_dot(candidate, candidate))
        longer = length > longest
        divisor = jnp.where(longer, length, 1)
        axis = [jnp.where(longer, c / divisor, a) for c, a in zip(candidate, axis, strict=True)]
        longest = jnp.where(longer, length, longest)

    # Two axes across it, without a case in which they vanish (Duff et al., JCGT 6, 1, 2017).
    x, y, z = axis
    sign = jnp.where(z < 0, -1, 1).astype(mean.dtype)
    down = -1 / (sign + z)
    across = [1 + sign * x * x * down, sign * x * y * down, -sign * x]
    along = [x * y * down, sign + y * y * down, -y]
    images = [[_dot(row, vector) for row in entries] for vector in (across, along)]
    low, high, cosine, sine = _low_and_high(
        _dot(across, images[0]), _dot(along, images[1]), _dot(across, images[1])
    )
    low_axis = [cosine * u + sine * v for u, v in zip(across, along, strict=True)]
    high_axis = [cosine * v - sine * u for u, v in zip(across, along, strict=True)]

    def pick(if_least: Array, if_largest: Array) -> Array:
        return jnp.where(least_alone, if_least, if_largest)

    values = [pick(alone, low), pick(low, high), pick(high, alone)]
    vectors = [(axis, low_axis), (low_axis, high_axis), (high_axis, axis)]
    return values, [[pick(*parts) for parts in zip(*pair, strict=True)] for pair in vectors]


def _low_and_high(
    first: Float[Array, "*space"], second: Float[Array, "*space"], between: Float[Array, "*space"]
) -> tuple[Array, Array, Array, Array]:
    """Eigenvalues of a 2 by 2 matrix, ascending, and cosine and sine of the first one's vector."""
    difference = second - first
    length = jnp.abs(difference) + jnp.sqrt(difference**2 + 4 * between**2)
    # The smaller of the two angles that make the entry between the axes vanish.
    tangent = jnp.where(difference < 0, -2 * between, 2 * between)
    tangent = tangent / jnp.where(length > 0, length, 1)
    cosine = 1 / jnp.sqrt(1 + tangent**2)
    sine = cosine * tangent
    one, other = first - tangent * between, second + tangent * between
    swap = other < one
    low, high = jnp.where(swap, other, one), jnp.where(swap, one, other)
    return low, high, jnp.where(swap, sine, cosine), jnp.where(swap, cosine, -sine)


def _dot(first: Sequence[Array], second: Sequence[Array]) -> Array:
    """Scalar product of two vectors of fields."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _cross(first: Sequence[Array], second: Sequence[Array]) -> list[Array]:
    """Vector product of two vectors of fields."""
    return [first[i] * second[j] - first[j] * second[i] for i, j in ((1, 2), (2, 0), (0, 1))]
