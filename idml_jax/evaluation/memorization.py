"""Is a generated image a copy? The nearest place in the training micrographs."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.data import Micrograph, check_sizes
from idml_jax.typing import Array, Grey, Image


class Nearest(NamedTuple):
    """Where the training set comes closest to an image."""

    distance: float
    """Root mean square difference of the grey values, or of the memberships of phases."""
    crop: Float[np.ndarray, "rows cols *phases"]
    """The training crop, turned as it fits best; of several channels with these as last axis."""
    micrograph: str
    """Name of the micrograph that it lies in."""


def nearest_training_crop(image: Image, training: Sequence[Micrograph]) -> Nearest:
    """The training crop nearest to an image, over every place and every symmetry.

    A square has eight symmetries, an oblong four. The mean square difference is
    evaluated at every place by FFT. An image that is much nearer to the training
    set than held-out crops are is a copy.

    Parameters
    ----------
    image : array of shape (rows, cols, channels)
        Grey values, in one channel, or memberships of phases.
    training : sequence of Micrograph
        Of as many channels, and at least as large as the image.

    Returns
    -------
    nearest : Nearest

    Raises
    ------
    ValueError
        If `training` is empty, or a micrograph has another number of channels.
    InputError
        If a micrograph is smaller than the image; it names the file.

    Examples
    --------
    >>> import numpy as np
    >>> from idml_jax.data import Micrograph
    >>> grey = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8, 1)
    >>> nearest = nearest_training_crop(np.rot90(grey[2:6, 3:7]), [Micrograph(grey, "ramp")])
    >>> nearest.distance, nearest.micrograph
    (0.0, 'ramp')
    """
    if not training:
        raise ValueError("`training` is empty; give the micrographs that were trained on.")
    rows, cols, channels = image.shape
    for micrograph in training:
        if micrograph.image.shape[-1] != channels:
            raise ValueError(
                f"{micrograph.label} has {micrograph.image.shape[-1]} channels and the image "
                f"{channels}; compare images of one kind."
            )
    check_sizes(training, size=(rows, cols))
    values = jnp.asarray(image)
    # A quarter turn of an oblong is another oblong.
    quarters = range(4) if rows == cols else (0, 2)
    symmetries = [(mirrored, turns) for mirrored in (False, True) for turns in quarters]
    turned = jnp.stack(
        [jnp.rot90(jnp.fliplr(values) if mirrored else values, k) for mirrored, k in symmetries]
    )
    best: tuple[float, int, int, int, Micrograph] | None = None
    for micrograph in training:
        errors = np.mean(
            [
                _square_errors(
                    turned[..., channel], jnp.asarray(micrograph.image[..., channel], turned.dtype)
                )
                for channel in range(channels)
            ],
            axis=0,
        )
        symmetry, row, col = np.unravel_index(errors.argmin(), errors.shape)
        error = float(errors[symmetry, row, col])
        if best is None or error < best[0]:
            best = (error, int(symmetry), int(row), int(col), micrograph)
    assert best is not None  # `training` is not empty
    _, symmetry, row, col, micrograph = best
    crop = micrograph.image[row : row + rows, col : col + cols]
    mirrored, turns = symmetries[symmetry]
    crop = np.rot90(crop, -turns)
    crop = np.fliplr(crop) if mirrored else crop
    # Measured again: the transforms round, and a copy is at the distance 0.
    distance = np.sqrt(np.mean((crop - np.asarray(values)) ** 2))
    crop = crop[..., 0] if channels == 1 else crop
    return Nearest(float(distance), crop, micrograph.name)


@jax.jit
def _square_errors(
    crops: Float[Array, "count height width"], grey: Grey
) -> Float[Array, "count places_down places_across"]:
    """Mean square difference of each crop from the image's window at every place."""
    height, width = crops.shape[1:]
    rows, cols = grey.shape
    centre = grey.mean()
    # About the mean, so that rounding does not eat small differences.
    crops, grey = crops - centre, grey - centre
    spectrum = jnp.fft.rfft2(grey)
    product = jnp.fft.irfft2(
        spectrum[None] * jnp.fft.rfft2(crops, (rows, cols)).conj(), (rows, cols)
    )
    window = jnp.fft.rfft2(jnp.ones((height, width), grey.dtype), (rows, cols)).conj()
    energy = jnp.fft.irfft2(jnp.fft.rfft2(grey**2) * window, (rows, cols))
    # Places where the window would wrap around the border are no places.
    places = (slice(None), slice(rows - height + 1), slice(cols - width + 1))
    own = (crops**2).sum(axis=(1, 2))[:, None, None]
    return (own - 2 * product + energy[None])[places] / (height * width)
