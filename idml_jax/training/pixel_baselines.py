"""What a network for segmentation has to beat: thresholds of the grey, and a random forest.

Both tell classes as `Segmenter` does, and need no more than seconds.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from skimage import feature, filters
from sklearn.ensemble import RandomForestClassifier

from idml_jax.data import Annotated
from idml_jax.typing import Image

LEVELS = 5
"""Grey levels that thresholds tell apart at most: of more their search takes minutes."""


@dataclasses.dataclass(frozen=True, eq=False)
class ThresholdSegmenter:
    """Classes by grey alone, between thresholds that Otsu's criterion finds in each image.

    Parameters
    ----------
    classes : tuple of int
        What files call the classes.
    shares : array of shape (levels, classes)
        Of the pixels of each grey level, the darkest first, those of each class in training.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Syst. Man
       Cybern. 9, 62-66 (1979); of several thresholds, P.-S. Liao et al., J. Inf. Sci. Eng. 17,
       713-727 (2001).
    """

    classes: tuple[int, ...]
    shares: Float[np.ndarray, "levels classes"]

    @classmethod
    def of(cls, annotated: Sequence[Annotated], classes: tuple[int, ...]) -> "ThresholdSegmenter":
        """As many levels as classes, each of the class that most of its pixels are of."""
        levels = min(len(classes), LEVELS)
        counts = np.zeros((levels, len(classes)))
        for one in annotated:
            known = one.labels >= 0
            level = _levels(one.micrograph.image, levels)[known]
            np.add.at(counts, (level, one.labels[known]), 1)
        return cls(classes, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Shares of the classes at the grey level of each pixel."""
        return self.shares[_levels(image, len(self.shares))]


@dataclasses.dataclass(frozen=True, eq=False)
class ForestSegmenter:
    """Classes by what filters of several widths say around each pixel, by a random forest.

    Grey, edges and texture at five scales, as in trainable segmentation of microscopy.

    Parameters
    ----------
    classes : tuple of int
        What files call the classes.
    forest : RandomForestClassifier
        Fitted to `skimage.feature.multiscale_basic_features`.

    References
    ----------
    .. [1] I. Arganda-Carreras et al., "Trainable Weka Segmentation: a machine learning tool for
       microscopy pixel classification", Bioinformatics 33, 2424-2426 (2017).
    """

    classes: tuple[int, ...]
    forest: Any

    @classmethod
    def of(
        cls,
        annotated: Sequence[Annotated],
        classes: tuple[int, ...],
        *,
        pixels: int = 50000,
        trees: int = 100,
        seed: int = 0,
    ) -> "ForestSegmenter":
        """Fit to random pixels, as many of each micrograph and in all at most `pixels`."""
        random = np.random.default_rng(seed)
        each = pixels // len(annotated)
        features, labels = [], []
        for one in annotated:
            found = _filtered(one.micrograph.image)
            places = np.flatnonzero(one.labels >= 0)
            chosen = random.choice(places, min(each, len(places)), replace=False)
            features.append(found.reshape(-1, found.shape[-1])[chosen])
            labels.append(one.labels.ravel()[chosen])
        forest = RandomForestClassifier(trees, min_samples_leaf=2, random_state=seed, n_jobs=-1)
        return cls(classes, forest.fit(np.concatenate(features), np.concatenate(labels)))

    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Shares of the trees that say each class."""
        found = _filtered(image)
        shares = self.forest.predict_proba(found.reshape(-1, found.shape[-1]))
        full = np.zeros((len(shares), len(self.classes)))
        # A class that no pixel was of is none that the forest knows.
        full[:, self.forest.classes_] = shares
        return full.reshape(*image.shape[:2], -1)


def _levels(image: Image, levels: int) -> np.ndarray:
    """Which grey level each pixel is of; all of the lowest where there are too few greys."""
    grey = np.asarray(image).mean(axis=-1)
    if len(np.unique(grey)) < levels:
        return np.zeros(grey.shape, int)
    if levels == 2:
        return (grey > filters.threshold_otsu(grey)).astype(int)
    return np.digitize(grey, filters.threshold_multiotsu(grey, levels))


def _filtered(image: Image) -> Float[np.ndarray, "rows cols features"]:
    return feature.multiscale_basic_features(
        np.asarray(image), sigma_min=1, sigma_max=16, channel_axis=-1
    )
