"""The written record of a run: files that are there whole or not at all."""

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from idml_jax.errors import InputError


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    data = content.encode() if isinstance(content, str) else content
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: pathlib.Path, content: Any) -> None:
    """Write a JSON file, indented, atomically; what is not a finite number is null there."""
    write_atomically(path, json.dumps(_in_json(content), indent=2, allow_nan=False) + "\n")


def claim(path: pathlib.Path, options: Mapping[str, Any]) -> None:
    """Write down the options that a run belongs to, or check that they are the same.

    Parameters
    ----------
    path : path
        The JSON file, inside the run's folder.
    options : mapping
        Plain values, lists and mappings.

    Raises
    ------
    InputError
        If the file is there and says otherwise: it names the options that
        differ, and nothing is written.
    """
    wanted = json.loads(json.dumps(options))
    if not path.exists():
        write_json(path, wanted)
        return
    try:
        found = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a JSON file of ours ({error}); choose another run folder."
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no options of a run; choose another run folder.")
    differing = [
        f"{name} is {found.get(name)!r} there and {wanted.get(name)!r} here"
        for name in sorted(set(found) | set(wanted))
        if found.get(name) != wanted.get(name)
    ]
    if differing:
        raise InputError(
            f"{path.parent}: belongs to another configuration ({'; '.join(differing)}); choose "
            "another run folder, or start this one with the options that it was made with."
        )


def _in_json(content: Any) -> Any:
    """The same with nothing in place of numbers that JSON has not."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {name: _in_json(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_in_json(value) for value in content]
    return content
