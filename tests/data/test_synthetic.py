"""Media that the computer makes, against the closed forms that they are made for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data import checkerboard, gaussian_random_field, laminate, spinodal

# Compiled once for each set of options, and not at every call.
OPTIONS = ("shape", "composition", "wavelength", "time", "steps", "noise")
MIX = jax.jit(spinodal, static_argnames=OPTIONS)


def squared_frequencies(shape):
    axes = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(side) for side in shape), indexing="ij")
    return sum(axis**2 for axis in axes)


@pytest.mark.parametrize("shape", [(32, 32), (15, 22), (12, 10, 13)])
@pytest.mark.parametrize("composition", [0.0, 0.3, -0.25])
def test_spinodal_conserves_its_mean(getkey, shape, composition):
    field = MIX(getkey(), shape, composition=composition, wavelength=8.0)
    assert field.shape == shape
    assert abs(float(field.mean()) - composition) < 1e-13


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_spinodal_separates_into_two_phases(getkey, shape):
    field = np.asarray(MIX(getkey(), shape, wavelength=8.0, time=40.0, steps=400))
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
            field = MIX(getkey(), (96, 96), wavelength=wavelength, time=6.0, noise=1e-4)
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
            MIX(key, (96, 96), composition=0.2, wavelength=8.0, time=time, steps=steps)
            for key in keys
        ]
        excess.append(np.mean([(np.asarray(field) > 0).mean() for field in fields]) - 0.6)
    assert 0 < excess[1] < 0.85 * excess[0] < 0.85 * 0.04


def test_spinodal_refuses_a_stable_mixture(getkey):
    with pytest.raises(ValueError, match="composition"):
        spinodal(getkey(), (8, 8), composition=0.6)


@pytest.mark.parametrize("shape", [(64, 64), (51, 72), (24, 24, 24), (17, 20, 25)])
def test_gaussian_field_has_its_variance_and_correlation(shape):
    length = 3.0 if len(shape) == 2 else 2.0
    keys = jax.random.split(jax.random.key(7), 32)
    make = jax.jit(jax.vmap(lambda key: gaussian_random_field(key, shape, length=length)))
    fields = np.asarray(make(keys))
    for lag in range(7):
        for axis in range(1, len(shape) + 1):
            products = (fields * np.roll(fields, -lag, axis)).mean(
                axis=tuple(range(1, fields.ndim))
            )
            error = products.std(ddof=1) / np.sqrt(len(products))
            truth = np.exp(-(lag**2) / (2 * length**2))
            assert abs(products.mean() - truth) < 3 * error


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_the_zero_cut_of_a_gaussian_field_follows_the_arcsine_law(shape):
    length = 3.0 if len(shape) == 2 else 2.0
    keys = jax.random.split(jax.random.key(11), 32)
    make = jax.jit(jax.vmap(lambda key: gaussian_random_field(key, shape, length=length)))
    phases = np.asarray(make(keys)) > 0
    for lag in range(7):
        pairs = (phases & np.roll(phases, -lag, -1)).mean(axis=tuple(range(1, phases.ndim)))
        error = pairs.std(ddof=1) / np.sqrt(len(pairs))
        correlation = np.exp(-(lag**2) / (2 * length**2))
        assert abs(pairs.mean() - 0.25 - np.arcsin(correlation) / (2 * np.pi)) < 3 * error


def test_gaussian_field_is_periodic_and_of_one_key_only(getkey):
    key = getkey()
    field = gaussian_random_field(key, (32, 32), length=4.0)
    assert (field == gaussian_random_field(key, (32, 32), length=4.0)).all()
    # A seam at the border would be a step as large as the field itself.
    inner = jnp.abs(jnp.diff(field, axis=0)).max()
    assert jnp.abs(field[0] - field[-1]).max() < 2 * inner


@pytest.mark.parametrize("shape", [(12, 10), (6, 8, 12), (7,)])
@pytest.mark.parametrize("thicknesses", [(4, 4), (1, 2), (3, 0)])
def test_laminate_follows_its_definition(shape, thicknesses):
    for axis in range(-1, len(shape)):
        layers = np.asarray(laminate(shape, axis=axis, thicknesses=thicknesses))
        assert layers.shape == shape and layers.dtype == bool
        for place in np.ndindex(shape):
            assert layers[place] == (place[axis] % sum(thicknesses) < thicknesses[0])


@pytest.mark.parametrize("shape", [(8, 12), (4, 6, 9)])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_checkerboard_follows_its_definition(shape, side):
    board = np.asarray(checkerboard(shape, side=side))
    assert board.shape == shape and board.dtype == bool
    for place in np.ndindex(shape):
        assert board[place] == (sum(index // side for index in place) % 2 == 0)
