"""What a classifier is to be: its network, and how it is trained."""

import dataclasses
from typing import Any, Literal, TypeAlias

import optax
from flax import nnx

from idml_jax.models import (
    Classifier,
    EquivariantClassifier,
    MaxPoolingClassifier,
    Normalization,
    ResNetClassifier,
)
from idml_jax.models.resnet import DEPTHS
from idml_jax.training.optimization import Optimizer, warmed_up
from idml_jax.training.recipes import plain_fields

Architecture: TypeAlias = Literal[
    "stages", "three", "resnet18", "resnet34", "resnet50", "equivariant"
]
"""Kinds of networks for classes: `Classifier`, `MaxPoolingClassifier` of three convolutions,
`ResNetClassifier`, `EquivariantClassifier`, all of `models`."""

ClassNetwork: TypeAlias = (
    Classifier | MaxPoolingClassifier | ResNetClassifier | EquivariantClassifier
)
"""What tells the class of an image."""

NEWER_FIELDS = (
    "averaging mixing focus judge_every patience by_itself architecture normalization dropout "
    "frozen crop decay optimizer"
).split()
"""Those that came after runs whose folders do not know them."""


@dataclasses.dataclass(frozen=True)
class ClassifierRecipe:
    """What a classifier was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    features : tuple of int
        Channels of the network at each resolution, the finest first. Residual networks have their
        own.
    embedding : int
        Numbers that an image is turned into before its class is told from them, by "stages" and
        "equivariant".
    periodic : bool
        Continue an image by its opposite side. Residual networks do not.
    balanced : bool
        Whether every class has the same weight in the loss, however few its images are: each
        image's is the number of all images over that of its class and of classes.
    steps, batch : int
        Steps in all, and images in each.
    learning_rate : float
        At its highest: it rises over the first twentieth of the steps and falls to
        nothing by half a cosine. Large, because equalized layers keep weights of order one; of
        residual networks that are trained as a whole a tenth or less.
    seed : int
    averaging : float
        What a moving average of the parameters, which then is what the classifier uses, keeps of
        itself in each step. 0 for none.
    mixing : float
        Of mix-up [1]_: images are mixed by pairs, in shares of a beta distribution of this
        parameter, and so are their classes. 0 for none.
    focus : float
        Exponent of the focal loss: what is told surely weighs less. 0 for cross-entropy.
    judge_every : int
        Steps between judgements by what it is not trained on.
    patience : int, optional
        Judgements without a better one after which the training ends.
    by_itself : bool
        Whether each image by itself is brought to zero mean and unit variance, so that what it was
        lit by tells nothing; else all by the moments of the training images.
    architecture : {"stages", "three", "resnet18", "resnet34", "resnet50", "equivariant"}
        The kind of network: see `Architecture`.
    normalization : {"batch", "group", "none"}
        After each convolution. Residual networks have their own.
    dropout : float
        Share of what the last layer is given that is left out at random in training.
    frozen : bool
        Whether a residual network stays as it is, and only the last layer is trained.
    crop : float
        Side of the crops, at random places, that images are trained on: up to 1 a share of theirs,
        above it pixels. Judged are whole images. Of few images less is learned by heart.
    decay : float
        How much of the learning rate weights shrink by in each step (AdamW).
    optimizer : {"adam", "muon"}
        See `warmed_up`.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: beyond empirical risk
       minimization", ICLR 2018.
    """

    features: tuple[int, ...] = (16, 32, 64, 64)
    embedding: int = 64
    periodic: bool = False
    balanced: bool = True
    steps: int = 1000
    batch: int = 32
    learning_rate: float = 1e-2
    seed: int = 0
    averaging: float = 0.0
    mixing: float = 0.0
    focus: float = 0.0
    judge_every: int = 100
    patience: int | None = None
    by_itself: bool = False
    architecture: Architecture = "stages"
    normalization: Normalization = "none"
    dropout: float = 0.0
    frozen: bool = False
    crop: float = 1.0
    decay: float = 0.0
    optimizer: Optimizer = "adam"

    def __post_init__(self):
        residual = self.architecture in DEPTHS
        if residual and (self.normalization != "none" or self.periodic):
            raise ValueError(
                f"`normalization` (={self.normalization!r}) and `periodic` (={self.periodic}) are "
                f"not chosen for `architecture` (={self.architecture!r})."
            )
        if self.frozen and (not residual or self.decay):
            raise ValueError(
                f"`frozen` is of a residual `architecture` (={self.architecture!r}), whose weights "
                f"do not shrink by `decay` (={self.decay})."
            )
        if self.architecture == "three" and len(self.features) != 3:
            raise ValueError(f"`features` (={self.features}) are three of three convolutions.")
        if not (0 < self.crop <= 1 or self.crop >= 1 and self.crop % 1 == 0):
            raise ValueError(f"`crop` (={self.crop}) is a share up to 1, or a number of pixels.")

    def plain(self) -> dict[str, Any]:
        """The fields as plain values: see `plain_fields`."""
        return plain_fields(self, NEWER_FIELDS)

    def network(self, channels: int, classes: int) -> ClassNetwork:
        """The network with the initial values of the seed."""
        options: dict[str, Any] = {"dropout": self.dropout, "rngs": nnx.Rngs(self.seed)}
        if self.architecture in DEPTHS:
            depth = DEPTHS[self.architecture]
            return ResNetClassifier(channels, classes, depth, frozen=self.frozen, **options)
        options |= {
            "features": self.features,
            "periodic": self.periodic,
            "normalization": self.normalization,
        }
        if self.architecture == "three":
            return MaxPoolingClassifier(channels, classes, **options)
        kind = Classifier if self.architecture == "stages" else EquivariantClassifier
        return kind(channels, classes, embedding=self.embedding, **options)

    def cropped(self, sides: tuple[int, int]) -> tuple[int, int]:
        """Sides of the crops that images of these sides are trained on.

        Raises
        ------
        ValueError
            If they are larger.
        """
        if self.crop <= 1:
            return max(1, round(self.crop * sides[0])), max(1, round(self.crop * sides[1]))
        if self.crop > min(sides):
            raise ValueError(f"`crop` (={self.crop:g}) is larger than images of the sides {sides}.")
        return int(self.crop), int(self.crop)

    def transform(self) -> optax.GradientTransformation:
        """The optimizer."""
        return warmed_up(self.optimizer, self.learning_rate, self.steps, decay=self.decay)
