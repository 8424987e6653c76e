"""Train a network to tell the class of each pixel."""

import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from idml_jax.data import Annotated, keep_annotated_on_device, random_annotated_crops
from idml_jax.errors import InputError
from idml_jax.report import claim
from idml_jax.training.checkpoint import options_of
from idml_jax.training.fitting import Validation, fit, fitted
from idml_jax.training.pytorch_weights import load_encoder
from idml_jax.training.records import Pictures
from idml_jax.training.segmentation_losses import beside_others
from idml_jax.training.segmenter import Segmenter
from idml_jax.training.segmenter_recipe import PixelNetwork, SegmenterRecipe
from idml_jax.training.standardizing import standardized
from idml_jax.typing import Array


class SegmenterScalars(NamedTuple):
    """What is recorded of a step."""

    loss: Float[Array, ""]
    """Over the batch."""
    accuracy: Float[Array, ""]
    """Share of the batch's annotated pixels that is told right."""


Judgement = Callable[[Segmenter], Mapping[str, float]]
"""Scores of a segmenter by their names."""


def train_segmenter(
    annotated: Sequence[Annotated],
    classes: tuple[int, ...],
    recipe: SegmenterRecipe,
    *,
    run: str | pathlib.Path,
    weights: str | pathlib.Path | None = None,
    judge: Judgement | None = None,
    by: str = "mean IoU",
    save_every: int = 100,
    show: Callable[[Segmenter, int], Pictures | None] | None = None,
) -> Segmenter:
    """Train a network to tell the class of each pixel; go on where a run stopped.

    Parameters
    ----------
    annotated : sequence of Annotated
        To train on; kept on the device in 8 bits.
    classes : tuple of int
        What files call the classes, whose numbers the labels are.
    recipe : SegmenterRecipe
    run : path
        The run's folder: checkpoints, records, options. A run found there goes on, if it is of the
        same recipe and micrographs.
    weights : path, optional
        Of the recipe's encoder, from PyTorch: see `read_pytorch_weights`.
    judge : callable, optional
        ``judge(segmenter)`` returns scores on micrographs that it is not trained on, as that of
        `evaluation.judge_pixels`: the best segmenter is what the training gives.
    by : str
        The score that decides.
    save_every : int
        Steps between checkpoints.
    show : callable, optional
        ``show(segmenter, steps_done)`` after each checkpoint; pictures that it returns are written
        into the TensorBoard events.

    Returns
    -------
    segmenter : Segmenter

    Raises
    ------
    InputError
        If a class has no pixel, the run belongs to another recipe or other micrographs, the loss is
        no longer finite, or a checkpoint cannot be written.
    """
    run = pathlib.Path(run)
    annotated = [
        one.in_local_contrast(recipe.local_contrast).binned(recipe.binning) for one in annotated
    ]
    resident = keep_annotated_on_device(annotated, len(classes), size=recipe.size, seed=recipe.seed)
    counts = np.array(
        [sum((one.labels == k).sum() for one in annotated) for k in range(len(classes))]
    )
    if not counts.all():
        lacking = [value for value, count in zip(classes, counts, strict=True) if not count]
        raise InputError(
            f"no pixel of the training masks is of the class {', '.join(map(str, lacking))}; add "
            "masks that have some, or leave it off the classes."
        )
    mean, deviation = _moments(annotated)
    options = recipe.plain() | {
        "classes": list(classes),
        "mean": mean.tolist(),
        "deviation": deviation.tolist(),
        "examples": _digest(annotated),
        "judged": judge is not None,
    }
    network = recipe.network(len(mean), len(classes))
    if weights is not None:
        options["weights"] = load_encoder(network, weights)
    claim(run / "segmenter.json", options)
    of_classes = jnp.asarray(_class_weights(counts, recipe))

    def draw(key, examples):
        place_key, change_key = jax.random.split(key)
        images, labels = random_annotated_crops(
            place_key,
            examples,
            count=recipe.batch,
            size=recipe.size,
            turns=recipe.turns,
            around_classes=recipe.around_classes,
        )
        return recipe.changes(change_key, standardized(images, mean, deviation), labels)

    def loss(network, batch, key):
        images, labels = batch
        logits = network(images, rngs=nnx.Rngs(key))
        known = labels >= 0
        weights = of_classes[jnp.where(known, labels, 0)]
        if recipe.boundary_weight:
            weights = weights * (1 + recipe.boundary_weight * beside_others(labels))
        value = recipe.loss(logits, labels, weights)
        right = known & (logits.argmax(axis=-1) == labels)
        accuracy = right.sum() / jnp.maximum(known.sum(), 1)
        return value, SegmenterScalars(value, accuracy.astype(jnp.float32))

    def segmenter_of(network: PixelNetwork) -> Segmenter:
        return Segmenter(network, mean, deviation, classes, **_seen(recipe))

    def show_network(network: PixelNetwork, done: int) -> Pictures | None:
        return None if show is None else show(segmenter_of(network), done)

    validation = None
    if judge is not None:
        scores = functools.partial(_judged, judge, segmenter_of)
        validation = Validation(scores, by, recipe.judge_every, recipe.patience)
    network = fit(
        network,
        resident,
        draw,
        loss,
        recipe,
        run=run,
        averaging=recipe.averaging,
        validation=validation,
        save_every=save_every,
        show=show_network,
    )
    return segmenter_of(network)


def load_segmenter(run: str | pathlib.Path, *, last: bool = False) -> Segmenter:
    """The segmenter of a run, as its newest checkpoint has it.

    Parameters
    ----------
    run : path
    last : bool
        Whether it is that of the last step, where another one did better by what judged them.

    Raises
    ------
    InputError
        If the folder holds no run of a segmenter, or one without a checkpoint.
    """
    run = pathlib.Path(run)
    options = options_of(run / "segmenter.json", "segmenter")
    classes, judged = tuple(options.pop("classes")), options.pop("judged")
    mean, deviation = (np.array(options.pop(name), np.float32) for name in ("mean", "deviation"))
    del options["examples"]
    # They are in the checkpoint by now.
    options.pop("weights", None)
    recipe = SegmenterRecipe.from_plain(options)
    network = fitted(
        recipe.network(len(mean), len(classes)),
        recipe,
        run,
        averaging=recipe.averaging,
        validated=judged,
        last=last,
    )
    return Segmenter(network, mean, deviation, classes, **_seen(recipe))


def _seen(recipe: SegmenterRecipe) -> dict[str, Any]:
    """How a segmenter of the recipe sees images."""
    return {"binning": recipe.binning, "window": recipe.local_contrast, "turns": recipe.turns}


def _judged(
    judge: Judgement, segmenter_of: Callable[[PixelNetwork], Segmenter], network: PixelNetwork
) -> Mapping[str, float]:
    return judge(segmenter_of(network))


def _moments(
    annotated: Sequence[Annotated],
) -> tuple[Float[np.ndarray, " channels"], Float[np.ndarray, " channels"]]:
    """Mean and deviation of each channel over all pixels; 1 for a channel that does not vary."""
    pixels = np.concatenate(
        [one.micrograph.image.reshape(-1, one.micrograph.image.shape[-1]) for one in annotated]
    )
    mean, deviation = pixels.mean(axis=0, dtype=np.float64), pixels.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1)
    return mean.astype(np.float32), deviation.astype(np.float32)


def _class_weights(counts: np.ndarray, recipe: SegmenterRecipe) -> Float[np.ndarray, " classes"]:
    """Of a pixel of each class, 1 in the mean over the pixels."""
    shares = counts / counts.sum()
    power = {"none": 0.0, "root": 0.5, "inverse": 1.0}[recipe.class_weights]
    weights = shares**-power
    return (weights / (shares * weights).sum()).astype(np.float32)


def _digest(annotated: Sequence[Annotated]) -> str:
    """By which a run knows that it goes on with the same micrographs and masks."""
    digest = hashlib.sha256()
    for one in annotated:
        digest.update(np.ascontiguousarray(one.micrograph.image).tobytes())
        digest.update(np.ascontiguousarray(one.labels).tobytes())
    return digest.hexdigest()[:16]
