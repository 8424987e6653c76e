"""What a trained network makes of micrographs, as features that others learn from."""

import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from idml_jax import data, training
from idml_jax.errors import InputError, listed
from idml_jax.training import features
from idml_jax.typing import Images
from idml_jax.workflows.classify_compare import Config
from idml_jax.workflows.duplicates import seen_before

EMBEDDING = "embedding"
"""What these features are called in tables."""


def features_of(config: Config) -> tuple[str, ...]:
    """The names of all features that are compared."""
    return (*config.features, EMBEDDING) if config.embedding is not None else config.features


def embedding_of(run: pathlib.Path, channels: int) -> features.Embedding:
    """The features of a run's network; of the same image they are computed once.

    Raises
    ------
    InputError
        If the folder holds no classifier, or one of other channels.
    """
    classifier = training.load_classifier(run)
    if classifier.channels != channels:
        raise InputError(
            f"--embedding {run}: a network of {classifier.channels} channels, and the micrographs "
            f"have {channels}; train one on micrographs like these."
        )
    memory = features.Memory(lambda image: np.asarray(classifier.features(image[None]))[0])

    def encoder(images: Images) -> Float[np.ndarray, "batch features"]:
        return np.stack([memory(np.asarray(each)) for each in images])

    return features.Embedding(encoder)


def check_unseen(
    run: pathlib.Path, micrographs: Sequence[data.Micrograph], folds: Sequence[data.Fold]
) -> None:
    """Refuse a network that was trained on what judges; tell of one that was chosen by it.

    Raises
    ------
    InputError
        If it was. All such micrographs are named.
    """
    result = run / "result.json"
    digests = json.loads(result.read_text()).get("digests", {}) if result.exists() else {}
    places = sorted({int(place) for fold in folds for place in fold.judged})
    seen = seen_before([micrographs[place] for place in places], digests)
    trained, chosen = (
        [each.name for each in seen.get(role, ())] for role in ("are trained on", "were judged by")
    )
    if trained:
        raise InputError(
            f"--embedding {run}: its network was trained on what judges here: {listed(trained)}; "
            "train it on other micrographs, or judge by others (--val)."
        )
    if chosen:
        print(
            f"the network of {run} was chosen by what judges here: {listed(chosen)}; scores of its "
            "features may flatter.",
            file=sys.stderr,
        )
