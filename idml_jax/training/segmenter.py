"""A trained network as what tells the class of each pixel of images of any size."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, PRNGKeyArray

from idml_jax.data import Turns, local_contrast, local_contrast_reach
from idml_jax.models.unet import continued
from idml_jax.training.segmenter_recipe import PixelNetwork
from idml_jax.training.standardizing import standardized
from idml_jax.typing import Array, Image, Images

FRAME = 64
"""Sides of an image are continued to multiples of so many pixels: few sizes are compiled."""


class Segmenter:
    """A trained network: probabilities of the classes of each pixel.

    Parameters
    ----------
    network : UNet, EncoderUNet or EquivariantUNet
        Of images whose channels have zero mean and unit variance over what it was trained on.
    mean, deviation : array of shape (channels,)
        Mean and standard deviation of the training images.
    classes : tuple of int
        What files call the classes.
    binning : int
        Pixels along each side of what is one pixel to the network.
    window : int
        Of `data.local_contrast`, in which the network sees images; 0 where it sees them as they
        are.
    turns : {"all", "mirrors", "sideways", "none"}
        The symmetries that the images of the training were turned by.
    temperature : float
        What logits are divided by: more than 1 where the network is too sure of itself, as
        `evaluation.fit_temperature` finds out.
    key : key, optional
        Of what the network leaves to chance, where it does so: see `thinned_members`.

    Attributes
    ----------
    reach : int
        Pixels up to which others matter to a pixel.
    multiple : int
        Sides of a pixel of the network's coarsest grid.
    """

    def __init__(
        self,
        network: PixelNetwork,
        mean: Float[Array, " channels"],
        deviation: Float[Array, " channels"],
        classes: tuple[int, ...],
        *,
        binning: int = 1,
        window: int = 0,
        turns: Turns = "all",
        temperature: float = 1.0,
        key: PRNGKeyArray | None = None,
    ):
        self.network = network
        self.channels, self.classes, self.binning = network.in_features, classes, binning
        self.window = window
        self.multiple = network.multiple * binning
        # Between the middles of blocks, answers are interpolated.
        self.reach = network.reach * binning + (binning if binning > 1 else 0)
        self.reach += local_contrast_reach(window)
        self.mean, self.deviation = jnp.asarray(mean), jnp.asarray(deviation)
        self.turns: Turns = turns
        self.temperature, self.key = temperature, key
        structure, values = nnx.split(network)
        numbers = self.mean, self.deviation, jnp.float32(temperature)
        self._given = _Structure(structure, binning, window), values, *numbers, key

    def __call__(self, images: Images) -> Float[Array, "batch rows cols classes"]:
        """Probabilities of the classes; differentiable, and to be used under jit as well."""
        return _probabilities(*self._given, jnp.asarray(images, jnp.float32))

    def at_temperature(self, temperature: float) -> "Segmenter":
        """The same network, more or less sure of itself."""
        return self.replaced(temperature=temperature)

    def replaced(self, **given: Any) -> "Segmenter":
        """The same but for what is given, by the parameters' names."""
        names = "network mean deviation classes binning window turns temperature key".split()
        return Segmenter(**{name: getattr(self, name) for name in names} | given)

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Probabilities of the classes of the pixels of one image of any size, on the host.

        Sides are continued by their mirror image, so that images of similar sizes are computed by
        one compiled program.
        """
        rows, cols, channels = image.shape
        if channels != self.channels:
            raise ValueError(f"the image has {channels} channels, and the network {self.channels}.")
        frame = FRAME * self.binning
        margins = ((0, -rows % frame), (0, -cols % frame), (0, 0))
        framed = np.pad(np.asarray(image), margins, mode="symmetric")
        return np.asarray(self(framed[None]))[0, :rows, :cols]


def in_blocks(
    images: Float[Array, "batch rows cols channels"], factor: int
) -> Float[Array, "batch blocks_down blocks_across channels"]:
    """The mean of each block of `factor` by `factor` pixels."""
    if factor == 1:
        return images
    count, rows, cols, channels = images.shape
    blocks = (count, rows // factor, factor, cols // factor, factor, channels)
    return images.reshape(blocks).mean(axis=(2, 4))


@dataclasses.dataclass(frozen=True)
class _Structure:
    """A network without its values, by which a compiled program is found again.

    Equal ones are of one program: a segmenter that is judged often is compiled once. Some hold
    lists, which have no hash.
    """

    graph: Any
    binning: int
    window: int

    def __hash__(self) -> int:
        return hash(type(self))


@functools.partial(jax.jit, static_argnames="structure")
def _probabilities(
    structure: _Structure,
    values: Any,
    mean: Float[Array, " channels"],
    deviation: Float[Array, " channels"],
    temperature: Float[Array, ""],
    key: PRNGKeyArray | None,
    images: Images,
) -> Float[Array, "batch rows cols classes"]:
    network = nnx.merge(structure.graph, values)
    if structure.window:
        images = local_contrast(images, structure.window)
    images, extent = continued(images, structure.binning)
    seen = in_blocks(standardized(images, mean, deviation), structure.binning)
    rngs = None if key is None else nnx.Rngs(key)
    shares = nnx.softmax(network(seen, rngs=rngs) / temperature)
    if structure.binning > 1:
        fine = (len(shares), *images.shape[1:-1], shares.shape[-1])
        shares = jax.image.resize(shares, fine, "linear")
    return shares[(slice(None), *extent)]
