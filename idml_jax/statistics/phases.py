"""From a grey image to a phase, and how much of it there is."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from idml_jax.typing import Array, Phase


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
    >>> float(volume_fraction(jnp.array([True, False, False, True])))
    0.5
    """
    return jnp.mean(phase, dtype=real_dtype(phase))


def real_dtype(phase: Phase) -> jnp.dtype:
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
            f"a phase is a boolean array, or a float one of memberships in [0, 1], got {dtype}; "
            "compare first, as in `labels == 1` or `image > threshold`."
        )
    return jnp.zeros(()).dtype
