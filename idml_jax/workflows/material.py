"""A folder of micrographs as a generator wants them: checked, split, binned, on one grey scale."""

import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from idml_jax import data
from idml_jax.errors import InputError


class Material(NamedTuple):
    """Micrographs on one grey scale, those to train on and those held out."""

    train: list[data.Micrograph]
    held_out: list[data.Micrograph]
    binning: int
    """Pixels averaged into one along each axis."""

    def __str__(self) -> str:
        return (
            f"{len(self.train)} micrographs to train on, {len(self.held_out)} held out; "
            f"{self.binning} x {self.binning} pixels averaged into one."
        )

    def fingerprint(self) -> dict[str, str]:
        """A digest of every micrograph, by which a run knows that it goes on with the same ones."""
        return {
            micrograph.name: f"{role} {hashlib.sha256(micrograph.image.tobytes()).hexdigest()[:16]}"
            for role, group in (("training", self.train), ("held-out", self.held_out))
            for micrograph in group
        }


def material_of_run(
    run: pathlib.Path,
    *,
    size: tuple[int, int],
    images: pathlib.Path | None = None,
    pixel_size: float | None = None,
    crop_bottom: int | None = None,
    binning: int | None = None,
    seed: int | None = None,
) -> Material:
    """Micrographs prepared like those that a generator was trained on, by default the same ones.

    Parameters
    ----------
    run : path
        Folder of the training; or the generator's file, which knows no folder of micrographs.
    size : pair of int
        Rows and cols of the images.
    images, pixel_size, crop_bottom, binning, seed
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
    return read_material(
        pathlib.Path(folder),
        size=size,
        pixel_size=chosen["pixel_size"],
        crop_bottom=chosen["crop_bottom"] or 0,
        binning=chosen["binning"],
        held_out=known.get("held_out", 0.5),
        seed=chosen["seed"] or 0,
    )


def read_material(
    folder: pathlib.Path,
    *,
    size: tuple[int, int],
    pixel_size: float | None,
    crop_bottom: int,
    binning: int | None,
    held_out: float,
    seed: int,
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
        As for `data.split_by_specimen`.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    micrographs = [
        micrograph.grey()
        for micrograph in data.read_folder(folder, pixel_size=pixel_size, crop_bottom=crop_bottom)
    ]
    least = binning or 1
    data.check_sizes(micrographs, size=(size[0] * least, size[1] * least))
    train, kept = data.split_by_specimen(micrographs, held_out=held_out, seed=seed)
    factor = binning or data.choose_binning(train, max(size), held_out=kept)

    def prepared(group: Sequence[data.Micrograph]) -> list[data.Micrograph]:
        return [data.equalize_contrast(micrograph.binned(factor)) for micrograph in group]

    return Material(prepared(train), prepared(kept), factor)
