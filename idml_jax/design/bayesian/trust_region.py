"""Bayesian optimization within a region around the best point that grows and shrinks."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import torch

from idml_jax.design.asking import Answer, Question, refuse_several
from idml_jax.design.bayesian.surrogate import Prior, fit, reproducible
from idml_jax.design.history import PENDING, TOLD, History
from idml_jax.design.objectives import Aim
from idml_jax.design.spaces import Points

CANDIDATES = 4000
"""Points in the region that a sample of the model is compared at."""

PERTURBED = 20
"""Coordinates of a candidate that differ from the best point's, in the mean."""


class Region(NamedTuple):
    """Where the search stands."""

    length: float
    """Side of the region in unit coordinates, before it is stretched by the length scales."""
    rows: np.ndarray
    """Which rows of the history belong to it: those since it was begun anew."""
    begun: int
    """How often it has been begun anew."""


@dataclasses.dataclass(frozen=True)
class TrustRegion:
    """TuRBO with one region: samples of a local model, at candidates around the best point [1]_.

    The region is twice as large after some successes in a row, half as large after some failures,
    and is begun anew with evenly spread points when it is very small. All of that follows from
    what was asked and told. Constraints come first when points are compared [2]_: one that meets
    them is better than one that does not.

    Parameters
    ----------
    prior : {"local", "standard", "sparse"}
        Of the surrogate model.
    length, shortest, longest : float
        Sides of the region: at first, and its limits.
    successes : int
        In a row, that make it grow: 3 in the paper, 10 in BoTorch's own tutorial.

    References
    ----------
    .. [1] D. Eriksson, M. Pearce, J. Gardner, R. Turner, M. Poloczek, "Scalable global
       optimization via local Bayesian optimization", NeurIPS 2019, section 2 and appendix.
    .. [2] D. Eriksson, M. Poloczek, "Scalable constrained Bayesian optimization", AISTATS 2021.
    """

    prior: Prior = "local"
    length: float = 0.8
    shortest: float = 0.5**7
    longest: float = 1.6
    successes: int = 10

    def check(self, aim: Aim) -> None:
        """Refuse several objectives."""
        refuse_several(aim, "a trust region")

    def __call__(self, question: Question) -> Answer:
        """Where samples of the local model are best."""
        history, space = question.history, question.space
        region = self.region(question)
        own = history[region.rows]
        if own.asked < question.start or len(own.told) < 2:
            count = question.count
            if own.asked < question.start:
                count = min(count, question.start - own.asked)
            # Each time it is begun anew with points of its own.
            seed = question.seed + 1000 * region.begun
            spread = space.sobol(own.asked + count, seed=seed)
            return Answer(spread[own.asked :])
        with reproducible(question.own_seed):
            return Answer(self._sampled(question, region, own.told))

    def region(self, question: Question) -> Region:
        """Where the search stands, by going through what was asked and told."""
        history, aim = question.history, question.aim
        patience = math.ceil(max(4 / question.count, question.space.dimensions / question.count))
        rows = np.arange(len(history))
        first, begun = 0, 0
        length, won, lost = self.length, 0, 0
        for ask in range(question.number):
            asked = history.asks == ask
            if (history.states[asked] == PENDING).any() or not asked.any():
                continue
            before = history[(rows >= first) & (history.asks < ask)]
            if before.asked < question.start or not (before.states == TOLD).any():
                continue
            if _better(aim, history[asked], before):
                won, lost = won + 1, 0
            else:
                won, lost = 0, lost + 1
            if won == self.successes:
                length, won = min(2 * length, self.longest), 0
            elif lost >= patience:
                length, lost = length / 2, 0
            if length < self.shortest:
                first, begun = int(rows[asked].max()) + 1, begun + 1
                length, won, lost = self.length, 0, 0
        return Region(length, rows >= first, begun)

    def _sampled(self, question: Question, region: Region, told: History) -> Points:
        """The best candidates of as many samples of the model."""
        space, aim, count = question.space, question.aim, question.count
        surrogate = fit(question, self.prior, told)
        centre = space.unit(told.points[aim.order(told.values)[:1]])
        random = np.random.default_rng([question.seed, question.history.asked])
        half = region.length / 2 * _stretches(surrogate.model, space.dimensions)
        low, high = centre - half, centre + half
        if space.bounded:
            low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        shape = (CANDIDATES, space.dimensions)
        moved = random.random(shape) < min(1, PERTURBED / space.dimensions)
        # One coordinate at least.
        moved[np.arange(CANDIDATES), random.integers(space.dimensions, size=CANDIDATES)] = True
        unit = np.where(moved, low + (high - low) * random.random(shape), centre)
        points = space.from_unit(unit)
        with torch.no_grad():
            posterior = surrogate.model.posterior(torch.from_numpy(space.unit(points)))
            samples = posterior.rsample(torch.Size([count])).numpy()
        chosen: list[int] = []
        for sample in samples:
            order = aim.order(sample)
            chosen.append(next(int(row) for row in order if row not in chosen))
        return points[chosen]


def _better(aim: Aim, new: History, before: History) -> bool:
    """Whether the best of some rows is better than all before, and not only just."""
    told = before.told
    best = told.values[aim.order(told.values)[:1]]
    found = new.values[aim.order(new.values)[:1]]
    both = np.concatenate([best, found])
    if not aim.feasible(both).all():
        return int(aim.order(both)[0]) == 1
    old_score, new_score = aim.scores(both)[0]
    return bool(new_score > old_score + 1e-3 * abs(old_score))


def _stretches(model, dimensions: int) -> np.ndarray:
    """Length scales of the coordinates, of all outputs together, over their geometric mean."""
    kernels = [module for module in model.modules() if hasattr(module, "raw_lengthscale")]
    scales = [kernel.lengthscale.detach().reshape(-1, dimensions).numpy() for kernel in kernels]
    logs = np.log(np.concatenate(scales)).mean(axis=0)
    return np.exp(logs - logs.mean())
