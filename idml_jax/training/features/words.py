"""Visual words: images as what local descriptors they hold, whatever the place."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from skimage import feature
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import MiniBatchKMeans

from idml_jax.errors import InputError
from idml_jax.training.features.images import greys
from idml_jax.training.features.memory import Memory
from idml_jax.typing import Array, Images


class VisualWords(TransformerMixin, BaseEstimator):
    """How often each word of a vocabulary of local descriptors occurs in an image.

    Descriptors of the neighbourhood of many places are sorted into words, by k-means over the
    training images. An image is a histogram of words (a bag [1]_), or for each word the sum of how
    far its descriptors are from it (VLAD [2]_).

    Parameters
    ----------
    words : int
        Of the vocabulary.
    kind : {"bag", "vlad"}
        A VLAD of 32 words says more than a bag of 200, and is as long as 32 descriptors.
    places : {"dense", "keypoints"}
        A grid of DAISY descriptors, or SIFT where an image has something to see.
    step : int
        Pixels between the places of the grid.
    radius : int
        Of what a dense descriptor sees, in pixels.
    most : int
        Descriptors of an image that the vocabulary is learned from.
    seed : int
    memory : Memory, optional
        Of `descriptors_of`: what an image holds is then computed once, whatever is learned of it.

    References
    ----------
    .. [1] G. Csurka et al., "Visual categorization with bags of keypoints", ECCV workshop 2004.
    .. [2] H. Jegou et al., "Aggregating local descriptors into a compact image representation",
       CVPR 2010; signed square roots and unit length as in R. Arandjelovic, A. Zisserman, "All
       about VLAD", CVPR 2013.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).random((4, 48, 48, 1))
    >>> VisualWords(words=5, radius=8).fit_transform(images).shape
    (4, 5)
    """

    def __init__(
        self,
        words: int = 100,
        kind: Literal["bag", "vlad"] = "bag",
        places: Literal["dense", "keypoints"] = "dense",
        step: int = 8,
        radius: int = 15,
        most: int = 200,
        seed: int = 0,
        memory: Memory | None = None,
    ):
        self.words, self.kind = words, kind
        self.places: Literal["dense", "keypoints"] = places
        self.step, self.radius, self.most, self.seed = step, radius, most, seed
        self.memory = memory

    def fit(self, images: Images, labels: Array | None = None) -> "VisualWords":
        """Learn the vocabulary of some images.

        Raises
        ------
        InputError
            If the images have fewer descriptors than there are words.
        """
        random = np.random.default_rng(self.seed)
        found = []
        for image in greys(images):
            each = self._descriptors(image)
            found.append(each[random.permutation(len(each))[: self.most]])
        descriptors = np.concatenate(found)
        if len(descriptors) < self.words:
            raise InputError(
                f"visual words: the {len(found)} images hold {len(descriptors)} descriptors, fewer "
                f"than the {self.words} words; give more or larger images, or places nearer to "
                "each other, or leave out this feature."
            )
        # As many beginnings as are written; scikit-learn's types know of words alone.
        found_words = MiniBatchKMeans(self.words, random_state=self.seed, n_init=3)  # pyright: ignore[reportArgumentType]
        self.vocabulary_ = found_words.fit(descriptors)
        return self

    def transform(self, images: Images) -> Float[np.ndarray, "count features"]:
        """The words of each image; nothing of one without any descriptor."""
        return np.stack([self._of_image(image) for image in greys(images)])

    def _of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        descriptors = self._descriptors(image)
        centres = self.vocabulary_.cluster_centers_
        words = np.zeros(0, int)
        if len(descriptors):
            words = np.asarray(self.vocabulary_.predict(descriptors))
        if self.kind == "bag":
            return np.bincount(words, minlength=self.words) / max(1, len(words))
        apart = np.zeros_like(centres)
        np.add.at(apart, words, descriptors - centres[words])
        rooted = np.sign(apart) * np.sqrt(np.abs(apart))
        return rooted.ravel() / max(float(np.linalg.norm(rooted)), 1e-12)

    def _descriptors(
        self, image: Float[np.ndarray, "rows cols"]
    ) -> Float[np.ndarray, "places length"]:
        describe = descriptors_of if self.memory is None else self.memory
        return describe(image, self.places, self.step, self.radius)


def descriptors_of(
    image: Float[np.ndarray, "rows cols"],
    places: Literal["dense", "keypoints"] = "dense",
    step: int = 8,
    radius: int = 15,
) -> Float[np.ndarray, "places length"]:
    """Descriptors of the neighbourhoods of many places in an image.

    Parameters
    ----------
    image : array of shape (rows, cols)
        Of zero mean and unit variance.
    places, step, radius
        As for `VisualWords`.

    Returns
    -------
    descriptors : array of shape (places, length)
    """
    if places == "dense":
        found = np.asarray(feature.daisy(image, step=step, radius=radius, rings=2))
        return found.reshape(-1, found.shape[-1])
    sift = feature.SIFT()
    try:
        sift.detect_and_extract(image)
    except RuntimeError:
        # scikit-image's way to say that an image has no keypoint.
        return np.zeros((0, 128))
    return np.asarray(sift.descriptors) / 255.0
