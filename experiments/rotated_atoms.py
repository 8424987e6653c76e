"""Atomic motifs that lie at any angle: a rotation-invariant autoencoder finds how each one lies.

    python -m experiments.rotated_atoms

After S. V. Kalinin et al., Science Advances 7, eabd5084 (2021): local images of an atomically
resolved micrograph, whose motif lies at unknown angles, go through an autoencoder with an angle
and a shift among its latents; it tells how an image is turned from what it shows, with no image
turned to train it. Here the motifs are made, so that the truth is known: four atoms of different
brightness and no symmetry, one of which moves (the form), at any angle, a little shifted, with
noise. Nobody tells the network which way is up: its angles have an offset in common, which the
measures below are free of.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax import report, training
from idml_jax.cli import run_experiment

ATOMS = np.array([[0.0, -0.2, 1.0], [0.05, 0.35, 0.8], [-0.45, 0.0, 0.6], [0.35, 0.1, 0.45]])
"""Row and col of each atom, in half sides, and its brightness."""

MOVING, WAY = 2, np.array([0.0, 0.22])
"""The atom that moves, and how far to each side."""

WIDTH = 0.13
"""Standard deviation of an atom's image, in half sides."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Angles of motifs, by an autoencoder that has never been told one."""

    out: pathlib.Path = pathlib.Path("runs/rotated_atoms")
    """Folder for the training run, the numbers and the figure."""
    images: int = 16000
    """Motifs to train on; a tenth as many more are held out."""
    side: int = 16
    """Pixels along each side."""
    shift: float = 0.06
    """Standard deviation of a motif's shift, in half sides."""
    noise: float = 0.05
    """Standard deviation of the noise; the brightest atom is 0.6 above the background."""
    steps: int = 3000
    """Steps of the training."""
    batch: int = 64
    """Images in a step."""
    learning_rate: float = 1e-2
    """Of Adam, at its highest."""
    seed: int = 0
    """Of the motifs, the network and its training."""


class Motifs(NamedTuple):
    """Images, and what they were made of."""

    images: Float[np.ndarray, "count side side 1"]
    angle: Float[np.ndarray, " count"]
    shift: Float[np.ndarray, "count 2"]
    form: Float[np.ndarray, " count"]
    """Where the moving atom is, from -1 to 1."""


def motifs(config: Config, random: np.random.Generator, count: int) -> Motifs:
    """Motifs at random angles, shifts and forms: rendered where they lie, with no interpolation."""
    angle = random.uniform(-np.pi, np.pi, count)
    shift = random.normal(scale=config.shift, size=(count, 2))
    form = random.uniform(-1, 1, count)
    places = np.tile(ATOMS[:, :2], (count, 1, 1))
    places[:, MOVING] += form[:, None] * WAY
    row, col = places[..., 0], places[..., 1]
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    # Counter-clockwise as displayed, with rows downwards.
    turned = np.stack([cosine * row - sine * col, cosine * col + sine * row], axis=-1)
    turned += shift[:, None]
    grid = (2 * np.arange(config.side) + 1 - config.side) / config.side
    across = [np.exp(-((grid - turned[..., [at]]) ** 2) / (2 * WIDTH**2)) for at in (0, 1)]
    images = np.einsum("nar,nac,a->nrc", *across, 0.6 * ATOMS[:, 2])
    images = 0.25 + images + random.normal(scale=config.noise, size=images.shape)
    return Motifs(np.clip(images, 0, 1)[..., None].astype(np.float32), angle, shift, form)


def agreement(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean resultant length of the differences of two samples of angles, and their offset.

    The length is 1 where all angles differ by the same offset, and near 0 where they have nothing
    to do with each other: K. V. Mardia, P. E. Jupp, Directional Statistics, 2000, section 2.3.
    """
    mean = np.exp(1j * (found - truth)).mean()
    return float(abs(mean)), float(np.angle(mean))


def circular_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two samples of angles, whatever their offsets.

    The T-linear one of N. I. Fisher, A. J. Lee, Biometrika 70, 327 (1983): over all pairs of
    samples, the products of the sines of their differences over the root of the sums of squares.
    It needs no mean direction, which angles that are uniform on the turn do not have.
    """
    first, second = (np.sin(each[:, None] - each[None, :]) for each in (one, other))
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


def draw(config: Config, autoencoder: training.Autoencoder, seen: Motifs, turn: np.ndarray) -> None:
    """Held-out images, their reconstructions, and found angles against true ones."""
    figure, axes = report.new_panels(11, 3.6, 1, 3)
    made = autoencoder.reconstruct(seen.images[:16])[..., 0]
    report.draw_images(axes[0, 0], seen.images[:16, ..., 0], columns=4, title="held-out motifs")
    report.draw_images(axes[0, 1], made, columns=4, title="reconstructions")
    ax = axes[0, 2]
    ax.plot(np.degrees(seen.angle), np.degrees(turn), ".", markersize=2, color=report.REAL)
    ax.plot([-180, 180], [-180, 180], color="black", linewidth=0.6)
    ax.set_xlabel("true angle, degrees")
    ax.set_ylabel("found angle less the offset, degrees")
    figure.savefig(config.out / "rotated_atoms.png", dpi=120)


def main(config: Config) -> None:
    """Train on motifs of unknown angle and compare what is found in others with the truth."""
    random = np.random.default_rng(config.seed)
    known = motifs(config, random, config.images)
    seen = motifs(config, random, config.images // 10)
    recipe = training.AutoencoderRecipe(
        (config.side, config.side),
        kind="rotation-invariant",
        latent_features=1,
        features=(8, 16, 32),
        likelihood="gaussian",
        deviation=config.noise,
        shift=config.shift,
        warm_up=config.steps // 4,
        steps=config.steps,
        batch=config.batch,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )
    autoencoder = training.train_autoencoder(known.images, recipe, run=config.out / "run")
    posterior = autoencoder.encode(seen.images)
    mean = np.asarray(posterior.mean, float)
    length, offset = agreement(mean[:, 0], seen.angle)
    turn = np.angle(np.exp(1j * (mean[:, 0] - offset)))
    error = np.angle(np.exp(1j * (turn - seen.angle)))
    # The form of the same held-out motifs at other angles.
    turned = [np.rot90(seen.images, turns, (1, 2)) for turns in range(4)]
    forms = np.stack([autoencoder.encode(each).mean[:, 3] for each in turned])
    residual = seen.images - autoencoder.reconstruct(seen.images)
    found = {
        "circular correlation of the angle": circular_correlation(mean[:, 0], seen.angle),
        "mean resultant length of its errors": length,
        "offset, degrees": np.degrees(offset),
        "median error of the angle, degrees": np.degrees(np.median(abs(error))),
        "95th percentile of it, degrees": np.degrees(np.quantile(abs(error), 0.95)),
        "rank correlation of the form": abs(_rank_correlation(mean[:, 3], seen.form)),
        "correlation of the form and the angle's sine": abs(
            float(np.corrcoef(mean[:, 3], np.sin(seen.angle))[0, 1])
        ),
        "deviation of the form under quarter turns": float(forms.std(axis=0).max()),
        "deviation of what is left of the images": float(residual.std()),
        "deviation of the noise": config.noise,
    }
    print(report.aligned_text([[name, f"{value:.4f}"] for name, value in found.items()]))
    report.write_json(config.out / "result.json", {name: float(v) for name, v in found.items()})
    draw(config, autoencoder, seen, turn)
    print(f"figure: {config.out / 'rotated_atoms.png'}")


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    first, second = (np.argsort(np.argsort(each)) for each in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


if __name__ == "__main__":
    run_experiment(main, Config)
