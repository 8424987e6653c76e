"""What a search is after: one number or several to be made large, and what must hold beside."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from idml_jax.design.pareto import nondominated
from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Objective:
    """A goal for one output, or a target for several at once; its score is to be made large.

    Parameters
    ----------
    goal : {"maximize", "minimize", "target"}
    target : float or tuple of float, optional
        The value to reach, for the goal "target" alone; of several outputs one each, as the
        components of a tensor.
    of : str or tuple of str
        Names of the outputs: what an evaluation measures.
    scale : float
        Unit of the distance from a target; distances of several objectives are compared in it.

    Examples
    --------
    >>> import numpy as np
    >>> Objective("target", 3.0).score(np.array([2.0, 3.5])).tolist()
    [-1.0, -0.5]
    >>> tensor = Objective("target", (2.0, 1.0), of=("along rows", "along cols"))
    >>> tensor.score(np.array([[2.0, 1.0], [5.0, 5.0]])).tolist()
    [-0.0, -5.0]
    """

    goal: Literal["maximize", "minimize", "target"]
    target: float | tuple[float, ...] | None = None
    of: str | tuple[str, ...] = "value"
    scale: float = 1.0

    def __post_init__(self):
        if (self.goal == "target") != (self.target is not None):
            raise ValueError(
                f"`target` (={self.target}) belongs to the goal 'target' and to no other, and the "
                f"goal is {self.goal!r}."
            )
        several = not isinstance(self.of, str)
        if several and not (isinstance(self.target, tuple) and len(self.target) == len(self.of)):
            raise ValueError(
                f"`of` (={self.of}) are several outputs: give `target` (={self.target}) one value "
                "for each."
            )
        if not several and isinstance(self.target, tuple):
            raise ValueError(f"`target` (={self.target}) is of several outputs: name them in `of`.")
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise ValueError(f"`scale` (={self.scale}) must be positive.")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it needs."""
        return (self.of,) if isinstance(self.of, str) else self.of

    def score(self, values: Any) -> Any:
        """Larger is better: the value, its negative, or minus the distance from the target.

        Parameters
        ----------
        values : array of shape (...,), or (..., outputs) of several
            A numpy array or a torch tensor, and so is the answer.

        Returns
        -------
        score : array of shape (...,)
        """
        if self.goal == "maximize":
            return values
        if self.goal == "minimize":
            return -values
        if not isinstance(self.target, tuple):
            return -abs(values - self.target) / self.scale
        squares = [(values[..., place] - wanted) ** 2 for place, wanted in enumerate(self.target)]
        return -(sum(squares[1:], squares[0]) ** 0.5) / self.scale

    def __str__(self) -> str:
        what = "" if self.of == "value" else f" {', '.join(self.outputs)}"
        if not isinstance(self.target, tuple):
            return f"target {self.target:g}{what}" if self.goal == "target" else self.goal + what
        return f"target {', '.join(f'{each:g}' for each in self.target)}{what}"


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A range that an output has to lie in.

    Parameters
    ----------
    of : str
        Name of the output.
    low, high : float
        The least and the largest value that is allowed, one of them at least finite.

    Examples
    --------
    >>> import numpy as np
    >>> Constraint("volume fraction", 0.3, 0.4).excess(np.array([0.2, 0.35, 0.5])).round(3).tolist()
    [0.1, 0.0, 0.1]
    """

    of: str
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self):
        if not self.low <= self.high or math.isinf(self.low) and math.isinf(self.high):
            raise ValueError(
                f"{self.of}: `low` (={self.low}) and `high` (={self.high}) are the ends of a "
                "range, one of them at least finite."
            )

    def sides(self, values: Any) -> list[Any]:
        """How far beyond each finite end: not above 0 where the constraint holds."""
        ends = [(self.low, -1), (self.high, 1)]
        return [sign * (values - end) for end, sign in ends if math.isfinite(end)]

    def excess(self, values: Float[np.ndarray, "*many"]) -> Float[np.ndarray, "*many"]:
        """How far outside the range, 0 within."""
        return np.maximum(0, np.max(self.sides(values), axis=0))

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"{self.of} <= {self.high:g}"
        if math.isinf(self.high):
            return f"{self.of} >= {self.low:g}"
        return f"{self.low:g} <= {self.of} <= {self.high:g}"


@dataclasses.dataclass(frozen=True)
class Aim:
    """All that is wanted: one objective, or several that are traded off, within constraints.

    Parameters
    ----------
    objectives : tuple of Objective
    constraints : tuple of Constraint

    Examples
    --------
    >>> import numpy as np
    >>> stiff = Objective("maximize", of="Young's modulus")
    >>> aim = Aim((stiff,), (Constraint("volume fraction", high=0.4),))
    >>> aim.outputs
    ("Young's modulus", 'volume fraction')
    >>> aim.order(np.array([[5.0, 0.3], [9.0, 0.6], [7.0, 0.4], [np.nan, 0.1]])).tolist()
    [2, 0, 1, 3]
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self):
        if not self.objectives:
            raise ValueError("`objectives` is empty: say what is to be made large.")

    @classmethod
    def of(cls, wanted: "Objective | Sequence[Objective] | Aim") -> "Aim":
        """An aim of what may be one objective alone."""
        if isinstance(wanted, Aim):
            return wanted
        return cls((wanted,) if isinstance(wanted, Objective) else tuple(wanted))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all that has to be measured, each once."""
        named = [name for each in self.objectives for name in each.outputs]
        return tuple(dict.fromkeys([*named, *(each.of for each in self.constraints)]))

    def scores(self, values: Any) -> list[Any]:
        """The score of each objective, of values of shape (..., outputs)."""
        return [each.score(self._of(values, each.of)) for each in self.objectives]

    def sides(self, values: Any) -> list[Any]:
        """Of each end of a constraint how far beyond it, not above 0 where it holds."""
        return [side for each in self.constraints for side in each.sides(self._of(values, each.of))]

    def feasible(self, values: Float[np.ndarray, "count outputs"]) -> Bool[np.ndarray, " count"]:
        """Whether everything was measured and every constraint holds."""
        feasible = np.all(np.isfinite(values), axis=1)
        for side in self.sides(values):
            feasible &= side <= 0
        return feasible

    def merit(self, values: Float[np.ndarray, "count outputs"]) -> Float[np.ndarray, " count"]:
        """The score of a single objective; minus infinity where a constraint does not hold."""
        if len(self.objectives) > 1:
            raise InputError("several objectives have no single score: take the Pareto front.")
        return np.where(self.feasible(values), self.scores(values)[0], -np.inf)

    def front(self, values: Float[np.ndarray, "count outputs"]) -> Int[np.ndarray, " front"]:
        """Indices of the Pareto front: what nothing betters in every objective at once.

        Where no row meets all constraints, the one that lacks least.
        """
        rows = np.flatnonzero(self.feasible(values))
        if not len(rows):
            return np.argsort(self._excess(values), kind="stable")[:1]
        return rows[nondominated(np.stack(self.scores(values[rows]), axis=-1))]

    def order(self, values: Float[np.ndarray, "count outputs"]) -> np.ndarray:
        """Indices from the best of a single objective to the worst.

        First where all constraints hold, by score; then by how far beyond they are, in all; then
        what could not be measured.
        """
        return np.lexsort([-self.merit(values), self._excess(values)])

    def plain(self) -> dict[str, Any]:
        """As text, for the record of a search."""
        plain: dict[str, Any] = {"objective": "; ".join(map(str, self.objectives))}
        scales = [each.scale for each in self.objectives]
        # So the record of a plain objective is that of searches from before there were others.
        if self.constraints:
            plain["constraints"] = "; ".join(map(str, self.constraints))
        if any(scale != 1 for scale in scales):
            plain["scales"] = scales
        return plain

    def _excess(self, values: Float[np.ndarray, "count outputs"]) -> Float[np.ndarray, " count"]:
        """How far beyond all constraints together; infinite where something is not known."""
        beyond = [np.maximum(0, side) for side in self.sides(values)]
        return np.where(np.isfinite(values).all(axis=1), np.sum(beyond, axis=0), np.inf)

    def _of(self, values: Any, of: str | tuple[str, ...]) -> Any:
        places = self.outputs
        if isinstance(of, str):
            return values[..., places.index(of)]
        return values[..., [places.index(name) for name in of]]
