"""The strategies by their names."""

from typing import Literal, TypeAlias, get_args

from idml_jax.design.asking import Strategy
from idml_jax.design.baselines import CMAES, RandomSearch, SobolSearch
from idml_jax.design.descent import Descent
from idml_jax.errors import InputError

StrategyName: TypeAlias = Literal[
    "bayes", "trust-region", "sparse", "hedge", "polished", "gradient", "cma-es", "sobol", "random"
]
"""Names that a user may give."""

POLISHED = 0.75
"""Share of the evaluations after which the best points of a polished search follow the slope."""


def strategy_of(name: str, evaluations: int) -> Strategy:
    """A strategy by its name.

    Parameters
    ----------
    name : str
        - "bayes": log expected improvement, of a hypervolume where there are several objectives;
        - "trust-region": TuRBO, for many dimensions;
        - "sparse": expected improvement with priors by which few dimensions matter;
        - "hedge": a portfolio of acquisition functions;
        - "polished": expected improvement, whose best points follow the slope at the end;
        - "gradient": the best of evenly spread points follow the slope;
        - "cma-es": an evolution strategy;
        - "sobol", "random": points that nothing is learned from.
    evaluations : int
        Budget of the search.

    Examples
    --------
    >>> strategy_of("cma-es", 100)
    CMAES(deviation=1.0)
    """
    if name == "random":
        return RandomSearch()
    if name == "sobol":
        return SobolSearch()
    if name == "cma-es":
        return CMAES()
    if name == "gradient":
        return Descent()
    if name not in get_args(StrategyName):
        raise InputError(
            f"no strategy is called {name!r}; there are {', '.join(get_args(StrategyName))}."
        )
    # BoTorch takes seconds to import, and only these need it.
    from idml_jax.design import bayesian

    if name == "polished":
        return Descent(bayesian.ExpectedImprovement(), after=round(POLISHED * evaluations))
    if name == "hedge":
        return bayesian.Hedge()
    if name == "trust-region":
        return bayesian.TrustRegion()
    return bayesian.ExpectedImprovement("sparse" if name == "sparse" else "standard")
