"""Are two ensembles of images the same material? Volume fraction and two-point correlation."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.data import Micrograph, check_sizes, grid_crops
from idml_jax.evaluation.bootstrap import Interval, bootstrap_mean
from idml_jax.statistics import (
    bright_phase,
    radial_average,
    two_point_correlation,
    volume_fraction,
)
from idml_jax.typing import Array, Images


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of one ensemble, each with its bootstrap interval.

    Parameters
    ----------
    images : int
        Number of images.
    specimens : int
        Number of groups that they come in.
    fraction : Interval
        Volume fraction of the bright phase.
    correlation : Interval
        Radially averaged two-point correlation at `distances`.
    distances : array
        Pixels.
    """

    images: int
    specimens: int
    fraction: Interval
    correlation: Interval
    distances: Float[np.ndarray, " bins"]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Generated images beside held-out and training micrographs.

    Every distance stands beside the one between training and held-out
    micrographs, which no generator can be expected to undercut.
    """

    generated: Statistics
    held_out: Statistics
    training: Statistics

    @property
    def inside(self) -> float:
        """Share of distances at which the generated mean S2 is inside the held-out interval."""
        mean = self.generated.correlation.mean
        held_out = self.held_out.correlation
        return float(((mean >= held_out.low) & (mean <= held_out.high)).mean())

    @property
    def overlapping(self) -> float:
        """Share of distances at which the generated and the held-out interval overlap."""
        one, two = self.generated.correlation, self.held_out.correlation
        return float(((one.low <= two.high) & (two.low <= one.high)).mean())

    @property
    def generated_distance(self) -> float:
        """Root mean square difference of the generated and the held-out mean S2."""
        return _distance(self.generated, self.held_out)

    @property
    def real_distance(self) -> float:
        """Root mean square difference of the training and the held-out mean S2: the floor."""
        return _distance(self.training, self.held_out)

    @property
    def held_out_error(self) -> float:
        """Half width of the held-out interval of S2, root mean square: how well it is known."""
        held_out = self.held_out.correlation
        return float(np.sqrt(np.mean(((held_out.high - held_out.low) / 2) ** 2)))


def compare(
    generated: Float[Array, "count rows cols 1"],
    held_out: Sequence[Micrograph],
    training: Sequence[Micrograph],
    *,
    threshold: float = 0.5,
    seed: int = 0,
) -> Comparison:
    """Compare generated images with held-out and training micrographs.

    The micrographs are cut into squares of the generated images' size that do
    not overlap, and those of one specimen are one group of the bootstrap. S2 is
    estimated without wrapping on all three, so that images which tile and crops
    which do not are measured alike.

    Parameters
    ----------
    generated : array of shape (count, rows, cols, 1)
        Square images.
    held_out, training : sequence of Micrograph
        On the grey scale of the generated images, and at least as large.
    threshold : float
        Grey value above which a pixel belongs to the bright phase.
    seed : int
        Of the bootstrap.

    Returns
    -------
    comparison : Comparison

    Raises
    ------
    ValueError
        If the generated images are not square.
    InputError
        If a micrograph is smaller than they are; it names the file.
    """
    size, cols = generated.shape[1:3]
    if size != cols:
        raise ValueError(f"`generated` are {size} x {cols} pixels; give squares.")
    for micrographs in (held_out, training):
        check_sizes(micrographs, size=size)
    real = [_crops_by_specimen(micrographs, size) for micrographs in (held_out, training)]
    found = [
        ensemble_statistics(groups, threshold=threshold, seed=seed)
        for groups in ([np.asarray(generated)], *real)
    ]
    return Comparison(generated=found[0], held_out=found[1], training=found[2])


def ensemble_statistics(
    groups: Sequence[Float[Array, "_ rows cols 1"]], *, threshold: float = 0.5, seed: int = 0
) -> Statistics:
    """Statistics of images that come in groups, one a specimen.

    Parameters
    ----------
    groups : sequence of arrays of shape (count, rows, cols, 1)
        Images of one size, on a grey scale of [0, 1].
    threshold : float
        Grey value above which a pixel belongs to the bright phase.
    seed : int
        Of the bootstrap.

    Returns
    -------
    statistics : Statistics
    """
    measured = [_measure(group, threshold) for group in groups]
    distances = measured[0][2]
    return Statistics(
        images=sum(len(group) for group in groups),
        specimens=len(groups),
        fraction=bootstrap_mean([fractions for fractions, _, _ in measured], seed=seed),
        correlation=bootstrap_mean([curves for _, curves, _ in measured], seed=seed),
        distances=distances,
    )


def _crops_by_specimen(micrographs: Sequence[Micrograph], size: int) -> list[np.ndarray]:
    """All squares of each specimen: they resemble each other, also across micrographs."""
    crops: dict[str, list[np.ndarray]] = {}
    for micrograph in micrographs:
        crops.setdefault(micrograph.specimen, []).append(grid_crops(micrograph.image, size))
    return [np.concatenate(group) for group in crops.values()]


def _measure(images: Images, threshold: float):
    """Volume fraction and S2 curve of every image, and the curve's distances."""
    rows, cols = images.shape[1:3]
    distances, _ = radial_average(np.zeros((rows, cols), np.float32))

    def measure(image):
        phase = bright_phase(image, threshold=threshold)
        _, curve = radial_average(two_point_correlation(phase, periodic=False))
        return volume_fraction(phase), curve

    fractions, curves = jax.lax.map(measure, jnp.asarray(images), batch_size=64)
    return np.asarray(fractions), np.asarray(curves), distances


def _distance(one: Statistics, two: Statistics) -> float:
    return float(np.sqrt(np.mean((one.correlation.mean - two.correlation.mean) ** 2)))
