"""Spinodal decomposition and dendrites."""

import math

import jax
import numpy as np
import pytest
import scipy.ndimage

from idml_jax.data.synthetic import dendrites, spinodal


def squared_frequencies(shape):
    axes = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(side) for side in shape), indexing="ij")
    return sum(axis**2 for axis in axes)


@pytest.mark.parametrize("shape", [(32, 32), (15, 22), (12, 10, 13)])
@pytest.mark.parametrize("composition", [0.0, 0.3, -0.25])
def test_spinodal_conserves_its_mean(getkey, shape, composition):
    field = spinodal(getkey(), shape, composition=composition, wavelength=8.0)
    assert field.shape == shape
    assert abs(float(field.mean()) - composition) < 1e-13


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_spinodal_separates_into_two_phases(getkey, shape):
    field = np.asarray(spinodal(getkey(), shape, wavelength=8.0, time=40.0, steps=400))
    # Wells at -1 and 1 (a little beyond them inside a curved interface), a valley between.
    assert 0.9 < np.abs(field).max() < 1.2
    near, between = (np.abs(np.abs(field) - 1) < 0.25).mean(), (np.abs(field) < 0.25).mean()
    assert near > 4 * between
    counts, edges = np.histogram(field, bins=24, range=(-1.2, 1.2))
    peaks = [edges[np.argmax(counts[:12])] + 0.05, edges[12 + np.argmax(counts[12:])] + 0.05]
    np.testing.assert_allclose(peaks, [-1, 1], atol=0.15)


@pytest.mark.parametrize("shape", [(24, 36), (12, 12, 12)])
@pytest.mark.parametrize("composition", [0.0, 0.4])
def test_each_fourier_mode_grows_by_the_linear_dispersion_relation(shape, composition):
    key, wavelength, time = jax.random.key(3), 8.0, 2.0
    drive = 1 - 3 * composition**2
    kappa = (wavelength / (2 * np.pi)) ** 2 * drive / 2
    squared = squared_frequencies(shape)
    rates = squared * (drive - kappa * squared)
    # Time is counted in units in which the fastest rate, that of the wavelength asked for, is 1.
    asked = (2 * np.pi / wavelength) ** 2
    unit = asked * (drive - kappa * asked)
    assert rates.max() <= unit * (1 + 1e-12)
    # So small that nothing but the linear terms counts.
    amplitude = 1e-6
    start = amplitude * np.asarray(jax.random.normal(key, shape))
    start = np.fft.fftn(start - start.mean())
    kept = (squared > 0) & (squared < drive / kappa)
    growths = []
    for steps in (200, 400, 800):
        field = spinodal(
            key,
            shape,
            composition=composition,
            wavelength=wavelength,
            time=time,
            steps=steps,
            noise=amplitude,
        )
        end = np.fft.fftn(np.asarray(field) - composition)
        growths.append((end[kept] / start[kept]).real / np.exp(rates[kept] / unit * time))
    # The scheme is of first order: half the step, half the error; and what a step of zero would
    # give, extrapolated from two of them, is off by what is left, of second order.
    errors = [np.abs(growth - 1).max() for growth in growths]
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert 1.8 < coarse / fine < 2.1
    limits = [np.abs(2 * growths[n + 1] - growths[n] - 1).max() for n in (0, 1)]
    assert limits[1] < 0.01 and 3.4 < limits[0] / limits[1] < 4.4


def test_the_wavelength_asked_for_grows_fastest(getkey):
    for wavelength in (6.0, 12.0):
        spectrum = np.zeros(48)
        for _ in range(8):
            field = spinodal(getkey(), (96, 96), wavelength=wavelength, time=6.0, noise=1e-4)
            power = np.abs(np.fft.fft2(np.asarray(field))) ** 2
            numbers = np.rint(96 * np.sqrt(squared_frequencies((96, 96))) / (2 * np.pi)).astype(int)
            inside = numbers < 48
            rings = np.bincount(numbers[inside], power[inside], 48)
            spectrum += rings / np.bincount(numbers[inside], minlength=48)
        # Rings are one wave number wide, and neighbours of the fastest grow almost as fast.
        assert abs(np.argmax(spectrum) - 96 / wavelength) <= 1


def test_spinodal_volume_fraction_follows_the_lever_rule(getkey):
    # Curved interfaces move the fraction off 0.6, the less the coarser they are.
    keys = [getkey() for _ in range(4)]
    excess = []
    for time, steps in ((20.0, 200), (80.0, 800)):
        fields = [
            spinodal(key, (96, 96), composition=0.2, wavelength=8.0, time=time, steps=steps)
            for key in keys
        ]
        excess.append(np.mean([(np.asarray(field) > 0).mean() for field in fields]) - 0.6)
    assert 0 < excess[1] < 0.85 * excess[0] < 0.85 * 0.04


def test_spinodal_refuses_a_stable_mixture(getkey):
    with pytest.raises(ValueError, match="composition"):
        spinodal(getkey(), (8, 8), composition=0.6)


# --- dendrites ----------------------------------------------------------------------------------


def opposite(field, axis):
    """Mirrored at pixel n // 2 of an even side."""
    return np.roll(np.flip(field, axis), 1, axis)


def test_a_crystal_of_four_arms_has_the_symmetry_of_the_square(getkey):
    solid = np.asarray(dendrites(getkey(), (96, 96), steps=250, noise=0.0))
    assert 0.02 < (solid > 0.5).mean() < 0.2
    for other in (opposite(solid, 0), opposite(solid, 1), solid.T):
        np.testing.assert_allclose(other, solid, rtol=0, atol=1e-9)


@pytest.mark.parametrize("symmetry", [4, 6])
def test_its_arms_are_as_many_as_the_symmetry(symmetry, getkey):
    solid = np.asarray(dendrites(getkey(), (96, 96), symmetry=symmetry, steps=350, noise=0.0))
    rows, cols = np.meshgrid(*[np.arange(96) - 48] * 2, indexing="ij")
    # The outline's harmonics around the middle: moments of the places outside a circle.
    inside = (solid > 0.5) & (np.hypot(rows, cols) > 0.5 * np.hypot(rows, cols)[solid > 0.5].max())
    angles = np.arctan2(rows, cols)[inside]
    waves = [abs(np.exp(1j * n * angles).mean()) for n in range(1, 10)]
    assert int(np.argmax(waves)) + 1 == symmetry
    assert (np.exp(1j * symmetry * angles).mean()).real > 0.3


def test_without_anisotropy_it_is_a_disk_at_first(getkey):
    solid = np.asarray(dendrites(getkey(), (96, 96), anisotropy=0.0, steps=100, noise=0.0)) > 0.5
    rows, cols = np.nonzero(solid)
    reach = np.hypot(rows - 48, cols - 48).max()
    assert solid.sum() == pytest.approx(math.pi * reach**2, rel=0.15)


def test_growth_ends_where_the_latent_heat_has_warmed_the_melt(getkey):
    """Heat is conserved: the solid that grew, times the latent heat, has warmed the cell to 1."""
    for latent_heat in (1.5, 2.5):
        solid = dendrites(getkey(), (32, 32), latent_heat=latent_heat, steps=6000)
        nucleus = 21 / 32**2
        assert float(solid.mean()) == pytest.approx(1 / latent_heat + nucleus, abs=0.01)


def test_each_nucleus_begins_a_crystal_and_noise_and_key_make_their_own(getkey):
    first, second = getkey(), getkey()
    few = [np.asarray(dendrites(first, (96, 96), nuclei=count, steps=1)) for count in (1, 4)]
    for solid, count in zip(few, (1, 4), strict=True):
        # Twice the cell in each direction has every crystal whole, and those of its borders twice.
        assert scipy.ndimage.label(np.tile(solid > 0.5, (4, 4)))[1] >= 9 * count
        assert (solid > 0.5).sum() == pytest.approx(count * math.pi * 2.5**2, rel=0.15)
    assert few[0][48, 48] > 0.9
    grown = [np.asarray(dendrites(key, (96, 96), steps=150)) for key in (first, first, second)]
    np.testing.assert_array_equal(grown[0], grown[1])
    assert (grown[0] != grown[2]).any()


def test_what_is_no_dendrite_is_refused(getkey):
    for given, message in [
        ({"nuclei": 0}, "`nuclei`"),
        ({"symmetry": 0}, "`symmetry`"),
        ({"anisotropy": -0.1}, "`anisotropy`"),
        ({"noise": -1.0}, "`noise`"),
        ({"steps": -1}, "`steps`"),
        ({"latent_heat": 0.0}, "`latent_heat`"),
    ]:
        with pytest.raises(ValueError, match=message):
            dendrites(getkey(), (32, 32), **given)


def test_dendrites_grow_in_two_dimensions_only(getkey, unchecked):
    with pytest.raises(ValueError, match=r"`shape` .* must have 2 axes"):
        dendrites(getkey(), (8, 8, 8))
