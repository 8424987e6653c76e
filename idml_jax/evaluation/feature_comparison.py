"""Are generated images the same material, as an encoder sees it? Every score beside its floor."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from idml_jax.data import Micrograph
from idml_jax.evaluation.ensembles import crops_by_specimen
from idml_jax.evaluation.features import encode
from idml_jax.evaluation.frechet import FEWEST, frechet_distance
from idml_jax.evaluation.kernel_distance import KernelDistance, kernel_distance
from idml_jax.evaluation.manifold import ManifoldScores, manifold_scores
from idml_jax.report import aligned_text
from idml_jax.typing import Array, Images

FEATURE_COLUMNS = ("score", "generated", "training (the floor)")
"""Of the table of a comparison in features."""


@dataclasses.dataclass(frozen=True)
class FeatureScores:
    """How far one sample of features is from the held-out images'.

    Parameters
    ----------
    kernel : KernelDistance
        KID, with its deviation over subsets.
    frechet : float
        FID; NaN where there are too few images for it.
    manifold : ManifoldScores
        Precision, recall, density and coverage.
    """

    kernel: KernelDistance
    frechet: float
    manifold: ManifoldScores


@dataclasses.dataclass(frozen=True)
class FeatureComparison:
    """Generated beside held-out images in an encoder's features. Printed, it is a table.

    Parameters
    ----------
    generated, real : FeatureScores
        Of the generated images, and of the training images: the floor.
    images : tuple of int
        Generated, held-out and training images.
    """

    generated: FeatureScores
    real: FeatureScores
    images: tuple[int, int, int]

    def rows(self) -> list[tuple[str, ...]]:
        """The table's rows, the cells as text; `FEATURE_COLUMNS` is its head."""
        kernels = [side.kernel for side in self._sides]
        rows = [("KID", *(f"{each.mean:.3g} +- {each.deviation:.2g}" for each in kernels))]
        if math.isfinite(self.generated.frechet):
            rows.append(("FID", *(f"{side.frechet:.3g}" for side in self._sides)))
        rows += [
            (name, *(f"{getattr(side.manifold, name):.2f}" for side in self._sides))
            for name in ManifoldScores._fields
        ]
        return rows

    def __str__(self) -> str:
        made, held_out, training = self.images
        lines = [
            aligned_text([FEATURE_COLUMNS, *self.rows()]),
            "",
            f"Features of {made} generated and {training} training images, each beside those of "
            f"{held_out} held-out",
            "images; +-: deviation over subsets.",
        ]
        if math.isnan(self.generated.frechet):
            lines.append(f"FID is left out: it needs {FEWEST} images of each side.")
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """Every number as plain values for JSON; None for what is not finite."""
        return {
            "images": dict(zip(("generated", "held-out", "training"), self.images, strict=True)),
            **{
                name: {
                    "KID": side.kernel.mean,
                    "KID, deviation over subsets": side.kernel.deviation,
                    "FID": side.frechet if math.isfinite(side.frechet) else None,
                    **side.manifold._asdict(),
                }
                for name, side in zip(("generated", "real"), self._sides, strict=True)
            },
        }

    @property
    def _sides(self) -> tuple[FeatureScores, FeatureScores]:
        return self.generated, self.real


def compare_features(
    generated: Images,
    held_out: Sequence[Micrograph] | Sequence[Array],
    training: Sequence[Micrograph] | Sequence[Array],
    encoder: Callable[[Images], Array],
    *,
    neighbours: int = 5,
    subsets: int = 100,
    size: int = 1000,
    force_frechet: bool = False,
    seed: int = 0,
) -> FeatureComparison:
    """Compare generated images with micrographs in the features of an encoder.

    Parameters
    ----------
    generated : array of shape (count, rows, cols, channels)
        In [0, 1].
    held_out, training : sequence of Micrograph
        On the grey scale of the generated images, cut into crops of their size that do not
        overlap. Or a sequence of arrays of images, one a specimen.
    encoder : callable
        From a batch of images to their features, as `encode` takes it.
    neighbours : int
        As of `manifold_scores`.
    subsets, size : int
        As of `kernel_distance`; a subset is half of the smallest set of images at most, so that
        subsets differ and their deviation says something.
    force_frechet : bool
        Whether FID is computed from fewer than 2048 images of a side.
    seed : int
        Of the subsets, and of which images are taken where one set has more.

    Returns
    -------
    comparison : FeatureComparison

    Raises
    ------
    ValueError
        If there are too few images, or an encoder's answer does not fit them.
    InputError
        If a micrograph is smaller than the generated images; it names the file.

    Notes
    -----
    Precision and its kin depend on how many images there are. So as many generated as training
    images are compared with the held-out ones: the smaller number of both.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0).random
    >>> real = [draw((20, 4, 4, 1)) for _ in range(8)]
    >>> def moments(images):
    ...     return np.stack([images.mean((1, 2, 3)), images.std((1, 2, 3))], axis=1)
    >>> found = compare_features(draw((80, 4, 4, 1)) ** 2, real[:4], real[4:], moments)
    >>> found.generated.kernel.mean > 10 * abs(found.real.kernel.mean)
    True
    >>> found.generated.manifold.recall < found.real.manifold.recall
    True
    """
    rows, cols = generated.shape[1:3]
    kept, trained = (
        np.concatenate(crops_by_specimen(side, (rows, cols))) for side in (held_out, training)
    )
    made, real, true = (encode(images, encoder) for images in (generated, trained, kept))
    size = min(size, min(map(len, (made, real, true))) // 2)
    fewest = min(len(made), len(real))
    generator = np.random.default_rng(seed)

    def scores(sample: Float[np.ndarray, "count features"]) -> FeatureScores:
        enough = force_frechet or min(len(sample), len(true)) >= FEWEST
        chosen = sample[generator.permutation(len(sample))[:fewest]]
        return FeatureScores(
            kernel_distance(sample, true, subsets=subsets, size=size, seed=seed),
            frechet_distance(sample, true, force=force_frechet) if enough else math.nan,
            manifold_scores(chosen, true, neighbours=neighbours),
        )

    return FeatureComparison(scores(made), scores(real), (len(made), len(true), len(real)))
