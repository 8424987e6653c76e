"""Features of images and what learns from them, by the names that a user gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from idml_jax.errors import InputError, listed
from idml_jax.training import ChiSquaredMachine, features

Makers = Mapping[str, Callable[[int], Any]]
"""How each is made, of a seed."""

FEATURES: Makers = {
    "patterns": lambda seed: features.Remembered(features.LocalBinaryPatterns()),
    "haralick": lambda seed: features.Remembered(features.Haralick()),
    "gradients": lambda seed: features.Remembered(features.OrientedGradients()),
    "spectrum": lambda seed: features.Remembered(features.PowerSpectrum()),
    "greys": lambda seed: features.Remembered(features.GreyLevels()),
    "two-point": lambda seed: make_pipeline(
        features.Remembered(features.TwoPointStatistics()), PCA(0.98)
    ),
    "words": lambda seed: _words(seed),
    "vlad": lambda seed: _words(seed, words=32, kind="vlad"),
    "keypoints": lambda seed: _words(seed, places="keypoints"),
}
"""What an image is to what learns; what is the same whatever the set is computed once."""

HISTOGRAMS = ("patterns", "gradients", "words", "keypoints")
"""Those of them that are histograms: none of their numbers is negative."""

CHI_SQUARED = "chi-squared"
"""What learns from histograms alone, as they are: it has a distance between them of its own."""

CLASSIFIERS: Makers = {
    "svm": lambda seed: _calibrated(SVC(C=10, class_weight="balanced", random_state=seed)),
    "linear-svm": lambda seed: _calibrated(
        SVC(C=1, kernel="linear", class_weight="balanced", random_state=seed)
    ),
    CHI_SQUARED: lambda seed: _calibrated(
        ChiSquaredMachine(C=10, class_weight="balanced", seed=seed)
    ),
    "logistic": lambda seed: LogisticRegression(max_iter=5000, class_weight="balanced"),
    "forest": lambda seed: RandomForestClassifier(
        300, class_weight="balanced_subsample", random_state=seed
    ),
    "neighbours": lambda seed: KNeighborsClassifier(5, weights="distance"),
}
"""What learns classes; each weighs its classes alike, but for the neighbours."""

REGRESSORS: Makers = {
    # How much it is held back is chosen by leaving out one image at a time.
    "ridge": lambda seed: RidgeCV(np.logspace(-2, 4, 13)),
    "forest": lambda seed: RandomForestRegressor(300, random_state=seed),
    "svr": lambda seed: TransformedTargetRegressor(SVR(C=10), transformer=StandardScaler()),
    "neighbours": lambda seed: KNeighborsRegressor(5, weights="distance"),
}
"""What learns a number."""

GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "svm": {"learner__estimator__C": (10, 1, 100)},
    "linear-svm": {"learner__estimator__C": (1, 0.1, 0.01)},
    CHI_SQUARED: {"learner__estimator__C": (10, 1, 100)},
    "logistic": {"learner__C": (1, 0.1, 0.01, 10)},
    "forest": {"learner__max_features": ("sqrt", 0.3), "learner__min_samples_leaf": (1, 3)},
    "neighbours": {"learner__n_neighbors": (5, 1, 3, 9)},
    "svr": {"learner__regressor__C": (10, 1, 100)},
    "two-point": {"features__pca__n_components": (0.98, 0.999)},
}
"""What inner folds choose from, of features and of what learns; the first is what is taken without
them. Of all others nothing is chosen."""

NEIGHBOURS = {"neighbours": (5, 9)}
"""Images that it needs to learn from, without inner folds and with them."""


def pipeline_of(
    feature: str, learner: str, seed: int, *, learners: Makers = CLASSIFIERS
) -> Pipeline:
    """Features, each in units of what it varies by, and what learns from them.

    Raises
    ------
    InputError
        If there is none of a name, or they do not go together.
    """
    for name, known in ((feature, FEATURES), (learner, learners)):
        if name not in known:
            raise InputError(f"nothing is called {name}; there are {', '.join(known)}.")
    pairs_of([feature], [learner])
    return with_learner(FEATURES[feature](seed), learner, learners[learner](seed))


def with_learner(feature: Any, learner: str, made: Any) -> Pipeline:
    """Such a pipeline of features that are made: they remember images from one to the next.

    Parameters
    ----------
    feature : transformer of scikit-learn
    learner : str
        What is called so and needs histograms is given them as they are.
    made : estimator of scikit-learn
        What learns.
    """
    scaler = "passthrough" if learner == CHI_SQUARED else StandardScaler()
    return Pipeline([("features", feature), ("scaler", scaler), ("learner", made)])


def pairs_of(features: Sequence[str], learners: Sequence[str]) -> list[tuple[str, str]]:
    """Which features go with what learns from them: histograms alone with what is of these.

    Raises
    ------
    InputError
        If none does.

    Examples
    --------
    >>> pairs_of(["words", "vlad"], ["chi-squared", "forest"])
    [('words', 'chi-squared'), ('words', 'forest'), ('vlad', 'forest')]
    """
    pairs = [
        (feature, learner)
        for feature in features
        for learner in learners
        if learner != CHI_SQUARED or feature in HISTOGRAMS
    ]
    if features and learners and not pairs:
        raise InputError(
            f"{left_out(features, learners)} Nothing is left: take one of {listed(HISTOGRAMS)}, or "
            "learn from these by something else."
        )
    return pairs


def left_out(features: Sequence[str], learners: Sequence[str]) -> str:
    """A sentence about features that something cannot learn from; nothing where it can.

    Examples
    --------
    >>> left_out(["words", "vlad"], ["chi-squared"])
    'chi-squared is of histograms: it is left out with vlad, which may be negative.'
    """
    left = [each for each in features if each not in HISTOGRAMS]
    if CHI_SQUARED not in learners or not left:
        return ""
    return (
        f"{CHI_SQUARED} is of histograms: it is left out with {listed(left)}, which may be "
        "negative."
    )


def grid_of(feature: str, learner: str) -> dict[str, tuple[Any, ...]]:
    """What is chosen from, for such a pipeline.

    Examples
    --------
    >>> grid_of("greys", "logistic")
    {'learner__C': (1, 0.1, 0.01, 10)}
    """
    return GRIDS.get(feature, {}) | GRIDS.get(learner, {})


class _FoldsOfFew:
    """Five folds, or as many as the rarest class has images."""

    def split(
        self, images: Any, labels: Int[np.ndarray, " count"], groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield from StratifiedKFold(self.get_n_splits(images, labels)).split(images, labels)

    def get_n_splits(
        self,
        images: Any = None,
        labels: Int[np.ndarray, " count"] | None = None,
        groups: Any = None,
    ) -> int:
        if labels is None:
            return 5
        _, counts = np.unique(labels, return_counts=True)
        return min(5, int(counts.min()))


def _calibrated(machine: SVC | ChiSquaredMachine) -> CalibratedClassifierCV:
    """A machine whose scores become probabilities, by Platt's sigmoid over folds."""
    return CalibratedClassifierCV(
        machine,  # pyright: ignore[reportArgumentType]
        ensemble=False,  # pyright: ignore[reportArgumentType]
        cv=_FoldsOfFew(),  # pyright: ignore[reportArgumentType]
    )


def _words(seed: int, **options: Any) -> features.VisualWords:
    memory = features.Memory(features.descriptors_of)
    return features.VisualWords(seed=seed, memory=memory, **options)
