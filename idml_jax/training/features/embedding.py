"""Features that a network makes of images, as a transformer of scikit-learn."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from idml_jax.training.batches import in_batches
from idml_jax.typing import Array, Images


class Embedding(TransformerMixin, BaseEstimator):
    """What a trained network makes of each image.

    Parameters
    ----------
    encoder : callable
        ``encoder(images)``, of shape (batch, features): `TrainedClassifier.features`, for instance.
        It is not trained any more: keep it from the images that are judged by.
    batch : int
        Images in memory at a time.
    """

    def __init__(
        self, encoder: Callable[[Images], Float[Array, "batch features"]], batch: int = 64
    ):
        self.encoder, self.batch = encoder, batch

    def fit(self, images: Images, labels: Array | None = None) -> "Embedding":
        """Learn nothing."""
        return self

    def transform(self, images: Images) -> Float[np.ndarray, "count features"]:
        """The features of each image."""
        return in_batches(self.encoder, self.batch, np.asarray(images, np.float32))

    def __sklearn_is_fitted__(self) -> bool:
        return True
