"""Which features, and what learns from them, tell the classes best: all of them, over folds."""

import dataclasses
import pathlib
from typing import Any, Literal, TypeAlias

from idml_jax.errors import InputError
from idml_jax.workflows.fold_options import FOLDING, check_options
from idml_jax.workflows.options import plain_options

FeatureName: TypeAlias = Literal[
    "patterns", "haralick", "gradients", "spectrum", "greys", "two-point", "words", "vlad",
    "keypoints",
]  # fmt: skip
ClassifierName: TypeAlias = Literal[
    "svm", "linear-svm", "chi-squared", "logistic", "forest", "neighbours"
]


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare ways to tell the classes of micrographs, by cross-validation.

    Each way is fitted to all folds but one and judged by that one, in turn; everything that is
    learned, vocabularies of visual words too, is learned inside. Started again in its folder, it
    goes on with what is not done yet.
    """

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
    network: bool = False
    """Whether a network is trained for each fold as well, which takes minutes a fold: as
    `idml classify train` does by default."""
    steps: int = 600
    """Of such a training."""
    labels: pathlib.Path | None = None
    """A table (csv) with the columns file and class, in place of a folder a class; where it has a
    column specimen that is read too."""
    folds: int = 5
    """Parts, each judged by once; of each class as many in all of them."""
    repeats: int = 1
    """Times that the micrographs are parted."""
    by_specimen: bool = False
    """Whether all micrographs of a specimen lie in one fold."""
    specimens: pathlib.Path | None = None
    """A table (csv) with the columns file and specimen; a file is class/name."""
    specimen_pattern: str | None = None
    """Or a regular expression of what is the specimen in the name of a micrograph."""
    fold_file: pathlib.Path | None = None
    """Folds that are given, in place of those at random: {"class/name": 1, ...} (JSON)."""
    of: str | None = None
    """Which folds are meant, of a file that holds several by name."""
    without_folds: tuple[int, ...] = ()
    """Folds of the file that are left out of everything."""
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
    seed: int = 0
    """Of everything random."""

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) > 2 or any(side < 1 for side in self.size):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        check_options(self)
        if self.steps < 1:
            raise InputError(f"--steps (={self.steps}) must be at least 1.")
        if not self.shares or len(set(self.shares)) < len(self.shares):
            raise InputError(f"--shares (={self.shares}): one or more, each once.")
        if not all(0 < each <= 1 for each in self.shares):
            raise InputError(f"--shares (={self.shares}) lie above 0 and up to 1.")
        if not self.network and not (self.features and self.classifiers):
            raise InputError("nothing to compare: name --features and --classifiers.")

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = ("run", "features", "classifiers", "network", "shares")
        return plain_options(self, without=left, newer=(*FOLDING, "labels", "nested"))


def run(config: Config) -> None:
    """Compare, and print the table, the best first."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_comparison import compared

    print(compared(config))
    print(f"\ntable: {config.run / 'compared.csv'}\nreport: {config.run / 'report.html'}")
