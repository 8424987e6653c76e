"""The options of a command as a run's folder keeps them."""

import dataclasses
import pathlib
from collections.abc import Collection, Mapping
from typing import Any


def plain_options(
    config: Any,
    *,
    without: Collection[str],
    newer: Collection[str] = (),
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Options as plain values, by which a run is recognized.

    Parameters
    ----------
    config : dataclass
    without : collection of str
        Those with which a run may be gone on with otherwise: its folder, how long it takes.
    newer : collection of str
        Those that came after runs whose folders do not know them. They are left out at their
        default, at which a run is one from before there were any.
    before : mapping, optional
        What such runs were made with, where that is not the default.
    """
    standard = {field.name: field.default for field in dataclasses.fields(config)}
    standard |= before or {}
    left = {*without} | {name for name in newer if getattr(config, name) == standard[name]}
    return {
        name: _plain(value)
        for name, value in dataclasses.asdict(config).items()
        if name not in left
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, pathlib.Path) else value
