"""From micrographs of known classes to a network that tells the class of others."""

import dataclasses
import json
import math
import pathlib
from typing import Any, Literal

from idml_jax.errors import InputError
from idml_jax.workflows.fold_options import check_specimens
from idml_jax.workflows.options import plain_options

NEWER_OPTIONS = (
    "network dropout weights frozen decay labels val_labels specimens specimen_pattern optimizer"
).split()
"""Those that came after runs whose folders do not know them."""

STANDARD = {"normalization": "batch", "crop": 0.5}
"""What a network is trained with by default, unless it is residual, as suits small sets: 80 of ten
materials are told 87.5 % right after 240 steps on 250 others, and 70 % without both."""

OLDER = {"normalization": "none", "crop": 1.0}
"""The same before, and of residual networks: what is so is not written in a run's folder."""

FEATURES = {
    "stages": (16, 32, 64, 64),
    "three": (16, 32, 64),
    "equivariant": (4, 8, 16, 16),
}
"""Of each network by default; residual ones have their own."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a network on micrographs of known classes, beside features and what learns from them.

    What decides how good each is are micrographs that none is trained on. Started again in its
    folder, it goes on where it stopped.
    """

    images: pathlib.Path
    """Folder of one folder a class, with its micrographs; or of micrographs, with --labels."""
    run: pathlib.Path
    """Folder for everything that the training writes."""
    val: pathlib.Path | None = None
    """Such a folder of the micrographs to judge by; by default some of each class are held out."""
    labels: pathlib.Path | None = None
    """A table (csv) with the columns file and class, in place of a folder a class; where it has a
    column specimen, those are held out whole."""
    val_labels: pathlib.Path | None = None
    """Such a table of --val."""
    specimens: pathlib.Path | None = None
    """A table (csv) with the columns file and specimen, so that those are held out whole; a file is
    class/name."""
    specimen_pattern: str | None = None
    """Or a regular expression of what is the specimen in the name of a micrograph."""
    held_out: float = 0.2
    """Share of the micrographs of each class to hold out, without --val."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    size: tuple[int, ...] = ()
    """Side of the squares that micrographs are cut into, or rows and cols; the answer for one is
    the mean over its own. By default as large as all of them allow."""
    network: Literal["stages", "three", "resnet18", "resnet34", "resnet50", "equivariant"] = (
        "stages"
    )
    """Two convolutions at each resolution, with shortcuts; three with maxima between them; a
    residual network; or one to which a micrograph is the same however it is turned by quarters and
    mirrored, for materials without a direction, whose steps take several times as long."""
    features: tuple[int, ...] = ()
    """Channels of the network at each resolution, the finest first. By default 16 32 64 64; of
    three convolutions 16 32 64; of an equivariant one, where each is eight, 4 8 16 16."""
    normalization: Literal["batch", "group", "none"] | None = None
    """After each convolution: over a batch, as by default, over groups of channels, or none.
    Residual networks have their own."""
    dropout: float = 0.0
    """Share of what the last layer is given that is left out at random."""
    weights: pathlib.Path | None = None
    """A residual network's, as PyTorch has them: a file of torchvision's or of MicroNet's layout
    (.pth, .pt, .safetensors)."""
    frozen: bool = False
    """Whether it stays as these are, and only the last layer is trained."""
    crop: float | None = None
    """Side of the crops of the squares, at random places, that are trained on: up to 1 a share of
    theirs, above it pixels. By default 0.5; of a residual network 1. Judged are whole ones. Few
    micrographs are so not learned by heart."""
    steps: int = 600
    """Of the training."""
    batch: int = 16
    """Images in each."""
    optimizer: Literal["adam", "muon"] = "adam"
    """By what the network is trained."""
    learning_rate: float | None = None
    """At its highest. By default 0.02; of a residual network that is not frozen 0.001."""
    decay: float = 0.0
    """How much of it weights shrink by in each step."""
    mixing: float = 0.0
    """Of mix-up: images are mixed by pairs. 0 for none."""
    focus: float = 0.0
    """Of the focal loss; 0 is cross-entropy."""
    balanced: bool = True
    """Whether every class weighs the same, however few its images are."""
    zoom: float = 0.1
    """Octaves that images are made larger or smaller by, at random."""
    brightness: float = 0.2
    """How much brighter or darker they are made, in standard deviations of an image."""
    contrast: float = 0.2
    """Octaves that their contrast is changed by."""
    noise: float = 0.1
    """Noise that is added to them, in standard deviations of an image."""
    judge_every: int = 50
    """Steps between judgements by the held-out micrographs; the best network is kept."""
    patience: int | None = None
    """Judgements without a better one after which the training ends."""
    save_every: int = 200
    """Steps between checkpoints: what a killed training loses at most."""
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range, or that do not go together.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) > 2 or any(side < 1 for side in self.size):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        if any(count < 1 for count in self.features):
            raise InputError(f"--features (={self.features}) must be positive.")
        self._check_network()
        for name in ("steps", "batch", "learning_rate", "judge_every", "save_every"):
            value = getattr(self.settled(), name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} (={value}) must be positive.")
        for name in ("mixing", "focus", "zoom", "brightness", "contrast", "noise", "decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"--{name} (={getattr(self, name)}) must not be negative.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"--patience (={self.patience}) must be at least 1.")
        check_specimens(self)
        if self.val_labels is not None and self.val is None:
            raise InputError("--val-labels is the table of --val: give that folder.")
        if self.val is not None and (self.specimens or self.specimen_pattern):
            raise InputError(
                "--specimens and --specimen-pattern say what is held out together; --val says what "
                "is held out: leave one out."
            )
        if self.val is None and not 0 < self.held_out < 1:
            raise InputError(f"--held-out (={self.held_out}) must lie between 0 and 1.")

    def _check_network(self) -> None:
        """Refuse what the network does not have."""
        if self.network not in FEATURES:
            for name in ("features", "normalization"):
                if getattr(self, name) not in ((), None, "none"):
                    raise InputError(
                        f"--{name}: --network {self.network} has its own; leave it off."
                    )
        elif self.weights is not None or self.frozen:
            raise InputError("--weights and --frozen are of a residual --network: resnet18, say.")
        if self.network == "three" and len(self.features) not in (0, 3):
            raise InputError(f"--features (={self.features}): three of them with --network three.")
        if self.weights is not None and not self.weights.is_file():
            raise InputError(f"--weights (={self.weights}): no such file.")
        if self.frozen and self.weights is None:
            raise InputError("--frozen keeps the weights of a file: name it by --weights.")
        if self.frozen and self.decay:
            raise InputError("--decay shrinks weights, and --frozen keeps them: leave one off.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout (={self.dropout}) must lie between 0 and 1, and be below.")
        crop = 1.0 if self.crop is None else self.crop
        if not (0 < crop <= 1 or crop >= 1 and crop % 1 == 0):
            raise InputError(f"--crop (={crop}): a share up to 1, or a number of pixels.")

    def settled(self) -> "Config":
        """With what the network has by default, where it is not said; a run goes on as it began."""
        slow = self.network not in FEATURES and not self.frozen
        rate = self.learning_rate
        standard = STANDARD if self.network in FEATURES else OLDER
        standard = standard | older_options(self.run / "config.json")
        unsaid = {name: value for name, value in standard.items() if getattr(self, name) is None}
        return dataclasses.replace(
            self,
            features=self.features or FEATURES.get(self.network, ()),
            learning_rate=(1e-3 if slow else 2e-2) if rate is None else rate,
            **unsaid,
        )

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = ("run", "save_every")
        plain = plain_options(self.settled(), without=left, newer=NEWER_OPTIONS)
        older = {name for name, value in OLDER.items() if plain[name] == value}
        return {name: value for name, value in plain.items() if name not in older}


def older_options(path: pathlib.Path) -> dict[str, Any]:
    """What a run was made with that its folder does not say, by the file that it is known by.

    Returns
    -------
    options : dict
        Of what is by default otherwise now; nothing where there is no run yet.
    """
    try:
        found = json.loads(path.read_text()) if path.exists() else None
    except (json.JSONDecodeError, UnicodeDecodeError):
        # It is refused where the folder is claimed.
        found = None
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in OLDER.items() if name not in found}


def run(config: Config) -> None:
    """Check the data, train, and print how well each way tells the classes."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_study import study

    print(study(config))
    print(f"\nreport: {config.run / 'report.html'}")
