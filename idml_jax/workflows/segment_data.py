"""Annotated micrographs as a training wants them: checked, split, and nothing on both sides."""

import pathlib
from collections.abc import Collection
from typing import NamedTuple

from idml_jax import data
from idml_jax.errors import InputError
from idml_jax.workflows.duplicates import check_sides
from idml_jax.workflows.segment_train import Config


class AnnotatedSplit(NamedTuple):
    """Annotated micrographs by what they are for."""

    train: list[data.Annotated]
    val: list[data.Annotated]
    classes: tuple[int, ...]
    """The value of each class in the files."""
    names: tuple[str, ...]
    """What each is called in tables."""

    def __str__(self) -> str:
        return (
            f"{len(self.train)} annotated micrographs to train on, {len(self.val)} to judge by; "
            f"classes {', '.join(self.names)}."
        )


def read_annotated_split(config: Config) -> AnnotatedSplit:
    """The user's micrographs and masks.

    Raises
    ------
    InputError
        If a file cannot be used, or an image is on both sides.
    """
    parts = None
    if config.split is not None:
        split = data.read_split(config.split, name=config.of)
        if not split.val:
            raise InputError(
                f'{config.split}: no "val" to judge by; name micrographs that are not trained on.'
            )
        parts = split.train, split.val
    elif config.fold_file is not None:
        parts = _sides_of_fold(config, config.fold_file)
    annotated = read_masks(config, None if parts is None else [*parts[0], *parts[1]])
    if parts is not None:
        by_name = {one.name: one for one in annotated.micrographs}
        train, val = ([by_name[name] for name in part] for part in parts)
    else:
        kept, _ = data.split_by_specimen(
            [one.micrograph for one in annotated.micrographs],
            held_out=config.held_out,
            seed=config.seed,
        )
        chosen = {each.name for each in kept}
        train = [one for one in annotated.micrographs if one.name in chosen]
        val = [one for one in annotated.micrographs if one.name not in chosen]
    check_sides(*([one.micrograph for one in part] for part in (train, val)))
    return AnnotatedSplit(train, val, annotated.classes, called(config, annotated))


def read_masks(config: Config, names: Collection[str] | None = None) -> data.AnnotatedSet:
    """The micrographs of some names, or all, with their masks.

    Raises
    ------
    InputError
        If a file cannot be used, or names of classes are too many or too few.
    """
    annotated = data.read_annotated(
        config.images,
        config.masks,
        names=names,
        classes=config.classes or None,
        unlabelled=config.unlabelled,
        pixel_size=config.pixel_size,
        crop_bottom=config.crop_bottom,
    )
    if config.names and len(config.names) != len(annotated.classes):
        raise InputError(
            f"--names: {len(config.names)} for the {len(annotated.classes)} classes "
            f"{', '.join(map(str, annotated.classes))}."
        )
    return annotated


def called(config: Config, annotated: data.AnnotatedSet) -> tuple[str, ...]:
    """What tables call the classes."""
    return config.names or tuple(map(str, annotated.classes))


def _sides_of_fold(config: Config, path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Names of the micrographs of all folds but one, and of that one."""
    names = [each.stem for each in data.micrographs_in(config.images)]
    found = data.read_folds(path, name=config.of)
    folds = data.given_folds(data.numbers_of(names, found, path=path, without=config.without_folds))
    for fold in folds:
        if fold.name == str(config.fold):
            return [names[place] for place in fold.fitted], [names[place] for place in fold.judged]
    there = ", ".join(fold.name for fold in folds)
    raise InputError(f"--fold (={config.fold}): {path} has the folds {there}; name one of them.")
