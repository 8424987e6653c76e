"""From micrographs and masks to a network that tells the class of each pixel."""

import dataclasses
import math
import pathlib
from typing import Any, Literal

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options

CHANGES = ("zoom", "angle", "elastic", "brightness", "contrast", "noise")
"""How crops are changed."""

NEWER_OPTIONS = (
    "binning symmetric local_contrast fold_file fold without_folds patch optimizer encoder_rate "
    "boundary_weight"
).split()
"""Those that came after runs whose folders do not know them."""

BEFORE = {"optimizer": "adam"}
"""What those runs were made with, where that is not the default."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a U-Net on micrographs and masks, beside a threshold and a random forest.

    What decides how good it is are micrographs that it is not trained on. Started again in its
    folder, it goes on where it stopped.
    """

    images: pathlib.Path
    """Folder of micrographs (tif, png, jpg, bmp)."""
    masks: pathlib.Path
    """Folder of masks, of the same names: the value of a pixel is the number of its class."""
    run: pathlib.Path
    """Folder for everything that the training writes."""
    split: pathlib.Path | None = None
    """Lists of names, as {"train": [...], "val": [...], "test": [...]} (JSON). Files that are not
    named are not used, and those of test are only looked at by `idml segment evaluate`. Without it
    specimens are held out at random."""
    fold_file: pathlib.Path | None = None
    """Folds in place of a split, as {"name": 1, ...} (JSON), with --fold."""
    fold: int | None = None
    """The one to judge by; all others are trained on, and nothing is chosen by it: the last network
    is kept."""
    without_folds: tuple[int, ...] = ()
    """Folds that are left out of everything."""
    of: str | None = None
    """Which split is meant, or which folds, of a file that holds several by name."""
    held_out: float = 0.2
    """Share of the micrographs to hold out, without --split and --fold-file."""
    classes: tuple[int, ...] = ()
    """The values of the masks that are classes; by default all that occur."""
    names: tuple[str, ...] = ()
    """What the classes are called in tables, in the order of their values."""
    unlabelled: int | None = None
    """The value of pixels that nobody annotated: they are left out of everything."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    features: tuple[int, ...] = ()
    """Channels of the network at each resolution, the finest first; each is half as fine as the one
    before. More of them see further. By default 16 32 64 128. With --encoder the five on the way
    up, the coarsest first; by default 128 64 48 32 16. With --symmetric each is eight; by default
    4 8 16 32."""
    encoder: Literal["resnet18", "resnet34", "resnet50"] | None = None
    """A residual network in place of the U-Net's own way down."""
    weights: pathlib.Path | None = None
    """Its weights, as PyTorch has them: a file of torchvision's or of MicroNet's layout (.pth, .pt,
    .safetensors)."""
    frozen: bool = False
    """Whether it stays as it is, and only what is behind it is trained."""
    encoder_rate: float | None = None
    """What of the learning rate it has. By default a thirtieth by Muon, 1 by Adam."""
    symmetric: bool = False
    """Whether a micrograph turned by a quarter or mirrored is to the network the same one, turned
    or mirrored, by its convolutions and not by what it learned: for materials without a direction,
    of which there are few masks. A step takes 3.5 times as long."""
    binning: int = 1
    """Pixels along each side of the blocks that the network sees as one: it sees so many times as
    far. Its answers have all pixels, and --size is in blocks."""
    patch: int = 1
    """Pixels along each side of a square that is one pixel of the network's finest grid, with a
    channel for each: unlike by --binning none is lost, in little more time."""
    local_contrast: int = 0
    """Side, in pixels, of the square around each pixel by whose mean and deviation its grey value
    is measured: for micrographs of uneven light, or of which one has more contrast than another. It
    is to be large beside what is to be told. 0 for micrographs as they are."""
    size: tuple[int, ...] = (160,)
    """Side of the crops that are trained on, or rows and cols: what tells a class has to fit."""
    normalization: Literal["batch", "group", "none"] = "batch"
    """Over a batch, over groups of channels, or none."""
    residual: bool = False
    """Whether pairs of convolutions have shortcuts around them."""
    attention: bool = False
    """Whether shortcuts from fine grids pass gates."""
    dropout: float = 0.0
    """Share of the coarsest channels left out at random."""
    turns: Literal["all", "mirrors", "sideways", "none"] = "all"
    """How crops are turned: all eight ways, mirrors alone, for materials that have directions,
    left and right exchanged alone, for sections through layers, or not."""
    around_classes: float = 0.5
    """Share of the crops that lie around a pixel of a class that is drawn first: what is rare is
    seen by it."""
    zoom: float = 0.0
    """Octaves that things in crops are made larger or smaller by, at random."""
    angle: float = 0.0
    """Degrees that crops are turned by, beside quarters."""
    elastic: float = 0.0
    """Pixels that points of crops are moved by, which bends what is between them."""
    brightness: float = 0.2
    """How much brighter or darker crops are made, in standard deviations of a micrograph."""
    contrast: float = 0.2
    """Octaves that their contrast is changed by."""
    noise: float = 0.0
    """Noise that is added to them, in standard deviations of a micrograph."""
    class_weights: Literal["none", "root", "inverse"] = "none"
    """What a pixel weighs: the same, or more the rarer its class."""
    boundary_weight: float = 0.0
    """What a pixel beside one of another class weighs more, for regions that nearly touch."""
    focus: float = 0.0
    """Of the focal loss; 0 is cross-entropy."""
    overlap: float = 1.0
    """Weight of one minus the overlap of each class, beside the cross-entropy; 0 for none."""
    missed: float = 0.5
    """What a missed pixel weighs in the overlap beside one too many: above 0.5 less is missed."""
    steps: int = 900
    """Of the training."""
    batch: int = 8
    """Crops in each."""
    optimizer: Literal["adam", "muon"] = "muon"
    """By what the network is trained: by Adam, or by Muon, which needs a third of the steps."""
    learning_rate: float = 3e-2
    """At its highest."""
    judge_every: int = 100
    """Steps between judgements by the held-out micrographs; the best network is kept."""
    patience: int | None = None
    """Judgements without a better one after which the training ends."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Type that the convolutions compute in."""
    save_every: int = 100
    """Steps between checkpoints: what a killed training loses at most."""
    floors: bool = True
    """Whether a threshold and a random forest are fitted beside it, to compare with."""
    turned: bool = False
    """Whether the mean of what the network says of a micrograph turned, in all ways that crops
    were, is judged as well: mostly better, in as many times the time."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range, or that do not go together.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) not in (1, 2) or any(side < 1 for side in self.size):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        if any(count < 1 for count in self.features):
            raise InputError(f"--features (={self.features}) must be positive.")
        if self.encoder is not None and len(self.features) not in (0, 5):
            raise InputError(f"--features (={self.features}): five of them with --encoder.")
        if self.encoder is None and (self.weights is not None or self.frozen):
            raise InputError("--weights and --frozen are of an --encoder: name one.")
        if self.encoder_rate is not None and (self.encoder is None or not self.encoder_rate > 0):
            raise InputError(
                f"--encoder-rate (={self.encoder_rate}) is positive, and of an --encoder."
            )
        if self.patch > 1 and self.encoder is not None:
            raise InputError("--patch is of a U-Net with its own way down: leave off --encoder.")
        for name in ("encoder", "residual", "attention"):
            if self.symmetric and getattr(self, name):
                raise InputError(f"--symmetric is of a plain U-Net: leave off --{name}.")
        for name in ("steps", "batch", "learning_rate", "judge_every", "save_every"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} (={value}) must be positive.")
        for name in ("around_classes", "missed"):
            if not 0 <= getattr(self, name) <= 1:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} (={getattr(self, name)}) must lie between 0 and 1.")
        for name in ("boundary_weight", "focus", "overlap", *CHANGES):
            if not 0 <= getattr(self, name) < math.inf:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag} (={getattr(self, name)}) must not be negative.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout (={self.dropout}) must lie between 0 and 1, and be below.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"--patience (={self.patience}) must be at least 1.")
        if self.turned and self.turns == "none":
            raise InputError("--turned is of a network that saw crops turned: leave off --turns.")
        if self.local_contrast < 0 or 0 < self.local_contrast < 3:
            raise InputError(
                f"--local-contrast (={self.local_contrast}) is the side of a square of at least 3 "
                "pixels, or 0 for none."
            )
        for name in ("binning", "patch"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} (={getattr(self, name)}) must be at least 1.")
        if self.split is None and self.fold_file is None and self.of is not None:
            raise InputError(
                "--of says which split of a file: give the file by --split or --fold-file."
            )
        if self.split is not None and self.fold_file is not None:
            raise InputError("--split and --fold-file: give one.")
        self.check_folds()
        if self.split is None and not 0 < self.held_out < 1:
            raise InputError(f"--held-out (={self.held_out}) must lie between 0 and 1.")
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise InputError(f"--classes (={self.classes}): two at least, each once.")
        if self.classes and self.names and len(self.classes) != len(self.names):
            raise InputError(f"--names: {len(self.names)} for {len(self.classes)} classes.")

    def check_folds(self) -> None:
        """Refuse a fold that is none, or options of folds without any."""
        if self.fold_file is None and (self.fold is not None or self.without_folds):
            raise InputError("--fold and --without-folds are of folds: give --fold-file.")
        if self.fold_file is not None and self.fold is None:
            raise InputError(
                "--fold-file: say by --fold which one is judged by; `idml segment compare` takes "
                "all in turn."
            )
        if self.fold is not None and self.patience is not None:
            raise InputError(
                "--patience ends a training by what it is judged by, and nothing is chosen by a "
                "--fold: leave one out."
            )

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = ("run", "save_every", "names", "floors", "turned")
        return plain_options(self, without=left, newer=NEWER_OPTIONS, before=BEFORE)


def run(config: Config) -> None:
    """Check the data, train, and print how well each way tells the classes."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_study import study

    print(study(config))
    print(f"\nreport: {config.run / 'report.html'}")
