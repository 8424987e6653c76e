"""Features of images and what learns from them, by the names that a user gives."""

from collections.abc import Callable
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from idml_jax.errors import InputError
from idml_jax.training import features

FEATURES: dict[str, Callable[[int], Any]] = {
    "patterns": lambda seed: features.LocalBinaryPatterns(),
    "haralick": lambda seed: features.Haralick(),
    "gradients": lambda seed: features.OrientedGradients(),
    "spectrum": lambda seed: features.PowerSpectrum(),
    "greys": lambda seed: features.GreyLevels(),
    "two-point": lambda seed: make_pipeline(features.TwoPointStatistics(), PCA(0.98)),
    "words": lambda seed: features.VisualWords(seed=seed),
    "vlad": lambda seed: features.VisualWords(32, kind="vlad", seed=seed),
    "keypoints": lambda seed: features.VisualWords(places="keypoints", seed=seed),
}
"""How each is made, of a seed."""

CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "svm": lambda seed: _calibrated(SVC(C=10, class_weight="balanced", random_state=seed)),
    "linear-svm": lambda seed: _calibrated(
        SVC(C=1, kernel="linear", class_weight="balanced", random_state=seed)
    ),
    "logistic": lambda seed: LogisticRegression(max_iter=5000, class_weight="balanced"),
    "forest": lambda seed: RandomForestClassifier(
        300, class_weight="balanced_subsample", random_state=seed
    ),
    "neighbours": lambda seed: KNeighborsClassifier(5, weights="distance"),
}
"""The same of what learns from them; each weighs its classes alike, but for the neighbours."""


def pipeline_of(feature: str, classifier: str, seed: int) -> Pipeline:
    """Features, each in units of what it varies by, and what learns from them.

    Raises
    ------
    InputError
        If there is none of a name.
    """
    for name, known in ((feature, FEATURES), (classifier, CLASSIFIERS)):
        if name not in known:
            raise InputError(f"nothing is called {name}; there are {', '.join(known)}.")
    return make_pipeline(FEATURES[feature](seed), StandardScaler(), CLASSIFIERS[classifier](seed))


def _calibrated(machine: SVC) -> CalibratedClassifierCV:
    """A machine whose scores become probabilities, by Platt's sigmoid over folds."""
    return CalibratedClassifierCV(machine, ensemble=False)  # pyright: ignore[reportArgumentType]
