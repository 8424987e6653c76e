"""Variational autoencoders, by the closed forms and the symmetries that they have."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from flax import nnx

from idml_jax import models
from idml_jax.models.autoencoders import ConvolutionalDecoder, ConvolutionalEncoder


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((8, 12), "gaussian"), ((12, 4), "categorical"), ((2, 4, 6), "bernoulli")],
    ids=str,
)
def test_images_of_any_shape_come_back_in_their_shape(shape, kind, getkey):
    network = models.VariationalAutoencoder(
        shape, 3, 5, features=(3, 4), likelihood=models.Likelihood(kind), rngs=nnx.Rngs(0)
    )
    images = jax.nn.softmax(4 * jax.random.normal(getkey(), (2, *shape, 3), jnp.float32))

    @jax.jit
    def all_of(images, key):
        posterior = network.encode(images)
        bound = models.negative_evidence_bound(network, images, key=key)
        return posterior, network.decode(posterior.sample(key)), bound

    posterior, made, bound = all_of(images, getkey())
    assert posterior.mean.shape == posterior.log_variance.shape == (2, 5)
    assert made.shape == images.shape and made.dtype == jnp.float32
    assert float(made.min()) >= 0 and float(made.max()) <= 1
    if kind == "categorical":
        np.testing.assert_allclose(made.sum(-1), 1, rtol=1e-6)
    assert bound.divergence.shape == (5,) and np.isfinite(bound.total)


@pytest.mark.parametrize("shape", [(8, 10), (8,), (0, 8)], ids=str)
def test_sides_that_cannot_be_halved_are_refused(shape):
    with pytest.raises(ValueError, match="multiples of 4"):
        models.VariationalAutoencoder(shape, 1, 2, features=(2, 2, 2), rngs=nnx.Rngs(0))


@pytest.mark.parametrize(("mean", "log_variance"), [(0, 0), (1.5, -3), (-0.2, 1.2), (4, 0.01)])
def test_divergence_is_the_integral_that_defines_it(mean, log_variance):
    posterior, prior = scipy.stats.norm(mean, math.exp(log_variance / 2)), scipy.stats.norm()
    expected = scipy.integrate.quad(
        lambda z: posterior.pdf(z) * (posterior.logpdf(z) - prior.logpdf(z)), -25, 25, points=[mean]
    )[0]
    given = models.Posterior(*(jnp.full((1, 1), x, float) for x in (mean, log_variance)))
    np.testing.assert_allclose(models.normal_divergence(given), expected, rtol=1e-8, atol=1e-12)


def test_likelihoods_are_those_of_scipy(getkey):
    outputs = jax.random.normal(getkey(), (2, 3, 4, 2))
    grey = jax.random.uniform(getkey(), outputs.shape)
    white = (grey > 0.5).astype(float)
    bits = scipy.stats.bernoulli(scipy.special.expit(outputs))
    phases = jax.nn.one_hot(jax.random.randint(getkey(), (2, 3, 4), 0, 2), 2, dtype=float)
    of_phases = np.log(np.asarray(scipy.special.softmax(outputs, -1))[np.asarray(phases) == 1])
    for likelihood, images, expected in (
        (models.Likelihood("gaussian", 0.3), grey, scipy.stats.norm(outputs, 0.3).logpdf(grey)),
        (models.Likelihood("bernoulli"), white, bits.logpmf(np.asarray(white, int))),
        (models.Likelihood("categorical"), phases, of_phases.reshape(2, 12)),
    ):
        found = likelihood.negative_log(outputs, images)
        np.testing.assert_allclose(found, -expected.reshape(2, -1).sum(1), rtol=1e-12)
    with pytest.raises(ValueError, match="positive"):
        models.Likelihood("gaussian", 0.0)


def test_extreme_networks_give_neither_infinite_nor_undefined_numbers(getkey):
    network = models.VariationalAutoencoder((4, 4), 1, 2, features=(4, 4), rngs=nnx.Rngs(0))
    network.encoder.last.kernel[...] *= 1e6
    images = jax.random.uniform(getkey(), (3, 4, 4, 1), jnp.float32)
    structure, parameters = nnx.split(network)
    key = getkey()

    def total(parameters):
        return models.negative_evidence_bound(nnx.merge(structure, parameters), images, key=key)[0]

    value, slopes = jax.jit(jax.value_and_grad(total))(parameters)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, slopes)))


def test_gradient_of_the_bound_is_that_of_finite_differences(getkey):
    network = models.VariationalAutoencoder((4, 8), 1, 2, features=(4, 4), rngs=nnx.Rngs(0))
    images = jax.random.uniform(getkey(), (3, 4, 8, 1), jnp.float32)
    structure, parameters = nnx.split(network)
    key = getkey()

    @jax.jit
    def total(parameters):
        found = models.negative_evidence_bound(
            nnx.merge(structure, parameters), images, key=key, beta=3.0
        )
        return found.total

    slopes = jax.jit(jax.grad(total))(parameters)
    leaves, tree = jax.tree.flatten(parameters)
    direction = tree.unflatten([jax.random.normal(getkey(), x.shape, x.dtype) for x in leaves])
    expected = sum(
        float((a * b).sum())
        for a, b in zip(jax.tree.leaves(slopes), jax.tree.leaves(direction), strict=True)
    )
    step = jnp.float32(1e-3)
    ends = [
        float(total(jax.tree.map(lambda x, d, by=by: x + by * d, parameters, direction)))
        for by in (-step, step)
    ]
    assert abs((ends[1] - ends[0]) / 2e-3 - expected) < 0.01 * abs(expected)


@pytest.mark.parametrize(
    ("shape", "periodic"), [((16, 8), True), ((16, 8), False), ((8, 4, 8), True)], ids=str
)
def test_periodic_networks_commute_with_a_roll_by_their_stride(shape, periodic, getkey):
    options = {"features": (2, 3, 4), "periodic": periodic, "rngs": nnx.Rngs(0)}
    encoder = ConvolutionalEncoder(shape, 2, 3, **options)
    decoder = ConvolutionalDecoder(shape, 2, 3, **options)
    axes = tuple(range(1, len(shape) + 1))
    coarse = (1, -1, 1)[: len(shape)]
    both = jax.jit(lambda images: (trunk := encoder.trunk(images), decoder.trunk(trunk)))
    images = jax.random.normal(getkey(), (2, *shape, 2), jnp.float32)
    expected = both(images)
    found = both(jnp.roll(images, [4 * by for by in coarse], axes))
    assert expected[1].shape == images.shape
    for by, one, other in zip((1, 4), expected, found, strict=True):
        difference = np.abs(jnp.roll(one, [by * each for each in coarse], axes) - other).max()
        assert (difference < 1e-5) == periodic


def test_conditions_are_asked_for_and_refused(getkey):
    images = jnp.zeros((2, 4, 4, 1), jnp.float32)
    with_, without = (
        models.VariationalAutoencoder(
            (4, 4), 1, 2, features=(4,), conditions=count, rngs=nnx.Rngs(0)
        )
        for count in (3, 0)
    )
    assert with_.encode(images, jnp.ones((2, 3), jnp.float32)).mean.shape == (2, 2)
    with pytest.raises(ValueError, match="takes `conditions`"):
        with_.encode(images)
    with pytest.raises(ValueError, match="takes no"):
        without.encode(images, jnp.ones((2, 3), jnp.float32))


class LinearGaussian(nnx.Module):
    """Probabilistic principal components: latents times a matrix, plus noise."""

    def __init__(self, pixels, latents, deviation, rngs):
        draw = partial(jax.random.normal, dtype=float)
        self.matrix = nnx.Param(0.3 * draw(rngs.params(), (latents, pixels)))
        self.mean = nnx.Param(jnp.zeros(pixels))
        self.inverse = nnx.Param(0.3 * draw(rngs.params(), (pixels, latents)))
        self.log_variance = nnx.Param(jnp.zeros(latents))
        self.likelihood = models.Likelihood("gaussian", deviation)

    def encode(self, images, conditions):
        x = images.reshape(len(images), -1) - self.mean[...][None]
        mean = x @ self.inverse[...]
        return models.Posterior(mean, jnp.broadcast_to(self.log_variance[...][None], mean.shape))

    def negative_log_likelihood(self, latents, images, conditions, *, key):
        outputs = (latents @ self.matrix[...] + self.mean[...][None]).reshape(images.shape)
        return self.likelihood.negative_log(outputs, images), outputs

    def divergence(self, posterior):
        return models.normal_divergence(posterior)


def test_linear_autoencoder_finds_the_principal_components_and_the_evidence():
    # Tipping & Bishop, J. R. Stat. Soc. B 61, 611 (1999), section 3.2: at a given noise the
    # likelihood of W = U (L - s^2)^(1/2) and the sample's mean is the highest, and the bound
    # reaches it.
    random = np.random.default_rng(0)
    noise, latents = 0.5, 2
    points = random.normal(size=(400, latents)) @ random.normal(size=(latents, 6)) + 0.7
    points += noise * random.normal(size=points.shape)
    variances, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
    variances, vectors = variances[::-1][:latents], vectors[:, ::-1][:, :latents]
    model = vectors @ np.diag(variances - noise**2) @ vectors.T + noise**2 * np.eye(6)
    evidence = scipy.stats.multivariate_normal(points.mean(0), model).logpdf(points).mean()

    images = jnp.asarray(points.reshape(400, 2, 3, 1))
    network = LinearGaussian(6, latents, noise, nnx.Rngs(0))
    structure, parameters = nnx.split(network)

    def bound(parameters, key):
        return models.negative_evidence_bound(nnx.merge(structure, parameters), images, key=key)[0]

    @jax.jit
    def trained(parameters):
        # Plain gradient descent with a step that falls, as of a quadratic problem.
        def step(parameters, number):
            slopes = jax.grad(bound)(parameters, jax.random.fold_in(jax.random.key(0), number))
            rate = 0.02 / (1 + number / 500)
            return jax.tree.map(lambda x, slope: x - rate * slope, parameters, slopes), None

        return jax.lax.scan(step, parameters, jnp.arange(4000.0).astype(int))[0]

    parameters = trained(parameters)
    keys = jax.random.split(jax.random.key(1), 500)
    found = -float(jax.jit(jax.vmap(bound, (None, 0)))(parameters, keys).mean())
    assert evidence - 0.01 < found < evidence + 0.002, (found, evidence)
    matrix = np.asarray(nnx.merge(structure, parameters).matrix[...])
    angles = scipy.linalg.subspace_angles(matrix.T, vectors)
    assert np.degrees(angles.max()) < 2, np.degrees(angles)
    np.testing.assert_allclose(np.linalg.svd(matrix)[1], np.sqrt(variances - noise**2), rtol=0.03)
