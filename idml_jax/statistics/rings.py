"""A centred field of displacements averaged over rings of equal distance."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from idml_jax.statistics.phases import PixelSize, check_grid, pixel_sides
from idml_jax.typing import Array


def radial_average(
    field: Float[Array, "*space"], *, pixel_size: PixelSize | None = None
) -> tuple[Float[np.ndarray, " bins"], Float[Array, " bins"]]:
    """Average of a centred field over rings, or shells, one pixel wide.

    Parameters
    ----------
    field : array of shape (M, N) or (P, M, N)
        Zero displacement at index ``n // 2`` of each axis, as
        `two_point_correlation` returns it.
    pixel_size : float or one for each axis, optional
        Sides of a pixel, in any unit, by default 1: distances are in this unit, and
        rings as wide as the longest side. Of a spectral density, the step from one
        wave vector to the next, ``2 * pi / n`` along each axis.

    Returns
    -------
    distances : array of shape (bins,)
        Mean distance of the pixels in each ring: exactly 0 for the first, near 1,
        2, ... widths for the next. Every ring that is whole, which for a shorter side
        of N square pixels are ``(N + 1) // 2``.
    values : array of shape (bins,)
        Mean of the field over each ring; NaN if a pixel of the ring is NaN.

    Raises
    ------
    ValueError
        If the field has other than 2 or 3 axes; if a pixel size is not positive.

    Notes
    -----
    Exact for what it says: no value is interpolated, and a pixel counts to the ring of
    its rounded distance. Differentiable. One pass over the field and an eighth (2-D: a
    quarter) of its memory: values at equal distances are added up before they are sorted.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> distances, values = radial_average(jnp.ones((9, 9)))
    >>> distances.round(2).tolist(), values.tolist()
    ([0.0, 1.21, 2.16, 3.04, 4.08], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    check_grid(field, "field")
    # All of the geometry is known from the shape: numpy, once, at trace time.
    rings = rings_of(field.shape, pixel_sides(pixel_size, field.ndim))
    sums = _ring_sums(_folded(jnp.asarray(field), rings.ring.shape), rings)
    return rings.distances, sums / rings.sizes.astype(field.dtype)


class Rings(NamedTuple):
    """Rings, or shells, of the displacements that are nowhere negative."""

    count: int
    ring: Int[np.ndarray, "*corner"]
    """To which a displacement belongs, by its rounded length; `count` for none that is whole."""
    distance: Float[np.ndarray, "*corner"]
    mirrors: Float[np.ndarray, "*corner"]
    """How many displacements are equal to it but for signs."""

    @property
    def sizes(self) -> Float[np.ndarray, " rings"]:
        """Displacements of either sign in each ring."""
        return self.sums(self.mirrors)

    @property
    def distances(self) -> Float[np.ndarray, " rings"]:
        """Their mean length."""
        return self.sums(self.mirrors * self.distance) / self.sizes

    def sums(self, values: Float[np.ndarray, "*corner"]) -> Float[np.ndarray, " rings"]:
        """Sum over each ring."""
        flat = np.bincount(self.ring.ravel(), values.ravel(), minlength=self.count + 1)
        return flat[: self.count]


def rings_of(shape: tuple[int, ...], sides: tuple[float, ...] | None = None) -> Rings:
    """Every ring that is whole in a centred field; as wide as the longest side of a pixel."""
    sides = (1.0,) * len(shape) if sides is None else sides
    width = max(sides)

    def number(distance: Float[np.ndarray, "*any"]) -> Int[np.ndarray, "*any"]:
        # A hair more, so that rounding parts no distances that are equal.
        return np.floor(distance / width + (0.5 + 1e-9)).astype(np.int32)

    # The first ring that is cut is that of the first step which the field has not both ways.
    reach = [(n + 1) // 2 for n in shape]
    count = int(number(np.multiply(reach, sides)).min())
    steps = [
        np.arange(n)[number(np.arange(n) * s) < count] for n, s in zip(reach, sides, strict=True)
    ]
    squares = [(step * side) ** 2 for step, side in zip(steps, sides, strict=True)]
    distance = np.sqrt(sum(np.meshgrid(*squares, indexing="ij", sparse=True)))
    mirrors = functools.reduce(np.multiply.outer, [np.minimum(step, 1) + 1.0 for step in steps])
    return Rings(count, np.minimum(number(distance), count), distance, mirrors)


def _folded(field: Float[Array, "*space"], corner: tuple[int, ...]) -> Float[Array, "*corner"]:
    """Sum of the values at equal absolute displacements, from zero on, as many as asked for."""
    for axis, (side, steps) in enumerate(zip(field.shape, corner, strict=True)):
        field = jnp.moveaxis(field, axis, 0)
        middle = side // 2
        after = field[middle + 1 : middle + steps]
        before = field[middle - steps + 1 : middle][::-1]
        field = jnp.concatenate([field[middle][None], after + before])
        field = jnp.moveaxis(field, 0, axis)
    return field


def _ring_sums(corner: Float[Array, "*corner"], rings: Rings) -> Float[Array, " bins"]:
    """Sum over each ring; row by row first, so that a long sum loses no digits."""
    rows, wide = len(corner), rings.count + 1
    # One index for row and ring: XLA would spend seconds on putting two together.
    places = (np.arange(rows)[:, None] * wide + rings.ring.reshape(rows, -1)).astype(np.int32)
    sums = jnp.zeros(rows * wide, corner.dtype).at[places.ravel()].add(corner.ravel())
    return sums.reshape(rows, wide).sum(axis=0)[: rings.count]
