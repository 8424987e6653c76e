"""How a search is asked what to evaluate next, and what an answer depends on."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from idml_jax.design.history import History
from idml_jax.design.objectives import Aim
from idml_jax.design.spaces import Points, Space
from idml_jax.errors import InputError


class Question(NamedTuple):
    """All that an answer depends on: equal questions have equal answers."""

    space: Space
    aim: Aim
    history: History
    count: int
    """Points to name."""
    start: int
    """Evenly spread points, before anything is learned from what was told."""
    seed: int

    @property
    def number(self) -> int:
        """Questions before this one."""
        return len(self.history.notes)

    @property
    def own_seed(self) -> int:
        """Of the random numbers of its answer: another one for each question."""
        return self.seed + self.history.asked

    def started(self) -> "Answer | None":
        """Evenly spread points, until there is something to learn from."""
        asked = self.history.asked
        if asked < self.start:
            count = min(self.count, self.start - asked)
        elif len(self.history.told) < 2:
            count = self.count
        else:
            return None
        return Answer(self.space.sobol(asked + count, seed=self.seed)[asked:])


class Answer(NamedTuple):
    """What to evaluate next."""

    points: Points
    note: dict[str, Any] | None = None
    """Plain values that the strategy wants to be told when it is asked again."""
    slopes: bool = False
    """Whether it wants the slope of the score at these points."""


@runtime_checkable
class Strategy(Protocol):
    """A way to search: from a question to an answer, and nothing that it remembers itself.

    One that is not for every aim has a ``check(aim)``, which is called when a search begins.
    """

    def __call__(self, question: Question) -> Answer:
        """The next points; as many as were asked for, or fewer where the start ends."""
        ...


def refuse_several(aim: Aim, strategy: str) -> None:
    """Refuse more objectives than one, for a strategy that compares single scores.

    Raises
    ------
    InputError
    """
    if len(aim.objectives) > 1:
        raise InputError(
            f"{strategy} has one objective, and the search {len(aim.objectives)}: several are for "
            "expected improvement, or for random and Sobol points."
        )
