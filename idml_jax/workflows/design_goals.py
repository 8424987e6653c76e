"""What a design is wanted to be: goals and constraints by the names of properties."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from idml_jax import design, properties, statistics
from idml_jax.errors import InputError
from idml_jax.workflows.design import Config


def aim_of(config: Config) -> design.Aim:
    """The goals and constraints that the options ask for.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    constraints = tuple(map(_constraint, config.constraint))
    if config.like is not None and not (config.goal or config.property):
        return design.Aim((design.Objective("minimize", of="two-point-error"),), constraints)
    if config.goal:
        return design.Aim(tuple(map(_goal, config.goal)), constraints)
    if config.target:
        names, target = list(config.property), list(config.target)
        if len(target) == 1:
            return design.Aim((design.Objective("target", target[0], of=names[0]),), constraints)
        matched = design.Objective("target", tuple(target), of=tuple(names))
        return design.Aim((matched,), constraints)
    goal = "maximize" if config.maximize else "minimize"
    return design.Aim(
        tuple(design.Objective(goal, of=name) for name in config.property), constraints
    )


def properties_of(
    config: Config,
    names: Sequence[str],
    pixel_size: float | None = None,
    others: Mapping[str, properties.Property] | None = None,
) -> dict[str, properties.Property]:
    """The properties of some names.

    Parameters
    ----------
    config : Config
    names : sequence of str
        The outputs of an aim, or some of them.
    pixel_size : float, optional
        In metres, where the generator knows it.
    others : mapping from str to Property, optional
        Those that more than the options says: of the material, or of an image to be like.

    Raises
    ------
    InputError
        If there is none of a name.
    """
    known, others = _known(config, pixel_size), others or {}
    if missing := [name for name in names if name not in {*known, *others}]:
        raise InputError(
            f"no property is called {', '.join(missing)}; there are {', '.join([*known, *others])}."
        )
    return {name: others[name] if name in others else known[name]() for name in names}


def _known(
    config: Config, pixel_size: float | None
) -> dict[str, Callable[[], properties.Property]]:
    """How each property is made, by its name."""
    conductivity = properties.Conductivity(config.conductivity, unit="")
    transport = properties.Transport(pixel_size)
    found: dict[str, Callable[[], properties.Property]] = {}
    axes: tuple[properties.Axis, properties.Axis] = ("rows", "cols")
    for place, axis in enumerate(axes):
        found |= {
            f"conductivity-{axis}": functools.partial(conductivity.along, axis),
            f"young-{axis}": lambda axis=axis: elasticity_of(config).young_along(axis),
            f"diffusivity-{axis}": functools.partial(transport.diffusivity_along, axis),
            f"tortuosity-{axis}": functools.partial(transport.tortuosity_along, axis),
            f"permeability-{axis}": functools.partial(transport.permeability_along, axis),
            f"percolation-{axis}": lambda axis=axis, place=place: properties.Property(
                lambda phase: statistics.percolates(phase, axis=place),
                f"percolation along {axis}",
                compiled=False,
            ),
        }
    found["conductivity-rows-cols"] = functools.partial(conductivity.between, *axes)
    found |= {
        f"stiffness-{place}": lambda place=place: elasticity_of(config).component(place)
        for place in ("11", "22", "12", "66", "16", "26")
    }
    found |= {
        "conductivity": lambda: _mean_of(list(map(conductivity.along, axes)), "conductivity"),
        "young": lambda: _mean_of(
            list(map(elasticity_of(config).young_along, axes)), "Young's modulus"
        ),
    }
    size = 1.0 if pixel_size is None else pixel_size
    length = "px" if pixel_size is None else "m"
    found |= {
        "volume-fraction": lambda: properties.Property(
            statistics.volume_fraction, "volume fraction"
        ),
        "specific-surface": lambda: properties.Property(
            lambda phase: statistics.specific_surface(phase) / size,
            "specific surface",
            f"1/{length}",
        ),
        "mean-thickness": lambda: properties.Property(
            lambda phase: size * _mean_thickness(phase),
            "mean local thickness",
            length,
            compiled=False,
        ),
    }
    return found


def _mean_of(along: Sequence[properties.Property], name: str) -> properties.Property:
    """Of properties along the axes that are read from one solution."""
    first = along[0]
    return dataclasses.replace(
        first,
        compute=lambda solved: sum(each.compute(solved) for each in along) / len(along),
        name=f"{name}, mean over the axes",
    )


def elasticity_of(config: Config) -> properties.Elasticity:
    """The elasticity of the two phases."""
    return properties.Elasticity.of_young(config.young, config.poisson, unit="")


def _mean_thickness(phase: np.ndarray) -> float:
    """Of the pixels of the phase; a phase that has none is 0 thick, one that fills all its side."""
    if not phase.any() or phase.all():
        return float(phase.all()) * max(phase.shape)
    return float(statistics.local_thickness(phase)[phase].mean())


def _goal(text: str) -> design.Objective:
    name, _, goal = text.partition("=")
    if goal in ("max", "min"):
        return design.Objective("maximize" if goal == "max" else "minimize", of=name)
    value = _number(goal)
    if value is None:
        raise InputError(f"--goal {text}: write NAME=max, NAME=min or NAME=3.5.")
    return design.Objective("target", value, of=name)


def _constraint(text: str) -> design.Constraint:
    name, _, limits = text.partition("=")
    low, colon, high = limits.partition(":")
    ends = [_number(low) if low else -math.inf, _number(high) if high else math.inf]
    if not colon or None in ends or not (low or high) or not name:
        raise InputError(f"--constraint {text}: write NAME=0.3:0.4, NAME=0.3: or NAME=:0.4.")
    try:
        return design.Constraint(name, *[end for end in ends if end is not None])
    except ValueError as error:
        raise InputError(f"--constraint {text}: {error}") from error


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
