"""What eight or twelve micrographs tell of how a material was made, and how surely.

    python -m experiments.small_sets --data DATA --run runs/small_sets

Two sets as small as they often are: of a polymer with agglomerates (Y. Bai et al., IET
Nanodielectrics 5, 93-103 (2022)), how much filler there is in it, in per cent of its weight, and
whether that was treated; of a spheroidized steel (R. Cohn et al., JOM 73, 2159-2172 (2021)), for
how long it was kept at 800 C, as the decimal logarithm of the hours. All but the treatment are
told as numbers, because some of their values have two micrographs: too few for a class, one part
of which is learned from and one judged by.

Each micrograph is judged by once in each of five ways to part them. Which of sixteen ways to tell
them comes out best is luck as well, and no interval here holds that: look at all rows, and at the
one that names the mean of the others, or the commonest class.

`DATA` is a folder that holds nanocomposite-agglomerates and ampis-spheroidite; what a micrograph is
stands in its name.
"""

import collections
import csv
import dataclasses
import math
import pathlib
import re
from collections.abc import Callable
from typing import Any

from idml_jax import data
from idml_jax.cli import run_experiment
from idml_jax.workflows import classify_compare, classify_regress

POLYMER, STEEL = "nanocomposite-agglomerates", "ampis-spheroidite"
FEATURES = ("patterns", "haralick", "spectrum", "two-point")


@dataclasses.dataclass(frozen=True)
class Question:
    """What is to be told of micrographs."""

    folder: str
    pattern: str
    """Where it stands in a file's name."""
    value: Callable[[str], object]
    """What that means."""


LOADING = Question(POLYMER, r"^(point5|\d+)", lambda found: float(found.replace("point", ".")))
TREATMENT = Question(POLYMER, r"(C3|un)_", {"C3": "treated", "un": "untreated"}.__getitem__)
HOURS = Question(STEEL, r"800C-(\d+)H-", lambda found: math.log10(float(found)))


@dataclasses.dataclass(frozen=True)
class Config:
    """Small sets."""

    data: pathlib.Path
    """Folder that holds them."""
    run: pathlib.Path = pathlib.Path("runs/small_sets")
    """Folder for the tables; a run there goes on."""
    folds: int = 4
    """Parts, each judged by once."""
    repeats: int = 5
    """Times that the micrographs are parted."""
    seed: int = 0
    """Of everything random."""


def write_values(question: Question, images: pathlib.Path, table: pathlib.Path, name: str) -> None:
    """Write a table (csv) of what the names of micrographs say, and count them."""
    table.parent.mkdir(parents=True, exist_ok=True)
    counts = collections.Counter()
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file", name))
        for path in data.images_in(images):
            found = re.search(question.pattern, path.name)
            if found is None:
                raise ValueError(f"{path}: nothing in its name is like {question.pattern}.")
            rows.writerow((path.name, value := question.value(found[1])))
            counts[value] += 1
    print(f"\n{name}: " + ", ".join(f"{count} of {value}" for value, count in counts.items()))


def main(config: Config) -> None:
    """Compare the ways for each question, and print the tables."""

    def asked(question: Question, name: str) -> dict[str, Any]:
        images, table = config.data / question.folder / "images", config.run / f"{name}.csv"
        write_values(question, images, table, name)
        paths = {"images": images, "labels": table, "run": config.run / name}
        parted = {"folds": config.folds, "repeats": config.repeats, "seed": config.seed}
        return paths | parted | {"features": FEATURES}

    for name, question in (("loading", LOADING), ("hours", HOURS)):
        classify_regress.run(classify_regress.Config(**asked(question, name), value=name))
    classify_compare.run(classify_compare.Config(**asked(TREATMENT, "class")))


if __name__ == "__main__":
    run_experiment(main, Config)
