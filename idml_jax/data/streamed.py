"""Crops of micrographs that do not fit the device, cut on the host while the device computes."""

import itertools
import sys
from collections.abc import Generator, Sequence

import grain
import numpy as np

from idml_jax.data.crops import (
    Cut,
    Size,
    Turns,
    channels_of,
    check_sizes,
    in_bytes,
    rows_and_cols,
    symmetries_of,
)
from idml_jax.data.micrograph import Micrograph

READING = grain.ReadOptions(num_threads=8, prefetch_buffer_size=8)
"""Batches that are cut ahead of their step, by threads: grain's worker processes fail in scripts
that are not made for them, and cutting waits for the disk more than it computes."""


class _Crops:
    """A source of crops for grain; they never come to an end."""

    def __init__(
        self, micrographs: Sequence[Micrograph], size: Size, seed: int, stream: int, turns: Turns
    ):
        check_sizes(micrographs, size=size)
        channels_of(micrographs)
        self._micrographs = micrographs
        self._extent = rows_and_cols(size)
        self._seed, self._stream = seed % 2**64, stream
        self._symmetries = symmetries_of(turns, self._extent)
        places = [
            (each.size[0] - self._extent[0] + 1, each.size[1] - self._extent[1] + 1)
            for each in micrographs
        ]
        self._cols = [cols for _, cols in places]
        self._ends = np.cumsum([rows * cols for rows, cols in places])

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> Cut:
        # Of the seed and the index alone: whoever asks, in whatever order, gets the same crop.
        sequence = np.random.SeedSequence(self._seed, spawn_key=(self._stream, index))
        random = np.random.default_rng(sequence)
        place = int(random.integers(self._ends[-1]))
        source = int(np.searchsorted(self._ends, place, side="right"))
        first = place - (int(self._ends[source - 1]) if source else 0)
        row, col = divmod(first, self._cols[source])
        rows, cols = self._extent
        micrograph = self._micrographs[source]
        crop = np.asarray(micrograph.image[row : row + rows, col : col + cols])
        symmetry = self._symmetries[random.integers(len(self._symmetries))]
        return Cut(_turned(in_bytes(crop, micrograph), symmetry), np.array(source, np.int32))


def streamed_crops(
    micrographs: Sequence[Micrograph],
    *,
    size: Size,
    seed: int,
    stream: int = 0,
    turns: Turns = "all",
) -> grain.MapDataset[Cut]:
    """Crops at random places, randomly turned and mirrored, cut from micrographs on the host.

    Of the same kinds as those of `random_crops`: every place of every micrograph is equally likely,
    and so is each symmetry. The micrographs may be memory-mapped files larger than the memory, as
    ``numpy.load(path, mmap_mode="r")`` gives them: no more is read than what is cut.

    Parameters
    ----------
    micrographs : sequence of Micrograph
        Values in [0, 1].
    size : int or pair of int
        Side of the crops, or rows and cols, in pixels.
    seed : int
    stream : int
        Another one has other crops.
    turns : {"all", "mirrors", "sideways", "none"}
        As for `random_crops`.

    Returns
    -------
    crops : grain.MapDataset
        ``crops[index]`` is a `Cut` of one crop, the same one whenever it is asked for.

    Raises
    ------
    InputError
        If a micrograph is smaller than the crop or the numbers of channels differ; later, where
        values outside of [0, 1] are met.

    Examples
    --------
    >>> image = np.linspace(0, 1, 63, dtype=np.float32).reshape(7, 9, 1)
    >>> crops = streamed_crops([Micrograph(image, "slope")], size=4, seed=0)
    >>> crops[10**12].images.shape
    (4, 4, 1)
    """
    return grain.MapDataset.source(_Crops(micrographs, size, seed, stream, turns))


def batches_of(
    crops: grain.MapDataset[Cut], counts: Sequence[int], *, shard: tuple[int, int] = (0, 1)
) -> grain.MapDataset[Cut]:
    """Batches of crops that follow one another, each of its own number.

    Parameters
    ----------
    crops : grain.MapDataset
        From `streamed_crops`.
    counts : sequence of int
        Crops in each batch.
    shard : pair of int
        Number of this process and of all: of each batch it gets its part, in the order of the
        processes, and with all of them they make up the batch of one.

    Returns
    -------
    batches : grain.MapDataset
        ``batches[number]`` is a `Cut`; ``batches[number:]`` goes on from there.
    """
    process, processes = shard
    uneven = [count for count in counts if count % processes]
    if uneven:
        raise ValueError(f"a batch of {uneven[0]} crops does not divide among {processes}.")
    starts = [0, *itertools.accumulate(counts)]

    def batch(number: int) -> Cut:
        share = counts[number] // processes
        first = starts[number] + process * share
        found = [crops[index] for index in range(first, first + share)]
        # Grain's sets of data may have holes, which are None; these have not.
        cut = [each for each in found if each is not None]
        return Cut(
            np.stack([each.images for each in cut]), np.stack([each.sources for each in cut])
        )

    return grain.MapDataset.range(len(counts)).map(batch)


def read_ahead(batches: grain.MapDataset[Cut]) -> Generator[Cut, None, None]:
    """The batches one after the other, cut by threads before they are asked for.

    The threads are there until the iterator is closed, or has come to its end.
    """
    iterator = iter(batches.to_iter_dataset(READING))
    try:
        yield from iterator
    finally:
        iterator.close()


def _turned(image: np.ndarray, symmetry: int) -> np.ndarray:
    """As `turned`, on the host."""
    if symmetry >= 4:
        image = np.rot90(image)
    if symmetry % 4 == 1:
        return np.rot90(image, 2)
    return (image, image, image[:, ::-1], image[::-1])[symmetry % 4]
