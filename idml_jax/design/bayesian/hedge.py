"""Bayesian optimization that learns which acquisition function to trust."""

import dataclasses

import numpy as np
import torch
from botorch.acquisition import (
    qLogExpectedImprovement,
    qProbabilityOfImprovement,
    qUpperConfidenceBound,
)

from idml_jax.design.asking import Answer, Question, refuse_several
from idml_jax.design.bayesian.candidates import best_of
from idml_jax.design.bayesian.surrogate import Scaled, Surrogate, fit, reproducible, sampler_of
from idml_jax.design.objectives import Aim
from idml_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Hedge:
    """A portfolio of expected improvement, probability of improvement and upper confidence bound.

    Each names its points at each question, and those of one of them are evaluated: it is drawn by
    what the points that each has named before turned out to be worth, as the model sees it [1]_.

    Parameters
    ----------
    rate : float
        How much a gain counts, in units of the scores' deviation.
    bound : float
        Weight of the variance in the upper confidence bound.

    References
    ----------
    .. [1] M. Hoffman, E. Brochu, N. de Freitas, "Portfolio allocation for Bayesian optimization",
       UAI 2011, algorithm 2 (GP-Hedge).
    """

    rate: float = 1.0
    bound: float = 2.0

    def check(self, aim: Aim) -> None:
        """Refuse several objectives, and constraints."""
        refuse_several(aim, "this portfolio")
        if aim.constraints:
            raise InputError("this portfolio has no constraints; take expected improvement.")

    def __call__(self, question: Question) -> Answer:
        """The points of the acquisition function that was drawn."""
        if (start := question.started()) is not None:
            return start
        with reproducible(question.own_seed):
            surrogate = fit(question)
            scaled = Scaled.of(question.aim, surrogate.told)
            gains = self._gains(question, surrogate, scaled)
            nominees = [
                best_of(acquisition, question, question.count)
                for acquisition in self._portfolio(question, surrogate, scaled)
            ]
        weights = np.exp(self.rate * (gains - gains.max()))
        random = np.random.default_rng([question.seed, question.history.asked, 1])
        chosen = int(random.choice(len(weights), p=weights / weights.sum()))
        note = {
            "nominees": [points.astype(float).tolist() for points in nominees],
            "gains": gains.tolist(),
            "chosen": chosen,
        }
        return Answer(nominees[chosen], note)

    def _gains(self, question: Question, surrogate: Surrogate, scaled: Scaled) -> np.ndarray:
        """What each has gained: the expected scores, by now, of what it named last, added up."""
        last = next((note for note in reversed(question.history.notes) if "gains" in note), None)
        if last is None:
            return np.zeros(3)
        rewards = []
        for named in last["nominees"]:
            unit = torch.from_numpy(question.space.unit(np.array(named)))
            with torch.no_grad():
                posterior = surrogate.model.posterior(unit)
            mean = posterior.mean  # pyright: ignore[reportAttributeAccessIssue]
            rewards.append(float(scaled.scores(mean)[..., 0].mean()))
        centre = float(scaled.scores(surrogate.values)[..., 0].mean())
        return np.array(last["gains"]) + np.array(rewards) - centre

    def _portfolio(self, question: Question, surrogate: Surrogate, scaled: Scaled):
        shared = {"objective": scaled.objective(), "sampler": sampler_of(question)}
        best = scaled.scores(surrogate.values).max()
        yield qLogExpectedImprovement(surrogate.model, best_f=best, **shared)
        yield qProbabilityOfImprovement(surrogate.model, best_f=best, **shared)
        yield qUpperConfidenceBound(surrogate.model, beta=self.bound, **shared)
