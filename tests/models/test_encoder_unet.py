"""The U-Net on a residual network: sizes, what tiles see, and what is frozen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax.models import EncoderUNet

pytestmark = pytest.mark.usefixtures("standard_promotion")

FEATURES = (8, 8, 6, 6, 4)


def noise(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def made(**options):
    return EncoderUNet(1, 3, 18, features=FEATURES, rngs=nnx.Rngs(0), **options)


def test_images_of_any_size_have_scores():
    network = made()
    network.eval()
    for sides in ((32, 64), (41, 50)):
        assert network(noise(2, *sides, 1)).shape == (2, *sides, 3)


def trained_once(network, image):
    """The network after a step along the slope of anything, and what its step changed."""
    structure, parameters, others = nnx.split(network, nnx.Param, ...)

    def loss(parameters):
        inside = nnx.merge(structure, parameters, others, copy=True)
        return (inside(image) ** 2).mean(), nnx.split(inside, nnx.Param, ...)[2]

    slopes, moments = jax.jit(jax.grad(loss, has_aux=True))(parameters)
    sizes = {
        part: max(float(abs(leaf).max()) for leaf in jax.tree.leaves(slopes[part]))
        for part in ("encoder", "up", "last")
    }
    moved = [
        float(abs(one - other).max())
        for one, other in zip(
            jax.tree.leaves(moments["encoder"]), jax.tree.leaves(others["encoder"]), strict=True
        )
    ]
    return sizes, max(moved)


def test_a_frozen_encoder_has_no_slope_and_keeps_its_moments():
    image = noise(2, 64, 64, 1)
    sizes, moved = trained_once(made(frozen=True), image)
    assert sizes["encoder"] == 0 and moved == 0 and sizes["up"] > 0 and sizes["last"] > 0
    sizes, moved = trained_once(made(), image)
    assert min(sizes.values()) > 0 and moved > 0


def test_away_from_its_border_a_tile_is_as_it_is_in_its_image():
    network = made()
    network.eval()
    reach = network.reach + -network.reach % 32
    side = 2 * reach + 64
    image = noise(1, side + 32, side, 1)
    tile = network(image[:, 32:])[0, reach:-reach, reach:-reach]
    whole = network(image)[0, 32 + reach : -reach, reach:-reach]
    assert tile.shape[0] >= 64
    np.testing.assert_allclose(tile, whole, atol=1e-5)
    assert float(jnp.ptp(whole)) > 1e-3


def test_features_of_other_than_five_resolutions_are_refused():
    with pytest.raises(ValueError, match="five resolutions"):
        EncoderUNet(1, 3, 18, features=(8, 8), rngs=nnx.Rngs(0))
