"""Annotated images seen another way: bent, nearer, of other contrast, with the mask that fits."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from idml_jax.typing import Array, Images, Labels

CELL = 32
"""Pixels between the points that an elastic change moves."""


@dataclasses.dataclass(frozen=True)
class Changes:
    """Random changes of images that keep what their pixels are, on the device.

    All are 0 by default, and then nothing is done. Turns by quarters and mirrors, which
    interpolate nothing, are those of the crops.

    Parameters
    ----------
    zoom : float
        Octaves: standard deviation of how much larger or smaller things are.
    angle : float
        Degrees: standard deviation of a turn about the centre.
    elastic : float
        Pixels: standard deviation of how far points 32 pixels apart are moved.
    brightness : float
        Standard deviation of what is added to all pixels, in standard deviations of an image.
    contrast : float
        Octaves: standard deviation of the factor of what differs from the mean.
    noise : float
        Standard deviation of what is added to each pixel is itself uniform up to so much, in
        standard deviations of an image.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> images, labels = jnp.zeros((2, 8, 8, 1)), jnp.zeros((2, 8, 8), jnp.int32)
    >>> changed, moved = Changes(zoom=0.2, contrast=0.3)(jax.random.key(0), images, labels)
    >>> changed.shape, moved.shape
    ((2, 8, 8, 1), (2, 8, 8))
    """

    zoom: float = 0.0
    angle: float = 0.0
    elastic: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        if wrong := [f"`{k}` (={v})" for k, v in dataclasses.asdict(self).items() if not v >= 0]:
            raise ValueError(f"{', '.join(wrong)}: must not be negative.")

    def __call__(self, key: PRNGKeyArray, images: Images, labels: Labels) -> tuple[Images, Labels]:
        """Each image of a batch changed by chance, and its mask as its pixels are moved.

        Parameters
        ----------
        key : key
        images : array of shape (batch, rows, cols, channels)
            Of zero mean and unit variance over their set.
        labels : integer array of shape (batch, rows, cols)

        Returns
        -------
        images, labels : arrays of the same shapes
            What comes in from beyond a border has the label -1. Pixels are interpolated linearly,
            and labels are those of the nearest pixel.
        """
        place_key, grey_key, noise_key = jax.random.split(key, 3)
        if self.zoom or self.angle or self.elastic:
            keys = jax.random.split(place_key, len(images))
            images, labels = jax.vmap(self._moved)(keys, jnp.asarray(images), jnp.asarray(labels))
        if self.brightness or self.contrast:
            images = self._regreyed(grey_key, images)
        if self.noise:
            strength_key, pixel_key = jax.random.split(noise_key)
            ones = (len(images), 1, 1, 1)
            strength = jax.random.uniform(strength_key, ones, images.dtype, maxval=self.noise)
            images = images + strength * jax.random.normal(pixel_key, images.shape, images.dtype)
        return images, labels

    def _regreyed(self, key: PRNGKeyArray, images: Images) -> Images:
        light, stretch = jax.random.split(key)
        ones = (len(images), 1, 1, 1)
        factor = jnp.exp2(self.contrast * jax.random.normal(stretch, ones, images.dtype))
        mean = images.mean(axis=(1, 2, 3), keepdims=True)
        added = self.brightness * jax.random.normal(light, ones, images.dtype)
        return mean + added + factor * (images - mean)

    def _moved(
        self, key: PRNGKeyArray, image: Float[jax.Array, "rows cols channels"], labels: Any
    ) -> tuple[Array, Array]:
        """One image, with its mask, as seen through a map of places."""
        zoom_key, angle_key, bend_key = jax.random.split(key, 3)
        rows, cols, _ = image.shape
        dtype = image.dtype
        factor = jnp.exp2(self.zoom * jax.random.normal(zoom_key, (), dtype))
        turn = jnp.deg2rad(self.angle) * jax.random.normal(angle_key, (), dtype)
        down, right = jnp.meshgrid(
            jnp.arange(rows, dtype=dtype) - (rows - 1) / 2,
            jnp.arange(cols, dtype=dtype) - (cols - 1) / 2,
            indexing="ij",
        )
        cosine, sine = jnp.cos(turn) / factor, jnp.sin(turn) / factor
        places = jnp.stack(
            [
                cosine * down - sine * right + (rows - 1) / 2,
                sine * down + cosine * right + (cols - 1) / 2,
            ]
        ).astype(dtype)
        if self.elastic:
            grid = (2, rows // CELL + 2, cols // CELL + 2)
            moved = self.elastic * jax.random.normal(bend_key, grid, dtype)
            places = places + jax.image.resize(moved, places.shape, "cubic")
        seen = jax.vmap(
            lambda channel: jax.scipy.ndimage.map_coordinates(
                channel, tuple(places), order=1, mode="reflect"
            ),
            in_axes=-1,
            out_axes=-1,
        )(image)
        extent = jnp.array([rows, cols], dtype).reshape(2, 1, 1)
        inside = ((places > -0.5) & (places < extent - 0.5)).all(axis=0)
        nearest = jnp.rint(places).astype(jnp.int32)
        row, col = jnp.clip(nearest[0], 0, rows - 1), jnp.clip(nearest[1], 0, cols - 1)
        return seen, jnp.where(inside, labels[row, col], -1)
