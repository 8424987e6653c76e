"""Micrographs of a synthetic series of ten processing conditions, and what is seen in them.

As imbalanced as the series of W. Ma et al., J. Appl. Phys. 128, 134901 (2020): 272 micrographs of
136 specimens, the commonest condition with 60, the rarest with 6. Temperature and time of a
homogenization set volume fraction and wavelength of a spinodally decomposed alloy, rolling
stretches it. No two specimens of a condition are quite alike, so that neighbouring conditions
overlap, and contrast changes from shot to shot.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Float, Int
from tqdm import tqdm

from idml_jax import data, evaluation, statistics
from idml_jax.data import synthetic
from idml_jax.typing import Array, Images


class Condition(NamedTuple):
    """How a material was processed."""

    temperature: int
    """Of the homogenization, in degrees Celsius."""
    hours: int
    """Of the homogenization."""
    stretch: float
    """Length of the phase along the rolling direction over that across it; 1 if not rolled."""
    specimens: int

    def __str__(self) -> str:
        return f"{self.temperature} C, {self.hours} h{', rolled' if self.stretch > 1 else ''}"

    @property
    def fraction(self) -> float:
        """Volume fraction of the bright phase: the hotter, the larger."""
        return 0.34 + 0.07 * (self.temperature - 600) / 50

    @property
    def wavelength(self) -> float:
        """Pixels from one bright region to the next: the phases coarsen, when hot the faster."""
        return (8.75 + 1.9 * (self.temperature - 600) / 50) * self.hours**0.2


SERIES = (
    Condition(600, 1, 1.0, 17),
    Condition(600, 4, 1.0, 30),
    Condition(600, 16, 1.0, 11),
    Condition(650, 1, 1.0, 24),
    Condition(650, 4, 1.0, 20),
    Condition(650, 16, 1.0, 6),
    Condition(700, 1, 1.0, 14),
    Condition(700, 4, 1.0, 8),
    Condition(650, 4, 2.2, 3),
    Condition(700, 4, 2.2, 3),
)
CLASSES = len(SERIES)

SIDE, CROP = 128, 64
"""Pixels along each side of a micrograph, and of what is classified and generated."""

EACH = (SIDE // CROP) ** 2
"""Crops of a micrograph."""

LAGS = 20
"""Pixels up to which correlations and lineal paths are looked at."""


class Crops(NamedTuple):
    """Crops of micrographs, those of one micrograph behind each other, or generated images."""

    images: Float[np.ndarray, "count rows cols 1"]
    labels: Int[np.ndarray, " count"]
    texture: Float[np.ndarray, "count features"]

    def first(self, counts: Int[np.ndarray, " classes"]) -> "Crops":
        """The first ones of each class, so many of it."""
        chosen = [np.flatnonzero(self.labels == n)[:count] for n, count in enumerate(counts)]
        return Crops(*(each[np.concatenate(chosen)] for each in self))

    def beside(self, others: "Crops") -> "Crops":
        """These and the others."""
        return Crops(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


def specimens_of(number: int, random: np.random.Generator) -> list[data.Micrograph]:
    """Two micrographs of each specimen of a condition, beside each other in one periodic cell."""
    condition, micrographs = SERIES[number], []
    squeeze = math.sqrt(condition.stretch)
    for specimen in range(condition.specimens):
        fraction = condition.fraction + random.normal(scale=0.013)
        order = synthetic.spinodal(
            jax.random.key(random.integers(2**31)),
            (round(SIDE * squeeze), round(2 * SIDE / squeeze)),
            composition=float(np.clip(2 * fraction - 1, -0.5, 0.5)),
            wavelength=condition.wavelength * math.exp(random.normal(scale=0.04)),
            time=14.0,
            steps=140,
        )
        factors = [one / other for one, other in zip(order.shape, (SIDE, 2 * SIDE), strict=True)]
        places = np.meshgrid(
            factors[0] * np.arange(SIDE), factors[1] * np.arange(2 * SIDE), indexing="ij"
        )
        order = scipy.ndimage.map_coordinates(np.asarray(order), places, order=1, mode="grid-wrap")
        for part, half in enumerate(np.split(order > 0, 2, axis=1)):
            middle = 0.5 + random.normal(scale=0.015)
            contrast = 0.2 * math.exp(random.normal(scale=0.15))
            image = synthetic.render_micrograph(
                jax.random.key(random.integers(2**31)),
                half,
                greys=(middle - contrast, middle + contrast),
                blur=0.8,
                uneven_light=0.05,
                noise=0.02,
            )
            name = f"{number}-{specimen}"
            micrographs.append(data.Micrograph(np.asarray(image), f"{name}-{part}", specimen=name))
    return micrographs


def crops_of(micrographs: Sequence[Sequence[data.Micrograph]]) -> Crops:
    """All crops, class by class."""
    images = [data.grid_crops(each.image, CROP) for group in micrographs for each in group]
    labels = np.repeat(np.arange(CLASSES), [EACH * len(group) for group in micrographs])
    crops = np.concatenate(images)
    return Crops(crops, labels, texture(crops))


def _however_turned(along: Array, across: Array) -> Array:
    """Two curves along the axes as the larger and the smaller one."""
    return jnp.concatenate([jnp.maximum(along, across), jnp.minimum(along, across)])


def _two_point(phase: Array) -> Array:
    s2 = statistics.two_point_correlation(phase, periodic=False)
    middle = CROP // 2
    return _however_turned(s2[middle, middle:][:LAGS], s2[middle:, middle][:LAGS])


def _lineal_paths(phase: Array) -> Array:
    path = functools.partial(statistics.lineal_path, phase, longest=LAGS, periodic=False)
    return _however_turned(path(axis=0), path(axis=1))


def _surface(phase: Array) -> Array:
    return statistics.specific_surface(phase, periodic=False)


OF_PHASE = (
    evaluation.VOLUME_FRACTION,
    evaluation.Descriptor("two-point correlation along the axes", _two_point),
    evaluation.Descriptor("lineal paths", _lineal_paths),
    evaluation.Descriptor("specific surface", _surface),
)


def texture(images: Images) -> Float[np.ndarray, "count features"]:
    """Area fraction, correlations and co-occurrence of grey levels: of an image however turned."""
    phases = np.asarray(statistics.bright_phase(images))
    columns = [*evaluation.describe(phases, OF_PHASE).values()]
    rows = []
    for image in tqdm(np.asarray(images)[..., 0], desc="co-occurrence", unit="img", delay=2):
        found = statistics.grey_level_cooccurrence(image, distances=(1, 2, 4, 8))
        rows.append([(of.mean(axis=1), np.ptp(of, axis=1)) for of in found.values()])
    return np.concatenate([each.reshape(len(rows), -1) for each in (*columns, np.array(rows))], 1)
