"""What a search is after: the largest value, the smallest, or a given one."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Objective:
    """A goal for one property; its score is to be made large.

    Parameters
    ----------
    goal : {"maximize", "minimize", "target"}
    target : float, optional
        The value to reach, for the goal "target" alone.

    Examples
    --------
    >>> import numpy as np
    >>> Objective("target", 3.0).score(np.array([2.0, 3.5])).tolist()
    [-1.0, -0.5]
    """

    goal: Literal["maximize", "minimize", "target"]
    target: float | None = None

    def __post_init__(self):
        if (self.goal == "target") != (self.target is not None):
            raise ValueError(
                f"`target` (={self.target}) belongs to the goal 'target' and to no other, and the "
                f"goal is {self.goal!r}."
            )

    def score(self, values: Any) -> Any:
        """Larger is better: the value, its negative, or minus the distance from the target.

        `values` are a numpy array or a torch tensor, and so is the answer.
        """
        if self.goal == "maximize":
            return values
        if self.goal == "minimize":
            return -values
        return -abs(values - self.target)

    def __str__(self) -> str:
        return f"target {self.target:g}" if self.goal == "target" else self.goal
