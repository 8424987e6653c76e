"""The options that say how micrographs are parted into folds, of every command that does."""

import dataclasses
import pathlib
from typing import Protocol, runtime_checkable

from idml_jax.errors import InputError

FOLDING = ("specimens", "specimen_pattern", "fold_file", "of", "without_folds", "by_specimen")
"""Options of which the results of a run depend on, beside how many folds there are."""


@runtime_checkable
class Specimens(Protocol):
    """Options that say of which specimen a micrograph is."""

    @property
    def specimens(self) -> pathlib.Path | None: ...
    @property
    def specimen_pattern(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class FoldOptions:
    """How micrographs are parted: what a command that does so is configured by, beside its own.

    Listed before the command's own in the bases of its `Config`, these options come last.
    """

    folds: int = 5
    """Parts, each judged by once, without --fold-file."""
    repeats: int = 1
    """Times that the micrographs are parted."""
    by_specimen: bool = False
    """Whether all micrographs of a specimen lie in one fold."""
    specimens: pathlib.Path | None = None
    """A table (csv) with the columns file and specimen."""
    specimen_pattern: str | None = None
    """Or a regular expression of what is the specimen in the name of a micrograph."""
    fold_file: pathlib.Path | None = None
    """Folds that are given, in place of those at random: {"name": 1, ...} (JSON)."""
    of: str | None = None
    """Which folds are meant, of a file that holds several by name."""
    without_folds: tuple[int, ...] = ()
    """Folds of the file that are left out of everything."""
    seed: int = 0
    """Of everything random."""


def check_options(config: FoldOptions) -> None:
    """Refuse options out of range, or that do not go together.

    Raises
    ------
    InputError
        If one is.
    """
    check_specimens(config)
    if config.folds < 2:
        raise InputError(f"--folds (={config.folds}) must be at least 2.")
    if config.repeats < 1:
        raise InputError(f"--repeats (={config.repeats}) must be at least 1.")
    if config.fold_file is None and (config.of is not None or config.without_folds):
        raise InputError("--of and --without-folds are of a file of folds: give --fold-file.")
    if config.fold_file is not None and (config.by_specimen or config.repeats > 1):
        raise InputError(
            "--fold-file says what the folds are; --by-specimen and --repeats part at random: "
            "leave them out."
        )


def check_specimens(config: Specimens) -> None:
    """Refuse specimens that are said twice.

    Raises
    ------
    InputError
        If they are.
    """
    if config.specimens is not None and config.specimen_pattern is not None:
        raise InputError("--specimens and --specimen-pattern: give one.")
