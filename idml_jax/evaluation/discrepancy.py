"""How far apart two samples of vectors are: energy distance and maximum mean discrepancy."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from idml_jax.evaluation.pairwise import gaussian_kernel, pairwise_distances
from idml_jax.typing import Array

Kernel: TypeAlias = Callable[[Array, Array], Array]
"""From two samples, (n, features) and (m, features), to the values for each pair, (n, m)."""


def energy_distance(
    first: Float[Array, "n features"], second: Float[Array, "m features"]
) -> Float[Array, ""]:
    r"""Energy distance of two samples.

    .. math:: 2 E|X - Y| - E|X - X'| - E|Y - Y'|

    Parameters
    ----------
    first, second : arrays of shape (n, features) and (m, features)
        One vector a row.

    Returns
    -------
    distance : float
        In the unit of the features; 0 for equal samples and never less. Of samples of one
        distribution its mean is :math:`(1 / n + 1 / m) E|X - X'|`.

    Notes
    -----
    Between distributions it is 0 only if they are equal [1]_. Some, as
    `scipy.stats.energy_distance`, take its square root. Differentiable.

    References
    ----------
    .. [1] G. J. Szekely, M. L. Rizzo, "Energy statistics: a class of statistics based on
       distances", Journal of Statistical Planning and Inference 143, 1249 (2013).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(energy_distance(jnp.zeros((4, 1)), jnp.full((2, 1), 3.0)))
    6.0
    """
    one, two = check_samples(first, second)
    across, within, other = (
        pairwise_distances(*pair).mean() for pair in ((one, two), (one, one), (two, two))
    )
    return 2 * across - within - other


def maximum_mean_discrepancy(
    first: Float[Array, "n features"],
    second: Float[Array, "m features"],
    *,
    kernel: Kernel | None = None,
    unbiased: bool = True,
) -> Float[Array, ""]:
    r"""Squared maximum mean discrepancy of two samples.

    .. math:: E k(X, X') + E k(Y, Y') - 2 E k(X, Y)

    Parameters
    ----------
    first, second : arrays of shape (n, features) and (m, features)
        One vector a row.
    kernel : callable, optional
        From two samples to the kernel of each pair. By default `gaussian_kernel` of the median
        distance between the members of both samples together.
    unbiased : bool
        Whether no member is paired with itself (equation 3 of [1]_, which needs two in each
        sample), so that the mean is 0 for samples of one distribution, and single values may
        be below 0. If False, all pairs count (equation 5 there).

    Returns
    -------
    discrepancy : float
        Of `linear_kernel`, biased, it is the squared distance of the means.

    Raises
    ------
    ValueError
        If the numbers of features differ, or a sample is too small.

    Notes
    -----
    Differentiable where the kernel is; the default width follows the data.

    References
    ----------
    .. [1] A. Gretton et al., "A kernel two-sample test", Journal of Machine Learning Research
       13, 723 (2012).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from idml_jax.evaluation import linear_kernel
    >>> means_apart = jnp.zeros((4, 1)), jnp.full((2, 1), 3.0)
    >>> float(maximum_mean_discrepancy(*means_apart, kernel=linear_kernel))
    9.0
    """
    one, two = check_samples(first, second, least=2 if unbiased else 1)
    pooled = jnp.concatenate([one, two])
    values = (kernel or median_kernel(pooled))(pooled, pooled)
    chosen = jnp.arange(len(pooled)) < len(one)
    return contrast(values, chosen, unbiased=unbiased)


def check_samples(first: Array, second: Array, *, least: int = 1) -> tuple[jax.Array, jax.Array]:
    """Two samples that can be compared."""
    for name, sample in (("first", first), ("second", second)):
        if jnp.ndim(sample) != 2 or len(sample) < least:
            raise ValueError(
                f"`{name}` has the shape {jnp.shape(sample)}; give {least} or more vectors, one a "
                "row."
            )
    if jnp.shape(first)[1] != jnp.shape(second)[1]:
        raise ValueError(
            f"the samples have {jnp.shape(first)[1]} and {jnp.shape(second)[1]} features; give "
            "equal numbers."
        )
    return jnp.asarray(first), jnp.asarray(second)


def median_kernel(pooled: Float[Array, "n features"]) -> Kernel:
    """Gaussian kernel of the median distance of different members; of 1 where that is 0."""
    distances = pairwise_distances(pooled, pooled)
    above = np.triu_indices(len(pooled), 1)
    median = jnp.median(distances[above])
    return functools.partial(gaussian_kernel, width=jnp.where(median > 0, median, 1))


def contrast(
    values: Float[Array, "n n"], chosen: Bool[Array, " n"], *, unbiased: bool
) -> Float[Array, ""]:
    """Mean value of pairs within the chosen and within the others, less twice that across."""
    one = chosen.astype(values.dtype)
    two = 1 - one
    each = jnp.ones((), values.dtype) - jnp.eye(len(values), dtype=values.dtype) * float(unbiased)
    # About the mean, so that rounding does not eat small differences.
    centred = (values - values.mean()) * each
    pairs = jnp.stack([one, two])
    sums = jnp.matmul(jnp.matmul(pairs, centred, precision="highest"), pairs.T, precision="highest")
    first, second = one.sum(), two.sum()
    return (
        sums[0, 0] / (first * (first - float(unbiased)))
        + sums[1, 1] / (second * (second - float(unbiased)))
        - 2 * sums[0, 1] / (first * second)
    )
