"""Features that are remembered: folds and grids ask for those of the same images many times."""

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from jaxtyping import Float

from idml_jax.training.features.images import OfImages

MOST = 2**30
"""Bytes that are remembered by default; what comes later is computed each time."""


class Memory:
    """Answers of a function of an image, each computed once; copies share what they know.

    Parameters
    ----------
    function : callable
        ``function(image, *settings)`` returns an array.
    most : int
        Bytes that are kept.

    Examples
    --------
    >>> import numpy as np
    >>> asked = []
    >>> memory = Memory(lambda image, factor: asked.append(factor) or factor * image)
    >>> [float(memory(np.ones((1, 1)), factor)[0, 0]) for factor in (2, 3, 2)], asked
    ([2.0, 3.0, 2.0], [2, 3])
    """

    def __init__(self, function: Callable[..., np.ndarray], most: int = MOST):
        self.function, self.most = function, most
        self._known: dict[tuple[Hashable, ...], np.ndarray] = {}
        self._bytes = 0

    def __call__(
        self, image: Float[np.ndarray, "rows cols *channels"], *settings: Hashable
    ) -> np.ndarray:
        """The function's answer for an image."""
        pixels = np.ascontiguousarray(image)
        key = (hashlib.sha256(pixels.tobytes()).digest(), pixels.shape, *settings)
        if key in self._known:
            return self._known[key]
        found = self.function(image, *settings)
        if self._bytes + found.nbytes <= self.most:
            self._known[key] = found
            self._bytes += found.nbytes
        return found

    def __sklearn_clone__(self) -> "Memory":
        # Of what it was asked it has learned nothing: folds may share it.
        return self


class Remembered(OfImages):
    """Features of which each image's are computed once, for all folds and all that learns.

    Parameters
    ----------
    features : OfImages
        They learn nothing: what is remembered of an image depends on no other.

    Examples
    --------
    >>> import numpy as np
    >>> from idml_jax.training.features import GreyLevels
    >>> images = np.random.default_rng(0).random((2, 8, 8, 1))
    >>> known = Remembered(GreyLevels())
    >>> bool((known.transform(images) == GreyLevels().transform(images)).all())
    True
    """

    def __init__(self, features: OfImages):
        self.features = features
        self._memory = Memory(lambda image, settings: self.features.of_image(image))

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Those of a grey image of zero mean and unit variance."""
        return self._memory(image, repr(self.features))

    def __sklearn_clone__(self) -> Any:
        return self
