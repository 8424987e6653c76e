"""A micrograph: an image, its name, its specimen and its pixel size."""

import dataclasses

import numpy as np
from jaxtyping import Float
from skimage import color

from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Micrograph:
    """An image of a material, with what is known about it.

    Parameters
    ----------
    image : float32 array of shape (rows, cols, channels)
        Values in [0, 1].
    name : str
        The file's name without its ending.
    pixel_size : tuple of float, optional
        Sides of a pixel along rows and cols, in metres; None where unknown.
    specimen : str, optional
        What the image was taken of: images of one specimen stay together when
        a set is split. By default `name`: each image its own specimen.
    path : str, optional
        The file that it was read from; messages about it name this.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
    >>> Micrograph(image, "steel", pixel_size=(5e-9, 5e-9)).binned(2).pixel_size
    (1e-08, 1e-08)
    """

    image: Float[np.ndarray, "rows cols channels"]
    name: str
    pixel_size: tuple[float, float] | None = None
    specimen: str = ""
    path: str = ""

    def __post_init__(self):
        if not self.specimen:
            object.__setattr__(self, "specimen", self.name)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and cols, in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def label(self) -> str:
        """What a message calls it: its file, or its name where it came from none."""
        return self.path or self.name

    def grey(self) -> "Micrograph":
        """The same micrograph in one channel, its luminance (ITU-R BT.709)."""
        channels = self.image.shape[-1]
        if channels == 1:
            return self
        if channels != 3:
            raise InputError(
                f"{self.label}: {channels} channels; only grey and RGB micrographs have a "
                "luminance: pick the channel to use and save it alone."
            )
        return dataclasses.replace(
            self, image=color.rgb2gray(self.image)[..., None].astype(np.float32)
        )

    def channel(self, number: int) -> "Micrograph":
        """The same micrograph with one of its channels alone."""
        return dataclasses.replace(self, image=self.image[..., number : number + 1])

    def binned(self, factor: int) -> "Micrograph":
        """The same micrograph with `factor` by `factor` pixels averaged into one.

        Rows and cols that do not fill a bin are left out at the bottom and right.
        """
        if not 1 <= factor <= min(self.size):
            raise InputError(
                f"{self.label}: {self.size[0]} x {self.size[1]} pixels cannot be binned by "
                f"{factor}; choose a factor between 1 and {min(self.size)}."
            )
        if factor == 1:
            return self
        rows, cols = (side // factor for side in self.size)
        image = self.image[: rows * factor, : cols * factor]
        image = image.reshape(rows, factor, cols, factor, -1).mean(axis=(1, 3))
        pixel_size = (
            None
            if self.pixel_size is None
            else (self.pixel_size[0] * factor, self.pixel_size[1] * factor)
        )
        return dataclasses.replace(self, image=image.astype(np.float32), pixel_size=pixel_size)
