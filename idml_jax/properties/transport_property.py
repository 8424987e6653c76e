"""What gets through a phase from face to face, as properties for design and reports."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from idml_jax.properties.diffusion import effective_diffusivity, tortuosity_factor
from idml_jax.properties.permeability import permeability
from idml_jax.properties.property import Axis, Property, along, mixed
from idml_jax.typing import Array, Phase


@dataclasses.dataclass(frozen=True)
class Transport:
    """Diffusion and flow through a phase, between two faces of its image or volume.

    Parameters
    ----------
    pixel_size : float, optional
        Metres. Without it, permeabilities are in squares of a pixel.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> slit = jnp.zeros((9, 9), bool).at[3:6].set(True)
    >>> along = Transport(pixel_size=1e-6).permeability_along("cols")
    >>> f"{float(along(slit)):.3g} {along.unit}"  # of the slit 3^2 / 12, and a third of the face
    '2.5e-13 m^2'
    """

    pixel_size: float | None = None

    def __post_init__(self):
        if self.pixel_size is not None and not 0 < self.pixel_size < math.inf:
            raise ValueError(f"`pixel_size` (={self.pixel_size}) must be positive, in metres.")

    def tortuosity_along(self, axis: Axis) -> Property:
        """`tortuosity`: 1 where the way is straight, infinite where none leads through."""
        return Property(
            lambda found: tortuosity_factor(found.mean, found.effective),
            f"tortuosity along {axis}",
            bounds=lambda _: (1.0, math.inf),
            solve=_diffusion(axis),
        )

    def diffusivity_along(self, axis: Axis) -> Property:
        """`effective_diffusivity`, in units of that of open space."""
        return Property(
            lambda found: found.effective,
            f"relative diffusivity along {axis}",
            bounds=lambda fraction: (0.0, fraction),
            solve=_diffusion(axis),
        )

    def permeability_along(self, axis: Axis) -> Property:
        """`permeability` of the phase, which is boolean, to a slow flow."""
        square = 1.0 if self.pixel_size is None else self.pixel_size**2
        return Property(
            along(axis, lambda phase, place: square * permeability(phase, axis=place)),
            f"permeability along {axis}",
            "px^2" if self.pixel_size is None else "m^2",
        )


class _Diffusion(NamedTuple):
    """Diffusivities of a phase in units of that of open space."""

    mean: Float[Array, ""]
    effective: Float[Array, ""]


@functools.cache
def _diffusion(axis: Axis) -> Callable[[Phase], _Diffusion]:
    """What tortuosity and diffusivity along an axis are read from: to both the same function."""

    def diffusion(phase: Phase, place: int) -> _Diffusion:
        diffusivity = mixed(phase, (0.0, 1.0))
        return _Diffusion(diffusivity.mean(), effective_diffusivity(diffusivity, axis=place))

    return along(axis, diffusion)
