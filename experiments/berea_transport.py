"""Porosity, tortuosity and permeability of Berea sandstone, from segmented micro-CT.

    python -m experiments.berea_transport --volume berea.tif

Cuts cubes out of the volume, lets diffuse and flow through each along its three axes, and prints
the numbers with their unit. The volume is public: L. Mosser, O. Dubrule, M. J. Blunt, Phys. Rev. E
96, 043309 (2017), voxels of 3 micrometres. Published for its parts of 128^3: a permeability of
about 2.9e-13 square metres. The other faces of each cube are walls.
"""

import dataclasses
import pathlib
import time

import numpy as np
import tifffile
from tqdm import tqdm

from idml_jax import properties, report
from idml_jax.cli import run_experiment


@dataclasses.dataclass(frozen=True)
class Config:
    """Transport through parts of a segmented volume."""

    volume: pathlib.Path
    """The volume, a TIFF stack; 0 is pore."""
    out: pathlib.Path = pathlib.Path("runs/berea_transport.json")
    """File for all numbers."""
    side: int = 128
    """Voxels along each side of a part."""
    parts: int = 1
    """How many parts, along the diagonal of the volume, beginning in its first corner."""
    pixel_size: float = 3e-6
    """Metres a voxel."""
    tolerance: float = 1e-3
    """Of the flow: the residual at which its iteration stops."""


def main(config: Config) -> None:
    """Measure every part and print the table."""
    pore = tifffile.imread(config.volume) == 0
    last = min(pore.shape) - config.side
    if last < 0:
        raise SystemExit(f"--side {config.side}: the volume is {pore.shape}; ask for less.")
    found = []
    for start in np.linspace(0, last, config.parts).astype(int).tolist():
        part = pore[(slice(start, start + config.side),) * 3]
        row = {"start": start, "side": config.side, "porosity": float(part.mean())}
        began = time.perf_counter()
        for axis, name in enumerate(tqdm(properties.AXES, desc=f"part at {start}", unit="axis")):
            row[f"tortuosity_{name}"] = float(properties.tortuosity(part, axis=axis))
            flow = properties.permeability(part, axis=axis, tolerance=config.tolerance)
            row[f"permeability_{name}"] = float(flow) * config.pixel_size**2
        row["seconds"] = time.perf_counter() - began
        found.append(row)
        for name in properties.AXES:
            print(
                f"part at {start}  {name:6}  porosity {row['porosity']:.4f}  "
                f"tortuosity {row[f'tortuosity_{name}']:.3f}  "
                f"permeability {row[f'permeability_{name}']:.3g} m^2"
            )
    keys = [f"permeability_{name}" for name in properties.AXES]
    values = np.array([[row[key] for key in keys] for row in found])
    print(f"mean permeability {values.mean():.3g} m^2; published for parts of 128^3: about 2.9e-13")
    report.write_json(
        config.out,
        {
            "config": {
                **dataclasses.asdict(config),
                "volume": config.volume.name,
                "out": config.out.name,
            },
            "parts": found,
        },
    )


if __name__ == "__main__":
    run_experiment(main, Config)
