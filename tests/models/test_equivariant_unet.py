"""The equivariant U-Net: the law of its symmetries, and the interface of a U-Net."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax.models import EquivariantUNet, UNet, turned

pytestmark = pytest.mark.usefixtures("standard_promotion")


def made(kind=EquivariantUNet, **options):
    return kind(1, 3, **{"features": (2, 3)} | options, rngs=nnx.Rngs(0))


def compiled(network):
    """What is compiled as a whole takes a fraction of the time."""
    network.eval()
    structure, values = nnx.split(network)
    return jax.jit(lambda images: nnx.merge(structure, values)(images))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def trained(network):
    """One whose parameters and moments are no longer those that it began with."""
    structure, parameters, others = nnx.split(network, nnx.Param, ...)

    def loss(parameters):
        inside = nnx.merge(structure, parameters, others, copy=True)
        logits = inside(noise(2, 16, 16, 1, seed=1), rngs=nnx.Rngs(1))
        value = (logits[..., 0] * noise(2, 16, 16, seed=2)).mean()
        return value, nnx.split(inside, nnx.Param, ...)[2]

    slopes, moments = jax.jit(jax.grad(loss, has_aux=True))(parameters)
    pairs = zip(jax.tree.leaves(moments), jax.tree.leaves(others), strict=True)
    assert all(float(abs(moved - before).max()) > 1e-3 for moved, before in pairs)
    parameters = jax.tree.map(lambda value, slope: value - 5 * slope, parameters, slopes)
    return compiled(nnx.merge(structure, parameters, moments))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalization": "group", "periodic": True},
        {"normalization": "none", "features": (2, 3, 4)},
        {"patch": 2},
    ],
    ids=str,
)
def test_of_a_turned_image_it_says_the_same_turned(options):
    network = trained(made(**options, dropout=0.2))
    for sides in ((16, 16), (8, 12)):
        image = noise(2, *sides, 1)
        whole = network(image)
        assert float(jnp.ptp(whole)) > 0.1
        for symmetry in range(8):
            found = network(turned(image, symmetry))
            np.testing.assert_allclose(found, turned(whole, symmetry), atol=1e-4)


def test_a_plain_one_does_not():
    network, image = trained(made(UNet)), noise(2, 16, 16, 1)
    whole = network(image)
    for symmetry in range(1, 8):
        found = network(turned(image, symmetry))
        assert float(abs(found - turned(whole, symmetry)).max()) > 1e-2


def test_of_a_patch_the_pixels_are_told_apart():
    network, image = trained(made(patch=3)), noise(2, 18, 24, 1)
    assert network(image).shape == (2, 18, 24, 3)
    found = np.asarray(network(np.kron(image[:, ::3, ::3], np.ones((1, 3, 3, 1), np.float32))))
    blocks = found.reshape(2, 6, 3, 8, 3, 3)
    assert np.ptp(blocks, axis=(2, 4)).max() > 1e-2
    for symmetry in range(8):
        turn = network(turned(image, symmetry))
        np.testing.assert_allclose(turn, turned(network(image), symmetry), atol=1e-4)


def test_images_of_any_size_have_scores_in_float32():
    found = compiled(made(dtype="bfloat16"))(noise(2, 9, 14, 1))
    assert (found.shape, found.dtype) == ((2, 9, 14, 3), jnp.float32)


def test_away_from_its_border_a_tile_is_as_it_is_in_its_image():
    network, image = made(), noise(1, 48, 48, 1)
    reach = network.reach
    assert reach == made(UNet).reach == 2 * 3 + 2 * 1 + 2 + 2
    answer = compiled(network)
    tile = answer(image[:, 8:, 12:])[0, reach:-reach, reach:-reach]
    whole = answer(image)[0, 8 + reach : -reach, 12 + reach : -reach]
    np.testing.assert_allclose(tile, whole, atol=1e-5)


def test_dropout_leaves_out_channels_in_all_orientations():
    network, x = made(dropout=0.5), jnp.ones((4, 2, 2, 8, 16), jnp.float32)
    found = network.dropout(x, rngs=nnx.Rngs(0))
    assert {*np.unique(found)} == {0.0, 2.0}
    assert float(jnp.ptp(found, axis=(1, 2, 3)).max()) == 0
    network.eval()
    np.testing.assert_array_equal(network.dropout(x), x)
