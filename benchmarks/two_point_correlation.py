"""Two-point correlation beside PyMKS, PoreSpy and SciPy's FFT, on the same arrays in one run.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.two_point_correlation            # 64 images of 256^2, a volume of 200^3
    python -m benchmarks.two_point_correlation --side 512 # one volume, with its peak memory

Prints the median time of each, the ratio to ours, and the largest difference from the exact
counts, found in double precision and rounded to whole pairs. Quote the ratios and not the times:
they are what carries over to another machine. Compilation is timed apart.
"""

import argparse
import functools
import math
import resource
import time

import jax
import numpy as np
import scipy.fft
from jaxtyping import Float

from benchmarks.timing import median_seconds, print_table
from idml_jax.statistics import radial_average, two_point_correlation

HEAD = ("work", "way", "seconds", "ours is faster by", "largest error")


def exact(phase: np.ndarray, *, periodic: bool) -> Float[np.ndarray, "*space"]:
    """Counts of pairs in double precision, rounded to whole ones, over the pairs that exist."""
    grid = phase.shape if periodic else tuple(2 * side for side in phase.shape)
    spectrum = np.asarray(scipy.fft.rfftn(phase.astype(float), grid, workers=-1))
    power = np.abs(spectrum) ** 2
    pairs = np.rint(np.asarray(scipy.fft.irfftn(power, grid, workers=-1)))
    middle = tuple(
        slice(big // 2 - side // 2, big // 2 - side // 2 + side)
        for big, side in zip(grid, phase.shape, strict=True)
    )
    pairs = np.asarray(scipy.fft.fftshift(pairs))[middle]
    if periodic:
        return pairs / phase.size
    overlaps = [side - np.abs(np.arange(side) - side // 2.0) for side in phase.shape]
    return pairs / functools.reduce(np.multiply.outer, overlaps)


def scipy_pair(
    phases: Float[np.ndarray, "batch rows cols"],
) -> Float[np.ndarray, "batch rows cols"]:
    """The transform and its inverse in SciPy, on every core, and what is needed between."""
    spectrum = np.asarray(scipy.fft.rfft2(phases, workers=-1))
    pairs = scipy.fft.irfft2(spectrum.conj() * spectrum, phases.shape[1:], workers=-1)
    return np.asarray(scipy.fft.fftshift(np.asarray(pairs) / phases[0].size, axes=(1, 2)))


def periodic_batch() -> list[tuple[str, ...]]:
    """Sixty-four images in single precision, beside SciPy and PyMKS."""
    from pymks.fmks.correlations import two_point_stats  # pyright: ignore[reportMissingImports]

    phases = (np.random.default_rng(0).random((64, 256, 256)) < 0.4).astype(np.float32)
    began = time.perf_counter()
    ours = jax.jit(jax.vmap(two_point_correlation)).lower(phases).compile()
    compiling = time.perf_counter() - began
    on_device = jax.device_put(phases)
    ways = {
        f"idml_jax (compiled once, {compiling:.2f} s)": lambda: np.asarray(ours(on_device)),
        "SciPy's FFT pair": lambda: scipy_pair(phases),
        "PyMKS": lambda: np.asarray(two_point_stats(phases, phases)),
    }
    truth = np.stack([exact(phase, periodic=True) for phase in phases])
    # PyMKS leaves out the first displacement of an even side.
    errors = [
        float(np.abs(call() - (truth[:, 1:, 1:] if name == "PyMKS" else truth)).max())
        for name, call in ways.items()
    ]
    return rows("periodic, 64 images of 256^2", ways, errors, rounds=11)


def volume_without_wrapping() -> list[tuple[str, ...]]:
    """A volume of 200^3 and its radial average, beside PoreSpy."""
    import porespy  # pyright: ignore[reportMissingImports]

    porespy.settings.tqdm = {"disable": True}
    phase = np.random.default_rng(0).random((200, 200, 200)) < 0.4
    ours = jax.jit(lambda p: radial_average(two_point_correlation(p, periodic=False))[1])
    began = time.perf_counter()
    ours(phase).block_until_ready()
    compiling = time.perf_counter() - began
    field = exact(phase, periodic=False)
    ways = {
        f"idml_jax (compiled once, {compiling:.2f} s)": lambda: np.asarray(ours(phase)),
        "PoreSpy": lambda: porespy.metrics.two_point_correlation(phase).probability_scaled,
    }
    # Each with its own rings: ours of the rounded distance, PoreSpy's of the distance cut off.
    squares = [(np.arange(200) - 100) ** 2 for _ in range(3)]
    distance = np.sqrt(functools.reduce(np.add.outer, squares))
    errors = []
    for call, ring in zip(ways.values(), (np.rint(distance), np.floor(distance)), strict=True):
        found = np.asarray(call())
        numbers = np.bincount(ring.astype(int).ravel())[: len(found)]
        sums = np.bincount(ring.astype(int).ravel(), weights=field.ravel())[: len(found)]
        # Not the outermost ring of all: displacements of +100 are in PoreSpy's, not in ours.
        errors.append(float(np.abs(found - sums / numbers)[:99].max()))
    return rows("not periodic, radial average, 200^3", ways, errors, rounds=3)


def one_volume(side: int) -> list[tuple[str, ...]]:
    """A periodic volume with its radial average, beside SciPy, and the peak memory of ours."""
    phase = np.random.default_rng(0).random((side,) * 3, np.float32) < 0.4
    on_device = jax.device_put(phase).astype(np.float32)
    ours = jax.jit(lambda p: radial_average(two_point_correlation(p))[1]).lower(on_device).compile()
    used = ours.memory_analysis()
    assert used is not None
    print(
        f"device memory of ours: {used.argument_size_in_bytes / 1e9:.2f} GB of input, "
        f"{(used.temp_size_in_bytes + used.output_size_in_bytes) / 1e9:.2f} GB beside it"
    )
    found = np.asarray(ours(on_device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"peak memory of the process up to here: {peak:.2f} GB")
    squares = [(np.arange(side) - side // 2) ** 2 for _ in range(3)]
    ring = np.rint(np.sqrt(functools.reduce(np.add.outer, squares))).astype(np.int32).ravel()
    numbers = np.bincount(ring)[: len(found)]

    def average(field: np.ndarray) -> np.ndarray:
        return np.bincount(ring, weights=field.ravel())[: len(found)] / numbers

    def peer() -> np.ndarray:
        spectrum = np.asarray(scipy.fft.rfftn(phase.astype(np.float32), workers=-1))
        pairs = scipy.fft.irfftn(spectrum.conj() * spectrum, phase.shape, workers=-1)
        return average(np.asarray(scipy.fft.fftshift(np.asarray(pairs) / phase.size)))

    ways = {
        f"idml_jax on {on_device.device.device_kind}": lambda: np.asarray(ours(on_device)),
        "SciPy and NumPy on this machine's CPUs": peer,
    }
    truth = average(exact(phase, periodic=True))
    errors = [float(np.abs(call() - truth).max()) for call in ways.values()]
    return rows(f"periodic, radial average, {side}^3", ways, errors, rounds=3)


def rows(work: str, ways: dict, errors: list[float], *, rounds: int) -> list[tuple[str, ...]]:
    """One row of the table for each way; the first is ours."""
    times = list(median_seconds(ways, rounds=rounds).values())
    return [
        (work, name, f"{taken:.3g}", f"{taken / times[0]:.2f}", f"{error:.1e}")
        for name, taken, error in zip(ways, times, errors, strict=True)
    ]


def main() -> None:
    """Time what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, help="one periodic volume of this side alone")
    side = parser.parse_args().side
    if side is None:
        print_table(HEAD, periodic_batch() + volume_without_wrapping())
    elif math.log2(side) % 1:
        raise SystemExit(f"--side {side}: a power of two, as 256 or 512.")
    else:
        print_table(HEAD, one_volume(side))


if __name__ == "__main__":
    main()
