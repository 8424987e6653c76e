"""Local strain in composites of high contrast: a 3-D network beside the Materials Knowledge System.

    python -m experiments.local_strain

The study of Z. Yang et al., Acta Materialia 166, 335 (2019): the axial strain at each voxel of
random two-phase volumes of 21^3 under a mean axial strain of 1, at contrasts of Young's modulus
of 10 and 50. The volumes are cuts of Gaussian fields with several correlation lengths and volume
fractions, the answers those of our FFT solver, and the measure the mean absolute strain error
(MASE): the mean difference from the solver, in per cent of the mean strain, over held-out
volumes. Linear localization is fitted in two ways: to delta microstructures, and to the volumes
that the network is trained on.
"""

import dataclasses
import functools
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray
from tqdm import tqdm

from idml_jax import evaluation, properties, report, training
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.typing import Array

LENGTHS = (1.0, 1.5, 2.2, 3.2)
"""Correlation lengths of the Gaussian fields, in voxels."""

FRACTIONS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Volume fractions of the stiff phase."""

POISSON = 0.3


@dataclasses.dataclass(frozen=True)
class Config:
    """The axial strain of random composites, by the solver, a network and linear localization."""

    out: pathlib.Path = pathlib.Path("runs/local_strain")
    """Folder for the training runs, the numbers and the figure."""
    contrasts: tuple[float, ...] = (10.0, 50.0)
    """Young's modulus of the stiff phase over that of the soft one."""
    volumes: int = 800
    """Volumes to train on; a fifth as many more are held out."""
    side: int = 21
    """Voxels along each side."""
    features: int = 24
    """Channels of the network."""
    steps: int = 3000
    """Steps of its training."""
    batch: int = 2
    """Volumes in a step."""
    learning_rate: float = 1e-2
    """Of Adam, at its highest."""
    seed: int = 0
    """Of the volumes, the network and its training."""


def random_volumes(config: Config) -> Bool[np.ndarray, "count planes rows cols"]:
    """Cuts of Gaussian fields, every length and fraction alike; the held-out ones last."""
    count = config.volumes + config.volumes // 5
    keys = jax.random.split(jax.random.key(config.seed), count)
    shape = (config.side,) * 3
    made = []
    for index, key in enumerate(tqdm(keys, desc="volumes", delay=2)):
        length = LENGTHS[index % len(LENGTHS)]
        field = synthetic.gaussian_random_field(key, shape, length=length)
        fraction = FRACTIONS[index // len(LENGTHS) % len(FRACTIONS)]
        made.append(np.asarray(synthetic.level_cut(field, fraction)))
    return np.stack(made)


@functools.partial(jax.jit, static_argnames="contrast")
def axial_strain(
    stiff: Bool[Array, "planes rows cols"], contrast: float
) -> Float[Array, "planes rows cols"]:
    """Strain along the planes' axis at each voxel, under a mean strain of 1 along it."""
    young = jnp.where(stiff, contrast, 1.0)
    bulk, shear = young / (3 * (1 - 2 * POISSON)), young / (2 * (1 + POISSON))
    mean = jnp.zeros((3, 3)).at[0, 0].set(1.0)
    return properties.elastic_fields(bulk, shear, mean, tolerance=1e-4).strain[0]


def strains(
    volumes: Int[np.ndarray, "count planes rows cols"] | Bool[np.ndarray, "count planes rows cols"],
    contrast: float,
) -> Float[np.ndarray, "count planes rows cols"]:
    """The solver's answers, one volume after the other."""
    bar = tqdm(volumes, desc=f"strains, contrast {contrast:g}", unit="volume", delay=2)
    return np.stack([np.asarray(axial_strain(volume > 0, contrast)) for volume in bar])


def mirrored(key: PRNGKeyArray, examples: training.Examples) -> training.Examples:
    """The batch mirrored along some axes, and its two transverse axes exchanged or not.

    None of which changes the axial strain but its place.
    """
    flips = jax.random.bernoulli(key, shape=(4,))

    def seen(x: Float[Array, "batch p r c f"]) -> Float[Array, "batch p r c f"]:
        for axis in (1, 2, 3):
            x = jnp.where(flips[axis - 1], jnp.flip(x, axis), x)
        return jnp.where(flips[3], x.swapaxes(2, 3), x)

    return seen(examples[0]), seen(examples[1])


def memberships(
    labels: Int[np.ndarray, "count *space"] | Bool[np.ndarray, "count *space"],
) -> Float[Array, "count 2 *space"]:
    """Of the soft phase and of the stiff one."""
    stiff = jnp.asarray(labels > 0, jnp.float32)
    return jnp.stack([1 - stiff, stiff], axis=1)


def study(config: Config, contrast: float, volumes: np.ndarray) -> dict[str, np.ndarray]:
    """Held-out strains of the solver, and what each of the three says of them."""
    fields = strains(volumes, contrast)
    shape, known, unseen = volumes.shape[1:], slice(config.volumes), slice(config.volumes, None)
    deltas = properties.delta_microstructures(2, shape)
    from_deltas = properties.calibrate_localization(
        memberships(deltas), jnp.asarray(strains(deltas, contrast))
    )
    fitted = properties.calibrate_localization(
        memberships(volumes[known]), jnp.asarray(fields[known])
    )
    recipe = training.RegressionRecipe(
        "field",
        features=(config.features,),
        dilations=(1, 1, 2, 2, 1, 1),
        dimensions=3,
        loss="absolute",
        steps=config.steps,
        batch=config.batch,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )
    network = training.train_regressor(
        volumes[known, ..., None].astype(np.float32),
        fields[known, ..., None],
        recipe,
        run=config.out / f"contrast_{contrast:g}",
        augment=mirrored,
    )
    held_out = memberships(volumes[unseen])
    return {
        "solver": fields[unseen],
        "localization, deltas": np.asarray(jax.vmap(from_deltas)(held_out)),
        "localization, fitted": np.asarray(jax.vmap(fitted)(held_out)),
        "network": network.predict(volumes[unseen, ..., None].astype(np.float32))[..., 0],
    }


def draw(found: dict[str, np.ndarray], stiff: np.ndarray, path: pathlib.Path) -> None:
    """The middle section of one held-out volume, as each way sees it."""
    figure, axes = report.new_panels(3 * (len(found) + 1), 3.3, 1, len(found) + 1)
    middle = stiff.shape[0] // 2
    sections = {"stiff phase": stiff[middle]} | {
        name: fields[0, middle] for name, fields in found.items()
    }
    high = float(np.quantile(found["solver"][0], 0.995))
    for ax, (name, section) in zip(axes.flat, sections.items(), strict=True):
        ax.imshow(section, vmin=0, vmax=1 if name == "stiff phase" else high)
        ax.set_title(name)
        ax.set_axis_off()
    figure.savefig(path, dpi=120)


def main(config: Config) -> None:
    """Run the study at each contrast and print the errors."""
    volumes = random_volumes(config)
    rows = []
    for contrast in config.contrasts:
        began = time.perf_counter()
        found = study(config, contrast, volumes)
        row: dict[str, float] = {"contrast": contrast}
        for name in list(found)[1:]:
            errors = [
                float(evaluation.mean_absolute_strain_error(each, truth, mean_strain=1.0))
                for each, truth in zip(found[name], found["solver"], strict=True)
            ]
            row[name] = float(np.mean(errors))
            print(f"contrast {contrast:<4g} {name:22} MASE {row[name]:6.2f} %")
        row["seconds"] = time.perf_counter() - began
        rows.append(row)
        name = f"contrast_{contrast:g}.png"
        draw(found, volumes[config.volumes], config.out / name)
        print(f"figure: {config.out / name}")
    report.write_json(config.out / "result.json", rows)


if __name__ == "__main__":
    run_experiment(main, Config)
