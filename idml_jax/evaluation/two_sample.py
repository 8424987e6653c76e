"""Do two samples of vectors come from one distribution? Tests by permutation of whole groups."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from idml_jax.evaluation.discrepancy import Kernel, check_samples, contrast, median_kernel
from idml_jax.evaluation.pairwise import pairwise_distances
from idml_jax.typing import Array

Sample: TypeAlias = Float[Array, "_ features"] | Sequence[Float[Array, "_ features"]]
"""Independent members as one array; or an array for each group of dependent ones."""


class TwoSampleTest(NamedTuple):
    """Outcome of a test by permutation."""

    statistic: float
    """How far apart the samples are."""
    p_value: float
    """Chance of samples at least as far apart where both come from one distribution."""
    smallest_p_value: float
    """The smallest that so few groups and permutations can give, however far apart."""


def two_sample_test(
    first: Sample,
    second: Sample,
    *,
    statistic: Literal["energy", "mmd"] = "energy",
    kernel: Kernel | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> TwoSampleTest:
    r"""Permutation test of whether two samples of vectors come from one distribution.

    Crops of one micrograph resemble each other, and a test that takes them for independent
    finds a difference between any two sets of micrographs. So what is permuted are groups:

    - of two arrays, whose members are independent, the members;
    - of two sequences of arrays, one a group, whole groups: exact;
    - an array beside groups is dealt, at random, into as many parts as there are groups, and
      each part changes sides with one group or does not. That holds for groups that spread as
      they like, symmetrically about what the independent members have in common.

    Parameters
    ----------
    first, second : array of shape (members, features), or sequence of such arrays
        One vector a row, all of one length.
    statistic : "energy" or "mmd"
        `energy_distance`, or the unbiased `maximum_mean_discrepancy`. Each group has the same
        weight, whatever its size; "mmd" leaves out pairs within a group and needs two groups
        of each sample.
    kernel : callable, optional
        Of "mmd", as there.
    permutations : int
        How many to draw, or at most to enumerate where there are no more.
    seed : int
        Of the draws.

    Returns
    -------
    test : TwoSampleTest
        ``(statistic, p_value, smallest_p_value)``. Where all arrangements are enumerated the
        p-value is the share of those that are at least as far apart, and else :math:`(b + 1) /
        (m + 1)`, for b of m draws [1]_, so that it is never 0.

    Raises
    ------
    ValueError
        If the numbers of features differ, a group is empty, there are fewer independent
        members than groups, or too few groups for "mmd".

    References
    ----------
    .. [1] B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", Statistical
       Applications in Genetics and Molecular Biology 9, 39 (2010).

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(0).normal(size=(2, 20, 3))
    >>> two_sample_test(draws[0], draws[1] + 2).p_value
    0.001
    >>> two_sample_test(list(draws[0].reshape(4, 5, 3)), draws[1] + 2)[1:]
    (0.125, 0.125)
    """
    samples, swapped = _groups(first, second, seed)
    groups = [group for sample in samples for group in sample]
    counts = len(samples[0]), len(samples[1])
    if statistic == "mmd" and min(counts) < 2:
        raise ValueError(
            f'the samples have {counts[0]} and {counts[1]} groups; "mmd" needs two of each: use '
            '"energy".'
        )
    members = jnp.concatenate([jnp.asarray(group) for group in groups])
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    share = jnp.asarray((owner == np.arange(len(groups))[:, None]), members.dtype)
    share = share / share.sum(axis=1, keepdims=True)
    if statistic == "energy":
        values = -pairwise_distances(members, members)
    else:
        values = (kernel or median_kernel(members))(members, members)
    values = _between_groups(share, values)

    every, total = arrangements(counts, swapped, permutations, seed)
    chosen = np.concatenate([(np.arange(sum(counts)) < counts[0])[None], every])
    found = np.asarray(_contrasts(values, chosen, statistic == "mmd"))
    # Arrangements that are the same but for rounding are equally far apart.
    spread = float(jnp.mean(jnp.abs(values - values.mean())))
    rounding = 64 * float(jnp.finfo(values.dtype).eps) * spread
    hits = int((found[1:] >= found[0] - rounding).sum())
    smallest = (2 if counts[0] == counts[1] else 1) / total
    if total <= permutations:
        return TwoSampleTest(float(found[0]), hits / total, smallest)
    drawn = permutations + 1
    return TwoSampleTest(float(found[0]), (hits + 1) / drawn, max(smallest, 1 / drawn))


def holm_correction(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """P-values corrected for their number, by Holm's step-down method.

    Rejecting where the corrected one is at most a level errs anywhere with at most that
    probability, however the tests depend on each other [1]_. NaN is no test and stays NaN.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6, 65 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> holm_correction(np.array([0.01, 0.04, 0.03])).round(12).tolist()
    [0.03, 0.06, 0.06]
    """
    corrected = np.array(p_values, float)
    tests = np.flatnonzero(~np.isnan(corrected))
    order = tests[np.argsort(corrected[tests], kind="stable")]
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _groups(first: Sample, second: Sample, seed: int) -> tuple[list[list[Array]], bool]:
    """Both samples as groups, and whether these change sides in pairs."""
    alone = [isinstance(sample, np.ndarray | jax.Array) for sample in (first, second)]
    samples = [
        np.asarray(sample)[:, None] if single else list(sample)
        for sample, single in zip((first, second), alone, strict=True)
    ]
    if not all(map(len, samples)):
        raise ValueError("a sample has no group; give one or more.")
    for sample in samples:
        for group in sample:
            check_samples(samples[0][0], group)
    samples = [list(sample) for sample in samples]
    if alone[0] == alone[1]:
        return samples, False
    single = alone.index(True)
    members, parts = np.concatenate(samples[single]), len(samples[1 - single])
    if len(members) < parts:
        raise ValueError(
            f"{len(members)} independent members beside {parts} groups; give at least one for each."
        )
    dealt = np.random.default_rng(seed).permutation(members)
    samples[single] = list(np.array_split(dealt, parts))
    return samples, True


def arrangements(
    counts: tuple[int, int], swapped: bool, permutations: int, seed: int
) -> tuple[Bool[np.ndarray, "arrangements groups"], int]:
    """Which groups make the first sample, in all arrangements or in draws; how many there are."""
    one, both = counts[0], sum(counts)
    generator = np.random.default_rng(seed)
    if swapped:
        total = 2**one
        if total <= permutations:
            kept = np.array(list(itertools.product([True, False], repeat=one)))
        else:
            kept = generator.random((permutations, one)) < 0.5
        return np.concatenate([kept, ~kept], axis=1), total
    total = math.comb(both, one)
    if total <= permutations:
        chosen = np.zeros((total, both), bool)
        for row, groups in zip(chosen, itertools.combinations(range(both), one), strict=True):
            row[list(groups)] = True
        return chosen, total
    start = np.broadcast_to(np.arange(both) < one, (permutations, both))
    return generator.permuted(start, axis=1), total


@jax.jit
def _between_groups(
    share: Float[Array, "groups members"], values: Float[Array, "members members"]
) -> Float[Array, "groups groups"]:
    """Mean over the pairs of members of each pair of groups."""
    return jnp.matmul(jnp.matmul(share, values, precision="highest"), share.T, precision="highest")


@functools.partial(jax.jit, static_argnames="unbiased")
def _contrasts(
    values: Float[Array, "groups groups"],
    chosen: Bool[Array, "arrangements groups"],
    unbiased: bool,
) -> Float[Array, " arrangements"]:
    """The statistic of each arrangement."""
    return jax.lax.map(
        lambda row: contrast(values, row, unbiased=unbiased), jnp.asarray(chosen), batch_size=256
    )
