"""The rotation-invariant autoencoder: what turns and shifts do to its numbers, and what not."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from flax import nnx

from idml_jax import models
from idml_jax.models.invariant_autoencoder import laid_upright

SIDE = 8


@pytest.fixture(scope="module")
def network():
    return models.RotationInvariantVAE(
        (SIDE, SIDE), 1, 2, features=(4, 8), hidden=(16, 8), shift=0.2, rngs=nnx.Rngs(0)
    )


@pytest.fixture(scope="module")
def encode(network):
    return jax.jit(network.encode)


@pytest.fixture(scope="module")
def outputs(network):
    return jax.jit(network.outputs)


def latents(angle, shift=(0.0, 0.0), form=(0.4, -1.1)):
    return jnp.array([[angle, *shift, *form]], jnp.float32)


def test_coordinates_are_those_of_the_complex_plane():
    angle, shift = 0.7, (0.3, -0.1)
    found = np.asarray(models.own_coordinates((4, 6), jnp.array([angle]), jnp.array([shift]))[0])
    assert found.shape == (4, 6, 2)
    # Counter-clockwise as displayed: cols to the right, rows downwards.
    rows, cols = (2 * np.arange(4) - 3) / 6, (2 * np.arange(6) - 5) / 6
    place = (cols - shift[1])[None, :] - 1j * (rows - shift[0])[:, None]
    place = place * np.exp(-1j * angle)
    np.testing.assert_allclose(found[..., 1] - 1j * found[..., 0], place, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_a_quarter_turn_of_the_coordinates_is_half_pi_more(angle, outputs):
    one, other = (
        models.own_coordinates((SIDE, SIDE), jnp.array([a]), jnp.zeros((1, 2)))
        for a in (angle, angle + math.pi / 2)
    )
    np.testing.assert_allclose(other, jnp.rot90(one, axes=(1, 2)), atol=1e-12)
    image, turned = (outputs(latents(a)) for a in (angle, angle + math.pi / 2))
    np.testing.assert_allclose(turned, jnp.rot90(image, axes=(1, 2)), atol=1e-5)
    assert float(abs(turned - image).max()) > 0.05


def test_a_shift_by_whole_pixels_moves_the_image(outputs):
    # In half sides a pixel is 2 / SIDE; the latent is in units of 0.2 half sides.
    pixel = 2 / SIDE / 0.2
    image, moved = (outputs(latents(0.3, shift))[0] for shift in ((0.0, 0.0), (pixel, -2 * pixel)))
    np.testing.assert_allclose(moved[1:, :-2], image[:-1, 2:], atol=1e-5)


def test_an_image_laid_upright_is_what_was_turned_and_shifted(getkey):
    image = jax.random.uniform(getkey(), (1, SIDE, SIDE, 1), jnp.float32)
    lay = jax.jit(laid_upright)
    nothing, pixel = jnp.zeros((1, 2), jnp.float32), 2 / SIDE
    quarter = jnp.full(1, math.pi / 2, jnp.float32)
    turned = jnp.rot90(image, axes=(1, 2))
    np.testing.assert_allclose(lay(turned, quarter, nothing), image, atol=1e-5)
    # Turned first, then moved by a pixel downwards and two to the left.
    moved = jnp.roll(turned, (1, -2), (1, 2))
    shift = jnp.array([[pixel, -2 * pixel]], jnp.float32)
    inner = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(lay(moved, quarter, shift)[inner], image[inner], atol=1e-5)
    # Of a blob of the width w at any angle: interpolation errs by less than h^2 / 8 times the
    # second derivatives along both axes, 1 / w^2 at most each, at pixels h apart.
    width, angles = 0.5, jnp.array([0.0, 0.5], jnp.float32)
    own = models.own_coordinates((SIDE, SIDE), angles, jnp.zeros((2, 2), jnp.float32))
    square = own[..., :1] ** 2 + (own[..., 1:] - 0.6) ** 2
    upright, turned = jnp.exp(-square / (2 * width**2))[:, None]
    error = np.abs(lay(turned, angles[1:], nothing) - upright)[inner].max()
    assert error < pixel**2 / 8 * 2 / width**2 < 0.3 * np.abs(turned - upright)[inner].max()


def test_encoder_adds_a_quarter_turn_turns_the_shift_and_keeps_the_form(encode, getkey):
    images = jax.random.uniform(getkey(), (5, SIDE, SIDE, 1), jnp.float32)
    seen = encode(images), encode(jnp.rot90(images, axes=(1, 2)))
    one, other = (models.Posterior(*map(np.asarray, each)) for each in seen)
    added = other.mean[:, 0] - one.mean[:, 0]
    np.testing.assert_allclose(np.exp(1j * added), 1j, atol=1e-4)
    assert np.ptp(one.mean[:, 0]) > 0.01
    # What lay to the right lies above: (row, col) becomes (-col, row).
    expected = np.stack([-one.mean[:, 2], one.mean[:, 1]], axis=1)
    np.testing.assert_allclose(other.mean[:, 1:3], expected, atol=1e-5)
    np.testing.assert_allclose(other.mean[:, 3:], one.mean[:, 3:], atol=1e-5)
    np.testing.assert_allclose(other.log_variance, one.log_variance, atol=1e-5)


@pytest.mark.parametrize("deviation", [0.02, 0.3, math.pi / 4])
def test_divergence_of_the_angle_is_that_of_a_wrapped_normal_one(deviation, network):
    turns = 2 * math.pi * np.arange(-3, 4)

    def integrand(angle):
        density = scipy.stats.norm(1.0, deviation).pdf(angle + turns).sum()
        return density * math.log(2 * math.pi * density) if density else 0.0

    limits = 1 - math.pi, 1 + math.pi
    expected = scipy.integrate.quad(integrand, *limits, points=[1.0], limit=200)[0]
    mean = jnp.concatenate([jnp.ones((1, 1)), jnp.zeros((1, 4))], axis=1)
    variance = jnp.zeros((1, 5)).at[0, 0].set(2 * math.log(deviation))
    found = network.divergence(models.Posterior(mean, variance))[0]
    # The part beyond one turn is 6e-5 at a deviation of a quarter of pi.
    assert abs(float(found[0]) - expected) < 5e-4
    np.testing.assert_array_equal(found[1:], 0)


def test_angle_stays_within_a_turn_and_gradients_stay_finite(network, encode):
    structure, parameters = nnx.split(network)

    @jax.jit
    @jax.grad
    def slopes_of(parameters, images):
        network = nnx.merge(structure, parameters)
        return models.negative_evidence_bound(network, images, key=jax.random.key(0))[0]

    for grey in (0.0, 1e4):
        images = jnp.full((5, SIDE, SIDE, 1), grey, jnp.float32)
        posterior = encode(images)
        assert float(posterior.log_variance[:, 0].max()) <= 2 * math.log(math.pi / 4) + 1e-6
        assert float(abs(posterior.mean[:, 0]).max()) <= math.pi
        slopes = slopes_of(parameters, images)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_the_way_from_one_angle_to_another_is_the_shorter_one(network):
    found = network.difference(latents(3.0, (1.0, 0.0)), latents(-3.0, (0.0, 2.0)))
    np.testing.assert_allclose(found[0, :3], [2 * math.pi - 6, -1, 2], atol=1e-6)


def test_prior_is_uniform_over_the_turn_and_normal_beside(network):
    drawn = np.asarray(network.prior(jax.random.key(0), 2000))
    uniform = scipy.stats.uniform(-math.pi, 2 * math.pi)
    assert scipy.stats.kstest(drawn[:, 0], uniform.cdf).pvalue > 0.01
    assert scipy.stats.kstest(drawn[:, 1:].ravel(), "norm").pvalue > 0.01


def test_what_is_not_square_or_conditioned_is_refused(network):
    with pytest.raises(ValueError, match="square"):
        models.RotationInvariantVAE((8, 4), 1, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="no `conditions`"):
        network.decode(latents(0.0), jnp.ones((1, 1), jnp.float32))
