"""Where a search looks: the sphere of typical latents, a subspace of it, or a box of numbers."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from idml_jax.design.latents import from_uniform, on_sphere, random_latents, sobol_latents

UNIT = 1 / math.sqrt(12)
"""Standard deviation of uniform numbers in [0, 1]."""

Points = Float[np.ndarray, "count dim"]
"""What a search moves, one row each."""


@runtime_checkable
class Space(Protocol):
    """Where a search looks.

    A point is `dimensions` numbers. Surrogate models see it in unit coordinates, of about the
    mean and deviation of uniform numbers in [0, 1], which their priors are made for.
    """

    @property
    def dimensions(self) -> int:
        """Numbers of a point."""
        ...

    @property
    def bounded(self) -> bool:
        """Whether the unit coordinates fill the unit cube."""
        ...

    def drawn(self, count: int, *, seed: int) -> Points:
        """Independent random points; the first ones are the same, of any count."""
        ...

    def sobol(self, count: int, *, seed: int) -> Points:
        """Evenly spread points; the first ones are the same, of any count."""
        ...

    def unit(self, points: Points) -> Points:
        """Unit coordinates of points, in double precision."""
        ...

    def from_unit(self, unit: Points) -> Points:
        """The points at unit coordinates, or the nearest that there are."""
        ...

    def latents(self, points: Points) -> Float[np.ndarray, "count latent"]:
        """What a generator is given."""
        ...

    def pulled_back(self, slopes: Float[np.ndarray, "count latent"]) -> Points:
        """Slopes by the points, of slopes by what a generator is given."""
        ...

    def plain(self) -> dict[str, Any]:
        """What tells it from other spaces, for the record of a search."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Sphere:
    """All latents of typical length, or those of them that a few directions span.

    Nothing is gained here by leaving what the generator learned: see `on_sphere`.

    Parameters
    ----------
    dimensions : int
        Numbers of a point; without a basis the length of a latent.
    basis : array of shape (dimensions, latent_features), optional
        Orthonormal directions: see `spanned_by`.

    Examples
    --------
    >>> import numpy as np
    >>> space = Sphere(3)
    >>> points = space.sobol(4, seed=0)
    >>> np.allclose(space.from_unit(space.unit(points)), points, atol=1e-6)
    True
    >>> plane = Sphere.spanned_by(np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
    >>> latents = plane.latents(plane.drawn(5, seed=0))
    >>> latents.shape, bool((abs(latents[:, 2]) < 1e-6).all())
    ((5, 3), True)
    """

    dimensions: int
    basis: Float[np.ndarray, "dim latent"] | None = None
    bounded = False

    def __post_init__(self):
        if self.dimensions < 2:
            raise ValueError(f"`dimensions` (={self.dimensions}): a direction takes two at least.")

    @classmethod
    def spanned_by(cls, directions: Float[np.ndarray, "dim latent"]) -> "Sphere":
        """The latents that directions span, such as `principal_directions`.

        Raises
        ------
        ValueError
            If some of the directions are made up by the others.
        """
        rank = int(np.linalg.matrix_rank(directions))
        if rank < len(directions):
            raise ValueError(
                f"`directions`: {len(directions)} that span {rank} dimensions; leave out those "
                "that the others make up."
            )
        return cls(rank, np.linalg.qr(np.asarray(directions, np.float64).T)[0].T)

    def drawn(self, count: int, *, seed: int) -> Points:
        """Each direction equally likely."""
        return random_latents(count, self.dimensions, seed=seed)

    def sobol(self, count: int, *, seed: int) -> Points:
        """Normal quantiles of a scrambled Sobol sequence."""
        return sobol_latents(count, self.dimensions, seed=seed)

    def unit(self, points: Points) -> Points:
        """Around 0.5, with the deviation of uniform numbers."""
        return 0.5 + UNIT * points.astype(np.float64)

    def from_unit(self, unit: Points) -> Points:
        """Their directions, with the length of a typical latent."""
        return on_sphere((unit - 0.5) / UNIT)

    def latents(self, points: Points) -> Float[np.ndarray, "count latent"]:
        """The points themselves, or in the coordinates of the whole space."""
        if self.basis is None:
            return points.astype(np.float32)
        return on_sphere(points.astype(np.float64) @ self.basis)

    def pulled_back(self, slopes: Float[np.ndarray, "count latent"]) -> Points:
        """Along the basis, where there is one."""
        return slopes if self.basis is None else slopes @ self.basis.T

    def plain(self) -> dict[str, Any]:
        """Its dimension, and the basis."""
        plain: dict[str, Any] = {"latent_features": self.dimensions}
        if self.basis is not None:
            plain["basis"] = self.basis.round(6).tolist()
        return plain


@dataclasses.dataclass(frozen=True)
class Box:
    """Numbers, each within its limits: processing parameters, or the knobs of a model.

    Parameters
    ----------
    low, high : tuple of float
        The limits of each.

    Examples
    --------
    >>> import numpy as np
    >>> Box((0.0, 100.0), (1.0, 300.0)).from_unit(np.array([[0.5, 0.5], [2.0, -1.0]])).tolist()
    [[0.5, 200.0], [1.0, 100.0]]
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    bounded = True

    def __post_init__(self):
        pairs = list(zip(self.low, self.high, strict=True))
        if not pairs or not all(
            math.isfinite(low) and math.isfinite(high) and low < high for low, high in pairs
        ):
            raise ValueError(
                f"`low` (={self.low}) and `high` (={self.high}): finite, each below its other."
            )

    @property
    def dimensions(self) -> int:
        """How many numbers."""
        return len(self.low)

    def drawn(self, count: int, *, seed: int) -> Points:
        """Uniform in the box."""
        # A stream of its own, as of random latents.
        return self.from_unit(np.random.default_rng([seed, 1]).random((count, self.dimensions)))

    def sobol(self, count: int, *, seed: int) -> Points:
        """A scrambled Sobol sequence."""
        sequence = qmc.Sobol(self.dimensions, rng=np.random.default_rng(seed))
        return self.from_unit(sequence.random_base2(math.ceil(math.log2(count)))[:count])

    def unit(self, points: Points) -> Points:
        """Each between its limits."""
        low, high = np.array(self.low), np.array(self.high)
        return (points.astype(np.float64) - low) / (high - low)

    def from_unit(self, unit: Points) -> Points:
        """Clipped to the limits."""
        low, high = np.array(self.low), np.array(self.high)
        return low + (high - low) * np.clip(unit, 0, 1)

    def latents(self, points: Points) -> Float[np.ndarray, "count latent"]:
        """The points themselves."""
        return points

    def pulled_back(self, slopes: Float[np.ndarray, "count latent"]) -> Points:
        """The slopes themselves."""
        return slopes

    def plain(self) -> dict[str, Any]:
        """Its limits."""
        return {"low": list(self.low), "high": list(self.high)}


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """Latents and numbers at once: what a generator is given, and what it is told of the image.

    Parameters
    ----------
    sphere : Sphere
    box : Box
        Its numbers stand behind the latents, in a point and in what the generator is given.

    Examples
    --------
    >>> space = Product(Sphere(3), Box((0.0,), (24.0,)))
    >>> points = space.drawn(4, seed=0)
    >>> points.shape, bool((points[:, 3] > 1).any()), space.latents(points).shape
    ((4, 4), True, (4, 4))
    """

    sphere: Sphere
    box: Box
    bounded = False

    @property
    def dimensions(self) -> int:
        """Of both."""
        return self.sphere.dimensions + self.box.dimensions

    def drawn(self, count: int, *, seed: int) -> Points:
        """Random ones of each."""
        parts = [each.drawn(count, seed=seed) for each in (self.sphere, self.box)]
        return np.concatenate(parts, axis=1)

    def sobol(self, count: int, *, seed: int) -> Points:
        """One sequence, so that latents and numbers are spread evenly together."""
        both = Box((0.0,) * self.dimensions, (1.0,) * self.dimensions).sobol(count, seed=seed)
        cut = self.sphere.dimensions
        numbers = self.box.from_unit(both[:, cut:])
        return np.concatenate([from_uniform(both[:, :cut]), numbers], axis=1)

    def unit(self, points: Points) -> Points:
        """Those of each."""
        return self._of_each(points, self.sphere.unit, self.box.unit)

    def from_unit(self, unit: Points) -> Points:
        """Those of each."""
        return self._of_each(unit, self.sphere.from_unit, self.box.from_unit)

    def latents(self, points: Points) -> Float[np.ndarray, "count latent"]:
        """Latents, and behind them the numbers."""
        return self._of_each(points, self.sphere.latents, self.box.latents).astype(np.float32)

    def pulled_back(self, slopes: Float[np.ndarray, "count latent"]) -> Points:
        """Those of each."""
        cut = slopes.shape[1] - self.box.dimensions
        parts = [self.sphere.pulled_back(slopes[:, :cut]), self.box.pulled_back(slopes[:, cut:])]
        return np.concatenate(parts, axis=1)

    def plain(self) -> dict[str, Any]:
        """Of both."""
        return self.sphere.plain() | self.box.plain()

    def _of_each(
        self,
        points: Points,
        first: Callable[[Points], Points],
        second: Callable[[Points], Points],
    ) -> Float[np.ndarray, "count both"]:
        cut = self.sphere.dimensions
        return np.concatenate([first(points[:, :cut]), second(points[:, cut:])], axis=1)
