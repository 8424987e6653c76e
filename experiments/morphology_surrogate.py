"""A network in place of the diffusion solver, and what it looks at in a morphology.

    python -m experiments.morphology_surrogate

The study of B. S. S. Pokuri et al., npj Computational Materials 5, 95 (2019), with morphologies
and a property that are at hand: two-phase films from the Cahn-Hilliard equation, of many
compositions, wavelengths and times, and their effective diffusivity between two electrodes, the
bright phase conducting twenty times as well as the dark one. A network learns the property; as in
the paper its answers are counted in ten classes of equal width. Beside it stands what the volume
fraction alone would tell. The saliency map, the derivative of the network's answer with respect to
each pixel, is put beside the solver's own derivative, which is exact.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
import scipy.stats
from jaxtyping import Bool, Float, PRNGKeyArray
from tqdm import tqdm

from idml_jax import explain, properties, report, training
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.typing import Array

CLASSES = 10

NEAR = 3
"""Pixels from an interface that count as at it."""

DARK, BRIGHT = 0.05, 1.0
"""Diffusivities of the two phases."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A surrogate of the effective diffusivity of Cahn-Hilliard morphologies."""

    out: pathlib.Path = pathlib.Path("runs/morphology_surrogate")
    """Folder for the training run, the numbers and the figure."""
    compositions: int = 40
    """Means of the order parameter, from -0.45 to 0.45."""
    wavelengths: tuple[float, ...] = (8.0, 12.0, 16.0, 20.0)
    """In pixels, of the first pattern."""
    times: tuple[float, ...] = (10.0, 30.0)
    """Of coarsening, in units of the first growth."""
    each: int = 20
    """Morphologies of each kind; a fifth of them is held out."""
    side: int = 64
    """Pixels along each side."""
    steps: int = 4000
    """Steps of the training."""
    batch: int = 32
    """Morphologies in a step."""
    learning_rate: float = 1e-2
    """Of Adam, at its highest."""
    maps: int = 64
    """Held-out morphologies whose saliency is computed."""
    seed: int = 0
    """Of the morphologies, the network and its training."""


def morphologies(config: Config) -> tuple[Bool[np.ndarray, "count rows cols"], np.ndarray]:
    """Bright phases, and whether each is held out: the last fifth of each kind."""
    kinds = [
        (composition, wavelength, time)
        for composition in np.linspace(-0.45, 0.45, config.compositions).tolist()
        for wavelength in config.wavelengths
        for time in config.times
    ]
    keys = jax.random.split(jax.random.key(config.seed), (len(kinds), config.each))
    made = []
    for kind, of_kind in zip(tqdm(kinds, desc="morphologies", unit="kind"), keys, strict=True):
        composition, wavelength, time = kind
        grow = functools.partial(
            synthetic.spinodal,
            shape=(config.side,) * 2,
            composition=composition,
            wavelength=wavelength,
            time=time,
        )
        made.append(np.asarray(jax.vmap(grow)(of_kind) > 0))
    held_out = np.arange(config.each) >= config.each - max(1, config.each // 5)
    return np.concatenate(made), np.tile(held_out, len(kinds))


def diffusivity(phase: Float[Array, "rows cols"]) -> Float[Array, ""]:
    """Between the first and the last row, of a soft phase."""
    return properties.effective_diffusivity(DARK + (BRIGHT - DARK) * phase, axis=0)


def mirrored(key: PRNGKeyArray, examples: training.Examples) -> training.Examples:
    """The batch upside down, left to right, both or neither, which conducts the same."""
    inputs, targets = examples
    for flip, axis in zip(jax.random.bernoulli(key, shape=(2,)), (1, 2), strict=True):
        inputs = jnp.where(flip, jnp.flip(inputs, axis), inputs)
    return inputs, targets


def classes(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the class of each value, those beyond the ends in the outer ones."""
    return np.digitize(values, edges[1:-1])


def near_interfaces(phase: Bool[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Pixels within a few of the other phase."""
    inside, outside = (
        np.asarray(scipy.ndimage.distance_transform_edt(each)) for each in (phase, ~phase)
    )
    return inside + outside <= NEAR


def main(config: Config) -> None:
    """Make the films, train the network, and print what it got right and what it looked at."""
    phases, held_out = morphologies(config)
    solve = jax.jit(jax.vmap(diffusivity))
    parts = np.array_split(phases, max(1, len(phases) // 200))
    values = np.concatenate(
        [np.asarray(solve(jnp.asarray(part, jnp.float32))) for part in tqdm(parts, desc="solver")]
    )
    inputs, targets = phases[..., None].astype(np.float32), values[:, None]
    known, unseen = ~held_out, held_out
    recipe = training.RegressionRecipe(
        "property",
        features=(16, 32, 48, 64),
        periodic=False,
        steps=config.steps,
        batch=config.batch,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )
    network = training.train_regressor(
        inputs[known], targets[known], recipe, run=config.out / "run", augment=mirrored
    )
    edges = np.linspace(values[known].min(), values[known].max(), CLASSES + 1)
    truth = values[unseen]
    shares = phases.mean(axis=(1, 2))
    line = np.polynomial.Polynomial.fit(shares[known], values[known], 5)
    found = {
        "network": network.predict(inputs[unseen])[:, 0],
        "volume fraction alone": line(shares[unseen]),
    }
    result: dict[str, object] = {"morphologies": len(phases), "held out": int(unseen.sum())}
    print(
        f"{len(phases)} morphologies, {unseen.sum()} held out; classes of {np.diff(edges)[0]:.3f}"
    )
    for name, each in found.items():
        accuracy = float((classes(each, edges) == classes(truth, edges)).mean())
        determination = 1 - ((each - truth) ** 2).mean() / truth.var()
        print(f"{name:22} accuracy {accuracy:.3f}  R2 {determination:.5f}")
        result[name] = {"accuracy": accuracy, "R2": float(determination)}
    result |= look(config, network, phases[unseen], truth)
    report.write_json(config.out / "result.json", result)
    print(f"figure: {config.out / 'saliency.png'}")


def look(
    config: Config, network: training.Surrogate, phases: np.ndarray, truth: np.ndarray
) -> dict[str, float]:
    """Where the saliency lies, and how like the solver's derivative it is."""
    chosen = np.random.default_rng(config.seed).permutation(len(phases))[: config.maps]
    maps: dict[str, list[np.ndarray]] = {"network": [], "solver": []}

    def predicted(phase: Float[Array, "rows cols"]) -> Float[Array, ""]:
        return network(phase[None, ..., None])[0, 0]

    for name, function in (("network", predicted), ("solver", diffusivity)):
        of_one = jax.jit(functools.partial(explain.saliency, function))
        for phase in tqdm(phases[chosen], desc=f"saliency, {name}", delay=2):
            maps[name].append(np.asarray(of_one(jnp.asarray(phase, jnp.float32))))
    near = [near_interfaces(phase) for phase in phases[chosen]]
    result = {"share of pixels near interfaces": float(np.mean(near))}
    for name, each in maps.items():
        mass = [one[at].sum() / one.sum() for one, at in zip(each, near, strict=True)]
        result[f"saliency of the {name} near interfaces"] = float(np.mean(mass))
    alike = [
        np.corrcoef(*(scipy.stats.rankdata(each) for each in pair))[0, 1]
        for pair in zip(maps["network"], maps["solver"], strict=True)
    ]
    result["rank correlation of the two maps"] = float(np.mean(alike))
    for name, value in result.items():
        print(f"{name}: {value:.3f}")
    figure, axes = report.new_panels(9, 9, 3, 3)
    for row, index in zip(axes, np.linspace(0, len(chosen) - 1, 3).astype(int), strict=True):
        shown = {"morphology": phases[chosen[index]].astype(float)} | {
            f"saliency, {name}": each[index] for name, each in maps.items()
        }
        for ax, (title, image) in zip(row, shown.items(), strict=True):
            ax.imshow(image, cmap="gray", vmax=float(np.quantile(image, 0.99)) or 1.0)
            ax.set_title(f"{title}  ({truth[chosen[index]]:.3f})" if ax is row[0] else title)
            ax.set_axis_off()
    figure.savefig(config.out / "saliency.png", dpi=110)
    return result


if __name__ == "__main__":
    run_experiment(main, Config)
