"""Evaluations that JAX does not compute: a function of images, or another program."""

import concurrent.futures
import dataclasses
import json
import pathlib
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from idml_jax.design.history import values_of
from idml_jax.design.measuring import GeneratorOfLatents, Measurements
from idml_jax.design.objectives import Aim
from idml_jax.errors import InputError
from idml_jax.report import write_grey_png
from idml_jax.typing import Grey, Images, Latents


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionOfImages:
    """A plain function of a batch of images.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images.
    function : callable
        From images, (batch, rows, cols, channels) NumPy float32, to a mapping from the name of
        each output to its values, (batch,), or to an array of these in the order of the aim's
        outputs. What is not finite is an evaluation that failed. What it raises ends the search,
        which goes on with the same images when it is started again.
    batch : int
        Images at a time.
    """

    generator: GeneratorOfLatents
    function: Callable[
        [Images], Mapping[str, Sequence[float]] | Float[np.ndarray, "batch *outputs"]
    ]
    batch: int = 8

    def check(self, aim: Aim, *, slopes: bool = False) -> None:
        """Refuse slopes."""
        if slopes:
            raise InputError("a plain function has no slopes: take a strategy without gradients.")

    def measure(self, latents: Latents, aim: Aim, *, slopes: bool = False) -> Measurements:
        """Values of the outputs of an aim."""
        self.check(aim, slopes=slopes)
        found = []
        for first in range(0, len(latents), self.batch):
            images = np.asarray(self.generator(latents[first : first + self.batch]))
            answers = self.function(images)
            found.append(values_of(answers, aim.outputs, len(images), "values of the function"))
        return Measurements(np.concatenate(found))


class Failure(NamedTuple):
    """An evaluation that another program did not do."""

    image: str
    why: str


@dataclasses.dataclass(frozen=True, eq=False)
class Command:
    """Another program, which reads an image and prints numbers.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images of one channel.
    command : str
        With ``{image}`` in the place of the file's path; split as a shell would, and run without
        one. It prints a number for each output as the last line, in the order of the aim's outputs,
        parted by blanks or commas; or JSON, a mapping from their names. Exit status 0.
    folder : path
        For ``failures.jsonl``, where each evaluation that failed is written with its reason.
    format : {"png", "npy"}
        Of the image's file: 8 bits, or float32 in [0, 1] of shape (rows, cols).
    timeout : float
        Seconds that an image may take.
    retries : int
        Further tries after a failure.
    workers : int
        Programs at a time.
    """

    generator: GeneratorOfLatents
    command: str
    folder: pathlib.Path
    format: str = "png"
    timeout: float = 600.0
    retries: int = 1
    workers: int = 1

    def __post_init__(self):
        if "{image}" not in self.command:
            raise InputError(
                f"the command {self.command!r} does not say where the image belongs: write "
                "{image} there."
            )

    def check(self, aim: Aim, *, slopes: bool = False) -> None:
        """Refuse slopes."""
        if slopes:
            raise InputError("a program has no slopes: take a strategy without gradients.")

    def measure(self, latents: Latents, aim: Aim, *, slopes: bool = False) -> Measurements:
        """Values of the outputs; not a number where the program did not give them."""
        self.check(aim, slopes=slopes)
        images = np.asarray(self.generator(latents))[..., 0]
        with (
            tempfile.TemporaryDirectory() as folder,
            concurrent.futures.ThreadPoolExecutor(self.workers) as pool,
        ):
            paths = [
                pathlib.Path(folder) / f"image_{row}.{self.format}" for row in range(len(images))
            ]
            for path, image in zip(paths, images, strict=True):
                self._write(path, image)
            found = list(pool.map(lambda path: self._tried(path, aim.outputs), paths))
        failures = [each for each in found if isinstance(each, Failure)]
        if failures:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "failures.jsonl").open("a") as file:
                file.writelines(json.dumps(each._asdict()) + "\n" for each in failures)
        nothing = np.full(len(aim.outputs), np.nan)
        return Measurements(
            np.stack([nothing if isinstance(each, Failure) else each for each in found])
        )

    def _write(self, path: pathlib.Path, image: Grey) -> None:
        if self.format == "png":
            write_grey_png(path, np.clip(image, 0, 1))
        else:
            np.save(path, image.astype(np.float32))

    def _tried(self, path: pathlib.Path, outputs: Sequence[str]) -> np.ndarray | Failure:
        found = self._run(path, outputs)
        for _ in range(self.retries):
            if not isinstance(found, Failure):
                break
            found = self._run(path, outputs)
        return found

    def _run(self, path: pathlib.Path, outputs: Sequence[str]) -> np.ndarray | Failure:
        words = [word.replace("{image}", str(path)) for word in shlex.split(self.command)]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=self.timeout, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return Failure(path.name, f"it took longer than {self.timeout:g} s")
        except FileNotFoundError as error:
            raise InputError(f"the command {self.command!r}: no such program ({error}).") from error
        lines = done.stdout.strip().splitlines()
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            return Failure(path.name, f"it ended with status {done.returncode}: {said[:200]}")
        if not lines:
            return Failure(path.name, "it printed nothing")
        return self._read(path, lines[-1], outputs)

    def _read(self, path: pathlib.Path, line: str, outputs: Sequence[str]) -> np.ndarray | Failure:
        try:
            answers = json.loads(line) if line.startswith("{") else line.replace(",", " ").split()
            if isinstance(answers, dict):
                answers = [answers[name] for name in outputs]
            found = np.array([float(each) for each in answers])
        except (ValueError, TypeError, KeyError) as error:
            return Failure(path.name, f"it printed {line[:80]!r}: no numbers ({error})")
        if found.shape != (len(outputs),):
            return Failure(
                path.name,
                f"it printed {len(found)} numbers for {', '.join(outputs)}: {line[:80]!r}",
            )
        if not np.isfinite(found).all():
            return Failure(path.name, f"it printed {line[:80]!r}: not all finite")
        return found
