"""Which features, and what learns from them, tell a number of micrographs best, over folds."""

import dataclasses
import pathlib
from typing import Any, Literal, TypeAlias

from idml_jax.errors import InputError
from idml_jax.workflows.classify_compare import FeatureName
from idml_jax.workflows.fold_options import FoldOptions, check_options
from idml_jax.workflows.options import plain_options

RegressorName: TypeAlias = Literal["ridge", "forest", "svr", "neighbours"]


@dataclasses.dataclass(frozen=True)
class Regressed:
    """What is told of which micrographs, and by what."""

    images: pathlib.Path
    """Folder of micrographs."""
    labels: pathlib.Path
    """A table (csv) with the column file, and a column of numbers; where it has a column specimen
    that is read too."""
    value: str
    """The column of what is to be told."""
    run: pathlib.Path
    """Folder for the table and its page."""
    features: tuple[FeatureName, ...] = (
        "patterns", "haralick", "gradients", "spectrum", "greys", "two-point", "words", "vlad",
    )  # fmt: skip
    """As for `idml classify compare`."""
    regressors: tuple[RegressorName, ...] = ("ridge", "forest", "svr", "neighbours")
    """Ridge regression, random forest, support vectors with a Gaussian kernel, nearest
    neighbours."""
    nested: bool = False
    """Whether hyperparameters are chosen, from a few values of each way, by three inner folds of
    what is learned from."""
    crop_bottom: int = 0
    """Rows to cut off each image: the microscope's information bar."""
    size: tuple[int, ...] = ()
    """Side of the squares that micrographs are cut into, or rows and cols. By default as large as
    all of them allow."""


@dataclasses.dataclass(frozen=True)
class Config(FoldOptions, Regressed):
    """Compare ways to tell a number of micrographs, as their hardness, by cross-validation.

    Each way is fitted to all folds but one and judged by that one, in turn, beside the mean of what
    it is fitted to. Started again in its folder, it goes on with what is not done yet.
    """

    def check(self) -> None:
        """Refuse options out of range.

        Not when the options are put together: Tyro would make a box of lines of the message.
        """
        if len(self.size) > 2 or any(side < 1 for side in self.size):
            raise InputError(f"--size takes a side, or rows and cols; got {self.size}.")
        check_options(self)
        if not (self.features and self.regressors):
            raise InputError("nothing to compare: name --features and --regressors.")

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        return plain_options(self, without=("run", "features", "regressors"))


def run(config: Config) -> None:
    """Compare, and print the table, the best first."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.classify_regression import regressed

    print(regressed(config))
    print(f"\ntable: {config.run / 'compared.csv'}\nreport: {config.run / 'report.html'}")
