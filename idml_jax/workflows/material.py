"""A folder of micrographs as a generator wants them: checked, split, binned, on one grey scale."""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from idml_jax import data, training
from idml_jax.errors import InputError
from idml_jax.training.conditions import shown
from idml_jax.workflows.known import Known, named_by_class, read_table


class Material(NamedTuple):
    """Micrographs on one grey scale, or of phases: those to train on and those held out."""

    train: list[data.Micrograph]
    held_out: list[data.Micrograph]
    binning: int
    """Pixels averaged into one along each axis."""
    known: Known = {}
    """What is known of each micrograph, by its name; empty where nothing is."""
    labels: tuple[int, ...] = ()
    """The user's numbers of the phases; none of grey micrographs."""

    def __str__(self) -> str:
        return (
            f"{len(self.train)} micrographs to train on, {len(self.held_out)} held out; "
            f"{self.binning} x {self.binning} pixels averaged into one."
        )

    def fingerprint(self) -> dict[str, str]:
        """A digest of every micrograph, by which a run knows that it goes on with the same ones."""
        return {
            micrograph.name: " ".join(
                [
                    role,
                    hashlib.sha256(micrograph.image.tobytes()).hexdigest()[:16],
                    *(f"{name}={shown(value)}" for name, value in self._of(micrograph).items()),
                ]
            )
            for role, group in (("training", self.train), ("held-out", self.held_out))
            for micrograph in group
        }

    def _of(self, micrograph: data.Micrograph) -> Mapping[str, float | str]:
        return self.known.get(micrograph.name, {})


def material_of_run(
    run: pathlib.Path,
    *,
    size: tuple[int, int],
    images: pathlib.Path | None = None,
    meanings: Sequence[training.Condition] = (),
    labels: Sequence[int] = (),
    conditions: pathlib.Path | None = None,
    pixel_size: float | None = None,
    crop_bottom: int | None = None,
    binning: int | None = None,
    contrast: float = data.CONTRAST,
    seed: int | None = None,
) -> Material:
    """Micrographs prepared like those that a generator was trained on, by default the same ones.

    Parameters
    ----------
    run : path
        Folder of the training; or the generator's file, which knows no folder of micrographs.
    size : pair of int
        Rows and cols of the images.
    meanings : sequence of Condition
        What the generator is told: it has to be known of the micrographs.
    labels : sequence of int
        Its phases, where it makes phases.
    contrast : float
        That of its images.
    images, conditions, pixel_size, crop_bottom, binning, seed
        In place of the training's, where they are given.

    Raises
    ------
    InputError
        If there are no micrographs to read, or one cannot be used.
    """
    known: dict[str, Any] = {}
    if (run / "config.json").exists():
        known = json.loads((run / "config.json").read_text())
        if (run / "result.json").exists():
            known["binning"] = json.loads((run / "result.json").read_text())["binning"]
    folder = images or known.get("images")
    if folder is None:
        raise InputError(f"{run}: does not know its micrographs; name their folder with --images.")
    given = {"pixel_size": pixel_size, "crop_bottom": crop_bottom, "binning": binning, "seed": seed}
    chosen = {name: known.get(name) if value is None else value for name, value in given.items()}
    columns = [one.name for one in meanings if one.source == "table"]
    table = conditions or known.get("conditions")
    if columns and table is None:
        raise InputError(
            f"{run}: the generator is told {', '.join(columns)}; name the table that says it of "
            "the micrographs with --conditions."
        )
    material = read_material(
        pathlib.Path(folder),
        size=size,
        pixel_size=chosen["pixel_size"],
        crop_bottom=chosen["crop_bottom"] or 0,
        binning=chosen["binning"],
        contrast=contrast,
        held_out=known.get("held_out", 0.5),
        seed=chosen["seed"] or 0,
        table=pathlib.Path(table) if columns and table is not None else None,
        columns=columns,
        classes=any(one.source == "folder" for one in meanings),
        phases=labels or False,
    )
    for name, row in material.known.items():
        try:
            training.encode_conditions([one for one in meanings if one.name in row], [row])
        except InputError as error:
            raise InputError(f"micrograph {name}: {error}") from error
    return material


def read_material(
    folder: pathlib.Path,
    *,
    size: tuple[int, int],
    pixel_size: float | None,
    crop_bottom: int,
    binning: int | None,
    held_out: float,
    seed: int,
    contrast: float = data.CONTRAST,
    table: pathlib.Path | None = None,
    columns: Sequence[str] | None = None,
    classes: bool = False,
    phases: bool | Sequence[int] = False,
) -> Material:
    """The micrographs of a folder, prepared to crop images of a size from.

    Everything that can be wrong with the user's files is found here, before
    anything is written.

    Parameters
    ----------
    folder : path
    size : pair of int
        Rows and cols of the images.
    pixel_size, crop_bottom
        As for `data.read_folder`.
    binning : int, optional
        Pixels to average into one; by default chosen by `data.choose_binning`.
    held_out, seed
        As for `data.split_by_specimen`; each class that is known is on both sides.
    contrast : float
        As for `data.equalize_contrast`, of grey micrographs.
    table, columns
        As for `read_table`, where something is known of each micrograph.
    classes : bool
        Whether each folder in the folder is a class.
    phases : bool or sequence of int
        Whether the files are label images: of all values that they hold, or of these.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    folders = data.class_folders(folder) if classes else [folder]
    options = {"pixel_size": pixel_size, "crop_bottom": crop_bottom}
    labels: tuple[int, ...] = ()
    if phases is not False:
        values = None if phases is True else phases
        micrographs, labels = data.read_phases(folders, labels=values, **options)
    else:
        read = [micrograph for one in folders for micrograph in data.read_folder(one, **options)]
        micrographs = [micrograph.grey() for micrograph in read]
    known: Known = {}
    if classes:
        micrographs, known = named_by_class(micrographs)
    if table is not None:
        known = read_table(table, micrographs, columns=columns)
    least = binning or 1
    data.check_sizes(micrographs, size=(size[0] * least, size[1] * least))
    words = [_words(known.get(micrograph.name, {})) for micrograph in micrographs]
    train, kept = data.split_by_specimen(
        micrographs, held_out=held_out, seed=seed, classes=words if any(words) else None
    )
    choose = data.choose_binning_of_phases if labels else data.choose_binning
    factor = binning or choose(train, max(size), held_out=kept)

    def prepared(group: Sequence[data.Micrograph]) -> list[data.Micrograph]:
        binned = [micrograph.binned(factor) for micrograph in group]
        if labels:
            # Phases are on one scale as they are.
            return binned
        return [data.equalize_contrast(micrograph, contrast=contrast) for micrograph in binned]

    return Material(prepared(train), prepared(kept), factor, known, labels)


def _words(known: Mapping[str, float | str]) -> list[str]:
    """The classes of a micrograph, of everything that is known of it by word."""
    return [f"{name}={value}" for name, value in known.items() if isinstance(value, str)]
