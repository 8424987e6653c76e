"""Segmentation of one large micrograph beside the same network in PyTorch: time and memory.

    python -m benchmarks.large_inference                 # 4096 pixels, on two CPU cores of Linux
    python -m benchmarks.large_inference --size 1024 --tile 320

The default U-Net tells three classes apart, as `idml segment predict` asks it: by tiles, of which
as much is left out at the borders as a pixel can depend on. PyTorch has our weights
(`benchmarks/torch_segmentation.py`), channels last in memory, and is asked by the same tiles,
blended by the same program. Both are asked of the whole image too. The probabilities stand beside
those of ours by tiles.

Each way has a process of its own, kept to `--threads` cores. Its image is segmented twice: what
ours compiles is in the first time. The peak of memory is the largest that was resident at all, in
that process; "before" is what it was with everything imported and the network and the image made,
by JAX in each. A process may take `--memory`, by default what the machine has left when it begins:
a way that needs more is not done, and its row says so. Quote the ratios: they carry over to
another machine.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib
import re
import resource
import tempfile
import time
from typing import Any, NamedTuple

import jax
import numpy as np
import torch
from jaxtyping import Float

from benchmarks.timing import print_table
from benchmarks.torch_segmentation import same_network
from idml_jax import training
from idml_jax.training.segmenter import FRAME
from idml_jax.typing import Image
from idml_jax.workflows.segment_tiles import TILE, Tiled

Probabilities = Float[np.ndarray, "rows cols classes"]
CLASSES, MEAN, DEVIATION = (0, 1, 2), 0.5, 0.3
WAYS = (("idml_jax", True), ("PyTorch", True), ("idml_jax", False), ("PyTorch", False))
"""Whose network, and whether it is asked by tiles."""
TOLERANCE = 1e-4
"""Of probabilities."""
HEAD = ("way", "parts", "first, seconds", "again, seconds", "ours by tiles is faster by")
HEAD += ("peak memory, GB", "before, GB", "largest difference")


class Task(NamedTuple):
    """What a process does."""

    package: str
    tiled: bool
    size: int
    tile: int
    threads: int
    memory: float | None
    folder: pathlib.Path

    @property
    def answer(self) -> pathlib.Path:
        """Where the probabilities are written."""
        return self.folder / f"{self.package}-{'tiles' if self.tiled else 'whole'}.npy"


class Measured(NamedTuple):
    """What it took."""

    parts: str
    seconds: tuple[float, float]
    before: float
    peak: float


class Peer:
    """The network of a segmenter in PyTorch, asked like it."""

    def __init__(self, segmenter: training.Segmenter):
        self.classes, self.channels = segmenter.classes, segmenter.channels
        self.reach, self.multiple = segmenter.reach, segmenter.multiple
        network: Any = segmenter.network
        self.network = same_network(network).eval()

    @torch.inference_mode()
    def predict(self, image: Image) -> Probabilities:
        """Probabilities of the classes, continued and standardized as ours are."""
        rows, cols, _ = image.shape
        margins = ((0, -rows % FRAME), (0, -cols % FRAME), (0, 0))
        framed = torch.from_numpy(np.pad(np.asarray(image), margins, mode="symmetric"))
        seen = ((framed - MEAN) / DEVIATION)[None].permute(0, 3, 1, 2)
        shares = self.network(seen).softmax(dim=1)
        return shares[0].permute(1, 2, 0)[:rows, :cols].numpy()


@dataclasses.dataclass(frozen=True, eq=False)
class Counted(training.AskedSegmenter):
    """A segmenter that keeps count of what it is asked."""

    parts: collections.Counter[tuple[int, ...]]

    def predict(self, image: Image) -> Probabilities:
        """As the segmenter's."""
        self.parts[image.shape[:2]] += 1
        return self.segmenter.predict(image)


def network_of(size: int) -> training.Segmenter:
    """The default one, with running moments that are not those of the beginning."""
    network = training.SegmenterRecipe().network(1, len(CLASSES))
    side = min(size, FRAME)
    network((image_of(size)[None, :side, :side] - MEAN) / DEVIATION)
    network.eval()
    mean, deviation = (np.full(1, each, np.float32) for each in (MEAN, DEVIATION))
    return training.Segmenter(network, mean, deviation, CLASSES)


def image_of(size: int) -> Image:
    """The same in every process."""
    return np.random.default_rng(0).random((size, size, 1), np.float32)


def gigabytes_left() -> float:
    """What the machine can give without taking it from others."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e9


def resident() -> float:
    """The largest memory of this process so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(task: Task) -> Measured:
    """Segment the image, in a process that does nothing else."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.threads])
    torch.set_num_threads(task.threads)
    most = int((gigabytes_left() if task.memory is None else task.memory) * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    segmenter, image = network_of(task.size), image_of(task.size)
    asked: Any = segmenter if task.package == "idml_jax" else Peer(segmenter)
    counted: Any = Counted(asked, collections.Counter())
    way = Tiled(counted, task.tile) if task.tiled else counted
    before, seconds, found = resident(), [], None
    for _ in range(2):
        found = None
        began = time.perf_counter()
        found = way.predict(image)
        seconds.append(time.perf_counter() - began)
    peak = resident()
    assert found is not None
    np.save(task.answer, found)
    parts = (f"{n // 2} of {rows} x {cols}" for (rows, cols), n in counted.parts.items())
    return Measured(", ".join(parts), (seconds[0], seconds[1]), before, peak)


def alone(task: Task) -> Measured:
    """The same in a new process."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, task).result()


def difference(found: pathlib.Path, expected: pathlib.Path) -> float:
    """The largest, a row of pixels at a time."""
    pair = np.load(found, mmap_mode="r"), np.load(expected, mmap_mode="r")
    return float(np.max([np.abs(a - b).max() for a, b in zip(*pair, strict=True)]))


def rows_of(taken: dict[Task, Measured | str]) -> tuple[list[tuple[str, ...]], float]:
    """The table, and the largest difference of all."""
    (ours, of_ours), *_ = taken.items()
    if isinstance(of_ours, str):
        raise SystemExit(f"ours by tiles, which all others stand beside, is not done: {of_ours}")
    rows, differences = [], [0.0]
    for task, found in taken.items():
        name = f"{task.package}, {'by tiles' if task.tiled else 'the whole image'}"
        if isinstance(found, str):
            rows.append((name, f"not done: {found}", *("",) * (len(HEAD) - 2)))
            continue
        ratio = apart = ""
        if task != ours:
            ratio = f"{found.seconds[1] / of_ours.seconds[1]:.2f}"
            differences.append(difference(task.answer, ours.answer))
            apart = f"{differences[-1]:.1e}"
        seconds = (f"{each:.3g}" for each in found.seconds)
        memory = f"{found.peak:.2f}", f"{found.before:.2f}"
        rows.append((name, found.parts, *seconds, ratio, *memory, apart))
    return rows, float(np.max(differences))


def main() -> None:
    """Measure every way, one after the other, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="side of the image")
    parser.add_argument("--tile", type=int, default=TILE, help="side of a tile")
    parser.add_argument("--threads", type=int, default=2, help="of each")
    parser.add_argument("--memory", type=float, help="gigabytes that a process may take")
    given = parser.parse_args()
    if min(given.size, given.tile, given.threads) < 1:
        parser.error("--size, --tile and --threads are at least 1.")
    if jax.default_backend() != "cpu":
        parser.error("the processes' memory is told of CPUs: set JAX_PLATFORMS=cpu.")
    taken: dict[Task, Measured | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package, tiled in WAYS:
            task = Task(package, tiled, **vars(given), folder=pathlib.Path(folder))
            try:
                taken[task] = alone(task)
            except (MemoryError, RuntimeError) as error:
                # Those of the packages when memory is refused, and of a process that was killed.
                taken[task] = (str(error).splitlines() or [type(error).__name__])[0]
        # Not between them: a process begins with the peak of the one that starts it.
        rows, worst = rows_of(taken)
    print_table(HEAD, rows)
    if not worst < TOLERANCE:
        raise SystemExit(f"probabilities differ by more than {TOLERANCE:.0e}.")


if __name__ == "__main__":
    main()
