"""Searches that learn nothing, or that keep to a well-known method: what others are measured by."""

import dataclasses
import math
import warnings

import numpy as np

from idml_jax.design.asking import Answer, Question, refuse_several
from idml_jax.design.history import PENDING
from idml_jax.design.objectives import Aim
from idml_jax.design.spaces import UNIT


@dataclasses.dataclass(frozen=True)
class RandomSearch:
    """Independent random points."""

    def __call__(self, question: Question) -> Answer:
        """The next ones of a stream."""
        asked = question.history.asked
        drawn = question.space.drawn(asked + question.count, seed=question.seed)
        return Answer(drawn[asked:])


@dataclasses.dataclass(frozen=True)
class SobolSearch:
    """Evenly spread points."""

    def __call__(self, question: Question) -> Answer:
        """The next ones of a scrambled Sobol sequence."""
        asked = question.history.asked
        return Answer(question.space.sobol(asked + question.count, seed=question.seed)[asked:])


@dataclasses.dataclass(frozen=True)
class CMAES:
    """Covariance matrix adaptation, an evolution strategy [1]_, as the package `cma` does it.

    Points are counted off into generations in the order in which they were asked for, and
    generations that are complete are told to the strategy anew at each question: so the state of
    the search is what was asked and told, and nothing else.

    Parameters
    ----------
    deviation : float
        Of the first generation, in units of that of random points.

    References
    ----------
    .. [1] N. Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772, 2016.
    """

    deviation: float = 1.0

    def check(self, aim: Aim) -> None:
        """Refuse several objectives."""
        refuse_several(aim, "an evolution strategy")

    def __call__(self, question: Question) -> Answer:
        """The rest of a generation; where that is not enough, more from the same distribution."""
        import cma

        space, aim, history = question.space, question.aim, question.history
        size = 4 + math.floor(3 * math.log(space.dimensions))
        # A stream of random numbers of its own: the library seeds that of numpy otherwise.
        stream = np.random.default_rng([question.seed, 2])
        options = {
            "popsize": size,
            "randn": lambda *shape: stream.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
        }
        if space.bounded:
            options["bounds"] = [0, 1]
        asked = history[history.asks >= 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            centre = np.full(space.dimensions, 0.5)
            strategy = cma.CMAEvolutionStrategy(centre, self.deviation * UNIT, options)
            begin = 0
            fresh = np.array(strategy.ask())
            while begin + size <= len(asked):
                generation = asked[begin : begin + size]
                if (generation.states == PENDING).any():
                    break
                # Ranks: all that the strategy looks at, and failures have one too.
                ranks = np.empty(size)
                ranks[aim.order(generation.values)] = np.arange(size)
                strategy.tell(list(space.unit(generation.points)), list(ranks))
                begin += size
                fresh = np.array(strategy.ask())
            used = len(asked) - begin
            missing = question.count - max(0, size - used)
            if missing > 0:
                fresh = np.concatenate([fresh, strategy.ask(number=missing + max(0, used - size))])
        return Answer(space.from_unit(fresh[used : used + question.count]))
