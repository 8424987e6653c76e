"""Where to look next: BoTorch's answer, the one place where torch is used."""

import contextlib
import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from botorch.acquisition import qLogExpectedImprovement
from botorch.acquisition.objective import GenericMCObjective
from botorch.exceptions import InputDataWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.optim import optimize_acqf_discrete
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood
from jaxtyping import Float
from linear_operator.utils.warnings import NumericalWarning

from idml_jax.design.latents import on_sphere
from idml_jax.design.objectives import Objective

CENTRES = 3
"""Best latents so far that candidates are drawn around."""

SCALES = (0.15, 0.3, 0.6)
"""Standard deviations of the steps from them, in units of a latent's own deviation."""

NEAR, FAR = 1000, 500
"""Candidates around the best latents, and anywhere."""


def propose(
    latents: Float[np.ndarray, "count dim"],
    values: Float[np.ndarray, " count"],
    *,
    objective: Objective,
    batch: int,
    seed: int,
) -> Float[np.ndarray, "batch dim"]:
    """The next latents to evaluate, by log expected improvement.

    A Gaussian process in double precision models the property itself and the
    objective is applied to its samples, so that a target's kink is known to the
    search and not learned. The latents of a batch are chosen one after another
    among random candidates, each expecting those before it. Two thirds of the
    candidates lie around the three best latents so far, at several scales, as in a
    trust region; the others lie anywhere. To climb the acquisition's gradient
    instead took four times as long and found no more.

    Parameters
    ----------
    latents : array of shape (count, dim)
        Evaluated so far, of typical length.
    values : array of shape (count,)
        Their property.
    objective : Objective
    batch : int
        Number of latents to propose.
    seed : int
        Of everything random in the proposal; equal arguments give equal latents.

    Returns
    -------
    latents : array of shape (batch, dim)

    References
    ----------
    .. [1] S. Ament et al., "Unexpected improvements to expected improvement for
       Bayesian optimization", NeurIPS 2023.
    .. [2] M. Balandat et al., "BoTorch: a framework for efficient Monte-Carlo
       Bayesian optimization", NeurIPS 2020.
    .. [3] D. Eriksson et al., "Scalable global optimization via local Bayesian
       optimization", NeurIPS 2019: candidates around the best point.
    """
    scores = np.asarray(objective.score(values))
    candidates = _candidates(latents[np.argsort(-scores)[:CENTRES]], np.random.default_rng(seed))
    with torch.random.fork_rng(), _one_thread(), warnings.catch_warnings():
        # Latents are scaled by their deviation: a few reach out of the unit cube on purpose.
        warnings.filterwarnings("ignore", category=InputDataWarning)
        # A property without noise makes nearly singular matrices, and the library steadies them.
        warnings.filterwarnings("ignore", category=NumericalWarning)
        torch.manual_seed(seed)
        outputs = torch.from_numpy(values.astype(np.float64))[:, None]
        model = SingleTaskGP(_scaled(latents), outputs)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogExpectedImprovement(
            model,
            best_f=float(scores.max()),
            sampler=SobolQMCNormalSampler(torch.Size([64]), seed=seed),
            objective=GenericMCObjective(lambda samples, X=None: objective.score(samples[..., 0])),
        )
        choices = _scaled(candidates)
        found, _ = optimize_acqf_discrete(acquisition, q=batch, choices=choices)
        # The chosen rows themselves, so that nothing is lost in scaling back and forth.
        rows = (found[:, None] == choices).all(-1).double().argmax(-1)
    return candidates[rows.numpy()]


def _candidates(
    centres: Float[np.ndarray, "centres dim"], rng: np.random.Generator
) -> Float[np.ndarray, "candidates dim"]:
    """Latents near the centres at every scale, then latents anywhere."""
    dimensions = centres.shape[1]
    steps = rng.choice(SCALES, NEAR)[:, None] * rng.standard_normal((NEAR, dimensions))
    near = centres[rng.integers(len(centres), size=NEAR)] + steps
    return on_sphere(np.concatenate([near, rng.standard_normal((FAR, dimensions))]))


def _scaled(latents: Float[np.ndarray, "count dim"]) -> torch.Tensor:
    """Latents with the mean and deviation of uniform points of the unit cube.

    BoTorch's priors of the length scales are made for those.
    """
    return torch.from_numpy(0.5 + latents.astype(np.float64) / math.sqrt(12))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on matrices this small, more cost four times the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
