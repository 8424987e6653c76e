"""One grey scale for a set, binning, and how far a micrograph is correlated."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.data import (
    Micrograph,
    checkerboard,
    choose_binning,
    correlation_length,
    equalize_contrast,
    gaussian_random_field,
    laminate,
    mean_chord_length,
)
from idml_jax.errors import InputError


def micrograph(pixels, **known):
    return Micrograph(
        np.asarray(pixels, np.float32).reshape(*np.shape(pixels)[:2], -1), "m", **known
    )


def two_phases(seed=0, noise=0.02):
    """Grey values about 0.4 and 0.6, and which pixels are bright."""
    generator = np.random.default_rng(seed)
    bright = generator.random((64, 64)) < 0.4
    return 0.4 + 0.2 * bright + noise * generator.standard_normal(bright.shape), bright


@given(
    dark=st.floats(0, 0.9),
    contrast=st.floats(1e-3, 1),
    count=st.integers(1, 255),
)
@settings(max_examples=50, deadline=None)
def test_two_levels_become_a_fifth_and_four_fifths(dark, contrast, count):
    bright = (np.arange(256) < count).reshape(16, 16)
    given = micrograph(np.where(bright, min(1.0, dark + contrast), dark))
    found = equalize_contrast(given).image[..., 0]
    assert found.dtype == np.float32
    # A level held by very few pixels is dirt by the rule of three deviations: still apart, but
    # not at its mean.
    if 0.1 * 256 < count < 0.9 * 256:
        np.testing.assert_allclose(found, np.where(bright, 0.8, 0.2), atol=1e-6)
    assert ((found > 0.5) == bright).all()


@given(gain=st.floats(0.05, 1.5), offset=st.floats(-0.2, 0.2))
@settings(max_examples=50, deadline=None)
def test_brightness_and_contrast_of_the_shot_do_not_matter(gain, offset):
    pixels, _ = two_phases()
    truth = equalize_contrast(micrograph(pixels)).image
    found = equalize_contrast(micrograph(gain * pixels + offset)).image
    np.testing.assert_allclose(found, truth, atol=2e-5)


def test_half_is_the_threshold_and_the_classes_have_their_means():
    pixels, bright = two_phases()
    found = equalize_contrast(micrograph(pixels, pixel_size=(1e-9, 2e-9), path="p.tif"))
    assert ((found.image[..., 0] > 0.5) == bright).all()
    means = [found.image[..., 0][where].mean() for where in (~bright, bright)]
    np.testing.assert_allclose(means, [0.2, 0.8], atol=1e-3)
    assert (found.pixel_size, found.path, found.name) == ((1e-9, 2e-9), "p.tif", "m")


@pytest.mark.parametrize("dirt", [0.0, 1.0])
def test_dirt_does_not_move_the_threshold(dirt):
    pixels, bright = two_phases()
    dirty = np.zeros_like(bright)
    dirty.ravel()[::256] = True
    found = equalize_contrast(micrograph(np.where(dirty, dirt, pixels))).image[..., 0]
    assert ((found > 0.5) == bright)[~dirty].all()
    clean = equalize_contrast(micrograph(pixels)).image[..., 0]
    inside = ~dirty & (clean > 0) & (clean < 1)
    # 1 pixel in 256, held to 3 deviations (0.3) from the mean, moves a class's mean of at least
    # 0.4 of the pixels by at most 0.3 / (256 * 0.4) of the 0.2 between the phases: 1.5 %.
    np.testing.assert_allclose(found[inside], clean[inside], atol=0.015 * 0.6 * 1.5)


def test_a_smaller_contrast_clips_less_about_the_same_threshold():
    # One normal distribution: the two halves' means lie sqrt(2 / pi) deviations from its middle,
    # and 0.5 / (contrast / 2) times as far are the ends of the scale.
    pixels = 0.5 + 0.05 * np.random.default_rng(0).standard_normal((256, 256))
    bright = equalize_contrast(micrograph(pixels)).image > 0.5
    for contrast in (0.6, 0.4, 0.3):
        found = equalize_contrast(micrograph(pixels), contrast=contrast).image
        assert ((found > 0.5) == bright).all()
        ends = math.sqrt(2 / math.pi) / contrast
        clipped = math.erfc(ends / math.sqrt(2))
        assert ((found == 0) | (found == 1)).mean() == pytest.approx(clipped, rel=0.1)
    pixels, bright = two_phases()
    found = equalize_contrast(micrograph(pixels), contrast=0.4).image[..., 0]
    means = [found[where].mean() for where in (~bright, bright)]
    np.testing.assert_allclose(means, [0.3, 0.7], atol=1e-3)


@pytest.mark.parametrize("contrast", [0.0, -0.1, 1.1, math.nan])
def test_a_contrast_out_of_range_is_refused(contrast):
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        equalize_contrast(micrograph(two_phases()[0]), contrast=contrast)


def test_contrast_needs_one_channel_and_two_values():
    with pytest.raises(InputError, match="m: has 3 channels"):
        equalize_contrast(micrograph(np.zeros((4, 4, 3))))
    with pytest.raises(InputError, match="same value"):
        equalize_contrast(micrograph(np.full((4, 4), 0.3)))


def test_contrast_of_the_faintest_picture():
    level = np.float32(0.5)
    pixels = np.full((8, 8), level)
    pixels[:4] = np.nextafter(level, np.float32(1))
    found = equalize_contrast(micrograph(pixels)).image[..., 0]
    np.testing.assert_allclose(found[[0, -1], 0], [0.8, 0.2], atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_binning_averages_and_scales_the_pixel_size(factor):
    pixels = np.random.default_rng(0).random((7, 11, 2))
    found = micrograph(pixels, pixel_size=(1e-9, 3e-9)).binned(factor)
    rows, cols = 7 // factor, 11 // factor
    assert found.size == (rows, cols)
    assert found.pixel_size == pytest.approx((factor * 1e-9, factor * 3e-9))
    for row, col in np.ndindex(rows, cols):
        block = pixels[row * factor : (row + 1) * factor, col * factor : (col + 1) * factor]
        np.testing.assert_allclose(found.image[row, col], block.mean(axis=(0, 1)), atol=1e-6)


@pytest.mark.parametrize("factor", [-1, 0, 8])
def test_binning_that_leaves_nothing_is_refused(factor):
    with pytest.raises(InputError, match="7 x 11"):
        micrograph(np.zeros((7, 11))).binned(factor)


def correlation_length_by_definition(pixels):
    """Pairs counted one lag at a time, inside the image only."""
    deviation = pixels - pixels.mean()
    covariance = []
    for lag in range(min(pixels.shape) // 2):
        down = (deviation[: len(deviation) - lag] * deviation[lag:]).mean()
        across = (deviation[:, : deviation.shape[1] - lag] * deviation[:, lag:]).mean()
        covariance.append(down + across)
    below = [lag for lag, value in enumerate(covariance) if value <= 0.1 * covariance[0]]
    return below[0] if below else min(pixels.shape) // 2


@pytest.mark.parametrize("shape", [(31, 52), (64, 20)])
@pytest.mark.parametrize("seed", range(3))
def test_correlation_length_follows_the_definition(shape, seed):
    field = np.asarray(gaussian_random_field(jax.random.key(seed), shape, length=2.0 + seed))
    found = correlation_length(micrograph(0.5 + 0.3 * (field > 0)))
    assert found == correlation_length_by_definition((field > 0).astype(float))


def test_correlation_length_of_a_laminate():
    # Across layers of thickness p / 2 the covariance falls as 1 - 4 r / p, along them not at all;
    # their mean reaches a tenth at 0.45 p.
    layers = np.asarray(laminate((2000, 60), thicknesses=(25, 25)), float)
    assert correlation_length(micrograph(layers)) == 23
    assert correlation_length(micrograph(layers.T)) == 23


def test_correlation_length_of_a_gaussian_field():
    # asin(g) / 2 pi is a tenth of 1/4 where g = sin(pi / 20): at r = l sqrt(-2 ln g) = 1.926 l.
    lengths = [
        correlation_length(
            micrograph(gaussian_random_field(jax.random.key(seed), (512, 512), length=6.0) > 0)
        )
        for seed in range(8)
    ]
    # Rounded up to whole pixels: half a pixel more than the crossing on average.
    crossing = 6 * np.sqrt(-2 * np.log(np.sin(np.pi / 20)))
    error = np.std(lengths, ddof=1) / np.sqrt(len(lengths))
    assert abs(np.mean(lengths) - crossing - 0.5) < 0.5 + 3 * error


@pytest.mark.parametrize(
    ("side", "size", "factor"),
    [
        (800, 32, 7),  # 9 x 23 / 32 = 6.5, rounded up; 800 / 64 leaves room for 12
        (800, 64, 4),  # 3.2, rounded up; room for 6
        (800, 103, 3),  # 2.01, rounded up; room for 3
        (800, 207, 1),  # just enough
        (400, 40, 5),  # 5.2 wanted, which is 6, and room for 5 only
        (240, 32, 3),  # 6.5 wanted, and room for 3 only
        (240, 150, 1),  # no room at all
    ],
)
def test_binning_shows_nine_correlation_lengths_if_there_is_room(side, size, factor):
    layers = micrograph(laminate((side, side), thicknesses=(25, 25)))
    assert correlation_length(layers) == 23
    assert choose_binning([layers], size) == factor


def test_binning_takes_the_median_length_and_the_smallest_micrograph():
    fine = micrograph(laminate((402, 402), thicknesses=(13, 13)))
    coarse = micrograph(laminate((800, 800), thicknesses=(25, 25)))
    assert (correlation_length(fine), correlation_length(coarse)) == (12, 23)
    assert choose_binning([fine, fine, coarse], 40) == 3  # 2.7, rounded up
    assert choose_binning([fine, coarse, coarse], 40) == 5  # 5.2 wanted, room for 5


def test_binning_of_held_out_micrographs_depends_on_their_sizes_alone():
    fine = micrograph(laminate((402, 402), thicknesses=(13, 13)))
    coarse = micrograph(laminate((800, 800), thicknesses=(25, 25)))
    small = micrograph(laminate((200, 200), thicknesses=(25, 25)))
    assert choose_binning([fine], 40, held_out=[coarse]) == 3
    assert choose_binning([fine], 40, held_out=[small]) == 2


@pytest.mark.parametrize(
    ("bright", "factor"),
    [
        (25, 7),  # chords of 50 / 7 pixels, clear at what nine lengths ask for
        (15, 5),  # 30 / 5 pixels
        (4, 1),  # 8 pixels, and 4 already at a factor of 2
    ],
)
def test_binning_keeps_the_scarcer_phase_clear(bright, factor):
    layers = micrograph(laminate((1600, 1600), thicknesses=(bright, 50 - bright)))
    # Of thin layers the covariance falls sooner, and nine lengths ask for less.
    assert math.ceil(9 * correlation_length(layers) / 32) >= min(factor + 1, 7)
    # 63 boundaries of 32 periods: the last one lies outside.
    assert mean_chord_length(layers) == pytest.approx(2 * bright * 64 / 63, rel=1e-3)
    assert choose_binning([layers], 32) == factor


def test_binning_of_noise_that_is_never_clear_has_the_longest_chords():
    """Noise cuts chords short; so does averaging thin layers: 2 x 2 pixels lie between."""
    layers = np.asarray(laminate((900, 900), thicknesses=(5, 5)), float)
    noisy = micrograph(layers + np.random.default_rng(0).normal(0, 1, layers.shape))
    assert math.ceil(9 * correlation_length(noisy) / 4) == 5  # what nine lengths ask for
    chords = [mean_chord_length(noisy.binned(factor)) for factor in range(1, 6)]
    assert max(chords) == chords[1] < 6
    assert choose_binning([noisy], 4) == 2


def test_mean_chord_length_of_a_checkerboard_and_of_one_phase():
    pattern = np.asarray(checkerboard((60, 60), side=6), float)
    # 9 boundaries in 59 pairs of neighbours.
    assert mean_chord_length(micrograph(pattern)) == pytest.approx(2 * 0.5 * 59 / 9)
    assert mean_chord_length(micrograph(np.full((8, 8), 0.3))) == 0
