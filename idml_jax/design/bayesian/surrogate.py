"""Gaussian processes of what a search was told."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from botorch.acquisition.objective import GenericMCObjective
from botorch.exceptions import InputDataWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.map_saas import AdditiveMapSaasSingleTaskGP
from botorch.models.model import Model
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.constraints import Interval
from gpytorch.kernels import MaternKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood, SumMarginalLogLikelihood
from jaxtyping import Float
from linear_operator.utils.warnings import NumericalWarning
from threadpoolctl import threadpool_limits

from idml_jax.design.asking import Question
from idml_jax.design.history import History
from idml_jax.design.objectives import Aim

Prior: TypeAlias = Literal["standard", "sparse", "local"]
"""Of the length scales: the library's, which widen with the dimension; ones that leave most
coordinates without any influence; or none but limits, for the data of a small region."""

SAMPLES = 64
"""Of a model, over which an improvement is averaged."""


class Surrogate(NamedTuple):
    """A model of every output, and what it was fitted to."""

    model: Model
    points: torch.Tensor
    """Unit coordinates of what was told."""
    values: torch.Tensor
    told: History
    noisy: bool
    """Whether the variance of each value is known."""


def fit(question: Question, prior: Prior = "standard", told: History | None = None) -> Surrogate:
    """Fit a Gaussian process in double precision to each output.

    The outputs themselves are modelled, and the objectives applied to samples of them, so that a
    target's kink and a tensor's components are known to the search and not learned.

    Parameters
    ----------
    question : Question
    prior : {"standard", "sparse", "local"}
        Sparse axis-aligned priors [1]_, here by their maximum a posteriori, are for many
        dimensions of which few matter. A local model has the kernel and the limits of trust
        regions [2]_.
    told : History, optional
        What to fit to; by default all that was told.

    References
    ----------
    .. [1] D. Eriksson, M. Jankowiak, "High-dimensional Bayesian optimization with sparse
       axis-aligned subspaces", UAI 2021.
    .. [2] D. Eriksson et al., "Scalable global optimization via local Bayesian optimization",
       NeurIPS 2019, appendix: Matern 5/2, length scales from 0.005 to 4 of the unit cube.
    """
    told = question.history.told if told is None else told
    points = torch.from_numpy(question.space.unit(told.points))
    values = torch.from_numpy(told.values.astype(np.float64))
    noisy = bool(np.isfinite(told.variances).all())
    variances = torch.from_numpy(told.variances.astype(np.float64)) if noisy else None
    if prior == "sparse":
        each = [
            AdditiveMapSaasSingleTaskGP(
                points,
                values[:, place : place + 1],
                None if variances is None else variances[:, place : place + 1],
            )
            for place in range(values.shape[1])
        ]
        model = each[0] if len(each) == 1 else ModelListGP(*each)
    elif prior == "local":
        outputs = torch.Size([values.shape[1]] if values.shape[1] > 1 else [])
        kernel = MaternKernel(
            nu=2.5,
            ard_num_dims=points.shape[1],
            batch_shape=outputs,
            lengthscale_constraint=Interval(0.005, 4.0),
        )
        covariance = ScaleKernel(kernel, batch_shape=outputs)
        likelihood = None
        if variances is None:
            likelihood = GaussianLikelihood(
                noise_constraint=Interval(1e-8, 1e-3), batch_shape=outputs
            )
        model = SingleTaskGP(
            points, values, variances, likelihood=likelihood, covar_module=covariance
        )
    else:
        model = SingleTaskGP(points, values, variances)
    several = isinstance(model, ModelListGP)
    marginal = SumMarginalLogLikelihood if several else ExactMarginalLogLikelihood
    fit_gpytorch_mll(marginal(model.likelihood, model))
    return Surrogate(model, points, values, told, noisy)


class Scaled(NamedTuple):
    """An aim in the units in which the scores and constraints of a history vary."""

    aim: Aim
    of_scores: list[float]
    of_sides: list[float]

    @classmethod
    def of(cls, aim: Aim, told: History) -> "Scaled":
        """The library's smoothing of a maximum and of a constraint is made for unit size."""
        return cls(
            aim,
            [_deviation(scores) for scores in aim.scores(told.values)],
            [_deviation(side) for side in aim.sides(told.values)],
        )

    def scores(self, samples: torch.Tensor) -> torch.Tensor:
        """The scores along a new last axis."""
        found = self.aim.scores(samples)
        return torch.stack(
            [score / unit for score, unit in zip(found, self.of_scores, strict=True)], dim=-1
        )

    def objective(self) -> GenericMCObjective:
        """The score of a single objective."""
        return GenericMCObjective(lambda samples, X=None: self.scores(samples)[..., 0])

    def constraints(self) -> list:
        """Each end of a constraint: a function of samples, not above 0 where it holds."""
        return [
            lambda samples, place=place, unit=unit: self.aim.sides(samples)[place] / unit
            for place, unit in enumerate(self.of_sides)
        ]


def sampler_of(question: Question) -> SobolQMCNormalSampler:
    """Samples of a model, the same ones of equal questions."""
    return SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=question.own_seed)


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Torch's random numbers follow a seed, on one thread, without warnings that mean nothing.

    On matrices this small more threads cost four times the time: torch's own, and those of the
    linear algebra that scipy's optimizer calls.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(limits=1),
            torch.random.fork_rng(),
            warnings.catch_warnings(),
        ):
            # Latents are scaled by their deviation: a few reach out of the unit cube on purpose.
            warnings.filterwarnings("ignore", category=InputDataWarning)
            # What is measured without noise makes nearly singular matrices, which the library
            # steadies.
            warnings.filterwarnings("ignore", category=NumericalWarning)
            # After it the library tries again by itself, and says so if that fails as well.
            warnings.filterwarnings(
                "ignore", "Optimization failed in `gen_candidates_scipy`", category=RuntimeWarning
            )
            # Of how torch checks matrices that we never make.
            warnings.filterwarnings("ignore", "Sparse invariant checks", category=UserWarning)
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _deviation(values: Float[np.ndarray, " count"]) -> float:
    """1 where nothing varies."""
    return float(np.std(values)) or 1.0
