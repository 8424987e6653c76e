"""Generators of three real materials, each trained within half an hour on two CPU cores.

    python -m experiments.three_materials --data DATA --run runs/three_materials

A nickel superalloy (secondary electrons, J. Stuckner, B. Harder, T. M. Smith, npj Computational
Materials 8, 200, 2022), slices of Berea sandstone (L. Mosser, O. Dubrule, M. J. Blunt, Phys. Rev.
E 96, 043309, 2017) and grains of an austenitic steel (electron channelling contrast, openECCI,
doi:10.5281/zenodo.11169052). DATA holds the folders ``nasa-superalloy``, ``porous-media-ct`` and
``ecci-fcc-steel``. Of each the generator is compared with micrographs that it never saw: the
distances of two-point correlation and volume fraction, in units of what real micrographs differ
by, and the distance to the nearest training crop beside that of held-out crops.
"""

import dataclasses
import json
import pathlib
from typing import Any, Literal, TypeAlias

import imageio.v3 as imageio
import jax
import numpy as np
import tifffile

from idml_jax import data, report, training
from idml_jax.cli import run_experiment
from idml_jax.workflows import generate_train
from idml_jax.workflows.generator_figures import pictures
from idml_jax.workflows.material import material_of_run

Name: TypeAlias = Literal["superalloy", "berea", "steel"]

EVERY = 25
"""Voxels between slices of the sandstone; its correlation length is about 14."""

OPTIONS: dict[Name, dict[str, Any]] = {
    "superalloy": {"effort": 4.0},
    # In two phases there is less to learn.
    "berea": {"effort": 2.0},
    # Grains have more grey values than two, and their faces and edges are made at 16 and 32 pixels:
    # more images there, and more channels above. Noise of those levels blurs into patches. Fewer
    # pixels averaged than by default: fewer and larger grains in an image.
    "steel": {
        "effort": 1.0,
        "features": (64, 64, 64, 32),
        "shown": (6000, 32000, 20000, 12000),
        "penalty": 0.3,
        "noise_from": 3,
        "binning": 4,
    },
}
"""How each is trained, as of `idml generate train`."""

SOURCES = {
    "superalloy": "MIT; secondary electrons, J. Stuckner, B. Harder, T. M. Smith, "
    "npj Computational Materials 8, 200 (2022), doi:10.1038/s41524-022-00878-5",
    "berea": "MIT; slices of a segmented tomogram, L. Mosser, O. Dubrule, M. J. Blunt, "
    "Phys. Rev. E 96, 043309 (2017); micro-CT of Imperial College London",
    "steel": "CC-BY-4.0; electron channelling contrast of an austenitic steel, openECCI authors, "
    "doi:10.5281/zenodo.11169052",
}
"""Licence of the micrographs and whom to cite: it goes with the generators."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Which materials, and how long."""

    data: pathlib.Path
    """Folder of the materials' folders."""
    run: pathlib.Path = pathlib.Path("runs/three_materials")
    """Folder for the runs, one each."""
    materials: tuple[Name, ...] = ("superalloy", "berea", "steel")
    """Those to train on."""
    keep: pathlib.Path | None = None
    """Folder to put the generators into, each as one file under its material's name, with its
    card and a sheet of images: `experiments/weights`, from where they are found by name."""
    effort: float = 1.0
    """Images shown in training, in units of those of `OPTIONS`."""
    seed: int = 0
    """Of everything random."""


def micrographs(name: Name, config: Config) -> pathlib.Path:
    """The folder of a material's micrographs."""
    if name == "superalloy":
        return config.data / "nasa-superalloy" / "images"
    if name == "steel":
        return config.data / "ecci-fcc-steel" / "bse"
    folder = config.run / "berea_slices"
    folder.mkdir(parents=True, exist_ok=True)
    volume = tifffile.imread(config.data / "porous-media-ct" / "berea.tif")
    for plane in range(0, len(volume), EVERY):
        imageio.imwrite(folder / f"plane_{plane:03d}.png", np.uint8(255 * (volume[plane] > 0)))
    return folder


def row(name: str, results: dict[str, Any]) -> tuple[str, ...]:
    """What the table says of a material."""
    found = results["comparison"]["statistics"]
    nearest = results["nearest training crop"]
    ratios = [f"{found[key]['ratio']:.2f}" for key in ("two-point correlation", "volume fraction")]
    copies = f"{nearest['generated']:.3f} ({nearest['held-out']:.3f})"
    return name, *ratios, copies, f"{results['seconds']['training'] / 60:.0f}"


def keep(name: Name, run: pathlib.Path, folder: pathlib.Path) -> None:
    """Put a material's generator, its card and a sheet of images where others find them."""
    told = "- licence of the micrographs:"
    lines = (run / "CARD.md").read_text().splitlines()
    lines[0] = f"# {name}: a generator of micrographs"
    lines = [f"{told} {SOURCES[name]}" if line.startswith(told) else line for line in lines]
    card = "\n".join(lines) + "\n"
    report.write_atomically(folder / f"{name}.md", card)
    gan = training.load_generator(run / "generator.safetensors")
    training.write_generator(folder / f"{name}.safetensors", gan, card=card)
    material = material_of_run(run, size=gan.size, contrast=gan.recipe.contrast)
    crops = np.concatenate([data.grid_crops(each.image, gan.size) for each in material.held_out])
    shown = np.random.default_rng(0).permutation(len(crops))[:16]
    figure = pictures(crops[shown], gan.sample(jax.random.key(0), 16))
    figure.suptitle(f"{name}: held out above, generated below")
    figure.savefig(folder / f"{name}.png", dpi=90)


def main(config: Config) -> None:
    """Train the generators, or go on with it, and print the table."""
    rows = []
    for name in config.materials:
        run = config.run / name
        options = OPTIONS[name]
        generate_train.run(
            generate_train.Config(
                images=micrographs(name, config),
                run=run,
                **(options | {"effort": config.effort * options["effort"]}),
                # Few specimens, and those of the steel overlap in part.
                held_out=0.25,
                augmented=True,
                licence=SOURCES[name],
                seed=config.seed,
            )
        )
        if config.keep is not None:
            keep(name, run, config.keep)
        rows.append(row(name, json.loads((run / "result.json").read_text())))
    head = ("material", "S2, of the floor", "fraction, of the floor", "nearest crop (held out)")
    print(report.aligned_text([(*head, "minutes"), *rows]))


if __name__ == "__main__":
    run_experiment(main, Config)
