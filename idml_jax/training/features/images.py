"""What every feature is given: a set of grey images of one size."""

import abc

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from idml_jax.typing import Array, Images


class OfImages(TransformerMixin, BaseEstimator, abc.ABC):
    """Features that are the same function of each image, whatever the set.

    A transformer of scikit-learn: in its pipelines, grids and folds as any other. The images of a
    set are the rows.
    """

    def fit(self, images: Images, labels: Array | None = None) -> "OfImages":
        """Learn nothing."""
        return self

    def transform(self, images: Images) -> Float[np.ndarray, "count features"]:
        """The features of each image."""
        return np.stack([self.of_image(image) for image in greys(images)])

    @abc.abstractmethod
    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """The features of a grey image of zero mean and unit variance."""

    def __sklearn_is_fitted__(self) -> bool:
        return True


def greys(images: Images) -> Float[np.ndarray, "count rows cols"]:
    """Each image in one channel, of zero mean and unit variance: what it is lit by tells nothing.

    Examples
    --------
    >>> import numpy as np
    >>> found = greys(np.random.default_rng(0).random((3, 8, 9, 1)))
    >>> found.shape, bool(np.allclose(found.std(axis=(1, 2)), 1))
    ((3, 8, 9), True)
    """
    images = np.asarray(images, float)
    if images.ndim != 4:
        raise ValueError(
            f"`images` has the shape {images.shape}; it is (count, rows, cols, channels)."
        )
    grey = images.mean(axis=-1)
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    deviation = grey.std(axis=(1, 2), keepdims=True)
    return grey / np.where(deviation > 0, deviation, 1)
