"""Level cuts of Gaussian fields, learned by a generator and designed through its latents.

    python -m experiments.adversarial_design --run runs/adversarial_design

The loop of Z. Yang, X. Li, L. C. Brinson, A. N. Choudhary, W. Chen, A. Agrawal, "Microstructural
materials design via deep adversarial learning methodology", J. Mech. Des. 140, 111416 (2018), arXiv
1805.02791, and of X. Li et al., "A deep adversarial learning methodology for designing
microstructural material systems", IDETC 2018: a GAN of a short latent learns synthetic
microstructures, and Bayesian optimization by GP-Hedge searches its latents. Their best design is
quoted with 4.8 % above the best random one and 17.2 % above the mean, for optical absorption.

Here the property is the conductivity along the rows, of a bright phase that conducts ten times as
well. Of two things as much as can be had is looked for:

- "conductivity", plainly, as they do. More of the bright phase conducts better, and GP-Hedge takes
  no constraint: a part of what is gained is volume fraction, so that of the designs is told.
- "arrangement", the conductivity over Bruggeman's estimate at the image's own volume fraction. The
  media are alike in both phases, and of such media the geometric mean of the two conductivities
  is exact (A. M. Dykhne, Sov. Phys. JETP 32, 63, 1971), which the estimate is at a fraction of one
  half. So 1 is what the volume fraction explains, and what is above it is the arrangement's. Over
  Voigt's bound, say, more of the bright phase would still win.

On small cells that is exact of the determinant of the conductivity: the logarithm of its root, in
the mean over the media (G. W. Milton, *The Theory of Composites*, 2002, chapter 3). Whether
generated images meet it is asked beside their statistics.

The generator is trained with a gradient penalty and the deviation in a minibatch, not with the
style loss of the paper, and is without noise of its own: the latents alone say what an image is.
Not done: larger images from the same network, whose first layer makes one size of a latent that
has no extent in space; and the discriminator's use for other tasks.

Takes about 55 minutes on two busy CPU cores, 19 of them for the training.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax import data, design, evaluation, properties, report, statistics, training
from idml_jax.cli import run_experiment
from idml_jax.data import synthetic
from idml_jax.design.strategies import StrategyName
from idml_jax.typing import Array, Images, Phase
from idml_jax.workflows.design_report import COLOURS

Wanted: TypeAlias = Literal["arrangement", "conductivity"]

FINER = 3
"""A pixel is the mean of so many by so many: an odd number, so that none is half and half."""

SAMPLES = 512
"""Generated images, and periodic media, that are measured."""

SHOWN = 10
"""Images of a row of the figure."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Gaussian media through a GAN to a design."""

    run: pathlib.Path = pathlib.Path("runs/adversarial_design")
    """Folder for the training, the searches, the numbers and the figure; a run there goes on."""
    size: int = 64
    """Side of the images; 128, that of the paper, is for a GPU."""
    media: int = 400
    """Micrographs, of twice the side of the images, one in ten of them held out."""
    length: float = 4.0
    """Correlation length of the fields, in pixels."""
    contrast: float = 10.0
    """Conductivity of the bright phase, in units of the dark phase's."""
    latents: int = 16
    """Length of a latent."""
    effort: float = 2.5
    """Images shown in training, in units of the default."""
    wanted: tuple[Wanted, ...] = ("arrangement", "conductivity")
    """What is to be made large."""
    strategies: tuple[StrategyName, ...] = ("hedge", "bayes", "cma-es")
    """How to search, beside random draws; the designs that are shown are the first one's."""
    evaluations: int = 128
    """Of each search."""
    seeds: int = 10
    """Searches of each strategy."""
    seed: int = 0
    """Of the media, the generator and its samples."""

    @property
    def start(self) -> int:
        """Evenly spread latents that a search begins with."""
        return self.evaluations // 4


def media(config: Config, count: int, side: int, seed: int) -> list[data.Micrograph]:
    """Level cuts of periodic Gaussian fields, as a camera sees them.

    At grey values of 0.2 and 0.8, where a generator may overshoot.
    """
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), seed), count)
    shape, length = (FINER * side, FINER * side), FINER * config.length
    cuts = (synthetic.gaussian_random_field(key, shape, length=length) > 0 for key in keys)
    greys = (np.asarray(0.2 + 0.6 * cut, np.float32)[..., None] for cut in cuts)
    return [
        data.Micrograph(grey, f"field {number}").binned(FINER) for number, grey in enumerate(greys)
    ]


def along_rows(wanted: Wanted, contrast: float) -> properties.Property:
    """The conductivity, as it is or by what the volume fraction alone explains."""
    conductivity = properties.Conductivity((1.0, contrast), unit="k of dark").along("rows")
    if wanted == "conductivity":
        return conductivity

    def over_estimate(phase: Phase) -> Float[Array, ""]:
        bright = statistics.volume_fraction(phase)
        estimate = properties.self_consistent_conductivity(
            (1.0, contrast), jnp.stack([1 - bright, bright]), dimensions=2
        )
        return conductivity(phase) / estimate

    return properties.Property(over_estimate, "conductivity over Bruggeman's estimate")


def phases_of(images: Images) -> np.ndarray:
    """The bright phase of each image."""
    return np.asarray(jax.vmap(statistics.bright_phase)(images))


def typical_values(config: Config, images: Images) -> dict[str, dict[str, float]]:
    """What is searched for, of images that nobody has chosen, and what is known of them."""
    tensor = properties.Conductivity((1.0, config.contrast)).tensor
    quantities = [
        properties.Property(statistics.volume_fraction, "volume fraction"),
        properties.Property(lambda k: jnp.sqrt(jnp.linalg.det(k)), "root of det k", solve=tensor),
        *(along_rows(wanted, config.contrast) for wanted in config.wanted),
    ]
    descriptors = [evaluation.Descriptor.of(each) for each in quantities]
    found = evaluation.describe(phases_of(images), descriptors)
    return {
        name: {
            "mean": float(values.mean()),
            "geometric mean": (middle := float(np.exp(np.log(values).mean()))),
            "its error": middle * float(np.log(values).std() / np.sqrt(len(values))),
            "deviation": float(values.std()),
            "largest": float(values.max()),
            "correlation with volume": float(np.corrcoef(found["volume fraction"], values)[0, 1]),
        }
        for name, values in found.items()
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Searched:
    """All searches for one thing."""

    progress: dict[str, Float[np.ndarray, "seeds evaluations"]]
    """Best value so far, of each strategy."""
    images: dict[str, Images]
    """Of each strategy the designs, one a seed."""
    random_means: Float[np.ndarray, " seeds"]
    """Of all random draws of a seed."""

    def numbers(self, name: str, real: np.ndarray) -> dict[str, Any]:
        """What a strategy came to, beside random draws, and what its designs are."""
        best, drawn = self.progress[name][:, -1], self.progress["random"][:, -1]
        phases = phases_of(self.images[name])
        typical = evaluation.typicality(phases, real, evaluation.STANDARD).overall
        return {
            "best": best.tolist(),
            "over the best random, %": (100 * (best / drawn - 1)).tolist(),
            "over their mean, %": (100 * (best / self.random_means - 1)).tolist(),
            "seeds not below": int((best >= drawn).sum()),
            "volume fraction": phases.mean(axis=(1, 2)).tolist(),
            "typical": typical.tolist(),
        }


def search(config: Config, gan: training.ProgressiveGAN, wanted: Wanted) -> Searched:
    """Search with every seed by every strategy."""
    names = [*config.strategies, "random"]
    progress: dict[str, list[np.ndarray]] = {name: [] for name in names}
    latents: dict[str, list[np.ndarray]] = {name: [] for name in names}
    means = []
    for seed in range(config.seeds):
        found = design.optimize_latents(
            gan,
            along_rows(wanted, config.contrast),
            run=config.run / wanted / f"seed_{seed}",
            objective=design.Objective("maximize"),
            strategies=names,
            evaluations=config.evaluations,
            start=config.start,
            seed=seed,
        )
        for name, history in found.searches.items():
            first = found.aim.order(history.values)[0]
            progress[name].append(history.progress(found.aim))
            latents[name].append(design.Sphere(gan.latent_features).latents(history.points[first]))
        means.append(found.searches["random"].told.values.mean())
    images: dict[str, Images] = {name: gan(np.stack(each)) for name, each in latents.items()}
    stacked = {name: np.stack(each) for name, each in progress.items()}
    return Searched(stacked, images, np.array(means))


def interval(gains: list[float]) -> str:
    """Mean, and the bootstrap interval of it over the seeds at 95 %."""
    found = evaluation.bootstrap_mean([np.array(gains)], resamples=10_000)
    return f"{float(found.mean):.1f} [{float(found.low):.1f}, {float(found.high):.1f}]"


def draw(
    config: Config, real: Images, generated: Images, searched: Mapping[Wanted, Searched]
) -> None:
    """Media above generated images above designs, and how the searches went."""
    heights = [1.0, 1.0, *[1.0, 2.6] * len(searched)]
    figure, axes = report.new_panels(9.0, 1.15 * sum(heights), len(heights), 1, heights)
    first = config.strategies[0]
    rows = {"held-out media": real[:: max(1, len(real) // SHOWN)], "generated": generated}
    for ax, (title, images) in zip(axes[:2, 0], rows.items(), strict=True):
        report.draw_images(ax, images[:SHOWN, ..., 0], columns=SHOWN, title=title)
    for place, (wanted, found) in enumerate(searched.items()):
        above, below = axes[2 + 2 * place : 4 + 2 * place, 0]
        name = along_rows(wanted, config.contrast).name
        title = f"{name}: designs by {first}, one a seed"
        report.draw_images(above, found.images[first][:SHOWN, ..., 0], columns=SHOWN, title=title)
        curves = {each: best.mean(axis=0) for each, best in found.progress.items()}
        label = f"{name},\nbest so far, mean of the seeds"
        report.draw_progress(below, curves, COLOURS, label=label, start=config.start)
    figure.savefig(config.run / "designs.png", dpi=120)


def main(config: Config) -> None:
    """Train, compare, search, and print the tables."""
    options = dataclasses.asdict(config)
    del options["run"]
    report.claim(config.run / "config.json", options)
    known, held_out = data.split_by_specimen(
        media(config, config.media, 2 * config.size, seed=0), held_out=0.1, seed=config.seed
    )
    recipe = training.Recipe.of_size(
        (config.size, config.size),
        effort=config.effort,
        latent_features=config.latents,
        noise=False,
        seed=config.seed,
    )
    gan = training.train_progressive_gan(known, run=config.run / "generator", recipe=recipe)
    generated = gan.sample(jax.random.key(config.seed + 1), SAMPLES)
    comparison = evaluation.compare(generated, held_out, known)
    print(comparison, "\n")

    cells = np.stack([each.image for each in media(config, SAMPLES, config.size, seed=1)])
    real = np.concatenate([data.grid_crops(each.image, config.size) for each in held_out])
    # Crops do not tile as the others do, so that a seam runs through what they conduct.
    images = {"generated": generated, "held-out crops": real, "periodic media": cells}
    typical = {name: typical_values(config, each) for name, each in images.items()}
    head = next(iter(typical["generated"].values()))
    rows: list[tuple[str, ...]] = [("images", "quantity", *head)]
    for name, of in typical.items():
        rows += [(name, each, *(f"{value:.3f}" for value in of[each].values())) for each in of]
    print(report.aligned_text(rows))
    print(f"geometric mean of both phases' conductivities: {np.sqrt(config.contrast):.3f}\n")

    searched: dict[Wanted, Searched] = {each: search(config, gan, each) for each in config.wanted}
    results: dict[str, Any] = {"comparison": comparison.plain(), "typical": typical}
    rows = [
        ("wanted", "strategy", "best", "over the best random, %", "over their mean, %",
         "seeds not below", "volume fraction", "typical"),
    ]  # fmt: skip
    for wanted, found in searched.items():
        results[wanted] = {name: found.numbers(name, phases_of(real)) for name in found.progress}
        rows += [
            (
                wanted,
                name,
                f"{np.mean(of['best']):.3f}",
                interval(of["over the best random, %"]),
                interval(of["over their mean, %"]),
                f"{of['seeds not below']} of {config.seeds}",
                f"{np.mean(of['volume fraction']):.3f}",
                f"{np.median(of['typical']):.2f}",
            )
            for name, of in results[wanted].items()
        ]
    report.write_json(config.run / "result.json", results)
    draw(config, real, generated, searched)
    print(report.aligned_text(rows))
    print(f"figure: {config.run / 'designs.png'}")


if __name__ == "__main__":
    run_experiment(main, Config)
