"""How unsure a segmenter is: what several members say of the same pixels, and where they differ.

Members are the image turned, the network with parts of it left out, or several networks.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float, Shaped, UInt8
from scipy import special

from idml_jax.data import Turns
from idml_jax.training.segmenter import Segmenter
from idml_jax.typing import Array, Image, Images


@runtime_checkable
class PixelProbabilities(Protocol):
    """What says probabilities of the classes of pixels: a `Segmenter`, or what is made of it."""

    @property
    def classes(self) -> tuple[int, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def reach(self) -> int: ...
    @property
    def multiple(self) -> int: ...
    def __call__(self, images: Images) -> Float[Array, "batch rows cols classes"]: ...
    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]: ...


class Told(NamedTuple):
    """What members say of an image."""

    probabilities: Float[np.ndarray, "rows cols classes"]
    """Their mean."""
    entropy: Float[np.ndarray, "rows cols"]
    """Of that mean, in nats: how unsure it is altogether."""
    information: Float[np.ndarray, "rows cols"]
    """How much of it is that the members differ, in nats: the mutual information between what is
    told and which member tells it. The rest is what each of them is unsure of."""
    labels: UInt8[np.ndarray, "members rows cols"]
    """The class that each of them tells."""


@dataclasses.dataclass(frozen=True, eq=False)
class UncertainSegmenter:
    """Several segmenters as one, which says how far they agree.

    Parameters
    ----------
    members : sequence of PixelProbabilities
        Of the same classes and channels: `turned_members` and `thinned_members` of one network, or
        the segmenters of several runs, an ensemble [3]_.

    Raises
    ------
    ValueError
        If there are fewer than two, or they tell other classes or take other channels.

    References
    ----------
    .. [1] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation: representing model
       uncertainty in deep learning", ICML 2016, section 4.
    .. [2] N. Houlsby, F. Huszar, Z. Ghahramani, M. Lengyel, "Bayesian active learning for
       classification and preference learning", 2011, arXiv 1112.5745, equation 2: the mutual
       information.
    .. [3] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive
       uncertainty estimation using deep ensembles", NeurIPS 2017.
    """

    members: Sequence[PixelProbabilities]

    def __post_init__(self):
        if len(self.members) < 2:
            raise ValueError(f"`members`: {len(self.members)}; one alone agrees with itself.")
        for name in ("classes", "channels"):
            found = {getattr(each, name) for each in self.members}
            if len(found) > 1:
                raise ValueError(f"`members` are of several `{name}`: {sorted(found)}.")

    @property
    def classes(self) -> tuple[int, ...]:
        """As the members'."""
        return self.members[0].classes

    @property
    def channels(self) -> int:
        """As the members'."""
        return self.members[0].channels

    @property
    def reach(self) -> int:
        """Of the member that looks furthest."""
        return max(each.reach for each in self.members)

    @property
    def multiple(self) -> int:
        """Of all members' coarsest grids."""
        return math.lcm(*(each.multiple for each in self.members))

    def __call__(self, images: Images) -> Float[Array, "batch rows cols classes"]:
        """The members' mean probabilities; differentiable."""
        first, *others = (each(images) for each in self.members)
        return sum(others, first) / len(self.members)

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """The members' mean probabilities of the pixels of one image, on the host."""
        return functools.reduce(np.add, self.predict_each(image)) / len(self.members)

    def predict_each(self, image: Image) -> Iterator[Float[np.ndarray, "rows cols classes"]]:
        """What each member says, one after the other: all at once may not fit the memory."""
        return (each.predict(image) for each in self.members)

    def tell(self, image: Image) -> Told:
        """What the members say together, and how far they differ.

        Memory is that of two members' probabilities, whatever their number.
        """
        labels = np.empty((len(self.members), *image.shape[:2]), np.uint8)
        total, inner = 0.0, 0.0
        for number, shares in enumerate(self.predict_each(image)):
            labels[number] = shares.argmax(axis=-1)
            total, inner = total + shares, inner + _entropy(shares)
        mean = np.asarray(total / len(self.members), np.float32)
        entropy = _entropy(mean)
        # By rounding alone it may come out below 0.
        information = np.maximum(entropy - np.asarray(inner / len(self.members), np.float32), 0)
        return Told(mean, entropy, information, labels)


def turned_members(segmenter: PixelProbabilities, turns: Turns = "all") -> "tuple[Turned, ...]":
    """A segmenter as members that see an image turned, and turn back what they say of it.

    Test-time augmentation: the material is the same in every direction, and a network that says
    otherwise of a turned image is unsure [1]_.

    Parameters
    ----------
    segmenter : PixelProbabilities
    turns : {"all", "mirrors", "sideways"}
        All eight symmetries, of which half exchange the sides of an oblong, the four mirrors, or
        left and right exchanged alone: those that the images of its training were turned by, a
        `Segmenter`'s `turns`.

    Raises
    ------
    ValueError
        If they were not turned, "none".

    References
    ----------
    .. [1] G. Wang et al., "Aleatoric uncertainty estimation with test-time augmentation for medical
       image segmentation with convolutional neural networks", Neurocomputing 338, 34-45 (2019).
    """
    if turns == "none":
        raise ValueError(
            '`turns` is "none": of a network that saw images as they are, turned ones are no kind.'
        )
    exchanged = (False, True) if turns == "all" else (False,)
    upside_down = (False,) if turns == "sideways" else (False, True)
    ways = itertools.product(exchanged, upside_down, (False, True))
    return tuple(Turned(segmenter, *way) for way in ways)


def thinned_members(segmenter: Segmenter, draws: int, *, seed: int = 0) -> tuple[Segmenter, ...]:
    """A segmenter as members of which each leaves out other channels, as dropout does in training.

    Monte Carlo dropout: Gal and Ghahramani 2016. Each member leaves out the same channels in all
    images and in all tiles of one, so it is one network. Normalizations use their running moments.

    Parameters
    ----------
    segmenter : Segmenter
        Trained with dropout.
    draws : int
        Members.
    seed : int
        Of what is left out.

    Raises
    ------
    ValueError
        If it was trained without dropout.
    """
    if not dropout_of(segmenter):
        raise ValueError("`segmenter` was trained without dropout: its draws are all the same.")
    thinned = nnx.clone(segmenter.network)
    for layer in _dropouts(thinned):
        # And nothing else: in training, a normalization takes the moments of what it is given.
        layer.deterministic = False
    keys = jax.random.split(jax.random.key(seed), draws)
    return tuple(segmenter.replaced(network=thinned, key=key) for key in keys)


def dropout_of(segmenter: Segmenter) -> float:
    """The largest share of channels that the network leaves out at random in its training."""
    return max((layer.rate for layer in _dropouts(segmenter.network)), default=0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class AskedSegmenter:
    """A segmenter that is asked another way, and is of the same classes, channels and reach.

    Parameters
    ----------
    segmenter : PixelProbabilities
    """

    segmenter: PixelProbabilities

    @property
    def classes(self) -> tuple[int, ...]:
        """As the segmenter's."""
        return self.segmenter.classes

    @property
    def channels(self) -> int:
        """As the segmenter's."""
        return self.segmenter.channels

    @property
    def reach(self) -> int:
        """As the segmenter's."""
        return self.segmenter.reach

    @property
    def multiple(self) -> int:
        """As the segmenter's."""
        return self.segmenter.multiple


@dataclasses.dataclass(frozen=True, eq=False)
class Turned(AskedSegmenter):
    """A segmenter that sees an image turned, and turns back what it says of it.

    Parameters
    ----------
    segmenter : PixelProbabilities
    exchanged : bool
        Whether rows and cols change places, first.
    upside_down, mirrored : bool
        Whether rows, and cols, are in reverse order, then.
    """

    exchanged: bool
    upside_down: bool
    mirrored: bool

    def __call__(self, images: Images) -> Float[Array, "batch rows cols classes"]:
        """Probabilities of the classes, turned back."""
        return self._back(self.segmenter(self._turned(images)))

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Probabilities of the classes of one image, turned back, on the host."""
        return np.asarray(self._back(self.segmenter.predict(self._turned(np.asarray(image)))))

    def _turned(
        self, images: Shaped[Array, "*lead rows cols channels"]
    ) -> Shaped[Array, "*lead high wide channels"]:
        return self._reversed(images.swapaxes(-3, -2) if self.exchanged else images)

    def _back(
        self, found: Shaped[Array, "*lead high wide classes"]
    ) -> Shaped[Array, "*lead rows cols classes"]:
        found = self._reversed(found)
        return found.swapaxes(-3, -2) if self.exchanged else found

    def _reversed(
        self, found: Shaped[Array, "*lead rows cols channels"]
    ) -> Shaped[Array, "*lead rows cols channels"]:
        rows = slice(None, None, -1 if self.upside_down else 1)
        cols = slice(None, None, -1 if self.mirrored else 1)
        return found[..., rows, cols, :]


def _dropouts(network: nnx.Module) -> list[nnx.Dropout]:
    found = (layer for _, layer in nnx.iter_modules(network))
    return [layer for layer in found if isinstance(layer, nnx.Dropout)]


def _entropy(shares: Float[np.ndarray, "*pixels classes"]) -> Float[np.ndarray, "*pixels"]:
    """In nats."""
    return special.entr(shares).sum(axis=-1)
