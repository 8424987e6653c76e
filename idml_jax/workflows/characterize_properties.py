"""What the phase of each image does, as `idml characterize --properties` finds and tells it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tqdm import tqdm

from idml_jax import properties, report
from idml_jax.errors import ConvergenceError
from idml_jax.workflows.characterize import Config
from idml_jax.workflows.characterize_study import Sample


class Found(NamedTuple):
    """One property of one image."""

    name: str
    value: float | None
    unit: str
    low: float | None
    """The least that any arrangement of this volume fraction can have, where that is known."""
    high: float | None
    why: str
    """Why there is no value."""


def properties_of_all(config: Config, samples: Sequence[Sample]) -> list[list[Found]]:
    """The properties of all images, one after the other; of none where they are not asked for."""
    if not config.properties:
        return [[] for _ in samples]
    wanted = [_wanted(config, sample) for sample in samples]
    bar = tqdm(total=sum(map(len, wanted)), desc="properties", unit="property", delay=2)
    found = []
    with bar:
        for sample, of_sample in zip(samples, wanted, strict=True):
            solved, of_phase = {}, []
            for each in of_sample:
                of_phase.append(_of(sample, each, solved))
                bar.update()
            found.append(of_phase)
    return found


def _wanted(config: Config, sample: Sample) -> list[properties.Property]:
    """The properties that were asked for, along each axis."""
    transport = properties.Transport(None if sample.scale is None else sample.scale * 1e-6)
    families = [
        transport.tortuosity_along,
        transport.diffusivity_along,
        transport.permeability_along,
    ]
    if config.conductivity is not None:
        families.append(properties.Conductivity(config.conductivity).along)
    if config.young is not None:
        elasticity = properties.Elasticity.of_young(
            config.young, config.poisson, dimensions=sample.phase.ndim
        )
        families.append(elasticity.young_along)
    return [family(axis) for family in families for axis in sample.axes]


def _of(sample: Sample, wanted: properties.Property, solved: dict[Callable, Any]) -> Found:
    """One property; what has not converged, or leads nowhere, has no value but a reason.

    What several properties are read from is kept in `solved`.
    """
    low = high = None
    if wanted.bounds is not None:
        low, high = (float(each) for each in wanted.bounds(float(sample.phase.mean())))
    value, why = math.nan, ""
    try:
        if wanted.solve is None:
            value = float(wanted(sample.phase))
        else:
            if wanted.solve not in solved:
                solved[wanted.solve] = wanted.solve(sample.phase)
            value = float(wanted.compute(solved[wanted.solve]))
    except ConvergenceError as error:
        why = str(error)
    if value == math.inf:
        why = "no path of the phase leads from face to face"
    return Found(
        wanted.name,
        value if math.isfinite(value) else None,
        wanted.unit,
        low,
        None if high == math.inf else high,
        why,
    )


def properties_csv(results: Mapping[str, Any]) -> str:
    """One row for each property of each file."""
    return report.csv_text(
        ("file", *Found._fields),
        [(row["file"], *found.values()) for row in results["files"] for found in row["properties"]],
    )


def table_of_properties(
    results: Mapping[str, Any],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: each property of each file, with its unit and its limits."""
    rows = []
    for row in results["files"]:
        for found in row["properties"]:
            low, high = found["low"], found["high"]
            limits = (
                ""
                if low is None
                else f"{low:.4g} to {'infinity' if high is None else f'{high:.4g}'}"
            )
            value = "-" if found["value"] is None else f"{found['value']:.4g}"
            rows.append((row["file"], found["name"], value, found["unit"], limits))
    return ("file", "property", "value", "unit", "limits"), rows
