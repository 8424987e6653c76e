"""Where to look next: BoTorch's answer, the one place where torch is used.

Latents are searched in the unit cube: the normal quantiles of a point's coordinates,
scaled to the length of a typical latent, are the latents, so that a uniform point of
the cube is a random latent of the generator and no point is untypical.
"""

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
from botorch.models.transforms.input import InputTransform
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood
from jaxtyping import Float
from linear_operator.utils.warnings import NumericalWarning

from idml_jax.design.objectives import Objective
from idml_jax.design.search import MARGIN


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: on matrices this small, more cost four times the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Direction(InputTransform, torch.nn.Module):
    """Points of the cube as the direction of their latents: what the process is a function of.

    Scaled so that each coordinate has the mean and deviation of a uniform one,
    which BoTorch's priors of the length scales are made for.
    """

    transform_on_train = True
    transform_on_eval = True
    transform_on_fantasize = True

    def transform(self, X: torch.Tensor) -> torch.Tensor:
        quantiles = torch.special.ndtri(X.clamp(MARGIN, 1 - MARGIN))
        length = quantiles.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return 0.5 + math.sqrt(X.shape[-1] / 12) * quantiles / length


def propose(
    points: Float[np.ndarray, "count dim"],
    values: Float[np.ndarray, " count"],
    *,
    objective: Objective,
    batch: int,
    seed: int,
) -> Float[np.ndarray, "batch dim"]:
    """The next points of the unit cube to evaluate, by log expected improvement.

    A Gaussian process in double precision models the property itself and the
    objective is applied to its samples, so that a target's kink is known to the
    search and not learned. The points of a batch are chosen one after another,
    each expecting those before it.

    Parameters
    ----------
    points : array of shape (count, dim)
        Evaluated so far, in [0, 1].
    values : array of shape (count,)
        Their property.
    objective : Objective
    batch : int
        Number of points to propose.
    seed : int
        Of everything random in the proposal; equal arguments give equal points.

    Returns
    -------
    points : array of shape (batch, dim)

    References
    ----------
    .. [1] S. Ament et al., "Unexpected improvements to expected improvement for
       Bayesian optimization", NeurIPS 2023.
    .. [2] M. Balandat et al., "BoTorch: a framework for efficient Monte-Carlo
       Bayesian optimization", NeurIPS 2020.
    """
    with torch.random.fork_rng(), _one_thread(), warnings.catch_warnings():
        # BoTorch starts again elsewhere by itself, and keeps the best that it found.
        warnings.filterwarnings("ignore", "Optimization failed", RuntimeWarning)
        # Directions are scaled by their deviation: a few reach out of the unit cube on purpose.
        warnings.filterwarnings("ignore", category=InputDataWarning)
        # A property without noise makes nearly singular matrices, and the library steadies them.
        warnings.filterwarnings("ignore", category=NumericalWarning)
        torch.manual_seed(seed)
        inputs = torch.from_numpy(points.astype(np.float64))
        outputs = torch.from_numpy(values.astype(np.float64))[:, None]
        model = SingleTaskGP(inputs, outputs, input_transform=_Direction())
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogExpectedImprovement(
            model,
            best_f=objective.score(outputs).max(),
            sampler=SobolQMCNormalSampler(torch.Size([64]), seed=seed),
            objective=GenericMCObjective(lambda samples, X=None: objective.score(samples[..., 0])),
        )
        dimensions = points.shape[1]
        found, _ = optimize_acqf(
            acquisition,
            bounds=torch.tensor([[0.0] * dimensions, [1.0] * dimensions], dtype=torch.float64),
            q=batch,
            num_restarts=4,
            raw_samples=128,
            options={"maxiter": 60, "seed": seed},
            sequential=True,
        )
    return found.numpy()
