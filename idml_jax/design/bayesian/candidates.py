"""Points among which the next ones are chosen."""

import numpy as np
import torch
from botorch.acquisition import AcquisitionFunction
from botorch.optim import optimize_acqf, optimize_acqf_discrete

from idml_jax.design.asking import Question
from idml_jax.design.spaces import UNIT, Points

CENTRES = 3
"""Best points so far that candidates are drawn around."""

SCALES = (0.15, 0.3, 0.6)
"""Standard deviations of the steps from them, in units of a random point's own."""

NEAR, FAR = 1000, 500
"""Candidates around the best points, and anywhere."""

TOGETHER = 2**24
"""Numbers of all told points that candidates judged at a time may make copies of: each has one."""


def best_of(acquisition: AcquisitionFunction, question: Question, count: int) -> Points:
    """The points where an acquisition function is largest, chosen one after another.

    In a box by its gradient. On the sphere among random candidates: two thirds of them lie around
    the best points so far, at several scales, as in a trust region [1]_; the others lie anywhere.
    To climb the gradient there instead took four times as long and found no more.

    References
    ----------
    .. [1] D. Eriksson et al., "Scalable global optimization via local Bayesian optimization",
       NeurIPS 2019: candidates around the best point.
    """
    space = question.space
    pending = question.history.pending.points
    if len(pending):
        acquisition.set_X_pending(torch.from_numpy(space.unit(pending)))
    if space.bounded:
        bounds = torch.tensor([[0.0] * space.dimensions, [1.0] * space.dimensions]).double()
        found, _ = optimize_acqf(acquisition, bounds, q=count, num_restarts=10, raw_samples=512)
        return space.from_unit(found.numpy())
    points = candidates(question)
    choices = torch.from_numpy(space.unit(points))
    told = len(question.history.told) * space.dimensions
    together = max(16, min(2048, TOGETHER // told))
    found, _ = optimize_acqf_discrete(
        acquisition, q=count, choices=choices, max_batch_size=together
    )
    # The chosen rows themselves, so that nothing is lost in scaling back and forth.
    rows = (found[:, None] == choices).all(-1).double().argmax(-1)
    return points[rows.numpy()]


def candidates(question: Question) -> Points:
    """Points near the best ones at every scale, then points anywhere."""
    random = np.random.default_rng([question.seed, question.history.asked])
    space, centres = question.space, centres_of(question)
    steps = random.choice(SCALES, NEAR)[:, None] * random.standard_normal((NEAR, space.dimensions))
    near = space.unit(centres)[random.integers(len(centres), size=NEAR)] + UNIT * steps
    far = 0.5 + UNIT * random.standard_normal((FAR, space.dimensions))
    return space.from_unit(np.concatenate([near, far]))


def centres_of(question: Question) -> Points:
    """The best points so far, or those of the Pareto front."""
    told = question.history.told
    if len(question.aim.objectives) == 1:
        return told.points[question.aim.order(told.values)[:CENTRES]]
    return told.points[question.aim.front(told.values)]
