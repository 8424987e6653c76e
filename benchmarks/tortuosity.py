"""Tortuosity beside TauFactor and PoreSpy, on the same pore spaces in one run.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.tortuosity               # spheres of 64^3 and 100^3, blobs of 100^3
    python -m benchmarks.tortuosity --side 500    # one array of spheres, ours alone

The peers run to their default accuracy, and ours to about the same and to its own default, which
is stricter: the answers stand beside the times, with their difference from an answer of ours at a
tolerance of 1e-6 in double precision. All run on the CPUs. Quote the ratios: they carry over to
another machine.
"""

import argparse
import contextlib
import io
import math
import time
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Bool

from benchmarks.timing import print_table
from idml_jax.data.synthetic.cell import paint_balls
from idml_jax.properties import tortuosity

HEAD = ("pore space", "way", "tortuosity", "difference", "seconds", "ours is faster by")


def sphere_array(side: int) -> Bool[np.ndarray, "planes rows cols"]:
    """Pores between overlapping spheres of a face-centred cubic array, eight cells in all."""
    cell = side / 2
    corners = np.array([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]) * cell
    shifts = np.stack(np.meshgrid(*[[0, cell]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    centres = (corners + shifts).reshape(-1, 3)
    # A little more than touching, which they do at a radius of cell / sqrt(8).
    radii = np.full(len(centres), 1.05 * cell / math.sqrt(8))
    return paint_balls((side,) * 3, centres, radii, periodic=True) == 0


def ours(pore: np.ndarray) -> float:
    """On the device, with the transfer."""
    return float(tortuosity(pore, axis=0))


def ours_roughly(pore: np.ndarray) -> float:
    """The same, about as accurate as the peers are by default."""
    return float(tortuosity(pore, axis=0, tolerance=1e-2))


def taufactor(pore: np.ndarray) -> float:
    """TauFactor's solver, on the CPU."""
    import taufactor  # pyright: ignore[reportMissingImports]

    with contextlib.redirect_stdout(io.StringIO()):
        solver = taufactor.Solver(pore.astype(np.uint8), device="cpu")
        solver.solve(verbose=False)
    return float(np.asarray(solver.tau).item())


def porespy(pore: np.ndarray) -> float:
    """PoreSpy's, by OpenPNM."""
    import porespy  # pyright: ignore[reportMissingImports]

    porespy.settings.tqdm = {"disable": True}
    return float(porespy.simulations.tortuosity_fd(pore, axis=0).tortuosity)


def compare(name: str, pore: np.ndarray, ways: dict[str, Callable]) -> list[tuple[str, ...]]:
    """A row of the table for each way, each timed once after a first run of ours to compile."""
    with jax.enable_x64(True):
        truth = float(tortuosity(pore.astype(float), axis=0, tolerance=1e-6))
    rows, first = [], None
    for label, way in ways.items():
        compiling = ""
        if way in (ours, ours_roughly):
            began = time.perf_counter()
            way(pore)
            compiling = f" (first call {time.perf_counter() - began:.1f} s)"
        times, found = [], math.nan
        for _ in range(3 if compiling else 1):
            began = time.perf_counter()
            found = way(pore)
            times.append(time.perf_counter() - began)
        taken = float(np.median(times))
        first = taken if first is None else first
        cells = (f"{found:.5f}", f"{abs(found / truth - 1):.1e}", f"{taken:.3g}")
        rows.append((name, label + compiling, *cells, f"{taken / first:.2f}"))
    return rows


def blobs(side: int) -> Bool[np.ndarray, "planes rows cols"]:
    """PoreSpy's blobs, of which 60 % are pores, without those that lead nowhere."""
    import porespy as package  # pyright: ignore[reportMissingImports]

    pore = package.generators.blobs([side] * 3, porosity=0.6, seed=0)
    return package.filters.fill_invalid_pores(pore)


def main() -> None:
    """Time what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, help="one array of spheres of this side, ours alone")
    side = parser.parse_args().side
    if side is not None:
        pore = sphere_array(side)
        print(f"porosity {pore.mean():.3f}")
        print_table(HEAD, compare(f"spheres, {side}^3", pore, {"idml_jax": ours}))
        return
    for each in (64, 100):
        both = {"idml_jax": ours_roughly, "idml_jax, default": ours, "TauFactor": taufactor}
        print_table(HEAD, compare(f"spheres, {each}^3", sphere_array(each), both))
    both = {"idml_jax": ours_roughly, "idml_jax, default": ours, "PoreSpy": porespy}
    print_table(HEAD, compare("blobs, 100^3", blobs(100), both))


if __name__ == "__main__":
    main()
