"""`compare` with every statistic: it tells materials apart, and one material from itself not."""

import functools
import itertools
import json
import math

import jax
import numpy as np
import pytest

from idml_jax.data import Micrograph
from idml_jax.data.synthetic import boolean_model
from idml_jax.evaluation import (
    STANDARD,
    VOLUME_FRACTION,
    Descriptor,
    compare,
    describe,
    holm_correction,
    two_sample_test,
)
from idml_jax.properties import Property
from idml_jax.statistics import bright_phase

SIZE = 24


def window(seed, rows, cols, *, radius=2.5, fraction=0.4):
    """A window of a Boolean model of disks, as a grey image."""
    disks = boolean_model(
        jax.random.key(seed), (rows, cols), radius=radius, volume_fraction=fraction, periodic=False
    )
    return np.where(disks, 0.8, 0.2).astype(np.float32)[..., None]


def micrographs(start, count=12, **options):
    return [
        Micrograph(window(seed, SIZE, 2 * SIZE, **options), f"specimen {seed}")
        for seed in range(start, start + count)
    ]


def images(start, count=48, **options):
    return np.stack([window(seed, SIZE, SIZE, **options) for seed in range(start, start + count)])


@functools.cache
def real():
    return micrographs(1000), micrographs(2000)


@functools.cache
def same():
    return compare(images(0), *real())


def test_two_samples_of_one_model_are_not_told_apart():
    found = same()
    assert found.told_apart_by() == []
    assert all(0.1 < one.ratio < 3 for one in found.differences)
    assert all(one.smallest_p_value == 1 / 2000 for one in found.differences)


def test_another_volume_fraction_is_told_apart():
    found = compare(images(0, fraction=0.6), *real())
    apart = found.told_apart_by()
    for name in ("volume fraction", "two-point correlation", "lineal path along rows"):
        assert name in apart
        assert found[name].low > max(found[name].floor, found[name].scatter)
        assert found[name].ratio > 3


def test_another_grain_size_is_told_apart_at_an_equal_volume_fraction():
    found = compare(images(0, radius=1.2), *real())
    apart = found.told_apart_by()
    assert "volume fraction" not in apart
    for name in ("specific surface", "perimeter per area", "mean particle diameter"):
        assert name in apart
        assert found[name].low > max(found[name].floor, found[name].scatter)
        assert found[name].ratio > 3
    assert {"two-point correlation", "chord lengths along cols", "Euler number per area"} <= {
        *apart
    }


def test_too_little_variety_is_told_apart_though_the_means_agree():
    """Crops of one image over and over, chosen with the volume fraction of the real ones."""
    mean = float(same().held_out.fraction.mean)
    chosen = min(images(0), key=lambda image: abs(float((image > 0.5).mean()) - mean))
    found = compare(np.repeat(chosen[None], 48, axis=0), *real(), descriptors=[VOLUME_FRACTION])
    difference = found["volume fraction"]
    assert difference.low == 0 and difference.distance < 0.2
    assert difference.corrected < 0.05


def test_specimens_that_differ_do_not_make_a_difference():
    """Each micrograph of another volume fraction: dependent crops, wide floor, no small p."""
    fractions = np.linspace(0.2, 0.6, 8)
    generator = np.random.default_rng(0)

    def ensemble(start):
        return [
            micrographs(start + k, 1, fraction=float(f))[0]
            for k, f in enumerate(
                generator.permutation(fractions) + 0.05 * generator.normal(size=8)
            )
        ]

    made = np.stack(
        [window(k, SIZE, SIZE, fraction=float(f)) for k, f in enumerate(np.tile(fractions, 6))]
    )
    found = compare(made, ensemble(3000), ensemble(4000))
    assert found.told_apart_by() == []
    assert found["volume fraction"].low == 0


def test_numbers_are_those_of_their_definitions():
    """Distance, unit, floor and test of one number and one curve, by hand."""
    generated, (held_out, training) = images(0), real()
    found = same()
    crops = [
        np.stack([m.image[:, :SIZE] > 0.5, m.image[:, SIZE:] > 0.5]).mean(axis=(1, 2))
        for m in held_out
    ]
    others = [
        np.stack([m.image[:, :SIZE] > 0.5, m.image[:, SIZE:] > 0.5]).mean(axis=(1, 2))
        for m in training
    ]
    own = (generated > 0.5).mean(axis=(1, 2))
    sides = [np.concatenate(side)[:, 0] for side in (crops, others)]
    unit = math.sqrt((sides[0].var(ddof=1) + sides[1].var(ddof=1)) / 2)
    difference = found["volume fraction"]
    assert difference.unit == "sd"
    assert difference.distance == pytest.approx(abs(own.mean() - sides[0].mean()) / unit, rel=1e-9)
    assert difference.floor == pytest.approx(
        abs(sides[1].mean() - sides[0].mean()) / unit, rel=1e-9
    )
    test = two_sample_test(own, crops, permutations=1999)
    assert difference.p_value == test.p_value
    # Where chance brought the two sets together, scatter is what the distance is measured by.
    assert difference.floor < difference.scatter
    assert difference.ratio == difference.distance / difference.scatter
    # Of S2, what the older attributes say.
    curve = found["two-point correlation"]
    assert curve.unit == "rms"
    assert curve.distance == pytest.approx(found.generated_distance, rel=1e-9)
    assert curve.floor == pytest.approx(found.real_distance, rel=1e-9)
    corrected = holm_correction(np.array([one.p_value for one in found.differences]))
    np.testing.assert_array_equal(corrected, [one.corrected for one in found.differences])


def test_scatter_is_what_other_divisions_of_the_specimens_differ_by():
    """All ten ways to take two of five, by hand; specimens of unequal numbers of images."""
    sizes = (1, 3, 2, 4, 2)
    groups = [images(10 * k, size) for k, size in enumerate(sizes)]
    found = compare(images(0, 6), groups[:2], groups[2:], descriptors=STANDARD[:2])
    for name, unit in (("volume fraction", None), ("two-point correlation", 1.0)):
        values = [describe(g[..., 0] > 0.5, STANDARD[:2])[name].reshape(len(g), -1) for g in groups]
        if unit is None:
            sides = [np.concatenate(side) for side in (values[:2], values[2:])]
            unit = math.sqrt(sum(((s - s.mean()) ** 2).sum() for s in sides) / (12 - 2))
        squares = []
        for chosen in itertools.combinations(range(5), 2):
            one = np.concatenate([values[k] for k in chosen]).mean(axis=0)
            two = np.concatenate([values[k] for k in range(5) if k not in chosen]).mean(axis=0)
            squares.append(np.mean((one - two) ** 2))
        assert found[name].scatter == pytest.approx(math.sqrt(np.mean(squares)) / unit, rel=1e-6)
        assert found[name].floor == pytest.approx(math.sqrt(squares[0]) / unit, rel=1e-6)


def test_interval_of_a_number_is_that_of_the_difference_of_means():
    """One group a side, many images: the normal interval of two means, cut off at 0."""
    draws = np.random.default_rng(0)
    number = Descriptor("mean of the first row", lambda phase: phase[0].mean())
    sides = [draws.random((300, 4, 16, 1)) + shift for shift in (0.2, 0, 0)]
    found = compare(sides[0], [sides[1]], [sides[2]], descriptors=[number])
    values = [(side[:, 0, :, 0] > 0.5).mean(axis=1) for side in sides]
    unit = math.sqrt((values[1].var(ddof=1) + values[2].var(ddof=1)) / 2)
    error = math.sqrt(sum(value.var() / 300 for value in values[:2])) / unit
    difference = found[number.name]
    assert difference.high - difference.distance == pytest.approx(1.96 * error, rel=0.1)
    assert difference.distance - difference.low == pytest.approx(1.96 * error, rel=0.1)


def test_a_phase_may_be_a_function_or_the_number_of_a_label():
    generated, (held_out, training) = images(0, 16), real()
    descriptors = STANDARD[:2]
    grey = compare(generated, held_out, training, descriptors=descriptors)
    dark = compare(
        1 - generated,
        [Micrograph(1 - m.image, m.name) for m in held_out],
        [Micrograph(1 - m.image, m.name) for m in training],
        phase=lambda image: ~bright_phase(image),
        descriptors=descriptors,
    )
    # Dark pixels of the inverted image; a third label where the phase is not, at random.
    draws = np.random.default_rng(0)

    def labels(stack):
        bright = stack[..., 0] > 0.5
        return np.where(bright, 2, draws.integers(0, 2, bright.shape))

    groups = [
        [labels(np.stack([m.image[:, :SIZE], m.image[:, SIZE:]])) for m in side]
        for side in (held_out, training)
    ]
    labelled = compare(labels(generated), *groups, phase=2, descriptors=descriptors)
    assert grey.plain() == dark.plain() == labelled.plain()


def test_a_property_is_compared_as_well():
    share = Property(lambda phase: phase.astype(float).mean(), "share")
    found = compare(images(0, 16), *real(), descriptors=[VOLUME_FRACTION], properties=[share])
    for name in ("distance", "low", "high", "floor", "p_value"):
        expected = getattr(found["volume fraction"], name)
        assert getattr(found["share"], name) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_generated_groups_are_permuted_as_groups():
    generated = [images(10 * k, 2) for k in range(3)]
    found = compare(generated, real()[0][:3], real()[1], descriptors=[VOLUME_FRACTION])
    assert found.generated.specimens == 3
    assert found["volume fraction"].smallest_p_value == 2 / 20


def test_images_without_the_phase_are_left_out_of_what_they_do_not_have():
    generated = images(0, 16)
    found = compare(np.concatenate([generated, np.zeros_like(generated[:4])]), real()[0], real()[1])
    without = compare(generated, *real())
    diameter = "mean particle diameter"
    assert found[diameter].distance == pytest.approx(without[diameter].distance, rel=1e-12)
    assert found["volume fraction"].distance != without["volume fraction"].distance
    none = compare(np.zeros_like(generated), *real())
    assert math.isnan(none[diameter].distance) and math.isnan(none[diameter].corrected)
    assert none["volume fraction"].corrected < 0.05
    assert (
        json.loads(json.dumps(none.plain(), allow_nan=False))["statistics"][diameter]["distance"]
        is None
    )
    assert "-" in dict((row[0], row[1]) for row in none.rows())[diameter]


def test_fewer_images_than_specimens_have_a_distance_and_no_test():
    found = compare(images(0, 3), *real(), descriptors=[VOLUME_FRACTION])["volume fraction"]
    assert found.distance > 0 and math.isnan(found.p_value)


def test_a_number_without_scatter_is_apart_by_nothing_or_infinitely():
    flat = [np.full((2, 4, 4, 1), 0.6) for _ in range(3)]
    number = Descriptor("constant", lambda phase: phase.mean())
    equal = compare(flat[0], [flat[1]], [flat[2]], descriptors=[number])["constant"]
    assert (equal.distance, equal.low, equal.high, equal.floor) == (0, 0, 0, 0)
    assert math.isnan(equal.ratio)
    other = compare(flat[0] - 0.5, [flat[1]], [flat[2]], descriptors=[number])["constant"]
    assert other.distance == other.ratio == math.inf


def test_printed_it_is_a_table_that_says_what_it_means():
    lines = str(same()).splitlines()
    assert (
        lines[0].split()
        == "statistic distance 95 % interval in floor scatter ratio p p (Holm)".split()
    )
    assert len([line for line in lines if " rms " in line or " sd " in line]) == len(STANDARD)
    assert "generated 48 images of 1 sample; held out 24 images of 12 specimens; training" in str(
        same()
    )
    assert "0.0005 is the smallest there can be" in str(same())
    assert "read the ratios" not in str(same())
    few = compare(images(0, 8), real()[0][:2], real()[1][:2], descriptors=STANDARD[:1])
    assert "read the ratios" in str(few)
    with pytest.raises(KeyError, match="'chords' was not compared; there are: volume fraction"):
        few["chords"]


def test_the_same_seed_gives_the_same_comparison():
    descriptors = STANDARD[:1]
    one, two, other = (
        compare(images(0, 16), *real(), descriptors=descriptors, seed=seed) for seed in (1, 1, 2)
    )
    assert one.plain() == two.plain() != other.plain()


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_compared_is_refused():
    generated, (held_out, training) = images(0, 4), real()
    labels = (generated[..., 0] > 0.5).astype(int)
    options = {"descriptors": [VOLUME_FRACTION]}
    with pytest.raises(ValueError, match="give one of them"):
        compare(generated, held_out, training, threshold=0.4, phase=bright_phase)
    with pytest.raises(TypeError, match="is a label and the images are float32"):
        compare(generated, held_out, training, phase=1)
    with pytest.raises(ValueError, match="the labels hold -1"):
        compare(labels, [labels], [-labels], phase=1, **options)
    with pytest.raises(TypeError, match="`phase` returned float32"):
        compare(generated, held_out, training, phase=lambda image: image[..., 0])
    with pytest.raises(ValueError, match=r"a phase of the shape \(24, 24, 1\)"):
        compare(generated, held_out, training, phase=lambda image: image > 0.5)
    with pytest.raises(ValueError, match="real images as one ndarray"):
        compare(generated, generated, training)
    with pytest.raises(ValueError, match="micrographs and arrays together"):
        compare(generated, [held_out[0], generated], training)
    with pytest.raises(ValueError, match="give one size, and no empty group"):
        compare(generated, [generated[:, :12]], [generated], **options)
