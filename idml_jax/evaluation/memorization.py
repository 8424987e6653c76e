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
    """Root mean square difference of the grey values."""
    crop: Float[np.ndarray, "rows cols"]
    """The training crop, turned as it fits best."""
    micrograph: str
    """Name of the micrograph that it lies in."""


def nearest_training_crop(image: Image, training: Sequence[Micrograph]) -> Nearest:
    """The training crop nearest to an image, over every place and every symmetry.

    A square has eight symmetries, an oblong four. The mean square difference is
    evaluated at every place by FFT. An image that is much nearer to the training
    set than held-out crops are is a copy.

    Parameters
    ----------
    image : array of shape (rows, cols, 1)
        Grey values.
    training : sequence of Micrograph
        One channel, at least as large as the image.

    Returns
    -------
    nearest : Nearest

    Raises
    ------
    ValueError
        If `training` is empty, or an array has several channels.
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
    rows, cols, _ = image.shape
    for label, channels in (
        ("`image`", image.shape[-1]),
        *((micrograph.label, micrograph.image.shape[-1]) for micrograph in training),
    ):
        if channels != 1:
            raise ValueError(f"{label} has {channels} channels; compare grey images, of one.")
    check_sizes(training, size=(rows, cols))
    grey = jnp.asarray(image)[..., 0]
    # A quarter turn of an oblong is another oblong.
    quarters = range(4) if rows == cols else (0, 2)
    symmetries = [(mirrored, turns) for mirrored in (False, True) for turns in quarters]
    turned = jnp.stack(
        [jnp.rot90(jnp.fliplr(grey) if mirrored else grey, k) for mirrored, k in symmetries]
    )
    best: tuple[float, int, int, int, Micrograph] | None = None
    for micrograph in training:
        place = jnp.asarray(micrograph.image[..., 0], turned.dtype)
        errors = np.asarray(_square_errors(turned, place))
        symmetry, row, col = np.unravel_index(errors.argmin(), errors.shape)
        error = float(errors[symmetry, row, col])
        if best is None or error < best[0]:
            best = (error, int(symmetry), int(row), int(col), micrograph)
    assert best is not None  # `training` is not empty
    _, symmetry, row, col, micrograph = best
    crop = micrograph.image[row : row + rows, col : col + cols, 0]
    mirrored, turns = symmetries[symmetry]
    crop = np.rot90(crop, -turns)
    crop = np.fliplr(crop) if mirrored else crop
    # Measured again: the transforms round, and a copy is at the distance 0.
    distance = np.sqrt(np.mean((crop - np.asarray(grey)) ** 2))
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
