"""Which features, and what learns from them, tell the classes best: all of them, over folds."""

import dataclasses
import pathlib
from typing import Any, Literal, TypeAlias

from idml_jax.errors import InputError, listed
from idml_jax.workflows.fold_options import FOLDING, FoldOptions, check_options
from idml_jax.workflows.options import plain_options

FeatureName: TypeAlias = Literal[
    "patterns", "haralick", "gradients", "spectrum", "greys", "two-point", "words", "vlad",
    "keypoints",
]  # fmt: skip
ClassifierName: TypeAlias = Literal[
    "svm", "linear-svm", "chi-squared", "logistic", "forest", "neighbours"
]

NEWER_OPTIONS = (*FOLDING, "labels", "nested", "val", "val_labels", "embedding")
"""Options that came after runs whose folders do not know them."""


@dataclasses.dataclass(frozen=True)
class Compared:
    """What is compared, of which micrographs."""

    images: pathlib.Path
    """Folder of one folder a class, with its micrographs; or of micrographs, with --labels."""
    run: pathlib.Path
    """Folder for the table and its page."""
    features: tuple[FeatureName, ...] = (
        "patterns", "haralick", "gradients", "spectrum", "greys", "two-point", "words", "vlad",
    )  # fmt: skip
    """Local binary patterns, Haralick's, oriented gradients, power spectrum, grey levels, two-point
    correlations by principal components, bags of visual words, sums of what differs from them,
    bags of words at keypoints."""
    classifiers: tuple[ClassifierName, ...] = (
        "svm", "chi-squared", "logistic", "forest", "neighbours",
    )  # fmt: skip
    """Support vector machines with a Gaussian kernel, a linear one, or that of the chi-squared
    distance, which is of histograms: patterns, gradients, words and keypoints, and is left out with
    others; logistic regression, random forest, nearest neighbours."""
    embedding: pathlib.Path | None = None
    """A run of `idml classify train`: features of its network, which is not trained any more, are
    compared as well."""
    network: bool = False
    """Whether a network is trained for each fold as well, which takes minutes a fold: as
    `idml classify train` does by default."""
    steps: int = 600
    """Of such a training."""
    labels: pathlib.Path | None = None
    """A table (csv) with the columns file and class, in place of a folder a class; where it has a
    column specimen that is read too."""
    val: pathlib.Path | None = None
    """Such a folder of micrographs that judge, in place of folds: all of --images are learned
    from."""
    val_labels: pathlib.Path | None = None
    """Such a table of --val."""
    nested: bool = False
    """Whether hyperparameters are chosen, from a few values of each way, by three inner folds of
    what is learned from."""
    shares: tuple[float, ...] = (1.0,)
    """Shares of what is learned from, judged by the same folds: with several, how scores grow."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    size: tuple[int, ...] = ()
    """Side of the squares that micrographs are cut into, or rows and cols. By default as large as
    all of them allow."""


@dataclasses.dataclass(frozen=True)
class Config(FoldOptions, Compared):
    """Compare ways to tell the classes of micrographs, by cross-validation.

    Each way is fitted to all folds but one and judged by that one, in turn; everything that is
    learned, vocabularies of visual words too, is learned inside. Folds hold as many of each class;
    in tables and files of folds a micrograph of a folder a class is called class/name. Started
    again in its folder, it goes on with what is not done yet.
    """

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) > 2 or any(side < 1 for side in self.size):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        check_options(self)
        self._check_val()
        if self.steps < 1:
            raise InputError(f"--steps (={self.steps}) must be at least 1.")
        if not self.shares or len(set(self.shares)) < len(self.shares):
            raise InputError(f"--shares (={self.shares}): one or more, each once.")
        if not all(0 < each <= 1 for each in self.shares):
            raise InputError(f"--shares (={self.shares}) lie above 0 and up to 1.")
        some = self.features or self.embedding is not None
        if not self.network and not (some and self.classifiers):
            raise InputError("nothing to compare: name --features and --classifiers.")

    def _check_val(self) -> None:
        if self.val is None and self.val_labels is not None:
            raise InputError("--val-labels is a table of --val: give that too.")
        standard = {field.name: field.default for field in dataclasses.fields(FoldOptions)}
        parting = ("folds", "repeats", "by_specimen", "fold_file")
        given = [f"--{name.replace('_', '-')}" for name in parting
                 if getattr(self, name) != standard[name]]  # fmt: skip
        if self.val is not None and given:
            raise InputError(
                f"--val is judged by in place of folds, of which {listed(given)} would say what "
                "they are: leave one or the other out."
            )

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = ("run", "features", "classifiers", "network", "shares")
        return plain_options(self, without=left, newer=NEWER_OPTIONS)


def run(config: Config) -> None:
    """Compare, and print the table, the best first."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_comparison import compared

    print(compared(config))
    print(f"\ntable: {config.run / 'compared.csv'}\nreport: {config.run / 'report.html'}")
