"""The comparison of generated images with held-out and training micrographs."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from idml_jax.data import Micrograph
from idml_jax.evaluation.bootstrap import bootstrap_weights
from idml_jax.evaluation.comparison import LEVEL, Comparison, Difference
from idml_jax.evaluation.descriptors import STANDARD, Descriptor
from idml_jax.evaluation.ensembles import (
    Groups,
    PhaseOf,
    crops_by_specimen,
    finite,
    is_array,
    measure_groups,
    phases_of,
    summarize,
)
from idml_jax.evaluation.two_sample import (
    TwoSampleTest,
    arrangements,
    holm_correction,
    two_sample_test,
)
from idml_jax.properties import Property
from idml_jax.typing import Array

RESAMPLES = 1000
"""Of the cluster bootstrap of a distance."""


def compare(
    generated: Array | Sequence[Array],
    held_out: Sequence[Micrograph] | Sequence[Array],
    training: Sequence[Micrograph] | Sequence[Array],
    *,
    threshold: float | None = None,
    phase: PhaseOf | None = None,
    descriptors: Sequence[Descriptor] = STANDARD,
    properties: Sequence[Property] = (),
    permutations: int = 1999,
    seed: int = 0,
) -> Comparison:
    r"""Compare generated images with held-out and training micrographs.

    The micrographs are cut into crops of the generated images' size that do not overlap, and
    those of one specimen stay together: they are one group of the bootstrap and of the
    permutations. No statistic wraps around a border, so that images which tile and crops which
    do not are measured alike.

    Parameters
    ----------
    generated : array of shape (count, rows, cols, 1)
        Images that are independent. Or a sequence of such arrays, one for each group of images
        that are not.
    held_out, training : sequence of Micrograph
        On the grey scale of the generated images, and at least as large. Or a sequence of
        arrays of images of their size, one a specimen.
    threshold : float, optional
        Grey value above which a pixel belongs to the bright phase, by default 0.5.
    phase : callable or int, optional
        In its place, from one image (rows, cols, 1) to its boolean phase (rows, cols). Or the
        number of the phase, where all images are arrays of labels, (count, rows, cols).
    descriptors : sequence of Descriptor
        What to compare.
    properties : sequence of Property
        Effective properties to compare as well. They take an image for a periodic cell: a crop
        then has a seam, and an image that tiles has none.
    permutations : int
        At most, of each test.
    seed : int
        Of bootstrap and permutations.

    Returns
    -------
    comparison : Comparison
        Print it for the table.

    Raises
    ------
    ValueError
        If sizes differ, a side has no images, or `phase` does not fit them.
    InputError
        If a micrograph is smaller than the generated images; it names the file.

    Notes
    -----
    The interval of a distance d is d - R to d + R, cut off at 0: in 95 % of the bootstrap
    resamples the difference of the means is no farther than R from what it is in the images, in
    the same measure. By the triangle inequality it holds the true distance at least as often as
    the means' difference is that near the true one: of a number just as often, of a curve more
    often. It is too narrow for a few specimens, as all of the bootstrap is.

    The p-value is that of the energy distance between the images' descriptors, which also sees
    a wrong spread (too little variety) where the means agree. Independent generated images are
    dealt into as many parts as there are held-out specimens, and parts and specimens change
    sides: n specimens allow no p-value below :math:`2^{1-n}`, however different the material.

    An image without a descriptor, as a mean diameter of no particles, is left out of it.

    Examples
    --------
    >>> import numpy as np
    >>> from idml_jax.evaluation import VOLUME_FRACTION
    >>> draw = np.random.default_rng(0).random
    >>> real = [draw((4, 8, 8, 1)) for _ in range(16)]
    >>> brighter = draw((64, 8, 8, 1)) + 0.2
    >>> found = compare(brighter, real[:8], real[8:], descriptors=[VOLUME_FRACTION])
    >>> found.told_apart_by(), bool(found["volume fraction"].ratio > 5)
    (['volume fraction'], True)
    """
    independent = is_array(generated)
    images = [np.asarray(group) for group in ([generated] if independent else generated)]
    rows, cols = images[0].shape[1:3]
    real = [crops_by_specimen(side, (rows, cols)) for side in (held_out, training)]
    ensembles = [images, *real]
    phases = [[phases_of(group, phase, threshold) for group in groups] for groups in ensembles]
    wanted = [*descriptors, *(Descriptor.of(quantity) for quantity in properties)]
    values = measure_groups(phases, wanted)
    differences = []
    for one in wanted:
        known = [finite(groups[one.name]) for groups in values]
        kind = "sd" if one.at is None else "rms"
        differences.append(_difference(one.name, kind, known, independent, permutations, seed))
    corrected = holm_correction(np.array([one.p_value for one in differences], float))
    return Comparison(
        *(
            summarize(found, groups, wanted, seed=seed)
            for found, groups in zip(values, phases, strict=True)
        ),
        differences=tuple(
            dataclasses.replace(one, corrected=float(value))
            for one, value in zip(differences, corrected, strict=True)
        ),
    )


def _difference(
    name: str,
    unit: str,
    known: Sequence[Groups],
    independent: bool,
    permutations: int,
    seed: int,
) -> Difference:
    """The difference in one descriptor, of the images that have it."""
    generated, held_out, training = (
        [group.reshape(len(group), -1) for group in groups] for groups in known
    )
    nothing = float("nan")
    if not (generated and held_out and training):
        return Difference(name, unit, *(nothing,) * 7)
    scale = 1.0 if unit == "rms" else _pooled_deviation(held_out, training)
    distance = _distance(_mean(generated) - _mean(held_out), scale)
    reach = _reach(generated, held_out, scale, seed)
    test = TwoSampleTest(nothing, nothing, nothing)
    one = np.concatenate(generated) if independent else generated
    if not independent or len(one) >= len(held_out):
        test = two_sample_test(one, held_out, permutations=permutations, seed=seed)
    return Difference(
        name,
        unit,
        distance,
        low=max(distance - reach, 0.0),
        high=distance + reach,
        floor=_distance(_mean(training) - _mean(held_out), scale),
        scatter=_scatter(training, held_out, scale, seed),
        p_value=test.p_value,
        smallest_p_value=test.smallest_p_value,
    )


def _reach(one: Groups, two: Groups, scale: float, seed: int) -> float:
    """How far resampling takes the difference of two means from where it is, in 95 % of cases."""
    if scale == 0:
        return 0.0
    # Different draws for the two sides.
    strays = [
        (weights @ np.concatenate(groups)) / weights.sum(axis=1, keepdims=True) - _mean(groups)
        for groups, own in ((one, 2 * seed), (two, 2 * seed + 1))
        for weights in [bootstrap_weights([len(g) for g in groups], resamples=RESAMPLES, seed=own)]
    ]
    lengths = np.sqrt(np.mean((strays[0] - strays[1]) ** 2, axis=1)) / scale
    return float(np.quantile(lengths, 1 - LEVEL))


def _scatter(one: Groups, two: Groups, scale: float, seed: int) -> float:
    """Root mean square distance over divisions of all groups into sets of as many as these."""
    groups = [*one, *two]
    sums = np.stack([group.sum(axis=0) for group in groups])
    sizes = np.array([len(group) for group in groups], float)
    chosen, _ = arrangements((len(one), len(two)), False, RESAMPLES, seed)
    means = [(side @ sums) / (side @ sizes)[:, None] for side in (chosen, ~chosen)]
    return _distance((means[0] - means[1]).ravel(), scale)


def _distance(difference: Float[np.ndarray, " points"], scale: float) -> float:
    """Root mean square; in units of a scale of 0 a difference is infinite, and none is none."""
    found = float(np.sqrt(np.mean(difference**2)))
    if scale == 0:
        return float("inf") if found > 0 else 0.0
    return found / scale


def _mean(groups: Groups) -> Float[np.ndarray, " points"]:
    return np.concatenate(groups).mean(axis=0)


def _pooled_deviation(one: Groups, two: Groups) -> float:
    """Standard deviation within two ensembles of numbers; 0 where each has one value only."""
    samples = [np.concatenate(groups)[:, 0] for groups in (one, two)]
    squares = sum(float(np.sum((sample - sample.mean()) ** 2)) for sample in samples)
    freedom = sum(len(sample) for sample in samples) - 2
    return (squares / freedom) ** 0.5 if freedom else 0.0
