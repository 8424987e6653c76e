"""Directions of the latent sphere, where what the latents make is known."""

import numpy as np
import pytest

from idml_jax import design


@pytest.fixture(scope="module")
def latents():
    return np.random.default_rng(0).standard_normal((400, 5))


def test_directions_of_what_changes_most_come_first_though_it_is_not_linear(latents):
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    along = latents @ rotation
    features = np.stack([np.sinh(along[:, 2]), 0.5 * along[:, 0], 0.01 * along[:, 1] ** 2], axis=1)
    found = design.principal_directions(latents, features[:, :, None], 2)
    cosines = np.abs(found.directions @ rotation[:, [2, 0]])
    np.testing.assert_allclose(cosines, np.eye(2), atol=0.12)
    assert 0.8 < found.determined[0] < 0.98 < found.determined[1]
    # Variances (e^2 - 1) / 2 of the hyperbolic sine, and 1 / 4.
    assert found.explained == pytest.approx([0.927, 0.073], abs=0.03)


def test_what_does_not_follow_the_latents_in_a_straight_line_is_said(latents):
    found = design.principal_directions(latents, latents[:, :1] ** 2, 1)
    assert found.determined[0] < 0.05


def test_left_out_samples_are_predicted_as_by_fits_without_them(latents):
    few = latents[:20]
    values = few[:, 0] + np.random.default_rng(2).standard_normal(20)
    found = design.property_direction(few, values)
    errors, means = [], []
    for left in range(20):
        kept = np.arange(20) != left
        known = np.column_stack([np.ones(19), few[kept]])
        fit = np.linalg.lstsq(known, values[kept], rcond=None)[0]
        errors.append(values[left] - fit[0] - few[left] @ fit[1:])
        means.append(values[left] - values[kept].mean())
    assert found.determined == pytest.approx(1 - np.square(errors).sum() / np.square(means).sum())


def test_noise_is_not_predicted(latents):
    values = np.random.default_rng(3).standard_normal(400)
    assert design.property_direction(latents, values).determined < 0.02


@pytest.mark.parametrize("values", [np.ones(400), np.full(400, np.nan)])
def test_a_property_without_a_direction_is_refused(latents, values):
    with pytest.raises(ValueError, match="finite and differ"):
        design.property_direction(latents, values)


def test_too_few_latents_are_refused(latents):
    with pytest.raises(ValueError, match="more latents"):
        design.principal_directions(latents[:6], latents[:6], 1)
    with pytest.raises(ValueError, match="length 5"):
        design.property_direction(latents[:6], latents[:6, 0])


def test_the_way_between_latents_is_even_and_of_typical_length():
    one, other = design.random_latents(2, 6, seed=0).reshape(2, 1, 6)
    way = design.interpolate_latents(one, other, 5)
    assert way.shape == (1, 5, 6)
    np.testing.assert_allclose(way[0, [0, -1]], np.concatenate([one, other]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(way, axis=-1), np.sqrt(6), rtol=1e-6)
    cosines = (way[0, 1:] * way[0, :-1]).sum(axis=1) / 6
    np.testing.assert_allclose(cosines, cosines[0], rtol=1e-5)


def test_the_way_from_a_latent_to_itself_stays_there_and_to_its_opposite_is_refused():
    one = design.random_latents(1, 6, seed=0)[0]
    np.testing.assert_allclose(design.interpolate_latents(one, one, 3), [one] * 3, atol=1e-6)
    with pytest.raises(ValueError, match="opposite"):
        design.interpolate_latents(one, -one, 3)


def test_latents_turned_towards_a_direction_lie_in_their_plane():
    one = design.random_latents(1, 6, seed=0)[0]
    direction = np.random.default_rng(1).standard_normal(6)
    angles = np.linspace(-1, 1, 5)
    found = design.turned(one, direction, angles)
    np.testing.assert_allclose(found[2], one, atol=1e-6)
    np.testing.assert_allclose((found * one).sum(axis=1) / 6, np.cos(angles), atol=1e-6)
    assert np.linalg.matrix_rank(np.vstack([found, direction]), tol=1e-4) == 2
    assert (np.diff(found @ direction) > 0).all()
