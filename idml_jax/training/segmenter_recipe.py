"""What a segmenter is to be: its network, the crops that it learns from, its loss."""

import dataclasses
from typing import Any, Literal, TypeAlias

import jax
import optax
from flax import nnx
from jaxtyping import PyTree

from idml_jax.data import Changes, Turns
from idml_jax.models import EncoderUNet, EquivariantUNet, Normalization, UNet
from idml_jax.models.resnet import Depth
from idml_jax.training.optimization import Optimizer, warmed_up
from idml_jax.training.recipes import plain_fields
from idml_jax.training.segmentation_losses import SegmentationLoss

PixelNetwork: TypeAlias = UNet | EncoderUNet | EquivariantUNet
"""What tells the class of each pixel."""

NEWER_FIELDS = (
    "binning symmetric local_contrast patch optimizer encoder_rate boundary_weight"
).split()
"""Those that came after runs whose folders do not know them."""

BEFORE = {"optimizer": "adam"}
"""What those runs were made with, where that is not the default."""

ENCODER_RATES = {"adam": 1.0, "muon": 1 / 30}
"""What of the learning rate an encoder has by default. The latter is about what its weights are in
size, beside those of equalized layers, which are of order one."""


@dataclasses.dataclass(frozen=True)
class SegmenterRecipe:
    """What a segmenter was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    features : tuple of int
        Channels of the network at each resolution, the finest first.
    normalization, residual, attention, dropout
        As for `models.UNet`.
    size : pair of int
        Rows and cols of the crops that it is trained on.
    turns : {"all", "mirrors", "sideways", "none"}
        The symmetries that crops are turned by.
    around_classes : float
        Share of the crops that lie around a pixel of a class that is drawn first.
    changes : Changes
        How crops are changed beside: zoomed, bent, of other contrast.
    loss : SegmentationLoss
    class_weights : {"none", "root", "inverse"}
        What a pixel weighs in the cross-entropy: the same, or as the inverse of the share of its
        class, or as the root of that; of mean 1 over the pixels.
    steps, batch : int
        Steps in all, and crops in each.
    learning_rate, decay : float
        At its highest, and how much of it weights shrink by in each step: see `warmed_up`. After
        150 steps of Adam on a superalloy's micrographs the mean IoU of others is 0.57, 0.81, 0.87
        and 0.83 with 3e-3, 1e-2, 3e-2 and 0.1.
    averaging : float
        What the moving average of the parameters, which is what the segmenter uses, keeps of itself
        in each step.
    judge_every : int
        Steps between judgements by what it is not trained on.
    patience : int, optional
        Judgements without a better one after which the training ends.
    precision : {"float32", "bfloat16"}
        Type that the convolutions compute in.
    seed : int
    binning : int
        Pixels along each side of the blocks that are made one before the network sees them: it sees
        so many times as far in the same time, and nothing finer. Answers are given at full
        resolution.
    local_contrast : int
        Side, in pixels, of the square around each pixel that its grey value is taken relative to:
        see `data.local_contrast`. 0 for micrographs as they are.
    encoder : {18, 34, 50}, optional
        In place of a U-Net's own way down a residual network of that depth; then `features` are
        the five of `models.EncoderUNet`'s way up.
    frozen : bool
        Whether that residual network stays as it is.
    symmetric : bool
        Whether a turned or mirrored image is to the network the same image, turned or mirrored: a
        `models.EquivariantUNet`, of whose `features` each has eight orientations. It has neither
        an `encoder` nor `residual` nor `attention`.
    patch : int
        Pixels along each side of what is one on the finest grid of a network without `encoder`, see
        `models.UNet`: unlike with `binning`, the network sees and tells each of them.
    optimizer : {"adam", "muon"}
        See `warmed_up`.
    boundary_weight : float
        What a pixel beside one of another class weighs more in the cross-entropy, in units of its
        weight: for regions that nearly touch.
    encoder_rate : float, optional
        What of the learning rate the encoder has. By default 1 by Adam, and a thirtieth by Muon, as
        its weights are so much smaller than those of other layers.
    """

    features: tuple[int, ...] = (16, 32, 64, 128)
    normalization: Normalization = "batch"
    residual: bool = False
    attention: bool = False
    dropout: float = 0.0
    size: tuple[int, int] = (160, 160)
    turns: Turns = "all"
    around_classes: float = 0.5
    changes: Changes = Changes()
    loss: SegmentationLoss = SegmentationLoss()
    class_weights: Literal["none", "root", "inverse"] = "none"
    steps: int = 900
    batch: int = 8
    learning_rate: float = 3e-2
    decay: float = 0.0
    averaging: float = 0.99
    judge_every: int = 100
    patience: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    encoder: Depth | None = None
    frozen: bool = False
    binning: int = 1
    symmetric: bool = False
    local_contrast: int = 0
    patch: int = 1
    optimizer: Optimizer = "muon"
    encoder_rate: float | None = None
    boundary_weight: float = 0.0

    def __post_init__(self):
        if self.frozen and (self.encoder is None or self.decay):
            raise ValueError(
                f"`frozen` is of an `encoder` (={self.encoder}) whose weights do not shrink by "
                f"`decay` (={self.decay})."
            )
        if self.encoder_rate is not None and (self.encoder is None or not self.encoder_rate > 0):
            raise ValueError(
                f"`encoder_rate` (={self.encoder_rate}) is positive, and of an `encoder` "
                f"(={self.encoder})."
            )
        if not self.boundary_weight >= 0:
            raise ValueError(f"`boundary_weight` (={self.boundary_weight}) must not be negative.")
        if self.binning < 1:
            raise ValueError(f"`binning` (={self.binning}) must be at least 1.")
        if self.local_contrast < 0 or 0 < self.local_contrast < 3:
            raise ValueError(
                f"`local_contrast` (={self.local_contrast}) must be at least 3 pixels, or 0 for "
                "none."
            )
        if self.patch < 1:
            raise ValueError(f"`patch` (={self.patch}) must be at least 1.")
        if self.patch > 1 and self.encoder is not None:
            raise ValueError(
                f"`patch` (={self.patch}) is of a network without `encoder` (={self.encoder})."
            )
        if self.symmetric and (self.encoder is not None or self.residual or self.attention):
            raise ValueError(
                f"`symmetric` goes with none of `encoder` (={self.encoder}), `residual` "
                f"(={self.residual}) and `attention` (={self.attention})."
            )

    def network(self, channels: int, classes: int) -> PixelNetwork:
        """The network with the initial values of the seed."""
        options = {
            "features": self.features,
            "dropout": self.dropout,
            "dtype": None if self.precision == "float32" else self.precision,
            "rngs": nnx.Rngs(self.seed),
        }
        if self.encoder is not None:
            return EncoderUNet(channels, classes, self.encoder, frozen=self.frozen, **options)
        options |= {"normalization": self.normalization, "patch": self.patch}
        if self.symmetric:
            return EquivariantUNet(channels, classes, **options)
        return UNet(channels, classes, residual=self.residual, attention=self.attention, **options)

    def transform(self) -> optax.GradientTransformation:
        """The optimizer."""
        rate = self.learning_rate
        whole = warmed_up(self.optimizer, rate, self.steps, decay=self.decay)
        share = self.encoder_rate or ENCODER_RATES[self.optimizer]
        if self.encoder is None or share == 1:
            return whole
        slow = warmed_up(self.optimizer, share * rate, self.steps, decay=self.decay)
        return optax.partition({"encoder": slow, "others": whole}, _parts)

    def plain(self) -> dict[str, Any]:
        """The fields as plain values: see `plain_fields`."""
        return plain_fields(self, NEWER_FIELDS, BEFORE)

    @classmethod
    def from_plain(cls, options: dict[str, Any]) -> "SegmenterRecipe":
        """The recipe of what `plain` made of it, and JSON of that."""
        parts = {
            "loss": SegmentationLoss(**options["loss"]),
            "changes": Changes(**options["changes"]),
            "features": tuple(options["features"]),
            "size": tuple(options["size"]),
        }
        return cls(**{**BEFORE, **options, **parts})


def _parts(parameters: PyTree) -> PyTree:
    """Which parameters are of the encoder."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "encoder" if path[0].key == "encoder" else "others", parameters
    )
