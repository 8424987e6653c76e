"""How unsure a segmenter is of new micrographs, and intervals of their phase fractions."""

import functools
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from idml_jax import data, evaluation, models, training
from idml_jax.errors import InputError, listed
from idml_jax.workflows.calibration import temperature_of
from idml_jax.workflows.channels import with_channels
from idml_jax.workflows.segment_predict import Config
from idml_jax.workflows.segment_tiles import Tiled


class Uncertainty(NamedTuple):
    """Several members as one segmenter, and the intervals that were fitted to what it says."""

    segmenter: training.UncertainSegmenter
    intervals: evaluation.FractionIntervals
    level: float
    way: str
    fitted_to: tuple[str, ...]
    """The names of the micrographs."""

    def of(self, told: training.Told) -> evaluation.FractionInterval:
        """The fractions of the classes of an image, with their intervals."""
        return self.intervals(*_fraction_and_spread(told), level=self.level)

    def plain(self) -> dict[str, Any]:
        """What the intervals are, as plain values."""
        classes = map(str, self.segmenter.classes)
        factors = self.intervals.factor(self.level).tolist()
        return {
            "uncertainty": self.way,
            "members": len(self.segmenter.members),
            "level": self.level,
            "fitted to": list(self.fitted_to),
            "spreads on either side": dict(zip(classes, factors, strict=True)),
        }

    def __str__(self) -> str:
        return (
            f"Intervals hold the true share of a class in {self.level:.0%} of images like the "
            f"{len(self.fitted_to)} that they are fitted to; {self.way}, "
            f"{len(self.segmenter.members)} members."
        )


def segmenter_of(config: Config) -> training.Segmenter:
    """The run's network, at its temperature if that is wanted."""
    return _loaded(config.run, config.calibrated)


def uncertainty_of(config: Config) -> Uncertainty:
    """The members that are asked for, and intervals fitted to annotated micrographs.

    Raises
    ------
    InputError
        If the network has no such members, the other runs do not go with it, or there are no
        micrographs to fit to, too few of them, or some that were trained on.
    """
    segmenter = training.UncertainSegmenter(_members(config))
    annotated = _annotated(config, segmenter)
    needed = evaluation.images_needed(config.level)
    if (count := len(annotated)) < needed:
        most = np.floor(100 * count / (count + 1)) / 100
        way = f"give --level {most:g}, or" if count else "give"
        raise InputError(
            f"--level (={config.level}): takes {needed} annotated micrographs that were not "
            f"trained on to fit intervals to, and there are {count}; {way} more of them by "
            "--annotated IMAGES MASKS."
        )
    true, told = [], []
    for one in tqdm(annotated, desc="fitting intervals", unit="image", delay=2):
        known = one.labels >= 0
        count = len(segmenter.classes)
        true.append(evaluation.class_fractions(one.labels, classes=count, known=known))
        told.append(_fraction_and_spread(segmenter.tell(one.micrograph.image), known))
    fractions, spreads = (np.array(each) for each in zip(*told, strict=True))
    intervals = evaluation.FractionIntervals.of(np.array(true), fractions, spreads)
    names = tuple(one.name for one in annotated)
    return Uncertainty(segmenter, intervals, config.level, config.uncertainty, names)


def _fraction_and_spread(
    told: training.Told, known: Bool[np.ndarray, "rows cols"] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Of the classes: the shares of the label image, and how unsure they are."""
    labels, classes = told.probabilities.argmax(axis=-1), told.probabilities.shape[-1]
    fractions = evaluation.class_fractions(labels, classes=classes, known=known)
    return fractions, evaluation.fraction_spread(told.labels, told.probabilities, known=known)


def _members(config: Config) -> list[training.PixelProbabilities]:
    """Each asked tile by tile."""
    tiled = functools.partial(Tiled, tile=config.tile)
    first = segmenter_of(config)
    if config.uncertainty == "turns":
        if first.turns == "none":
            raise InputError(
                f"{config.run}: trained with --turns none, so that turned images are none of its "
                "kind; use --uncertainty dropout or ensemble."
            )
        if isinstance(first.network, models.EquivariantUNet):
            raise InputError(
                f"{config.run}: trained with --symmetric, so that it says the same of turned "
                "images; use --uncertainty dropout or ensemble."
            )
        return [*training.turned_members(tiled(first), first.turns)]
    if config.uncertainty == "dropout":
        if not training.dropout_of(first):
            raise InputError(
                f"{config.run}: trained without dropout, so that all its draws are the same; train "
                "with --dropout 0.2, or use --uncertainty turns or ensemble."
            )
        return [tiled(each) for each in training.thinned_members(first, config.draws)]
    runs = [config.run, *config.others]
    if len({run.resolve() for run in runs}) < len(runs):
        raise InputError(
            f"--others: {', '.join(map(str, config.others))} beside {config.run}: each run once; "
            "one alone agrees with itself."
        )
    members = [first]
    for run in config.others:
        other = _loaded(run, config.calibrated)
        for name in ("classes", "channels"):
            found, wanted = getattr(other, name), getattr(first, name)
            if found != wanted:
                raise InputError(
                    f"{run}: trained on {name} {found}, and {config.run} on {wanted}; an ensemble "
                    "is of runs that tell the same."
                )
        members.append(other)
    return [tiled(each) for each in members]


def _loaded(run: pathlib.Path, calibrated: bool) -> training.Segmenter:
    segmenter = training.load_segmenter(run)
    return segmenter.at_temperature(temperature_of(run)) if calibrated else segmenter


def _annotated(config: Config, segmenter: training.UncertainSegmenter) -> list[data.Annotated]:
    """Micrographs that none of the members was trained on, with their masks."""
    runs = [config.run, *config.others]
    results = [_result(run) for run in runs]
    trained = {name for result in results for name in result["train"]}
    of_training = json.loads((config.run / "config.json").read_text())
    if config.annotated is not None:
        images, masks = config.annotated
        names = None
        crop_bottom = config.crop_bottom
    else:
        found = results[0].get("folders") or [of_training["images"], of_training["masks"]]
        images, masks = map(pathlib.Path, found)
        if lacking := [folder for folder in (images, masks) if not folder.is_dir()]:
            raise InputError(
                f"{lacking[0]}: no longer there, and it held the micrographs that {config.run} was "
                "judged by, to which intervals are fitted; give others by --annotated IMAGES MASKS."
            )
        names = results[0]["val"]
        crop_bottom = of_training["crop_bottom"]
        if known := sorted(trained & {*names}):
            raise InputError(
                f"--others: trained on {listed(known)}, to which intervals are to be "
                "fitted; train all runs with the same --split, or give other micrographs by "
                "--annotated IMAGES MASKS."
            )
    read = data.read_annotated(
        images,
        masks,
        names=names,
        classes=segmenter.classes,
        unlabelled=of_training["unlabelled"],
        crop_bottom=crop_bottom,
    ).micrographs
    fit = [one for one in read if one.name not in trained and (one.labels >= 0).any()]
    return [
        data.Annotated(with_channels(one.micrograph, segmenter.channels), one.labels) for one in fit
    ]


def _result(run: pathlib.Path) -> dict[str, Any]:
    """What a training wrote at its end."""
    path = run / "result.json"
    if not path.exists():
        raise InputError(
            f"{run}: its training is not finished ({path.name} is missing); run the same command "
            "of it again, which goes on."
        )
    return json.loads(path.read_text())
