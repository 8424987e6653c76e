"""From a grey image to a phase, and how much of it there is."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Bool, Float

from idml_jax.typing import Array, Labels, Phase

PixelSize: TypeAlias = float | int | Sequence[float | int]
"""Side of a pixel along every axis, or along each."""


def bright_phase(
    image: Float[Array, "*space 1"], *, threshold: float = 0.5
) -> Bool[Array, "*space"]:
    """The pixels of a one-channel image that are brighter than `threshold`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> bright_phase(jnp.array([[[0.2], [0.7]]])).tolist()
    [[False, True]]
    """
    return jnp.asarray(image)[..., 0] > threshold


def soft_phase(
    image: Float[Array, "*space 1"], *, threshold: float = 0.5, width: float = 0.05
) -> Float[Array, "*space"]:
    """Membership of the bright phase with a gradient: a logistic step of a grey `width`.

    As `width` goes to zero it becomes `bright_phase`.
    """
    return jax.nn.sigmoid((jnp.asarray(image)[..., 0] - threshold) / width)


def volume_fraction(phase: Phase) -> Float[Array, ""]:
    """Share of the pixels or voxels that lie in the phase.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(volume_fraction(jnp.array([[True, False], [False, True]])))
    0.5
    """
    phase = check_phase(phase)
    return jnp.mean(phase, dtype=real_dtype(phase))


def memberships(labels: Labels, count: int) -> Bool[Array, "phases *space"]:
    """Each phase of an image of labels 0, 1, ..., ``count - 1`` as a boolean array, stacked.

    A pixel that nobody annotated, -1, is in none of them.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If a label is ``count`` or more, where the values can be looked at.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> memberships(jnp.array([[0, 1], [-1, 1]]), 2).astype(int).tolist()
    [[[1, 0], [0, 0]], [[0, 1], [0, 1]]]
    """
    check_labels(labels)
    labels = jnp.asarray(labels)
    if not isinstance(labels, Tracer) and int(labels.max()) >= count:
        raise ValueError(
            f"`labels` go up to {int(labels.max())}; `count` (={count}) must be more than that."
        )
    each = jnp.arange(count, dtype=labels.dtype).reshape(-1, *(1,) * labels.ndim)
    return labels[None] == each


def check_labels(labels: Labels, name: str = "labels") -> None:
    """Refuse what is not an image of integer labels in 2 or 3 dimensions."""
    check_grid(labels, name)
    if not jnp.issubdtype(jnp.asarray(labels).dtype, jnp.integer):
        raise TypeError(
            f"`{name}` are integers from 0, or -1 where nobody annotated, got "
            f"{jnp.asarray(labels).dtype}."
        )


def check_phase(phase: Phase, name: str = "phase") -> Array:
    """The array if it can be a phase, boolean or soft.

    Shape and type are checked always; the values where they are there to be looked at, which
    in a traced function (`jax.jit`, `jax.vmap`, `jax.grad`) they are not.

    Raises
    ------
    ValueError
        If it has other than 2 or 3 axes, no pixels, NaN, or values outside [0, 1].
    TypeError
        If it is neither boolean nor float.
    """
    check_grid(phase, name)
    dtype = real_dtype(phase, name)
    if jnp.asarray(phase).dtype == dtype and not isinstance(phase, Tracer):
        # Not-a-number fails every comparison, so that one test finds it as well.
        low, high = (float(bound) for bound in (jnp.min(phase), jnp.max(phase)))
        if not (low >= 0 and high <= 1):
            found = "NaN" if math.isnan(low) else f"values from {low:g} to {high:g}"
            raise ValueError(
                f"`{name}` has {found}; memberships of a phase lie in [0, 1]: threshold the image, "
                "as in `image > 0.5`, or give `mask` where pixels are not known."
            )
    return jnp.asarray(phase)


def check_known(
    phase: Phase, mask: Phase | None, *, other: Phase | None = None, name: str = "phase"
) -> tuple[Array, Array | None, Array | None]:
    """A phase, a second one and a mask, checked; the phases are 0 where the mask is.

    What the mask hides may hold anything, also NaN.
    """
    check_grid(phase, name)
    for label, array in (("other", other), ("mask", mask)):
        if array is not None:
            check_same_shape(array, jnp.shape(phase), label)
    known = None if mask is None else check_phase(mask, "mask")

    def seen(array: Phase, label: str) -> Array:
        real_dtype(array, label)
        array = jnp.asarray(array)
        if known is not None:
            array = jnp.where(known.astype(bool), array, jnp.zeros((), array.dtype))
        return check_phase(array, label)

    return seen(phase, name), None if other is None else seen(other, "other"), known


def check_binary(phase: Phase, name: str = "phase") -> Bool[Array, "*space"]:
    """The array as a boolean one if each pixel is wholly in the phase or wholly out.

    Raises
    ------
    ValueError
        If it has other than 2 or 3 axes, no pixels, or a membership that is neither 0 nor 1.
    TypeError
        If it is neither boolean nor float, or is float in a traced function, where its values
        cannot be looked at.
    """
    check_grid(phase, name)
    if real_dtype(phase, name) != jnp.asarray(phase).dtype:
        return jnp.asarray(phase)
    if isinstance(phase, Tracer):
        raise TypeError(
            f"`{name}` is float, and this statistic counts whole pixels: in a compiled function "
            "give a boolean array, as in `phase > 0.5`."
        )
    binary = jnp.asarray(phase) == 1
    if not bool(jnp.all(binary | (jnp.asarray(phase) == 0))):
        raise ValueError(
            f"`{name}` is not binary, and this statistic counts whole pixels: threshold it, as in "
            "`phase > 0.5`."
        )
    return binary


def check_grid(array: Array, name: str = "phase") -> None:
    """Refuse what is not one microstructure of 2 or 3 dimensions with pixels in it."""
    shape = jnp.shape(array)
    if len(shape) not in (2, 3):
        raise ValueError(
            f"`{name}` has {len(shape)} axes; a microstructure has 2 or 3 (no channels, no batch: "
            "use `jax.vmap`)."
        )
    if 0 in shape:
        raise ValueError(f"`{name}` has the shape {shape}, and so no pixels.")


def check_on_host(array: Array, name: str = "phase") -> None:
    """Refuse a traced array where a statistic runs on the host, with NumPy and SciPy."""
    if isinstance(array, Tracer):
        raise TypeError(
            f"`{name}` is traced, by `jax.jit`, `jax.vmap` or `jax.grad`, and this statistic runs "
            "on the host: call it outside of them, on one array after the other."
        )


def check_same_shape(array: Array, shape: tuple[int, ...], name: str) -> None:
    """Refuse an array that does not lie on the grid of the phase."""
    if jnp.shape(array) != shape:
        raise ValueError(
            f"`{name}` has the shape {jnp.shape(array)} and `phase` {shape}: give equal."
        )


def check_axis(axis: int, shape: tuple[int, ...]) -> int:
    """The axis counted from 0; a negative one counts from the last."""
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"`axis` (={axis}) is out of range: the array has the axes 0 to {len(shape) - 1}."
        )
    return axis % len(shape)


def pixel_sides(pixel_size: PixelSize | None, dimensions: int) -> tuple[float, ...]:
    """Side of a pixel along each axis; 1 if none is given.

    Raises
    ------
    ValueError
        If there are more or fewer than the axes, or one is not positive and finite.
    """
    if pixel_size is None:
        return (1.0,) * dimensions
    given = np.asarray(pixel_size, float)
    sides = (float(given),) * dimensions if given.ndim == 0 else tuple(map(float, given))
    if len(sides) != dimensions or not all(0 < side < math.inf for side in sides):
        raise ValueError(
            f"`pixel_size` (={pixel_size}) must be one positive number, or one for each of the "
            f"{dimensions} axes."
        )
    return sides


def real_dtype(phase: Phase, name: str = "phase") -> jnp.dtype:
    """Float type to compute in: the phase's own, or the default one for a boolean phase.

    Raises
    ------
    TypeError
        If the array is neither boolean nor float: labels and 8-bit images would
        pass for memberships far above 1.
    """
    dtype = jnp.asarray(phase).dtype
    if jnp.issubdtype(dtype, jnp.floating):
        return dtype
    if not jnp.issubdtype(dtype, jnp.bool_):
        raise TypeError(
            f"`{name}`: a phase is a boolean array, or a float one of memberships in [0, 1], got "
            f"{dtype}; compare first, as in `labels == 1` or `image > threshold`."
        )
    return jnp.zeros(()).dtype
