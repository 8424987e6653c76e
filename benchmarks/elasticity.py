"""Elasticity of periodic cells beside the finite elements of PyMKS, in one run.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.elasticity

Both solve the same cells under the same mean strain, and the stiffness C11 that they find stands
beside that of cells whose pixels are cut eight by eight, solved by ours, as the answer of the
continuum. PyMKS has quadratic elements and a direct solver (SfePy); ours is timed on the same
pixels, and on pixels cut two by two and four by four, which is how it gets more accurate. In two
dimensions PyMKS takes two thirds of the shear modulus, and so does ours here. All run on the CPUs.
Quote the ratios: they carry over to another machine.
"""

import contextlib
import functools
import tempfile
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from benchmarks.timing import median_seconds, print_table
from idml_jax.data import synthetic
from idml_jax.properties import effective_stiffness, elastic_fields
from idml_jax.typing import Array

YOUNG = (1.0, 10.0)
POISSON = 0.3
HEAD = ("cells", "way", "mean C11", "mean error", "seconds", "ours is faster by")


def cells(count: int, side: int) -> Bool[np.ndarray, "count rows cols"]:
    """Disks of one size in a matrix."""
    keys = jax.random.split(jax.random.key(0), count)
    return np.stack(
        [
            np.asarray(
                synthetic.boolean_model(key, (side, side), radius=side / 10, volume_fraction=0.4)
            )
            for key in keys
        ]
    )


def moduli(stiff: Bool[Array, "*any"]) -> tuple[Float[Array, "*any"], Float[Array, "*any"]]:
    """Bulk and shear modulus, as PyMKS has them in two dimensions."""
    young = jnp.where(stiff, YOUNG[1], YOUNG[0])
    lame = young * POISSON / ((1 + POISSON) * (1 - 2 * POISSON))
    shear = young / (2 * (1 + POISSON)) * 2 / 3
    return lame + 2 * shear / 3, shear


@jax.jit
def ours(stiff: Bool[Array, "count rows cols"]) -> Float[Array, " count"]:
    """Mean stress along rows under a unit mean strain along them."""
    stretch = jnp.diag(jnp.array([1.0, 0.0]))

    def one(cell: Bool[Array, "rows cols"]) -> Float[Array, ""]:
        return elastic_fields(*moduli(cell), stretch, tolerance=1e-3).stress[0].mean()

    return jax.lax.map(one, stiff)


def pymks(stiff: Bool[np.ndarray, "count rows cols"]) -> Float[np.ndarray, " count"]:
    """The same by PyMKS."""
    # SfePy leaves its mesh as a file wherever it runs.
    with (
        warnings.catch_warnings(),
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
    ):
        warnings.simplefilter("ignore")
        import pymks as package  # pyright: ignore[reportMissingImports]
        from sfepy.discrete.variables import Variables  # pyright: ignore[reportMissingImports]

        # PyMKS calls it by the name that it had in older versions of SfePy.
        Variables.create_output_dict = Variables.create_output
        found = package.solve_fe(
            stiff.astype(int), elastic_modulus=YOUNG, poissons_ratio=(POISSON,) * 2
        )
    return np.asarray(found["stress"])[..., 0].mean(axis=(1, 2))


def cut(stiff: Bool[np.ndarray, "count rows cols"], parts: int) -> np.ndarray:
    """Each pixel cut into so many parts along each axis."""
    return stiff.repeat(parts, axis=1).repeat(parts, axis=2)


def main() -> None:
    """Time both, and print the table."""
    for count, side in ((8, 32), (4, 64)):
        stiff = cells(count, side)
        with jax.enable_x64(True):
            fine = [effective_stiffness(*moduli(cell), tolerance=1e-4) for cell in cut(stiff, 8)]
        truth = np.array([stiffness[0, 0] for stiffness in fine])
        ways = {"idml_jax": functools.partial(ours, stiff)}
        ways |= {
            f"idml_jax, pixels cut {parts} by {parts}": functools.partial(ours, cut(stiff, parts))
            for parts in (2, 4)
        }
        ways["PyMKS"] = functools.partial(pymks, stiff)
        found = {name: np.asarray(way()) for name, way in ways.items()}
        times = median_seconds({k: lambda w=w: np.asarray(w()) for k, w in ways.items()}, rounds=3)
        first = times["idml_jax"]
        rows = [
            (
                f"{count} of {side}^2",
                name,
                f"{each.mean():.4f}",
                f"{np.abs(each / truth - 1).mean():.1e}",
                f"{times[name]:.3g}",
                f"{times[name] / first:.3g}" if name != "idml_jax" else "",
            )
            for name, each in found.items()
        ]
        print_table(HEAD, rows)


if __name__ == "__main__":
    main()
