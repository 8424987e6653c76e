"""From micrographs of known classes to a network that tells the class of others."""

import dataclasses
import math
import pathlib
from typing import Any

from idml_jax.errors import InputError
from idml_jax.workflows.options import plain_options


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a network on micrographs of known classes, beside features and what learns from them.

    What decides how good each is are micrographs that none is trained on. Started again in its
    folder, it goes on where it stopped.
    """

    images: pathlib.Path
    """Folder of one folder a class, with its micrographs."""
    run: pathlib.Path
    """Folder for everything that the training writes."""
    val: pathlib.Path | None = None
    """Such a folder of the micrographs to judge by; by default some of each class are held out."""
    held_out: float = 0.2
    """Share of the micrographs of each class to hold out, without --val."""
    pixel_size: float | None = None
    """Metres a pixel, where the files do not say it or say it wrong."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    size: tuple[int, ...] = ()
    """Side of the squares that micrographs are cut into, or rows and cols; the answer for one is
    the mean over its own. By default as large as all of them allow."""
    features: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of the network at each resolution, the finest first."""
    steps: int = 600
    """Of the training."""
    batch: int = 16
    """Images in each."""
    learning_rate: float = 2e-2
    """At its highest."""
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
        if not self.features or any(count < 1 for count in self.features):
            raise InputError(f"--features (={self.features}) must be positive, one at least.")
        for name in ("steps", "batch", "learning_rate", "judge_every", "save_every"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise InputError(f"--{name.replace('_', '-')} (={value}) must be positive.")
        for name in ("mixing", "focus", "zoom", "brightness", "contrast", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"--{name} (={getattr(self, name)}) must not be negative.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"--patience (={self.patience}) must be at least 1.")
        if self.val is None and not 0 < self.held_out < 1:
            raise InputError(f"--held-out (={self.held_out}) must lie between 0 and 1.")

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        return plain_options(self, without=("run", "save_every"))


def run(config: Config) -> None:
    """Check the data, train, and print how well each way tells the classes."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_study import study

    print(study(config))
    print(f"\nreport: {config.run / 'report.html'}")
