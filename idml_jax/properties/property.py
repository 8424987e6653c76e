"""A property as design and reports take it: a function of a phase field that has a name."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.properties.conductivity import effective_conductivity
from idml_jax.properties.elastic_cell import Plane, planar_bulk
from idml_jax.properties.elasticity import effective_stiffness
from idml_jax.properties.mandel import (
    bulk_and_shear,
    engineering_constants,
    isotropic_stiffness,
    voigt_stiffness,
)
from idml_jax.typing import Array, Phase

Axis: TypeAlias = Literal["planes", "rows", "cols"]
"""An axis by its name, which a volume and its sections share."""

AXES: tuple[Axis, ...] = ("planes", "rows", "cols")
"""The axes of a volume; an image has the last two."""

Limits: TypeAlias = Callable[[float], tuple[float, float]]
"""From the volume fraction of the phase to the least and the largest value that there can be."""


Found = TypeVar("Found")


@dataclasses.dataclass(frozen=True)
class Property:
    """What a microstructure does, as one number.

    Parameters
    ----------
    compute : callable
        From one phase field, boolean or soft, to a scalar. One that JAX can trace is compiled,
        batched and differentiated by those who use it.
    name : str
        What it is, for tables and figures: "conductivity along rows".
    unit : str
        What it is measured in.
    bounds : callable, optional
        From the volume fraction of the phase to the least and the largest value of any
        arrangement.
    solve : callable, optional
        From the phase field to what several properties are read from, as the components of one
        tensor are: `compute` is then given that in place of the phase, and who wants several
        properties of one phase calls equal `solve` once.
    compiled : bool
        Whether JAX can trace `compute`. One that it cannot, as it counts whole pixels, is given a
        boolean phase on the host, one after the other, and has no gradient.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> share = Property(jnp.mean, "share", bounds=lambda fraction: (fraction, fraction))
    >>> float(share(jnp.eye(4))), share.bounds(0.25)
    (0.25, (0.25, 0.25))
    """

    compute: Callable[[Any], Float[Array, ""] | float]
    name: str
    unit: str = ""
    bounds: Limits | None = None
    solve: Callable[[Phase], Any] | None = None
    compiled: bool = True

    def __call__(self, phase: Phase) -> Float[Array, ""]:
        """The property of one phase field."""
        found = self.compute(phase if self.solve is None else self.solve(phase))
        return jnp.asarray(found) if self.compiled else np.asarray(found, float)


@dataclasses.dataclass(frozen=True)
class Conductivity:
    """The effective conductivity of a medium of two phases.

    Parameters
    ----------
    phases : pair of float
        Conductivities outside and inside the phase.
    unit : str
        Of these numbers.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[False], [True]]), (8, 16))
    >>> along = Conductivity(phases=(1.0, 4.0)).along("cols")
    >>> round(float(along(layers)), 3), along.name, along.bounds(0.5)
    (2.5, 'conductivity along cols', (1.6, 2.5))
    """

    phases: tuple[float, float]
    unit: str = "W/(m K)"

    def __post_init__(self):
        if not all(math.isfinite(value) and value > 0 for value in self.phases):
            raise ValueError(f"`phases` must be positive and finite, got {self.phases}.")

    def tensor(self, phase: Phase) -> Float[Array, "dim dim"]:
        """Effective tensor; a soft phase mixes the two conductivities linearly."""
        return effective_conductivity(mixed(phase, self.phases))

    def bounds(self, fraction: float) -> tuple[float, float]:
        """Reuss and Voigt bounds at a volume fraction of the phase: series and parallel."""
        return _series(fraction, self.phases), _parallel(fraction, self.phases)

    def along(self, axis: Axis) -> Property:
        """The diagonal component along an axis."""
        component = along(axis, lambda tensor, place: tensor[place, place], dimensions=len)
        name = f"conductivity along {axis}"
        return Property(component, name, self.unit, self.bounds, self.tensor)

    def between(self, first: Axis, second: Axis) -> Property:
        """The component of two axes: the flux along one, of a unit gradient along the other.

        Of either sign, and 0 where the axes are those of the medium; half the difference of the
        largest and the least conductivity bounds it.

        Examples
        --------
        >>> import jax.numpy as jnp
        >>> slanted = jnp.add.outer(jnp.arange(16), jnp.arange(16)) % 4 < 2
        >>> between = Conductivity(phases=(1.0, 4.0)).between("rows", "cols")
        >>> float(between(slanted)) < -0.3
        True
        """
        at_both = along(
            first,
            lambda tensor, place: along(second, lambda tensor, other: tensor[place, other], len)(
                tensor
            ),
            dimensions=len,
        )
        return Property(at_both, f"conductivity {first} to {second}", self.unit, None, self.tensor)


@dataclasses.dataclass(frozen=True)
class Elasticity:
    """The effective elasticity of a medium of two phases.

    Parameters
    ----------
    bulk, shear : pair of float
        Moduli outside and inside the phase; 0 and 0 is a pore.
    unit : str
        Of these numbers.
    dimensions : int
        2 or 3, of the phase fields.
    plane : "strain" or "stress"
        What a phase field of 2 dimensions stands for, as in `effective_stiffness`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.tile(jnp.array([[False], [True]]), (8, 16))
    >>> young = Elasticity(bulk=(1.0, 4.0), shear=(0.5, 2.0)).young_along("cols")
    >>> low, high = young.bounds(0.5)
    >>> low < float(young(layers)) < high * (1 + 1e-5)
    True
    """

    bulk: tuple[float, float]
    shear: tuple[float, float]
    unit: str = "GPa"
    dimensions: int = 2
    plane: Plane = "strain"

    def __post_init__(self):
        if not all(math.isfinite(value) and value >= 0 for value in (*self.bulk, *self.shear)):
            raise ValueError(
                f"`bulk` (={self.bulk}) and `shear` (={self.shear}) are finite, none below 0."
            )

    @classmethod
    def of_young(
        cls, young: tuple[float, float], poisson: tuple[float, float], **options: Any
    ) -> "Elasticity":
        """The same of Young's moduli and Poisson's ratios outside the phase and in it.

        Parameters
        ----------
        young, poisson : pair of float
        **options
            The other parameters.

        Examples
        --------
        >>> Elasticity.of_young((1.0, 0.0), (0.25, 0.25)).shear
        (0.4, 0.0)
        """
        moduli = [bulk_and_shear(*pair) for pair in zip(young, poisson, strict=True)]
        bulk, shear = ((float(first), float(second)) for first, second in zip(*moduli, strict=True))
        return cls(bulk, shear, **options)

    def stiffness(self, phase: Phase) -> Float[Array, "n n"]:
        """Effective stiffness in Mandel's notation; a soft phase mixes the moduli linearly."""
        if jnp.ndim(phase) != self.dimensions:
            raise ValueError(
                f"`phase` has {jnp.ndim(phase)} axes; this elasticity is of {self.dimensions} "
                "dimensions: see `dimensions`."
            )
        moduli = (mixed(phase, pair) for pair in (self.bulk, self.shear))
        return effective_stiffness(*moduli, plane=self.plane)

    def young_along(self, axis: Axis) -> Property:
        """Young's modulus in tension along an axis."""

        def young(stiffness: Float[Array, "n n"], place: int) -> Float[Array, ""]:
            return engineering_constants(stiffness).young[place]

        def bounds(fraction: float) -> tuple[float, float]:
            """Of Reuss's and Voigt's stiffness."""
            cell = (1,) * self.dimensions
            bulk, shear = (
                [jnp.full(cell, value, float) for value in pair] for pair in (self.bulk, self.shear)
            )
            own = [
                float(planar_bulk(*pair, self.plane).max())
                for pair in zip(bulk, shear, strict=True)
            ]
            found = []
            for mean in (_series, _parallel):
                moduli = mean(fraction, (own[0], own[1])), mean(fraction, self.shear)
                stiffness = isotropic_stiffness(*moduli, self.dimensions)
                limit = engineering_constants(stiffness).young[0] if 0 not in moduli else 0.0
                found.append(float(limit))
            return found[0], found[1]

        component = along(axis, young, dimensions=lambda _: self.dimensions)
        name = f"Young's modulus along {axis}"
        return Property(component, name, self.unit, bounds, self.stiffness)

    def component(self, indices: str) -> Property:
        """A component of the stiffness in Voigt's notation: "11", "12", "66".

        1 is the first axis: the rows of an image, of which 6 is the shear; of a volume 1, 2, 3 are
        planes, rows and cols, and 4, 5, 6 the shears across them.

        Examples
        --------
        >>> import jax.numpy as jnp
        >>> solid = jnp.ones((4, 4), bool)
        >>> elasticity = Elasticity(bulk=(0.0, 4.0), shear=(0.0, 3.0))
        >>> [round(float(elasticity.component(name)(solid)), 3) for name in ("11", "12", "66")]
        [8.0, 2.0, 3.0]
        """
        known = "126" if self.dimensions == 2 else "123456"
        if len(indices) != 2 or not set(indices) <= set(known):
            raise ValueError(f"`indices` (={indices!r}): two of {', '.join(known)}.")
        first, second = (known.index(one) for one in indices)

        def component(stiffness: Float[Array, "n n"]) -> Float[Array, ""]:
            return voigt_stiffness(stiffness)[first, second]

        return Property(component, f"stiffness {indices}", self.unit, None, self.stiffness)


def mixed(phase: Phase, values: tuple[float, float]) -> Float[Array, "*space"]:
    """A coefficient for each pixel of a phase, in its own precision."""
    outside, inside = values
    phase = jnp.asarray(phase)
    dtype = phase.dtype if jnp.issubdtype(phase.dtype, jnp.floating) else jnp.zeros(()).dtype
    if phase.dtype not in (bool, dtype):
        raise TypeError(
            f"a phase is a boolean array, or a float one of memberships in [0, 1], got "
            f"{phase.dtype}; compare first, as in `labels == 1` or `image > threshold`."
        )
    return outside + (inside - outside) * phase.astype(dtype)


def along(
    axis: Axis,
    compute: Callable[[Any, int], Found],
    dimensions: Callable[[Any], int] = np.ndim,
) -> Callable[[Any], Found]:
    """A function of a phase and the place of an axis, from the last on, as one of the phase.

    Or of what was solved for, of whose phase `dimensions` tells the axes.
    """
    if axis not in AXES:
        raise ValueError(f"`axis` is {axis!r}; the axes are {', '.join(AXES)}.")
    place = AXES.index(axis) - len(AXES)

    def at_its_place(phase: Any) -> Found:
        if (axes := dimensions(phase)) < -place:
            raise ValueError(f"`phase` has {axes} axes, rows and cols: it has no {axis}.")
        return compute(phase, place)

    return at_its_place


def _series(fraction: float, values: tuple[float, float]) -> float:
    outside, inside = values
    if 0 in values:
        return 0.0
    return 1 / ((1 - fraction) / outside + fraction / inside)


def _parallel(fraction: float, values: tuple[float, float]) -> float:
    outside, inside = values
    return (1 - fraction) * outside + fraction * inside
