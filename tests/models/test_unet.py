"""The U-Net: sizes, symmetries, what a tile sees, and what the options change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax.models import UNet
from idml_jax.models.resampling import depth_to_space, space_to_depth

pytestmark = pytest.mark.usefixtures("standard_promotion")


def made(**options):
    options = {"features": (4, 6, 8)} | options
    network = UNet(1, 3, rngs=nnx.Rngs(0), **options)
    network.eval()
    return network


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalization": "group"},
        {"normalization": "none"},
        {"residual": True},
        {"attention": True},
        {"dropout": 0.5},
        {"patch": 3},
        {"dtype": "bfloat16"},
    ],
    ids=str,
)
def test_every_pixel_of_images_of_any_size_has_scores_in_float32(options):
    network = made(**options)
    for sides in ((16, 16), (9, 14)):
        found = network(noise(2, *sides, 1))
        assert (found.shape, found.dtype) == ((2, *sides, 3), jnp.float32)
    _, parameters, _ = nnx.split(network, nnx.Param, ...)
    assert {leaf.dtype for leaf in jax.tree.leaves(parameters)} == {jnp.dtype("float32")}


def test_volumes_are_as_images_with_an_axis_more():
    assert made(dimensions=3)(noise(1, 6, 8, 9, 1)).shape == (1, 6, 8, 9, 3)


def test_a_periodic_network_commutes_with_a_roll_by_its_coarsest_pixel():
    network, image = made(periodic=True), noise(1, 16, 24, 1)
    rolled = network(jnp.roll(image, (4, 8), (1, 2)))
    np.testing.assert_allclose(rolled, jnp.roll(network(image), (4, 8), (1, 2)), atol=1e-5)


def test_away_from_its_border_a_tile_is_as_it_is_in_its_image():
    """With running moments; the reach is what the convolutions of all resolutions add up to."""
    network, image = made(), noise(1, 96, 96, 1)
    reach = network.reach
    assert reach == 2 * 7 + 2 * 3 + 6 + 4
    tile = network(image[:, 8:, 12:])[0, reach:-reach, reach:-reach]
    whole = network(image)[0, 8 + reach : -reach, 12 + reach : -reach]
    np.testing.assert_allclose(tile, whole, atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_patch_is_the_same_network_of_its_pixels_as_channels(dimensions):
    """So that its finest grid is as coarse, and its answers as fine as the image."""
    patched = made(patch=2, dimensions=dimensions)
    image = noise(1, *(8,) * dimensions, 1)
    assert patched(image).shape == (*image.shape[:-1], 3)
    assert (patched.multiple, patched.reach) == (8, 2 * made(dimensions=dimensions).reach + 1)
    patched.multiple, patched.patch = 4, 1
    inside = patched(space_to_depth(image, 2))
    assert inside.shape == (1, *(4,) * dimensions, 3 * 2**dimensions)
    patched.multiple, patched.patch = 8, 2
    np.testing.assert_allclose(patched(image), depth_to_space(inside, 2), atol=1e-6)


def test_a_patch_matters_to_its_own_pixels_and_no_further_than_its_reach():
    network, image = made(patch=2), noise(1, 128, 128, 1)
    changed = image.copy()
    changed[0, 64, 64] += 1
    rows = np.flatnonzero(np.abs(network(changed) - network(image)).max(axis=(0, 2, 3)) > 0)
    assert 64 - network.reach <= rows.min() < 64 < rows.max() <= 64 + network.reach


def test_a_gate_lets_all_through_or_nothing():
    network, image = made(attention=True), noise(1, 16, 16, 1)
    gates, network.gates = network.gates, nnx.List([])
    without, network.gates = network(image), gates
    for gate in network.gates:
        gate.weight.bias[...] = jnp.full_like(gate.weight.bias[...], 50.0)
    np.testing.assert_allclose(network(image), without, atol=1e-4)
    for gate in network.gates:
        gate.weight.bias[...] = jnp.full_like(gate.weight.bias[...], -50.0)
    # Nothing of the fine grid is left: what is upsampled is alike in blocks, but for borders.
    assert float(jnp.abs(network(image) - without).max()) > 1e-2


def test_dropout_is_by_chance_while_trained_and_nothing_after():
    network, image = made(dropout=0.5), noise(1, 16, 16, 1)
    still = network(image)
    np.testing.assert_array_equal(still, network(image, rngs=nnx.Rngs(1)))
    network.train()
    one, other = (network(image, rngs=nnx.Rngs(seed)) for seed in (1, 2))
    assert float(jnp.abs(one - other).max()) > 1e-3


def test_an_unknown_normalization_is_refused(unchecked):
    with pytest.raises(ValueError, match='"batch", "group" or "none"'):
        made(normalization="layer")
