"""Annotated micrographs as a training wants them: checked, split, and nothing on both sides."""

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
    names = None
    if config.split is not None:
        split = data.read_split(config.split, name=config.of)
        if not split.val:
            raise InputError(
                f'{config.split}: no "val" to judge by; name micrographs that are not trained on.'
            )
        names = [*split.train, *split.val]
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
    if config.split is not None:
        by_name = {one.name: one for one in annotated.micrographs}
        train, val = ([by_name[name] for name in part] for part in (split.train, split.val))
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
    called = config.names or tuple(map(str, annotated.classes))
    return AnnotatedSplit(train, val, annotated.classes, called)
