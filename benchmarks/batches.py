"""How many two-dimensional cells a second the solvers take in a batch, on whatever device.

    python -m benchmarks.batches
    python -m benchmarks.batches --batch 4096    # for a GPU

Each solver is compiled once for the whole batch (`jax.vmap`) and runs to its default accuracy; the
cells are random disks of ten times the conductivity and stiffness, and of pores where things flow
through. Beside it the same cells one after the other, which is what a batch has to be better than.
"""

import argparse
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import median_seconds, print_table
from idml_jax import properties
from idml_jax.data import synthetic
from idml_jax.typing import Array

HEAD = ("property", "device", "batch", "cells a second", "one by one", "compiled in, seconds")
SIDE = 64
ALONE = 64
"""Cells that are timed one by one."""


def conductivity(phase: Array) -> Array:
    """Two loads a cell."""
    return properties.effective_conductivity(jnp.where(phase, 10.0, 1.0))


def stiffness(phase: Array) -> Array:
    """Three loads a cell."""
    bulk = jnp.where(phase, 10.0, 1.0)
    return properties.effective_stiffness(bulk, bulk / 2)


def tortuosity(phase: Array) -> Array:
    """Of what is not disks."""
    return properties.tortuosity(~phase, axis=0)


def permeability(phase: Array) -> Array:
    """Of what is not disks."""
    return properties.permeability(~phase, axis=0)


def rate(solve: Callable[[Array], Array], phases: Array) -> tuple[str, ...]:
    """One row of the table."""
    together, alone = jax.jit(jax.vmap(solve)), jax.jit(solve)
    began = time.perf_counter()
    found = np.asarray(together(phases))
    compiled = time.perf_counter() - began
    # Not-a-number is what has not converged; a tortuosity may be infinite.
    if np.isnan(found).any():
        raise ArithmeticError(f"{solve.__name__}: a cell has not converged.")

    def one_by_one() -> None:
        for phase in phases[:ALONE]:
            np.asarray(alone(phase))

    ways = {"together": lambda: np.asarray(together(phases)), "alone": one_by_one}
    times = median_seconds(ways, rounds=3)
    device = jax.devices()[0]
    return (
        solve.__name__,
        device.device_kind,
        str(len(phases)),
        f"{len(phases) / times['together']:.0f}",
        f"{ALONE / times['alone']:.0f}",
        f"{compiled:.1f}",
    )


def main() -> None:
    """Time every solver and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=128, help="cells solved together")
    batch = parser.parse_args().batch
    keys = jax.random.split(jax.random.key(0), batch)
    phases = jnp.stack(
        [
            synthetic.boolean_model(key, (SIDE, SIDE), radius=5.0, volume_fraction=0.4)
            for key in keys
        ]
    )
    solvers = (conductivity, stiffness, tortuosity, permeability)
    print_table(HEAD, [rate(solve, phases) for solve in solvers])


if __name__ == "__main__":
    main()
