"""Two knobs of a generator that turn what is measured, and what to turn for a better property.

    python -m experiments.attribute_knobs --run runs/attribute_knobs

The study of S. Liu, B. Kailkhura, J. Zhang, A. M. Hiszpanski, E. Robertson, D. Loveland, T. Y.-J.
Han, "Explainable deep learning for uncovering actionable scientific insights for materials
discovery and design", arXiv 2007.08631 (2020): a generator whose knobs are attributes that a
scientist can act on, and a network that tells a property from a micrograph; a knob that is turned
until the network says that the property is better answers what to change, and by how much.

Here the micrographs are synthetic, overlapping bright grains in dark pores, whose porosity and
grain size are drawn independently of each other; the property is the permeability, which depends
on both, and a solver tells whether it is what the network says. A progressive GAN is told what is
measured in each crop. A knob is turned at fixed latents, over the middle nine tenths of what crops
have, while the other one stays at a value of each latent's own. Beside it stand real media with
these parameters, of a seed in place of the latent: what turning does in a window of this size.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Float, Int, PRNGKeyArray
from tqdm import tqdm

from idml_jax import data, properties, report, statistics, training
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.data.crops import turned
from idml_jax.training.batches import in_batches
from idml_jax.typing import Array, Images

KNOBS = ("porosity", "grain size")
"""An area fraction, and pixels: see `attributes`."""

SIDE, CROP = 128, 64
"""Pixels along each side of a micrograph, and of what is generated and measured."""

Make: TypeAlias = Callable[[Int[np.ndarray, " count"], Float[np.ndarray, "count 2"]], np.ndarray]
"""From numbers of latents, or of seeds, and the attributes that are asked for, to images."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A generator with two knobs, and a regressor of the permeability."""

    run: pathlib.Path = pathlib.Path("runs/attribute_knobs")
    """Folder for the trainings, the numbers and the figure; a run there goes on."""
    micrographs: int = 500
    """Synthetic ones, a fifth of which is held out."""
    porosities: tuple[float, float] = (0.6, 0.85)
    """Range of the media's area fraction of pores."""
    sizes: tuple[float, float] = (3.5, 7.0)
    """Range of the media's grain size, in pixels."""
    effort: float = 3.0
    """Images shown in the generator's training, in units of the default recipe's."""
    steps: int = 1500
    """Of the regressor's training."""
    latents: int = 64
    """With which each knob is turned."""
    values: int = 17
    """Of a knob, from one end to the other."""
    raises: tuple[float, ...] = (0.1, 0.5)
    """By how much to raise the permeability, relative to that at the middle of a knob."""
    seed: int = 0
    """Of the media, their split, the networks and their samples."""


def grains(
    key: PRNGKeyArray, number: int, porosity: float, size: float, side: int
) -> Float[np.ndarray, "rows cols 1"]:
    """One of the micrographs of disks of the radius that has this size at this porosity."""
    # The surface in `attributes` is on average that of a Boolean model of this radius.
    radius = 2 * size * -math.log(porosity) / (math.pi * (1 - porosity))
    place, show = (jax.random.fold_in(key, 2 * number + part) for part in (0, 1))
    phase = synthetic.boolean_model(
        place, (side, side), radius=radius, volume_fraction=1 - porosity, periodic=False
    )
    greys = 0.25, 0.75
    return np.asarray(synthetic.render_micrograph(show, phase, greys=greys, blur=0.8, noise=0.03))


def micrographs(config: Config) -> tuple[list[data.Micrograph], list[data.Micrograph]]:
    """Those to train on and held-out ones, of porosities and sizes drawn independently."""
    random, key = np.random.default_rng(config.seed), jax.random.key(config.seed)
    made = []
    for number in tqdm(range(config.micrographs), desc="micrographs", delay=2):
        drawn = random.uniform(*config.porosities), random.uniform(*config.sizes)
        made.append(data.Micrograph(grains(key, number, *drawn, SIDE), str(number)))
    return data.split_by_specimen(made, seed=config.seed)


@jax.jit
@jax.vmap
def attributes(image: Float[Array, "rows cols 1"]) -> Float[Array, "2"]:
    r"""Porosity and grain size of each image.

    The size is :math:`\pi \phi (1 - \phi) / s` with the surface s: one over the sum of one over
    the mean chord of the grains and one over that of the pores, and the length on which the
    two-point correlation begins to fall (P. Debye et al., J. Appl. Phys. 28, 679 (1957)). A mean
    chord by itself changes with the porosity. In these media this size does by up to 5 %, and from
    crop to crop by 3 to 8 %; `statistics.correlation_length` by up to 15 %, and by 7 to 15 %.
    """
    bright = statistics.bright_phase(image)
    surface = statistics.specific_surface(bright, periodic=False, method="crofton")
    share = bright.mean(dtype=jnp.float32)
    # A flat image has no surface, and no size either.
    size = jnp.pi * share * (1 - share) / jnp.maximum(surface, 1e-3)
    return jnp.stack([1 - share, size.astype(jnp.float32)])


def generator(
    config: Config, known: Sequence[data.Micrograph], measured: Float[np.ndarray, "crops 2"]
) -> Make:
    """A progressive GAN that is told what is measured in each crop."""
    meanings = tuple(
        training.Condition.of(name, column, source="crop", examples=range(len(column))[:256])
        for name, column in zip(KNOBS, measured.round(4).T.tolist(), strict=True)
    )
    mean = np.array([[one.mean for one in meanings]], np.float32)
    deviation = np.array([[one.deviation for one in meanings]], np.float32)
    options = {"conditions": len(KNOBS), "meanings": meanings, "seed": config.seed}
    gan = training.train_progressive_gan(
        known,
        run=config.run / "generator",
        recipe=training.Recipe.of_size((CROP, CROP), effort=config.effort, **options),
        conditions=lambda crops: (attributes(crops) - mean) / deviation,
    )
    key = jax.random.key(config.seed + 1)
    many = np.asarray(jax.random.normal(key, (4096, gan.latent_features)))

    def make(numbers: np.ndarray, asked: np.ndarray) -> np.ndarray:
        told = (asked - mean) / deviation
        # Noise of its own for each latent, and the same wherever the knobs are.
        return in_batches(lambda *of: gan(*of[:2], noise=of[2]), 64, many[numbers], told, numbers)

    return make


def real_media(seed: int, numbers: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """New pieces of media with the parameters that are asked for."""
    key, pairs = jax.random.key(seed), list(zip(numbers.tolist(), asked.tolist(), strict=True))
    shown = tqdm(pairs, desc="real media", delay=2)
    return np.stack([grains(key, one, own[0], own[1], CROP) for one, own in shown])


along_rows = jax.jit(jax.vmap(lambda pore: properties.permeability(pore, axis=0, tolerance=1e-3)))


def permeabilities(images: Images) -> Float[np.ndarray, " count"]:
    """Of the pores, along the rows, in pixels squared; 0 where they lead nowhere."""
    pores = np.asarray(images)[..., 0] <= 0.5
    # Repeated, as a batch of another length would be compiled again.
    parts = np.resize(pores, (-(-len(pores) // 32), 32, *pores.shape[1:]))
    found = [np.asarray(along_rows(part)) for part in tqdm(parts, desc="permeability", delay=2)]
    return np.concatenate(found)[: len(pores)]


def mirrored(key: PRNGKeyArray, examples: training.Examples) -> training.Examples:
    """Each image upside down, left to right, both or neither: as permeable along the rows."""
    symmetries = jax.random.randint(key, (len(examples[0]),), 0, 4)
    return jax.vmap(turned)(examples[0], symmetries), examples[1]


def regressor(config: Config, known: Images, unseen: Images) -> tuple[training.Surrogate, dict]:
    """A network that tells the logarithm of the permeability, and how well it does."""

    def examples(images: Images) -> tuple[np.ndarray, np.ndarray]:
        found = permeabilities(images)
        # Pores that lead nowhere have no logarithm.
        return np.asarray(images)[found > 0], np.log(found[found > 0])[:, None]

    recipe = training.RegressionRecipe(
        "property", (16, 32, 48, 64), periodic=False, steps=config.steps, seed=config.seed
    )
    run = config.run / "regressor"
    network = training.train_regressor(*examples(known), recipe, run=run, augment=mirrored)
    x, y = examples(unseen)
    error = network.predict(x) - y
    square = float((error**2).mean())
    return network, {"R2": 1 - square / float(y.var()), "rms error": math.sqrt(square)}


def scores(knob: int, asked: Float[np.ndarray, "latents values 2"], images: np.ndarray) -> dict:
    """What turning a knob did to its own attribute and to the other one.

    The rank correlation of knob and attribute is that of each latent; here is their mean. The
    change of the other attribute, of each latent, is relative to its value at the middle of the
    knob and without its sign; here is its mean over latents where that is largest along the knob.
    """
    measured = np.asarray(attributes(np.concatenate(images)), float).reshape(asked.shape)
    own, other, values = measured[..., knob], measured[..., 1 - knob], asked[0, :, knob]
    # Pearson's correlation of the ranks is Spearman's of what is ranked.
    ranks = [np.corrcoef(*scipy.stats.rankdata([values, each], axis=1))[0, 1] for each in own]
    change = np.abs(other / other[:, [len(values) // 2]] - 1).mean(axis=0)
    return {
        "rank correlation": float(np.mean(ranks)),
        "least": float(min(ranks)),
        "other changes by": float(change.max()),
        "values": values.tolist(),
        "own": own.tolist(),
    }


def act(
    make: Make, network: training.Surrogate, knob: int, wanted: float,
    asked: Float[np.ndarray, "latents values 2"], images: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """By how much to turn a knob for a permeability raised so, and whether it is then there."""
    values, middle = asked[0, :, knob], asked.shape[1] // 2
    fine = np.linspace(values[0], values[-1], 1000)
    logs = [network.predict(each)[:, 0] for each in images]
    rise = np.stack([np.interp(fine, values, each - each[middle]) for each in logs])
    # The least turn that the network says to be enough, either way.
    far = np.where(rise >= math.log1p(wanted), np.abs(fine - values[middle]), math.inf)
    start, acted = permeabilities(images[:, middle]), asked[:, middle].copy()
    there = np.isfinite(far.min(axis=1)) & (start > 0)
    acted[there, knob] = fine[far.argmin(axis=1)[there]]
    made = permeabilities(make(np.arange(len(acted)), acted))
    raised = made[there] / start[there] - 1 if there.any() else np.zeros(1)
    return {
        "answered": float(there.mean()),
        "turn": float(np.median(acted[there | ~there.any(), knob]) - values[middle]),
        "raised": np.quantile(raised, [0.25, 0.5, 0.75]).tolist(),
        "at all": float((raised > 0).mean()),
    }


def draw(path: pathlib.Path, sheets: Sequence[np.ndarray], found: Mapping[str, Any]) -> None:
    """Latents at every second place of each knob, and what is measured against what is asked."""
    figure, axes = report.new_panels(15, 6.5, 2, 2)
    for (left, right), images, knob in zip(axes, sheets, KNOBS, strict=True):
        shown = images[:3, ::2, ..., 0]
        report.draw_images(left, np.concatenate(shown), columns=shown.shape[1], title=knob)
        for name, colour in (("real media", report.REAL), ("generated", report.GENERATED)):
            values, own = (np.array(found[name][knob][each]) for each in ("values", "own"))
            report.draw_each(right, [(values, each) for each in own], colour)
            right.plot(values, own.mean(axis=0), color=colour, label=name)
        right.axline((values[0], values[0]), slope=1, color="black", linewidth=0.8)
        right.set(xlabel=f"{knob} asked for", ylabel=f"{knob} measured")
        right.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(config: Config) -> None:
    """Train, turn the knobs, and act on what the regressor says of them."""
    report.claim(config.run / "config.json", dataclasses.asdict(config) | {"run": ""})
    parts = micrographs(config)
    known, unseen = (
        np.concatenate([data.grid_crops(each.image, CROP) for each in part]) for part in parts
    )
    measured, wanted = (np.asarray(attributes(each), float) for each in (known, unseen))
    makers: dict[str, Make] = {
        "generated": generator(config, parts[0], measured),
        "real media": lambda *of: real_media(config.seed + 2, *of),
    }
    network, accuracy = regressor(config, known, unseen)
    low, high = np.quantile(measured, [0.05, 0.95], axis=0)
    held = np.random.default_rng(config.seed).uniform(low, high, (config.latents, 1, 2))
    numbers = np.repeat(np.arange(config.latents), config.values)
    result: dict[str, Any] = {"regressor": accuracy} | {name: {} for name in makers}
    sheets = []
    head = "rank correlation", "other changes by", "asked", "reached", "rms error, held out"
    turns: list[tuple[str, ...]] = [("knob", "images", *head)]
    acts = [("more", "by", "images", "answered", "turn", "raised by", "at all")]
    for name, make in makers.items():
        error = np.asarray(attributes(make(np.arange(len(wanted)), wanted))) - wanted
        for knob, label in enumerate(KNOBS):
            asked = np.repeat(held, config.values, axis=1)
            asked[..., knob] = np.linspace(low[knob], high[knob], config.values)
            images = make(numbers, asked.reshape(-1, 2)).reshape(*asked.shape[:2], CROP, CROP, 1)
            sheets.append(images)
            result[name][label] = of = scores(knob, asked, images)
            of["rms error"] = float(np.sqrt((error[:, knob] ** 2).mean()))
            ranges = [f"{x[0]:.3f} to {x[-1]:.3f}" for x in (of["values"], np.mean(of["own"], 0))]
            two = f"{of['rank correlation']:.3f}", f"{of['other changes by']:.1%}"
            turns.append((label, name, *two, *ranges, f"{of['rms error']:.4f}"))
            for more in config.raises:
                of[f"raised by {more}"] = then = act(make, network, knob, more, asked, images)
                first, median, third = then["raised"]
                raised = f"{median:.0%} ({first:.0%} to {third:.0%})"
                row = f"{then['answered']:.2f}", f"{then['turn']:+.3f}", raised
                acts.append((f"{more:.0%}", label, name, *row, f"{then['at all']:.2f}"))
    report.write_json(config.run / "result.json", result)
    draw(config.run / "knobs.png", sheets[: len(KNOBS)], result)
    print(report.aligned_text(turns))
    print(f"logarithm of the permeability by the network, held-out crops: {accuracy}")
    print(report.aligned_text(acts), f"figure: {config.run / 'knobs.png'}", sep="\n")


if __name__ == "__main__":
    run_experiment(main, Config)
