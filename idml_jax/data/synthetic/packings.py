"""Hard disks and balls, which do not overlap: random sequential addition, then equilibrium."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import (
    ball_volume,
    check_fraction,
    check_not_negative,
    check_radii,
    check_shape,
    host_generator,
    paint_balls,
)
from idml_jax.typing import Array

# Places tried at once for the next ball.
TRIALS = 64


class Packing(NamedTuple):
    """Balls that do not overlap, in a periodic cell."""

    labels: Int[Array, "*space"]
    """0 in the matrix, i + 1 in ball i: where the pixel's centre lies. ``labels > 0`` is the
    phase of the balls."""
    centres: Float[Array, "count axes"]
    """Coordinates along the axes of the array, in pixels, from 0 to the side; the centre of pixel i
    is at i."""
    radii: Float[Array, " count"]
    """Pixels; the largest first."""


def hard_spheres(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    radius: float | Sequence[float] | Float[Array, " sizes"],
    volume_fraction: float,
    sweeps: int = 0,
    attempts: int = 100_000,
) -> Packing:
    r"""Disks, or balls, that do not overlap, in a periodic cell.

    They are placed one after another, each at a random place that is free (random
    sequential addition), and then, if asked, moved to equilibrium by the Monte Carlo
    method of Metropolis.

    Parameters
    ----------
    key : key
        Source of the radii, the places and the moves.
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    radius : float or sequence of float
        Radius R, in pixels. Of several, each ball takes one with equal chance; the
        largest are placed first.
    volume_fraction : float
        Of the balls, in [0, 1). Their number is the one that comes nearest to it.
    sweeps : int
        Monte Carlo sweeps; in each, every ball is moved once if its new place is
        free. 0 keeps the structure of the addition, which is not that of
        equilibrium. At medium density a few hundred reach it.
    attempts : int
        Give up after so many places in a row where the next ball does not fit.

    Returns
    -------
    packing : Packing
        Labels, centres and radii.

    Raises
    ------
    ValueError
        If the fraction cannot be reached; the message names the one that was. If a
        ball would overlap its own image, or a value is out of its range.
    TypeError
        In a traced function: whether the balls fit must be looked at.

    Notes
    -----
    Addition of equal particles ends at :math:`\phi` = 0.547 in 2-D and 0.384 in 3-D
    (saturation [1]_), and takes ever more attempts near it. The fraction of the
    balls is exact as the sum of their volumes over the cell's, and that of the
    pixels on average over places. Centres are computed in the default float type:
    in float32, two balls that touch may overlap by 1e-4 pixel.

    In equilibrium, and in good approximation [2]_, the pressure is :math:`Z = p /
    (\rho k T) = (1 + \phi^2 / 8) / (1 - \phi)^2` in 2-D and :math:`(1 + \phi + \phi^2 - \phi^3) /
    (1 - \phi)^3` in 3-D, and the pair distribution at contact :math:`g(2R) = (Z - 1) / (2^{d -
    1} \phi)`. :math:`S_2` has no closed form. A move goes up to about the mean gap between
    neighbours along each axis.

    The cost of an attempt, and of a move, is that of the distances to all N balls:
    :math:`O(N^2)` a sweep. A new N is compiled once.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, chapter 3.
    .. [2] D. Henderson, Mol. Phys. 30, 971 (1975), for disks; N. F. Carnahan, K. E.
       Starling, J. Chem. Phys. 51, 635 (1969), for balls.

    Examples
    --------
    >>> import jax
    >>> packing = hard_spheres(jax.random.key(0), (64, 64), radius=4.0, volume_fraction=0.3)
    >>> packing.centres.shape, int(packing.labels.max())
    ((24, 2), 24)
    """
    check_shape(shape)
    radii = check_radii(radius)
    check_fraction(volume_fraction, below_one=True)
    check_not_negative(sweeps=sweeps)
    if attempts < 1:
        raise ValueError(f"`attempts` (={attempts}) must be at least 1.")
    if 2 * radii.max() > min(shape):
        raise ValueError(
            f"`radius` (={radii.max():g}): a ball wider than the cell, {shape}, overlaps its own "
            "image; make the cell larger."
        )
    radii = _radii_for(host_generator(key), radii, volume_fraction, shape)
    sides = jnp.asarray(shape, float)
    if len(radii) == 0:
        return Packing(jnp.zeros(shape, jnp.int32), jnp.zeros((0, len(shape))), jnp.zeros(0))
    sizes = jnp.asarray(radii, float)
    adding, moving = jax.random.split(key)
    centres, placed = _add(adding, sizes, sides, attempts)
    if placed < len(radii):
        volumes = ball_volume(radii, len(shape))
        reached = volumes[: int(placed)].sum() / math.prod(shape)
        raise ValueError(
            f"`volume_fraction` (={volume_fraction}) not reached: {int(placed)} of {len(radii)} "
            f"balls found a place, a fraction of {reached:.4f}, before {attempts} attempts in a "
            "row failed. Random addition of equal ones ends at 0.547 in 2-D and 0.384 in 3-D: ask "
            "for less, or for more `attempts`, or mix the sizes."
        )
    if sweeps:
        centres = _equilibrate(moving, centres, sizes, sides, _step(radii, shape), sweeps)
    painted = paint_balls(shape, np.asarray(centres, float), radii, periodic=True)
    return Packing(jnp.asarray(painted), centres, sizes)


def _radii_for(
    random: np.random.Generator,
    radii: Float[np.ndarray, " sizes"],
    volume_fraction: float,
    shape: tuple[int, ...],
) -> Float[np.ndarray, " count"]:
    """Radii, the largest first, of as many balls as come nearest to the fraction."""
    wanted = volume_fraction * math.prod(shape)
    most = math.ceil(wanted / ball_volume(radii.min(), len(shape))) + 1
    drawn = random.choice(radii, most)
    filled = np.concatenate([[0.0], np.cumsum(ball_volume(drawn, len(shape)))])
    return -np.sort(-drawn[: np.abs(filled - wanted).argmin()])


def _step(radii: Float[np.ndarray, " count"], shape: tuple[int, ...]) -> float:
    """Largest displacement of a move: the mean gap between neighbours, half the side at most."""
    fraction = ball_volume(radii, len(shape)).sum() / math.prod(shape)
    densest = {2: math.pi / math.sqrt(12), 3: math.pi / math.sqrt(18)}[len(shape)]
    gap = 2 * radii.mean() * ((densest / min(fraction, densest)) ** (1 / len(shape)) - 1)
    return float(np.clip(gap, 0.01 * radii.min(), min(shape) / 2))


def _free(
    point: Float[Array, " axes"],
    radius: Float[Array, ""],
    centres: Float[Array, "count axes"],
    radii: Float[Array, " count"],
    sides: Float[Array, " axes"],
) -> Bool[Array, " count"]:
    """Whether a ball at the point is clear of each of the others, or of their nearest images."""
    apart = jnp.broadcast_to(point, centres.shape) - centres
    apart = apart - sides[None, :] * jnp.round(apart / sides[None, :])
    return (apart**2).sum(axis=1) >= (radii + radius) ** 2


@functools.partial(jax.jit, static_argnames="attempts")
def _add(
    key: PRNGKeyArray, radii: Float[Array, " count"], sides: Float[Array, " axes"], attempts: int
) -> tuple[Float[Array, "count axes"], Int[Array, ""]]:
    """Random sequential addition: the centres, and how many of them were placed.

    Many places are drawn at once and the first that is free is taken, which is the same as trying
    one after another: those after it are not looked at.
    """
    count, axes = len(radii), len(sides)

    def unfinished(state):
        _, placed, failed, _ = state
        return (placed < count) & (failed < attempts)

    def attempt(state):
        centres, placed, failed, drawn = state
        random = jax.random.uniform(jax.random.fold_in(key, drawn), (TRIALS, axes)) * sides[None, :]
        clear = jax.vmap(_free, (0, None, None, None, None))(
            random, radii[placed], centres, radii, sides
        )
        fits = (clear | (jnp.arange(count, dtype=placed.dtype) >= placed)[None, :]).all(axis=1)
        first = jnp.argmax(fits)
        found = fits[first]
        centres = jnp.where(found, centres.at[placed].set(random[first]), centres)
        failed = jnp.where(found, 0, failed + TRIALS)
        return centres, placed + found.astype(placed.dtype), failed, drawn + 1

    zero = jnp.zeros((), jnp.int32)
    start = (jnp.zeros((count, axes)), zero, zero, zero)
    centres, placed, _, _ = jax.lax.while_loop(unfinished, attempt, start)
    return centres, placed


@jax.jit
def _equilibrate(
    key: PRNGKeyArray,
    centres: Float[Array, "count axes"],
    radii: Float[Array, " count"],
    sides: Float[Array, " axes"],
    step: Float[Array, ""] | float,
    sweeps: Int[Array, ""] | int,
) -> Float[Array, "count axes"]:
    """Metropolis moves of one ball after another; a place that is free is always taken."""
    count, axes = centres.shape
    others = jnp.arange(count)

    def sweep(number, centres):
        moves = jax.random.uniform(jax.random.fold_in(key, number), (count, axes), minval=-1)

        def move(ball, centres):
            place = (centres[ball] + step * moves[ball]) % sides
            free = (_free(place, radii[ball], centres, radii, sides) | (others == ball)).all()
            return centres.at[ball].set(jnp.where(free, place, centres[ball]))

        return jax.lax.fori_loop(0, count, move, centres)

    return jax.lax.fori_loop(0, sweeps, sweep, centres)
