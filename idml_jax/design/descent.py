"""Searches that follow the gradient of the whole chain, from latents to the score."""

import dataclasses

import jax
import numpy as np
import optax

from idml_jax.design.asking import Answer, Question, Strategy, refuse_several
from idml_jax.design.baselines import SobolSearch
from idml_jax.design.history import History
from idml_jax.design.objectives import Aim
from idml_jax.design.spaces import UNIT, Points


@dataclasses.dataclass(frozen=True)
class Descent:
    """Steps along the slope of the score, from the best points of another search.

    As many points as are asked for move at once, each by Adam with a rate that falls to nothing by
    half a cosine; after that the next best points do. A point and its slope count as one
    evaluation.

    Parameters
    ----------
    first : strategy
        What asks for the points before.
    after : int, optional
        How many these are; by default those of the start.
    steps : int
        Of a descent.
    learning_rate : float
        At first, in units of a random point's deviation.
    """

    first: Strategy = SobolSearch()
    after: int | None = None
    steps: int = 16
    learning_rate: float = 0.2

    def check(self, aim: Aim) -> None:
        """Refuse several objectives."""
        refuse_several(aim, "a descent")

    def __call__(self, question: Question) -> Answer:
        """The next step of each descent, or the points before."""
        history = question.history
        after = question.start if self.after is None else self.after
        if history.asked < after:
            count = min(question.count, after - history.asked)
            return self.first(question._replace(count=count))
        asks = self._of_descents(history, after)
        number, taken = divmod(len(asks), self.steps)
        if not taken:
            return Answer(self._begun(question, after, number), slopes=True)
        return Answer(self._moved(question, history, asks[-taken:]), slopes=True)

    def _of_descents(self, history: History, after: int) -> list[int]:
        """The questions whose points were steps."""
        before = np.cumsum([(history.asks == ask).sum() for ask in range(len(history.notes))])
        return [ask for ask in range(len(history.notes)) if ask and before[ask - 1] >= after]

    def _begun(self, question: Question, after: int, number: int) -> Points:
        """The best points before that no descent has begun with; else evenly spread ones."""
        history, count = question.history, question.count
        before = history[history.asks >= 0][:after]
        order = question.aim.order(before.values)[number * count : (number + 1) * count]
        order = order[np.isfinite(before.values[order]).all(axis=1)]
        lacking = count - len(order)
        if not lacking:
            return before.points[order]
        spread = question.space.sobol(history.asked + lacking, seed=question.seed)
        return np.concatenate([before.points[order], spread[history.asked :]])

    def _moved(self, question: Question, history: History, asks: list[int]) -> Points:
        """One step on from a descent's last points, by the slopes that were told so far."""
        steps = [history[history.asks == ask] for ask in asks]
        count = min(question.count, *map(len, steps))
        schedule = optax.schedules.cosine_decay_schedule(self.learning_rate * UNIT, self.steps)
        # Slopes are of any size: in units of a property, by latent.
        optimizer = optax.chain(optax.scale_by_adam(eps=1e-20), optax.scale_by_schedule(schedule))
        moments = optimizer.init(np.zeros((count, question.space.dimensions), np.float32))
        moves = moments
        for step in steps:
            # What failed, or has no slope, stands still.
            slopes = np.nan_to_num(step.slopes[:count].astype(np.float32), posinf=0, neginf=0)
            # optax mixes the types of its counters and moments.
            with jax.numpy_dtype_promotion("standard"):
                moves, moments = optimizer.update(slopes, moments)
        unit = question.space.unit(steps[-1].points[:count]) + np.asarray(moves, np.float64)
        return question.space.from_unit(unit)
