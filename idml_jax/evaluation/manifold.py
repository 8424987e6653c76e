"""Precision and recall, density and coverage: whether generated features cover the real ones."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.evaluation.discrepancy import check_samples
from idml_jax.evaluation.pairwise import pairwise_distances
from idml_jax.typing import Array


class ManifoldScores(NamedTuple):
    """How two samples of features cover each other, apart for quality and variety."""

    precision: float
    """Share of the generated images that lie in the neighbourhood of a real one."""
    recall: float
    """Share of the real images that lie in the neighbourhood of a generated one."""
    density: float
    """In how many neighbourhoods of real images a generated one lies, over k; may exceed 1."""
    coverage: float
    """Share of the real images with a generated one in their neighbourhood."""


def manifold_scores(
    generated: Float[Array, "n features"],
    real: Float[Array, "m features"],
    *,
    neighbours: int = 5,
) -> ManifoldScores:
    """Precision and recall, density and coverage of generated images, from features.

    The neighbourhood of an image reaches to its k-th nearest neighbour among the images of its
    own side. Precision and density tell whether generated images look real, recall and
    coverage whether everything real is made.

    Parameters
    ----------
    generated, real : arrays of shape (n, features) and (m, features)
        Features of one image a row, as `encode` makes them; more than `neighbours` of both.
    neighbours : int
        The number k. Kynkaanniemi et al. take 3 for precision and recall, and Naeem et al. 5
        for density and coverage.

    Returns
    -------
    scores : ManifoldScores
        ``(precision, recall, density, coverage)``.

    Raises
    ------
    ValueError
        If the numbers of features differ, or there are too few images.

    Notes
    -----
    For samples of one distribution, of equal size and in many dimensions, density is about 1
    and coverage about ``1 - 2**-k``. One outlier among the images whose neighbourhoods count
    raises precision or recall, and hardly moves density and coverage [2]_. A neighbourhood
    includes its border. Takes the memory of the distances of all pairs.

    References
    ----------
    .. [1] T. Kynkaanniemi et al., "Improved precision and recall metric for assessing
       generative models", NeurIPS 2019, equations 1 and 2.
    .. [2] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi, J. Yoo, "Reliable fidelity and diversity
       metrics for generative models", ICML 2020, equations 2 to 5 and 8.

    Examples
    --------
    >>> import numpy as np
    >>> real = np.random.default_rng(0).normal(size=(100, 2))
    >>> one_kind = np.full((50, 2), 0.1) + 1e-3 * real[:50]
    >>> precision, recall, _, coverage = manifold_scores(one_kind, real)
    >>> precision, recall < 0.1, coverage < 0.3
    (1.0, True, True)
    """
    fewest = neighbours + 1
    made, true = check_samples(generated, real, least=fewest)
    if neighbours < 1:
        raise ValueError(f"`neighbours` (={neighbours}) must be at least 1.")
    across = pairwise_distances(true, made)
    in_real = np.asarray(across <= _reach(true, neighbours)[:, None])
    in_made = np.asarray(across <= _reach(made, neighbours)[None])
    return ManifoldScores(
        precision=float(in_real.any(axis=0).mean()),
        recall=float(in_made.any(axis=1).mean()),
        density=float(in_real.sum() / (neighbours * len(made))),
        coverage=float(in_real.any(axis=1).mean()),
    )


def _reach(sample: Float[Array, "n features"], neighbours: int) -> Float[Array, " n"]:
    """Distance of each from its k-th nearest neighbour."""
    distances = pairwise_distances(sample, sample)
    others = jnp.where(jnp.eye(len(sample), dtype=bool), jnp.inf, distances)
    return -jax.lax.top_k(-others, neighbours)[0][:, -1]
