"""`idml_jax.evaluation.ensembles`: the same material overlaps, another one is told apart."""

import numpy as np
import pytest
import scipy.ndimage

from idml_jax.data import Micrograph
from idml_jax.errors import InputError
from idml_jax.evaluation import (
    TWO_POINT,
    VOLUME_FRACTION,
    Comparison,
    Statistics,
    bootstrap_mean,
    ensemble_statistics,
)
from idml_jax.evaluation import compare as compare_all
from idml_jax.statistics import radial_average, two_point_correlation


def compare(*ensembles, **options):
    """By the two statistics that have intervals of their own."""
    return compare_all(*ensembles, descriptors=[VOLUME_FRACTION, TWO_POINT], **options)


def grey_field(seed, rows, cols, *, length=1.5, level=0.0):
    """A smoothed noise around 0.5; a higher level gives more of the bright phase."""
    noise = np.random.default_rng(seed).normal(size=(rows, cols))
    smooth = scipy.ndimage.gaussian_filter(noise, length, mode="wrap")
    return (0.5 + 0.1 * (smooth / smooth.std() + level)).astype(np.float32)[..., None]


def micrographs(seeds, **options):
    return [Micrograph(grey_field(seed, 48, 64, **options), f"specimen {seed}") for seed in seeds]


def images(seeds, **options):
    return np.stack([grey_field(seed, 16, 16, **options) for seed in seeds])


HELD_OUT, TRAINING = micrographs(range(100, 106)), micrographs(range(200, 206))


def test_images_of_the_same_material_overlap_at_every_distance():
    """Cut from other specimens of the same medium, where the means differ by chance alone."""
    generated = np.concatenate(
        [m.image[:48].reshape(3, 16, 64, 1)[:, :, :16] for m in micrographs(range(300, 324))]
    )
    found = compare(generated, HELD_OUT, TRAINING)
    assert found.overlapping == 1
    assert found.inside > 0.8
    assert found.generated_distance < 2 * found.held_out_error
    assert found.generated.fraction.low < found.held_out.fraction.high
    assert found.held_out.fraction.low < found.generated.fraction.high


def test_another_volume_fraction_is_detected():
    found = compare(images(range(64), level=0.5), HELD_OUT, TRAINING)
    assert found.generated.fraction.low > found.held_out.fraction.high
    assert found.overlapping == 0 and found.inside == 0
    assert found.generated_distance > 5 * found.real_distance


def test_another_length_is_detected_at_an_equal_volume_fraction():
    found = compare(images(range(64), length=0.5), HELD_OUT, TRAINING)
    assert found.generated.fraction.low < found.held_out.fraction.high
    assert found.held_out.fraction.low < found.generated.fraction.high
    # At 0 both are the volume fraction; at 1 and 2 pixels the finer medium has lost more.
    assert (found.generated.correlation.high[1:3] < found.held_out.correlation.low[1:3]).all()
    assert found.overlapping < 1


def test_an_image_compared_with_itself_is_at_no_distance():
    generated = HELD_OUT[0].image[:16, :16][None]
    same = [Micrograph(generated[0], "one")]
    found = compare(generated, same, same)
    assert found.generated_distance == found.real_distance == found.held_out_error == 0
    assert found.inside == found.overlapping == 1


def test_statistics_are_those_of_the_crops():
    """Volume fraction and non-periodic S2 of each square, averaged over all, by hand."""
    groups = [images(range(3)), images(range(3, 8), level=0.3)]
    found = ensemble_statistics(groups, threshold=0.55)
    phases = np.concatenate(groups)[..., 0] > 0.55
    curves = [radial_average(two_point_correlation(p, periodic=False))[1] for p in phases]
    assert (found.images, found.specimens) == (8, 2)
    assert float(found.fraction.mean) == pytest.approx(phases.mean(), rel=1e-12)
    np.testing.assert_allclose(found.correlation.mean, np.mean(curves, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.correlation.mean[0], found.fraction.mean, rtol=1e-12)
    np.testing.assert_array_equal(found.distances, radial_average(np.ones((16, 16)))[0])
    intervals = bootstrap_mean([np.array(curves[:3]), np.array(curves[3:])])
    np.testing.assert_allclose(found.correlation.low, intervals.low, rtol=1e-12)
    np.testing.assert_allclose(found.correlation.high, intervals.high, rtol=1e-12)


def test_oblong_images_are_compared_with_oblong_crops():
    generated = images(range(2))[:, :, :12]
    found = compare(generated, HELD_OUT[:1], TRAINING[:2])
    crops = [
        HELD_OUT[0].image[r : r + 16, c : c + 12]
        for r in range(0, 48, 16)
        for c in range(0, 60, 12)
    ]
    assert (found.held_out.images, found.training.images) == (15, 30)
    expected = (np.stack(crops) > 0.5).mean()
    assert float(found.held_out.fraction.mean) == pytest.approx(expected, rel=1e-12)


def test_micrographs_of_one_specimen_are_one_group():
    apart = micrographs(range(4))
    shared = [
        Micrograph(one.image, one.name, specimen=specimen)
        for one, specimen in zip(apart, "abab", strict=True)
    ]
    found = compare(images(range(2)), shared, apart)
    assert (found.held_out.specimens, found.training.specimens) == (2, 4)
    assert found.held_out.images == found.training.images == 4 * 12
    np.testing.assert_allclose(
        found.held_out.correlation.mean, found.training.correlation.mean, rtol=1e-12
    )


def statistics(mean, low, high):
    """Statistics of two distances, whatever else."""
    curve = bootstrap_mean([np.zeros((1, 2))])._replace(
        mean=np.array(mean), low=np.array(low), high=np.array(high)
    )
    names = (VOLUME_FRACTION.name, TWO_POINT.name)
    return Statistics(1, 1, dict.fromkeys(names, curve), {TWO_POINT.name: np.array([0.0, 1.0])})


def test_summaries_of_a_comparison_match_a_computation_by_hand():
    found = Comparison(
        generated=statistics([0.5, 0.4], [0.45, 0.2], [0.6, 0.45]),
        held_out=statistics([0.2, 0.0], [0.1, -0.1], [0.5, 0.1]),
        training=statistics([0.2, 0.2], [0.1, 0.1], [0.3, 0.3]),
    )
    assert found.inside == 0.5  # 0.5 is in [0.1, 0.5], 0.4 is not in [-0.1, 0.1]
    assert found.overlapping == 0.5  # [0.45, 0.6] and [0.1, 0.5]; not [0.2, 0.45] and [-0.1, 0.1]
    assert found.generated_distance == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2), rel=1e-12)
    assert found.real_distance == pytest.approx(np.sqrt(0.2**2 / 2), rel=1e-12)
    assert found.held_out_error == pytest.approx(np.sqrt((0.2**2 + 0.1**2) / 2), rel=1e-12)


def test_the_same_seed_gives_the_same_comparison():
    one, two, other = (
        compare(images(range(4)), HELD_OUT, TRAINING, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.held_out.correlation, two.held_out.correlation)
    assert (one.held_out.correlation.low != other.held_out.correlation.low).any()


def test_what_cannot_be_compared_is_refused():
    small = Micrograph(np.zeros((15, 40, 1), np.float32), "small")
    with pytest.raises(InputError, match="small: 15 x 40 pixels, smaller than"):
        compare(images(range(2)), [small], TRAINING)
