"""What the steps of a training are fed: micrographs on the device, or crops sent to it."""

import hashlib
import json
import pathlib
from collections.abc import Generator, Sequence
from typing import Literal, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh

from idml_jax import data
from idml_jax.data import Cut, Micrograph, Resident
from idml_jax.training.devices import put_together, replicated
from idml_jax.training.health import Health
from idml_jax.training.processes import check_alike, here, largest, leads
from idml_jax.training.progressive_recipe import Recipe

Way: TypeAlias = Literal["auto", "resident", "streamed"]

RECORD = "residence.json"
"""File of a run that says which micrographs it has, and which way."""

SHARE = 0.25
"""Of the device's memory, that micrographs may fill: the networks need the rest."""

_PICTURES = 2**31
"""Stream of the crops that no step is fed: far from any number of attempts."""


class ResidentFeed:
    """Micrographs that stay on every device: crops are cut there, in the compiled step."""

    way: Way = "resident"

    def __init__(self, micrographs: Sequence[Micrograph], recipe: Recipe, mesh: Mesh):
        resident = data.keep_on_device(micrographs, size=recipe.size)
        check_alike("the micrographs", resident.images)
        self._resident = replicated(resident, mesh)

    def of_step(self, number: int, health: Health) -> Resident:
        """What is given to a compiled step, of a training in the state of `health`."""
        return self._resident

    def again(self, number: int, attempt: int) -> Resident:
        """The same, on this process alone."""
        return here(self._resident)

    def beside(self, count: int) -> Resident:
        """What `count` real images come from that belong to no step, on this process alone."""
        return here(self._resident)

    def close(self) -> None:
        """Nothing will be asked for any more."""


class StreamedFeed:
    """Crops of full size in 8 bits, each process's share cut by its own threads.

    The crops are those of the seed, the attempt and the step: a run that was stopped, or sent back
    to a checkpoint, goes on at its step's number.
    """

    way: Way = "streamed"

    def __init__(self, micrographs: Sequence[Micrograph], recipe: Recipe, mesh: Mesh):
        growth = recipe.growth
        self._micrographs, self._recipe, self._mesh = micrographs, recipe, mesh
        self._counts = [growth.batches[growth.stage(step).level] for step in range(growth.steps)]
        self._open: Generator[Cut, None, None] | None = None
        self._next = -1
        check_alike("the micrographs", self.beside(4).images)

    def of_step(self, number: int, health: Health) -> Cut:
        # At the start, and where the training went back to a checkpoint.
        if self._open is None or number != self._next:
            self.close()
            shard = (jax.process_index(), jax.process_count())
            batches = self._batches(int(health.attempt), shard)
            self._open = data.read_ahead(batches[number:])
        self._next = number + 1
        return put_together(next(self._open), self._mesh)

    def again(self, number: int, attempt: int) -> Cut:
        return next(data.read_ahead(self._batches(attempt, (0, 1))[number : number + 1]))

    def beside(self, count: int) -> Cut:
        return next(data.read_ahead(data.batches_of(self._crops(_PICTURES), [count])))

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def _crops(self, stream: int):
        recipe = self._recipe
        return data.streamed_crops(
            self._micrographs,
            size=recipe.size,
            seed=recipe.seed,
            stream=stream,
            turns=recipe.turns,
        )

    def _batches(self, attempt: int, shard: tuple[int, int]):
        return data.batches_of(self._crops(attempt), self._counts, shard=shard)


Feed: TypeAlias = ResidentFeed | StreamedFeed


def feed_of(
    micrographs: Sequence[Micrograph], recipe: Recipe, mesh: Mesh, way: Way, run: pathlib.Path
) -> Feed:
    """Micrographs as the run has them, or for a new run as `way` says and as they fit.

    Raises
    ------
    InputError
        If a micrograph cannot be used.
    """
    data.check_sizes(micrographs, size=recipe.size)
    chosen: Way = way
    # The memory that is free changes: a run that is gone on with keeps to what it began with.
    if way == "auto" and (run / RECORD).exists():
        chosen = json.loads((run / RECORD).read_text())["data"]
    needed, memory = data.bytes_on_device(micrographs), data.device_memory()
    if chosen == "auto":
        streamed = memory is not None and needed > SHARE * memory
        chosen = "streamed" if largest(int(streamed)) else "resident"
    feed = (
        StreamedFeed(micrographs, recipe, mesh)
        if chosen == "streamed"
        else ResidentFeed(micrographs, recipe, mesh)
    )
    if leads():
        where = "crops streamed from the host to" if chosen == "streamed" else "kept on"
        room = "" if memory is None else f" of {_bytes(memory)}"
        print(f"micrographs: {_bytes(needed)} in 8 bits, {where} a device{room}")
    return feed


def fingerprint(micrographs: Sequence[Micrograph]) -> str:
    """A digest of names, sizes and 64 rows of each: large files are not read in whole."""
    digest = hashlib.sha256()
    for micrograph in micrographs:
        rows = np.linspace(0, micrograph.size[0] - 1, 64).astype(int)
        digest.update(f"{micrograph.name} {micrograph.image.shape}".encode())
        digest.update(np.asarray(micrograph.image[np.unique(rows)], np.float32).tobytes())
    return digest.hexdigest()[:16]


def _bytes(count: int) -> str:
    """A number of bytes as a person reads it."""
    power = min(3, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB')[power]}"
