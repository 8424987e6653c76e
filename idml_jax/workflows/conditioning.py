"""From what is known of micrographs to what a generator is told, in training and after it."""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from idml_jax import data, training
from idml_jax.errors import InputError
from idml_jax.training.conditions import shown
from idml_jax.training.real_images import Known
from idml_jax.workflows.known import CLASS
from idml_jax.workflows.material import Material
from idml_jax.workflows.phases import fraction_names, fractions

EXAMPLES = 256
"""Training crops that are kept with a generator which is told what is measured in them."""


def informed(
    recipe: training.Recipe,
    material: Material,
    *,
    fraction: bool,
    table: pathlib.Path | None = None,
) -> training.Recipe:
    """The recipe with what its generator makes, grey or phases, and what it is told.

    Parameters
    ----------
    recipe : Recipe
    material : Material
    fraction : bool
        Whether it is told the volume fraction as well.
    table : path, optional
        Where what is known of the micrographs was read from; messages name it.

    Raises
    ------
    InputError
        If something is the same in all micrographs.
    """
    if material.labels:
        kind = {"output": "phases", "channels": len(material.labels), "labels": material.labels}
        recipe = dataclasses.replace(recipe, **kind)
    meanings = _meanings(recipe, material, fraction, table)
    told = sum(one.width for one in meanings)
    return dataclasses.replace(recipe, conditions=told, meanings=meanings)


def _meanings(
    recipe: training.Recipe, material: Material, fraction: bool, table: pathlib.Path | None
) -> tuple[training.Condition, ...]:
    known = [material.known.get(micrograph.name, {}) for micrograph in material.train]
    names, measured = fraction_names(recipe.labels) if fraction else [], np.zeros((0, 0))
    everywhere = [*known, *(material.known.get(one.name, {}) for one in material.held_out)]
    for name in known[0]:
        where = f"{table}: column {name!r}" if table else f"{name}"
        if name in names:
            raise InputError(f"{where}: is what --volume-fraction measures; give one of them.")
        if len({row[name] for row in everywhere}) < 2:
            raise InputError(
                f"{where}: has the value {known[0][name]} for every micrograph, and so tells a "
                "generator nothing; leave it out, or add micrographs of another."
            )
    places = kept = range(len(known))
    if fraction:
        crops = [data.grid_crops(micrograph.image, recipe.size) for micrograph in material.train]
        places = np.repeat(places, [len(part) for part in crops])
        measured = np.concatenate([fractions(part, recipe.labels) for part in crops])
        rng = np.random.default_rng(recipe.seed)
        kept = rng.permutation(len(places))[:EXAMPLES].tolist()
    rows = [int(places[place]) for place in kept]
    meanings = [
        training.Condition.of(
            name,
            [row[name] for row in known],
            source="folder" if name == CLASS and not table else "table",
            examples=rows,
        )
        for name in known[0]
    ]
    for column, name in enumerate(names):
        # As many digits as a person reads: `conditions.csv` shows them all.
        found = [round(float(value), 6) for value in measured[:, column]]
        meanings.append(training.Condition.of(name, found, source="crop", examples=kept))
    return tuple(meanings)


def training_conditions(recipe: training.Recipe, material: Material) -> tuple[Known, ...] | None:
    """What `train_progressive_gan` takes: by micrograph, and found in the crops."""
    known = [one for one in recipe.meanings if one.source != "crop"]
    measured = [one for one in recipe.meanings if one.source == "crop"]
    parts: list[Known] = []
    if known:
        told = [material.known[micrograph.name] for micrograph in material.train]
        parts.append(training.encode_conditions(known, told))
    if measured:
        mean = np.array([[one.mean for one in measured]], np.float32)
        deviation = np.array([[one.deviation for one in measured]], np.float32)
        parts.append(lambda crops: (fractions(crops, recipe.labels) - mean) / deviation)
    return tuple(parts) or None


def crops_and_told(
    micrographs: Sequence[data.Micrograph], material: Material, recipe: training.Recipe
) -> tuple[Float[np.ndarray, "crops rows cols channels"], list[dict[str, float | str]]]:
    """Crops of micrographs that do not overlap, and what a generator would be told of each."""
    crops = [data.grid_crops(micrograph.image, recipe.size) for micrograph in micrographs]
    names = [one.name for one in recipe.meanings if one.source == "crop"]
    told: list[dict[str, float | str]] = []
    for micrograph, part in zip(micrographs, crops, strict=True):
        known = material.known.get(micrograph.name, {})
        found = np.asarray(fractions(part, recipe.labels)) if names else np.zeros((len(part), 0))
        told += [known | dict(zip(names, map(float, row), strict=True)) for row in found]
    return np.concatenate(crops), told


def dealt(
    told: Sequence[dict[str, float | str]], count: int, *, seed: int
) -> list[dict[str, float | str]]:
    """As many as are wanted, each as often as the others, up to one; in random order."""
    order = np.random.default_rng(seed).permutation(len(told))
    return [told[order[number % len(told)]] for number in range(count)]


def check_told(run: pathlib.Path, recipe: training.Recipe, wanted: Mapping[str, str]) -> None:
    """Refuse a generator whose conditions nobody named, and wishes that one is told nothing of.

    Raises
    ------
    InputError
    """
    if recipe.codes or (recipe.conditions and not recipe.meanings):
        raise InputError(
            f"{run}: this generator is told what is wanted of an image; use it in Python, with "
            "`conditions`."
        )
    if wanted and not recipe.meanings:
        raise InputError(
            f"{run}: this generator is told nothing of its images; leave out --wanted, or train "
            "one with --conditions, --classes or --volume-fraction."
        )


def values_of(
    meanings: Sequence[training.Condition], wanted: Mapping[str, str]
) -> dict[str, float | str]:
    """A class or a number for each condition; those beyond the training's are told of.

    Raises
    ------
    InputError
        If a name is missing or not known, or a value cannot be used.
    """
    training.encode_conditions(meanings, [wanted])
    told: dict[str, float | str] = {}
    for one in meanings:
        value = wanted[one.name] if one.classes else one.number(wanted[one.name])
        told[one.name] = value
        if isinstance(value, float) and not one.low <= value <= one.high:
            print(
                f"idml: {one.name}={shown(value)} lies outside of the training's "
                f"{one.low:g} to {one.high:g}; the images may not follow it.",
                file=sys.stderr,
            )
    return told
