"""Train a network to tell classes of images apart; a trained one as classifier and encoder."""

import hashlib
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Float, Int, PRNGKeyArray, UInt8

from idml_jax.data import crop_at_random
from idml_jax.report import claim
from idml_jax.training.batches import in_batches
from idml_jax.training.checkpoint import options_of
from idml_jax.training.classifier_recipe import ClassifierRecipe, ClassNetwork
from idml_jax.training.fitting import Validation, fit, fitted, random_rows
from idml_jax.training.pytorch_weights import load_encoder
from idml_jax.training.standardizing import standardized
from idml_jax.typing import Array, Images

AugmentImages: TypeAlias = Callable[[PRNGKeyArray, Images], Images]
"""The same images seen another way, each of the same class as before."""


class ClassifierScalars(NamedTuple):
    """What is recorded of a step."""

    loss: Float[Array, ""]
    """Cross-entropy over the batch, in nats, with the weights of the classes."""
    accuracy: Float[Array, ""]
    """Share of the batch that is told right."""


class TrainedClassifier:
    """A trained network: probabilities of classes, and the features that tell.

    Parameters
    ----------
    network : Classifier, or another network for classes
        Of images whose channels have zero mean and unit variance over what it was trained on.
    mean, deviation : array of shape (channels,)
        Mean and standard deviation of the training images.
    by_itself : bool
        Whether each image is standardized by itself.
    """

    def __init__(
        self,
        network: ClassNetwork,
        mean: Float[Array, " channels"],
        deviation: Float[Array, " channels"],
        by_itself: bool = False,
    ):
        self.network, self.channels = network, network.in_features
        structure, parameters = nnx.split(network)
        self._given = parameters, jnp.asarray(mean), jnp.asarray(deviation)

        @jax.jit
        def probabilities(parameters, mean, deviation, images):
            network = nnx.merge(structure, parameters)
            return nnx.softmax(network(_standardized(images, mean, deviation, by_itself)))

        @jax.jit
        def features(parameters, mean, deviation, images):
            network = nnx.merge(structure, parameters)
            return network.features(_standardized(images, mean, deviation, by_itself))

        self._probabilities, self._features = probabilities, features

    def __call__(self, images: Images) -> Float[Array, "batch classes"]:
        """Probabilities of the classes; differentiable, and to be used under jit as well."""
        return self._probabilities(*self._given, jnp.asarray(images, jnp.float32))

    def features(self, images: Images) -> Float[Array, "batch embedding"]:
        """The embedding of each image of a batch: an encoder, as `evaluation.encode` takes it."""
        return self._features(*self._given, jnp.asarray(images, jnp.float32))

    def predict(self, images: Images, *, batch: int = 64) -> Float[np.ndarray, "count classes"]:
        """Probabilities of the classes of many images, on the host, `batch` at a time."""
        return in_batches(self, batch, images)


Judgement: TypeAlias = Callable[[TrainedClassifier], Mapping[str, float]]
"""Scores of a classifier by their names."""


def train_classifier(
    images: Images,
    labels: Int[Array, " count"],
    recipe: ClassifierRecipe,
    *,
    run: str | pathlib.Path,
    weights: str | pathlib.Path | None = None,
    augment: AugmentImages | None = None,
    judge: Judgement | None = None,
    by: str = "accuracy",
    save_every: int = 200,
    show: Callable[[TrainedClassifier, int], None] | None = None,
) -> TrainedClassifier:
    """Train a network to tell the classes of images; go on where a run stopped.

    Parameters
    ----------
    images : array of shape (count, rows, cols, channels)
        Of one size, values in [0, 1]; kept on the device in 8 bits.
    labels : integer array of shape (count,)
        The class of each, from 0; images of -1, which nobody has labelled, are left out.
    recipe : ClassifierRecipe
        Network and training.
    run : path
        The run's folder: checkpoints, records, options. A run found there goes on, if it is of
        the same recipe, images and labels.
    weights : path, optional
        Of the recipe's residual network, from PyTorch: see `read_pytorch_weights`.
    augment : callable, optional
        ``augment(key, images)`` changes a batch in a way that keeps its classes, under jit:
        `data.turn_at_random`, for instance.
    judge : callable, optional
        ``judge(classifier)`` returns scores on images that it is not trained on: the best
        classifier is what the training gives.
    by : str
        The score that decides.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(classifier, steps_done)`` after each checkpoint: to look at its errors on images
        that it is not trained on.

    Returns
    -------
    classifier : TrainedClassifier

    Raises
    ------
    ValueError
        If images and labels do not go together, a class below the highest has no image, there
        are fewer images than a batch takes, or crops are larger than images.
    InputError
        If the weights are not of the network, the run belongs to another recipe or other images,
        the loss is no longer finite, or a checkpoint cannot be written.
    """
    run = pathlib.Path(run)
    pixels, labels = _labelled(images, labels)
    counts = _counts(labels, recipe)
    size, extent = recipe.cropped(pixels.shape[1:3]), pixels.shape[1:3]
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()[:16]
    mean, deviation = _moments(pixels)
    options = recipe.plain() | {
        "classes": len(counts),
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
        "examples": digest,
    }
    if judge is not None:
        options["judged"] = True
    network = recipe.network(pixels.shape[-1], len(counts))
    if weights is not None:
        options["weights"] = load_encoder(network, weights)
    claim(run / "classifier.json", options)
    ones = np.ones(len(counts), np.float32)
    of_classes = jnp.asarray(len(labels) / (len(counts) * counts) if recipe.balanced else ones)

    def prepare(key, batch):
        shown = batch[0].astype(jnp.float32) / jnp.float32(255)
        if size != extent:
            shown = crop_at_random(jax.random.fold_in(key, 1), shown, size)
        shown = shown if augment is None else augment(key, shown)
        return _standardized(shown, mean, deviation, recipe.by_itself), batch[1]

    def loss(network, batch, key):
        images, labels = batch
        others, share = labels, jnp.float32(1)
        if recipe.mixing:
            order_key, share_key = jax.random.split(key)
            order = jax.random.permutation(order_key, len(labels))
            share = jax.random.beta(share_key, recipe.mixing, recipe.mixing).astype(jnp.float32)
            images, others = share * images + (1 - share) * images[order], labels[order]
        logits = network(images, rngs=nnx.Rngs(jax.random.fold_in(key, 1)))
        value = share * surprise(logits, labels)
        if recipe.mixing:
            value = value + (1 - share) * surprise(logits, others)
        right = (logits.argmax(axis=-1) == labels).mean(dtype=jnp.float32)
        return value, ClassifierScalars(value, right)

    def surprise(logits, labels):
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        if recipe.focus:
            each = each * (-jnp.expm1(-each)) ** recipe.focus
        return (of_classes[labels] * each).mean()

    def show_network(network: ClassNetwork, done: int) -> None:
        if show is not None:
            show(TrainedClassifier(network, mean, deviation, recipe.by_itself), done)

    validation = None
    if judge is not None:
        validation = Validation(
            lambda network: judge(TrainedClassifier(network, mean, deviation, recipe.by_itself)),
            by,
            recipe.judge_every,
            recipe.patience,
        )
    network = fit(
        network,
        (jnp.asarray(pixels), jnp.asarray(labels)),
        random_rows(recipe.batch, prepare),
        loss,
        recipe,
        run=run,
        averaging=recipe.averaging,
        validation=validation,
        save_every=save_every,
        show=show_network,
    )
    return TrainedClassifier(network, mean, deviation, recipe.by_itself)


def load_classifier(run: str | pathlib.Path) -> TrainedClassifier:
    """The classifier of a run, as its newest checkpoint has it.

    Raises
    ------
    InputError
        If the folder holds no run of a classifier, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    options = options_of(run / "classifier.json", "classifier")
    classes = options.pop("classes")
    mean, deviation = (np.array(options.pop(name), np.float32) for name in ("mean", "deviation"))
    del options["examples"]
    judged = options.pop("judged", False)
    # They are in the checkpoint by now.
    options.pop("weights", None)
    recipe = ClassifierRecipe(features=tuple(options.pop("features")), **options)
    network = fitted(
        recipe.network(len(mean), classes),
        recipe,
        run,
        averaging=recipe.averaging,
        validated=judged,
    )
    return TrainedClassifier(network, mean, deviation, recipe.by_itself)


def _standardized(
    images: Images,
    mean: Float[Array, " channels"],
    deviation: Float[Array, " channels"],
    by_itself: bool,
) -> Images:
    """Each channel of zero mean and unit variance: over the training images, or in each image."""
    if not by_itself:
        return standardized(images, mean, deviation)
    images = images - images.mean(axis=(1, 2), keepdims=True)
    # Of an image without contrast nothing is left, and no noise of the last digit.
    return images / (images.std(axis=(1, 2), keepdims=True) + 1e-3)


def _moments(
    pixels: UInt8[np.ndarray, "count rows cols channels"],
) -> tuple[Float[np.ndarray, " channels"], Float[np.ndarray, " channels"]]:
    """Mean and deviation of each channel, in [0, 1]; 1 for a channel that does not vary."""
    values = pixels.reshape(-1, pixels.shape[-1]).astype(np.float32) / np.float32(255)
    deviation = values.std(axis=0)
    return values.mean(axis=0), np.where(deviation > 0, deviation, np.float32(1))


def _labelled(images: Images, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """The images that have a label, in 8 bits, and their labels."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"`images` has the shape {images.shape} and `labels` {labels.shape}; they are (count, "
            "rows, cols, channels) and (count,)."
        )
    if not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < -1):
        raise ValueError(
            f"`labels` ({labels.dtype}) are integers from 0, or -1 for an image without a class."
        )
    known = labels >= 0
    images, labels = images[known], labels[known]
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError("`images` has values outside of [0, 1], or not finite: scale them.")
    return np.rint(255 * images).astype(np.uint8), labels.astype(np.int32)


def _counts(
    labels: Int[np.ndarray, " count"], recipe: ClassifierRecipe
) -> Float[np.ndarray, " classes"]:
    """How many images each class has; refuse what there is nothing to learn from."""
    if len(labels) < recipe.batch:
        raise ValueError(f"{len(labels)} labelled images are fewer than a batch of {recipe.batch}.")
    counts = np.bincount(labels)
    if len(counts) < 2 or not counts.all():
        raise ValueError(
            f"`labels`: the classes have {counts.tolist()} images; there are two classes at least, "
            "numbered without a gap."
        )
    return counts.astype(np.float32)
