"""The cell that a medium is made in: pixels whose centres lie at whole coordinates."""

import functools
import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Bool, Float, Int, Num, PRNGKeyArray

from idml_jax.typing import Array

# Pixels looked at in one go by whatever works in chunks: about 50 MB of indices and distances.
CHUNK = 2**20


def check_shape(shape: tuple[int, ...], *, axes: tuple[int, ...] = (2, 3)) -> None:
    """Refuse what is not the shape of one microstructure."""
    if len(shape) not in axes or min(shape) < 1:
        wanted = " or ".join(str(count) for count in axes)
        raise ValueError(
            f"`shape` (={shape}) must have {wanted} axes of at least one pixel each (no channels, "
            "no batch)."
        )


def check_fraction(value: float, name: str = "volume_fraction", *, below_one: bool = False) -> None:
    """Refuse what is no share of a volume."""
    if not (0 <= value < 1 if below_one else 0 <= value <= 1):
        raise ValueError(f"`{name}` (={value}) must lie in [0, 1{')' if below_one else ']'}.")


def check_positive(**values: float | int) -> None:
    """Refuse a length, or another quantity, that is not above zero."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"`{name}` (={value}) must be positive.")


def check_not_negative(**values: float | int) -> None:
    """Refuse the strength of something, where zero is its absence, that is below zero."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` (={value}) must not be negative; 0 is without it.")


def check_radii(
    radius: float | Sequence[float] | Float[Array, " sizes"],
) -> Float[np.ndarray, " sizes"]:
    """One radius or several as an array, each positive."""
    radii = np.atleast_1d(np.asarray(radius, float))
    if radii.ndim != 1 or len(radii) == 0 or not ((radii > 0) & (radii < math.inf)).all():
        raise ValueError(f"`radius` (={radius}) must be one positive number, or a list of them.")
    return radii


def one_of(**choices: object) -> str:
    """The name of the one choice that was made; refuse none and several."""
    made = [name for name, value in choices.items() if value is not None]
    if len(made) != 1:
        names = ", ".join(f"`{name}`" for name in choices)
        raise ValueError(f"give exactly one of {names}; got {' and '.join(made) or 'none'}.")
    return made[0]


def host_generator(key: PRNGKeyArray) -> np.random.Generator:
    """Generator of numpy, seeded by a key, where how much is drawn depends on what was drawn.

    Raises
    ------
    TypeError
        In a traced function, where the key has no value.
    """
    if isinstance(key, Tracer):
        raise TypeError(
            "this medium is made on the host, as its sizes depend on what is drawn: call it "
            "outside of `jax.jit` and `jax.vmap`, once for each key."
        )
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


@functools.partial(jax.jit, static_argnames="shape")
def squared_frequencies(shape: tuple[int, ...]) -> Float[Array, "*half"]:
    """Squared angular frequency, in radians a pixel, on the grid of `jnp.fft.rfftn`."""
    axes = [2 * jnp.pi * jnp.fft.fftfreq(side) for side in shape[:-1]]
    axes.append(2 * jnp.pi * jnp.fft.rfftfreq(shape[-1]))
    return (jnp.stack(jnp.meshgrid(*axes, indexing="ij")) ** 2).sum(axis=0)


def ball_volume(radius: Float[np.ndarray, "*any"] | float, axes: int) -> Float[np.ndarray, "*any"]:
    """Area of a disk, or volume of a ball."""
    radius = np.asarray(radius, float)
    return np.asarray(math.pi ** (axes / 2) / math.gamma(axes / 2 + 1) * radius**axes)


def paint_balls(
    shape: tuple[int, ...],
    centres: Float[np.ndarray, "count axes"],
    radii: Float[np.ndarray, " count"],
    *,
    periodic: bool,
) -> Int[np.ndarray, "*space"]:
    """Number, from 1, of a ball that holds the pixel's centre; 0 where there is none.

    The work is that of the pixels in the boxes around the balls, whatever their number.
    """
    labels = np.zeros(shape, np.int32)
    # Neighbours in size share a box, which is that of the largest.
    order = np.argsort(-radii, kind="stable")
    start = 0
    while start < len(order):
        reach = math.ceil(radii[order[start]])
        steps = np.arange(-reach, reach + 2)
        chosen = order[start : start + max(1, CHUNK // len(steps) ** len(shape))]
        places = np.floor(centres[chosen]).astype(int)[:, :, None] + steps
        squares = along_axes((places - centres[chosen][:, :, None]) ** 2)
        inside = functools.reduce(np.add, squares) <= spread(radii[chosen] ** 2, len(shape))
        write(labels, list(along_axes(places)), inside, chosen + 1, periodic=periodic)
        start += len(chosen)
    return labels


def along_axes(
    values: Num[np.ndarray, "count axes n"],
) -> Iterator[Num[np.ndarray, "count *box"]]:
    """Values of shape (count, axes, n), for each axis in the shape (count, 1, ..., n, ..., 1)."""
    count, axes, n = values.shape
    for axis in range(axes):
        yield values[:, axis].reshape(count, *(n if k == axis else 1 for k in range(axes)))


def spread(values: Num[np.ndarray, " count"], axes: int) -> Num[np.ndarray, "count *box"]:
    """One value for each of a chunk, in a shape that goes with `along_axes`."""
    return values.reshape(-1, *[1] * axes)


def write(
    labels: Int[np.ndarray, "*space"],
    places: Sequence[Int[np.ndarray, "..."]],
    inside: Bool[np.ndarray, "count *box"],
    values: Int[np.ndarray, " count"],
    *,
    periodic: bool,
) -> None:
    """Set the pixels of a chunk of boxes that are inside; in place.

    `places` are the coordinates of the pixels of the boxes, one array for each axis.
    """
    flat = 0
    for side, place in zip(labels.shape, places, strict=True):
        if not periodic:
            inside = inside & (place >= 0) & (place < side)
        flat = flat * side + place % side
    which = np.nonzero(inside)
    labels.ravel()[np.broadcast_to(flat, inside.shape)[which]] = values[which[0]]
