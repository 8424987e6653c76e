"""The quickstart on slices of Berea sandstone, segmented micro-CT of Mosser et al. 2017.

    python -m experiments.berea_slices --volume berea.tif --run runs/berea

Cuts sixteen slices, 25 voxels apart (the correlation length is about 14), out of the volume and
hands their folder to ``idml quickstart``; grain is bright, pore is dark. The volume is public: L.
Mosser, O. Dubrule, M. J. Blunt, Phys. Rev. E 96, 043309 (2017).
"""

import dataclasses
import pathlib

import imageio.v3 as imageio
import tifffile

from idml_jax.cli import run_experiment
from idml_jax.workflows import quickstart


@dataclasses.dataclass(frozen=True)
class Config:
    """The quickstart on slices of a segmented volume."""

    volume: pathlib.Path
    """The volume, a TIFF stack."""
    run: pathlib.Path = pathlib.Path("runs/berea")
    """Folder for everything that the run writes; the slices go beside it."""
    every: int = 25
    """Voxels between slices."""


def main(config: Config) -> None:
    """Cut the slices and run the quickstart on them."""
    folder = config.run.with_name(config.run.name + "_slices")
    folder.mkdir(parents=True, exist_ok=True)
    volume = tifffile.imread(config.volume)
    for plane in range(0, len(volume), config.every):
        imageio.imwrite(folder / f"plane_{plane:03d}.png", volume[plane])
    quickstart.run(quickstart.Config(images=folder, run=config.run))


if __name__ == "__main__":
    run_experiment(main, Config)
