"""A superalloy from one micrograph, by an encoder that has seen other materials or none.

    python -m experiments.pretrained_encoder --data DATA --run runs/pretrained_encoder

After J. Stuckner, B. Harder, T. M. Smith, "Microstructure segmentation with deep learning encoders
pre-trained on a large microscopy dataset", npj Comput. Mater. 8, 200 (2022): encoders that learned
to tell 54 classes of 100,000 micrographs segment from fewer masks than those that saw photographs.
Those micrographs are not to be had; here a ResNet-18 learns to tell nine materials by 225 crops.
The tenth of their set is the superalloy itself, and left out. Then it is the encoder of a U-Net
that learns from one micrograph:

- from scratch, of random first values;
- as it is, while only what is behind it learns;
- fine-tuned, by a thirtieth of the learning rate and by all of it.

`DATA` is a folder that holds materials-crops and nasa-superalloy. Every network is the last one of
its training, judged by the list's `val`, by which nothing is chosen.
"""

import dataclasses
import pathlib
import time
from typing import Any

from experiments.few_annotated_micrographs import STUDIES
from idml_jax import evaluation, report, training
from idml_jax.cli import run_experiment
from idml_jax.workflows import classify_train

WAYS: dict[str, dict[str, Any]] = {
    "scratch": {},
    "as it is": {"frozen": True},
    "fine-tuned, 1/30": {},
    "fine-tuned, 1": {"encoder_rate": 1.0},
}
"""What is special to the training of each."""


SUPERALLOY = "superalloy_gamma_prime"
"""What the set of crops calls it."""


@dataclasses.dataclass(frozen=True)
class Config:
    """An encoder that has seen other materials."""

    data: pathlib.Path
    """Folder that holds both sets."""
    run: pathlib.Path = pathlib.Path("runs/pretrained_encoder")
    """Folder for the trainings and the table; a run there goes on; seconds are those since."""
    of: str = "Super3"
    """The list of micrographs to learn from: that one has one, Super1 ten."""
    crop_steps: int = 400
    """Of the training on crops of other materials."""
    steps: int = 120
    """Of each training on the superalloy."""
    seed: int = 0
    """Of everything random."""


def others(crops: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A folder with all classes of crops but the superalloy: some of them are of its `val`."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in sorted(crops.iterdir()):
        if one.name != SUPERALLOY and not (folder / one.name).exists():
            (folder / one.name).symlink_to(one.resolve(), target_is_directory=True)
    return folder


def encoder_of(config: Config) -> pathlib.Path:
    """The weights of a network that tells nine materials, which is trained if it is not there."""
    crops, run = config.data / "materials-crops", config.run / "materials"
    weights = run / "encoder.safetensors"
    if not weights.exists():
        classify_train.run(
            classify_train.Config(
                others(crops / "train", config.run / "crops" / "train"),
                run,
                val=others(crops / "val", config.run / "crops" / "val"),
                network="resnet18",
                steps=config.crop_steps,
                seed=config.seed,
            )
        )
    return weights


def main(config: Config) -> None:
    """Train, and print the table."""
    weights = encoder_of(config)
    study = STUDIES["superalloy"]
    known, other = study.read(config.data, config.of)
    columns = evaluation.score_columns(study.classes)
    rows: list[tuple[str, ...]] = [("encoder", "mean IoU", *study.classes, "seconds")]
    results: dict[str, Any] = {}
    for way, options in WAYS.items():
        began = time.perf_counter()
        recipe = dataclasses.replace(
            study.recipe,
            encoder=18,
            features=(64, 48, 32, 24, 16),
            size=(128, 128),
            steps=config.steps,
            seed=config.seed,
            **options,
        )
        segmenter = training.train_segmenter(
            known,
            tuple(range(len(study.classes))),
            recipe,
            run=config.run / f"{config.of}_{way.replace(', ', '_').replace('/', '-')}",
            weights=None if way == "scratch" else weights,
        )
        seconds = time.perf_counter() - began
        scores = evaluation.scores_on(segmenter, other, study.classes)
        results[way] = scores | {"seconds": seconds}
        rows.append((way, *report.cells(scores, columns), f"{seconds:.0f}"))
        report.write_json(config.run / "result.json", results)
    print(report.aligned_text(rows))
    print(f"\nlearned from {len(known)} micrographs, judged by {len(other)}")


if __name__ == "__main__":
    run_experiment(main, Config)
