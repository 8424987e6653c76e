"""Bayesian optimization by log expected improvement, of one objective or of several."""

import dataclasses

import torch
from botorch.acquisition import (
    AcquisitionFunction,
    qLogExpectedImprovement,
    qLogNoisyExpectedImprovement,
)
from botorch.acquisition.logei import qLogProbabilityOfFeasibility
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.utils.multi_objective.hypervolume import infer_reference_point

from idml_jax.design.asking import Answer, Question
from idml_jax.design.bayesian.candidates import best_of
from idml_jax.design.bayesian.surrogate import (
    Prior,
    Scaled,
    Surrogate,
    fit,
    reproducible,
    sampler_of,
)


@dataclasses.dataclass(frozen=True)
class ExpectedImprovement:
    """The points that promise most, by the logarithm of the expected improvement [1]_.

    With constraints, or where the variance of each value is known, the improvement over what the
    best points may really be is taken; of several objectives, that of the hypervolume [2]_.

    Parameters
    ----------
    prior : {"standard", "sparse"}
        Of the surrogate model: see `fit`.

    References
    ----------
    .. [1] S. Ament et al., "Unexpected improvements to expected improvement for Bayesian
       optimization", NeurIPS 2023.
    .. [2] S. Daulton, M. Balandat, E. Bakshy, "Parallel Bayesian optimization of multiple noisy
       objectives with expected hypervolume improvement", NeurIPS 2021.
    .. [3] M. Balandat et al., "BoTorch: a framework for efficient Monte-Carlo Bayesian
       optimization", NeurIPS 2020.
    """

    prior: Prior = "standard"

    def __call__(self, question: Question) -> Answer:
        """The points where the acquisition is largest."""
        if (start := question.started()) is not None:
            return start
        with reproducible(question.own_seed):
            surrogate = fit(question, self.prior)
            acquisition = improvement(question, surrogate)
            return Answer(best_of(acquisition, question, question.count))


def improvement(question: Question, surrogate: Surrogate) -> AcquisitionFunction:
    """The acquisition function that fits the aim."""
    aim = question.aim
    scaled = Scaled.of(aim, surrogate.told)
    sampler = sampler_of(question)
    constraints = scaled.constraints() or None
    if constraints and not aim.feasible(surrogate.told.values).any():
        # There is nothing to improve on yet.
        return qLogProbabilityOfFeasibility(
            surrogate.model, constraints, sampler=sampler, objective=scaled.objective()
        )
    if len(aim.objectives) > 1:
        return qLogNoisyExpectedHypervolumeImprovement(
            surrogate.model,
            ref_point=_reference(scaled, surrogate),
            X_baseline=surrogate.points,
            objective=GenericMCMultiOutputObjective(lambda samples, X=None: scaled.scores(samples)),
            constraints=constraints,
            prune_baseline=True,
            sampler=sampler,
        )
    if constraints or surrogate.noisy:
        return qLogNoisyExpectedImprovement(
            surrogate.model,
            X_baseline=surrogate.points,
            objective=scaled.objective(),
            constraints=constraints,
            prune_baseline=True,
            sampler=sampler,
        )
    return qLogExpectedImprovement(
        surrogate.model,
        best_f=scaled.scores(surrogate.values).max(),
        objective=scaled.objective(),
        sampler=sampler,
    )


def _reference(scaled: Scaled, surrogate: Surrogate) -> torch.Tensor:
    """A point a little worse than the front in every objective."""
    feasible = scaled.aim.feasible(surrogate.told.values)
    scores = scaled.scores(surrogate.values[torch.from_numpy(feasible)])
    front = scaled.aim.front(surrogate.told.values[feasible])
    return infer_reference_point(scores[torch.from_numpy(front)])
