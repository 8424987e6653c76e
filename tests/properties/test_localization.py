"""Localization by influence coefficients: exact where the field is linear, and where not, how."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.properties import (
    Localization,
    calibrate_localization,
    conduction_fields,
    delta_microstructures,
)

SIDES = (9, 7)


def members_of(labels, phases=2):
    return jnp.moveaxis(jax.nn.one_hot(labels, phases, dtype=float), -1, 1)


def labels_of(count, phases=2, shape=SIDES, seed=0):
    return np.random.default_rng(seed).integers(0, phases, (count, *shape))


def gradients(labels, contrast):
    """The solver's gradient of the temperature along rows at each pixel."""
    conductivity = 1 + (contrast - 1) * jnp.asarray(labels, float)
    mean = jnp.array([1.0, 0.0])

    def one(cell):
        return conduction_fields(cell, mean, tolerance=1e-10).gradient[0]

    return jax.jit(jax.vmap(one))(conductivity)


@pytest.mark.parametrize(("phases", "shape"), [(2, SIDES), (3, (6, 8)), (2, (4, 5, 3))], ids=str)
def test_convolutions_are_found_again(phases, shape):
    """Also with many examples, and the coefficients of two phases exchanged by their sum."""
    kernels = np.random.default_rng(1).standard_normal((phases, *shape))
    axes = tuple(range(-len(shape), 0))

    def convolved(members):
        spectra = np.fft.fftn(members, axes=axes) * np.fft.fftn(kernels, axes=axes)
        return np.fft.ifftn(spectra.sum(axis=1), axes=axes).real

    members = np.asarray(members_of(labels_of(20, phases, shape), phases))
    localization = calibrate_localization(members, convolved(members))
    unseen = np.asarray(members_of(labels_of(2, phases, shape, seed=3), phases))
    found = jax.vmap(localization)(jnp.asarray(unseen))
    np.testing.assert_allclose(found, convolved(unseen), atol=1e-8)


def test_deltas_give_the_first_order_in_the_contrast():
    """The error falls as the square of the difference of the phases."""
    labels, errors = labels_of(4), []
    for excess in (0.2, 0.1, 0.05):
        deltas = delta_microstructures(2, SIDES)
        localization = calibrate_localization(members_of(deltas), gradients(deltas, 1 + excess))
        found = jax.vmap(localization)(members_of(labels))
        errors.append(float(jnp.abs(found - gradients(labels, 1 + excess)).max()))
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (rates > 1.8).all(), (errors, rates)


def test_fitted_coefficients_are_better_on_the_kind_that_they_were_fitted_to():
    labels, contrast = labels_of(60), 10.0
    fields = gradients(labels, contrast)
    deltas = delta_microstructures(2, SIDES)
    ways = {
        "deltas": calibrate_localization(members_of(deltas), gradients(deltas, contrast)),
        "fitted": calibrate_localization(members_of(labels), fields),
    }
    unseen = labels_of(20, seed=9)
    truth = gradients(unseen, contrast)
    errors = {
        name: float((jax.vmap(way)(members_of(unseen)) - truth).std()) for name, way in ways.items()
    }
    assert errors["fitted"] < errors["deltas"] < float(truth.std()), errors


def test_mean_of_the_field_is_kept():
    deltas = delta_microstructures(2, SIDES)
    localization = calibrate_localization(members_of(deltas), gradients(deltas, 3.0))
    found = jax.vmap(localization)(members_of(labels_of(5)))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 1.0, rtol=1e-9)


def test_larger_cell_takes_the_coefficients_of_a_smaller_one():
    """Of a response that reaches no farther than the small cell: the same as calibrated there."""
    kernel = np.zeros((2, 5, 5))
    kernel[1, 1:4, 2] = (0.5, 1.0, -0.25)

    def response(members):
        total = 0
        for row in range(5):
            for col in range(5):
                moved = np.roll(members, (row - 2, col - 2), (2, 3))
                total = total + (kernel[:, row, col, None, None] * moved).sum(axis=1)
        return total

    small = np.asarray(members_of(labels_of(9, shape=(5, 5))))
    large = np.asarray(members_of(labels_of(2, shape=(8, 11), seed=4)))
    localization = calibrate_localization(small, response(small))
    centred = localization.coefficients()
    assert centred.shape == (2, 5, 5)
    # What one phase's coefficients lack the other's have: only their difference is determined.
    difference = np.array(centred[1] - centred[0])
    expected = kernel[1] - kernel[0]
    np.testing.assert_allclose(
        difference - difference.mean(), expected - expected.mean(), atol=1e-8
    )
    found = jax.vmap(localization.resized((8, 11)))(jnp.asarray(large))
    offset = response(large) - found
    np.testing.assert_allclose(offset - offset.mean(), 0, atol=1e-8)


def test_derivative_in_the_memberships():
    members = members_of(labels_of(6))
    localization = calibrate_localization(members, gradients(labels_of(6), 4.0))
    slope = jax.grad(lambda m: (localization(m) ** 2).sum())(members[0])
    step = 1e-6 * np.random.default_rng(0).standard_normal(slope.shape)
    change = (localization(members[0] + step) ** 2 - localization(members[0] - step) ** 2).sum() / 2
    assert float((slope * step).sum()) == pytest.approx(float(change), rel=1e-6)


def test_what_does_not_go_together_is_refused(unchecked):
    members = members_of(labels_of(3))
    with pytest.raises(ValueError, match="`fields`"):
        calibrate_localization(members, np.zeros((3, 9, 8)))
    with pytest.raises(ValueError, match="finite"):
        calibrate_localization(members, np.full((3, *SIDES), np.nan))
    localization = calibrate_localization(members, np.ones((3, *SIDES)))
    assert isinstance(localization, Localization)
    with pytest.raises(ValueError, match="resized"):
        localization(members[0, :, :5])
    with pytest.raises(ValueError, match="no shorter side"):
        localization.resized((9, 6))
    with pytest.raises(ValueError, match="`phases`"):
        delta_microstructures(1, SIDES)
