"""A support vector machine for histograms, by the chi-squared distance between them."""

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import additive_chi2_kernel
from sklearn.svm import SVC

from idml_jax.typing import Array


class ChiSquaredMachine(ClassifierMixin, BaseEstimator):
    r"""Tells classes of histograms by the exponential chi-squared kernel.

    With :math:`k(x, y) = \exp(-\gamma \sum_i (x_i - y_i)^2 / (x_i + y_i))` [1]_ a bin counts by how
    much it differs for how full it is: what is rare tells as well. Histograms are given as they
    are: standardized, they would be none.

    Parameters
    ----------
    C : float
        What a wrong side of the margin costs.
    gamma : float, optional
        Of the kernel. By default one over the mean distance between the training histograms [1]_.
    class_weight : "balanced" or mapping, optional
        As for `sklearn.svm.SVC`.
    seed : int

    References
    ----------
    .. [1] J. Zhang, M. Marszalek, S. Lazebnik, C. Schmid, "Local features and kernels for
       classification of texture and object categories: a comprehensive study", Int. J. Comput. Vis.
       73, 213-238 (2007), section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> shares = np.array([[0.1, 0.9], [0.2, 0.8], [0.8, 0.2], [0.9, 0.1]])
    >>> machine = ChiSquaredMachine().fit(shares, np.array(["few", "few", "many", "many"]))
    >>> machine.predict(np.array([[0.3, 0.7]])).tolist()
    ['few']
    """

    def __init__(
        self,
        C: float | int = 10,
        gamma: float | int | None = None,
        class_weight: object = None,
        seed: int = 0,
    ):
        self.C, self.gamma, self.class_weight, self.seed = C, gamma, class_weight, seed

    def fit(self, histograms: Float[Array, "count bins"], labels: Array) -> "ChiSquaredMachine":
        """Learn of histograms and their classes.

        Raises
        ------
        ValueError
            If a bin is negative, or none is a number.
        """
        self.known_ = _histograms(histograms)
        distances = -additive_chi2_kernel(self.known_)
        # Histograms that are all the same have no distance: any kernel is 1.
        mean = float(distances.mean()) or 1.0
        self.gamma_ = 1 / mean if self.gamma is None else self.gamma
        machine = SVC(
            C=self.C,
            kernel="precomputed",
            class_weight=self.class_weight,  # pyright: ignore[reportArgumentType]
            random_state=self.seed,
        )
        self.machine_ = machine.fit(np.exp(-self.gamma_ * distances), labels)
        self.classes_ = self.machine_.classes_
        return self

    def decision_function(self, histograms: Float[Array, "count bins"]) -> np.ndarray:
        """As of `sklearn.svm.SVC`: by how much each class is told, or the second of two."""
        return self.machine_.decision_function(self._kernel(histograms))

    def predict(self, histograms: Float[Array, "count bins"]) -> np.ndarray:
        """The class of each."""
        return self.machine_.predict(self._kernel(histograms))

    def _kernel(self, histograms: Float[Array, "count bins"]) -> Float[np.ndarray, "count known"]:
        found = additive_chi2_kernel(_histograms(histograms), self.known_)
        return np.exp(self.gamma_ * found)


def _histograms(histograms: Float[Array, "count bins"]) -> Float[np.ndarray, "count bins"]:
    found = np.asarray(histograms, float)
    if found.size and not found.min() >= 0:
        raise ValueError(
            f"`histograms` hold {found.min():g}; bins of a histogram are not negative: give shares "
            "or counts as they are, not standardized."
        )
    return found
