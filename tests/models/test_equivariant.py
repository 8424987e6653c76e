"""Group convolutions: the law of their symmetries, and what pins them down beside it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from idml_jax.data import crops
from idml_jax.models import EqualizedConv, GroupConv, downsample, turned
from idml_jax.models.equivariant import halved
from idml_jax.models.normalization import normalization_of

ALL = range(8)


def noise(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def product(first, then):
    """The symmetry that does both, told by what they do to an image."""
    image = noise(1, 5, 5, 1)
    both = turned(turned(image, first), then)
    (found,) = (each for each in ALL if np.array_equal(turned(image, each), both))
    return found


@pytest.mark.parametrize("symmetry", ALL)
def test_images_are_turned_as_crops_are(symmetry):
    images = noise(2, 5, 5, 3)
    expected = jax.vmap(lambda image: crops.turned(image, jnp.int32(symmetry)))(images)
    np.testing.assert_array_equal(turned(images, symmetry), expected)


def test_one_symmetry_after_another_is_their_product_of_orientations_too():
    features = noise(1, 3, 3, 8, 2)
    for first, then in itertools.product(ALL, ALL):
        one_by_one = turned(turned(features, first), then)
        np.testing.assert_array_equal(one_by_one, turned(features, product(first, then)))
    assert {product(first, 5) for first in ALL} == {*ALL}


LAYERS = {
    "lifting": (GroupConv(2, 3, lifts=True, rngs=nnx.Rngs(0)), (2,)),
    "group": (GroupConv(2, 3, rngs=nnx.Rngs(1)), (8, 2)),
    "upsampling": (GroupConv(2, 3, resample="up", rngs=nnx.Rngs(2)), (8, 2)),
    "upsampling images": (GroupConv(2, 3, lifts=True, resample="up", rngs=nnx.Rngs(3)), (2,)),
    "periodic": (GroupConv(2, 3, periodic=True, rngs=nnx.Rngs(4)), (8, 2)),
    "halved": (halved, (8, 2)),
    "halved, periodic": (lambda x: halved(x, periodic=True), (8, 2)),
}


@pytest.mark.parametrize("sides", [(6, 6), (5, 5), (4, 7)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_what_is_turned_is_turned_itself(name, sides):
    layer, features = LAYERS[name]
    x = noise(2, *sides, *features)
    whole = layer(x)
    assert whole.ndim == 5 and float(jnp.std(whole)) > 0.1
    for symmetry in ALL:
        found = layer(turned(x, symmetry))
        np.testing.assert_allclose(found, turned(whole, symmetry), atol=1e-5)


def test_patches_are_lifted_by_a_kernel_of_as_many_times_as_many_pixels():
    layer, image = GroupConv(2, 3, lifts=True, patch=2, rngs=nnx.Rngs(0)), noise(2, 8, 12, 2)
    found = layer(image)
    assert (layer.kernel.shape, found.shape) == ((6, 6, 2, 3), (2, 4, 6, 8, 3))
    padded = jnp.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for symmetry in ALL:
        kernel = turned(layer.kernel[...].reshape(1, 6, 6, 6), symmetry).reshape(6, 6, 2, 3)
        expected = jax.lax.conv_general_dilated(
            padded,
            layer.scale * kernel,
            (2, 2),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        np.testing.assert_allclose(found[..., symmetry, :], expected, atol=1e-5)
        np.testing.assert_allclose(
            layer(turned(image, symmetry)), turned(found, symmetry), atol=1e-5
        )


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("kind", ["batch", "group"])
def test_what_normalizes_channels_commutes_after_it_was_trained_too(kind):
    layer = normalization_of(kind, 4, nnx.Rngs(0))
    sizes = jnp.arange(1, 9, dtype=jnp.float32).reshape(1, 1, 1, 8, 1)
    x = sizes * noise(3, 5, 5, 8, 4) + 0.5
    layer(sizes * noise(3, 5, 5, 8, 4, seed=1))
    for phase in (layer.train, layer.eval):
        phase()
        whole = layer(x)
        for symmetry in ALL:
            found = layer(turned(x, symmetry))
            np.testing.assert_allclose(found, turned(whole, symmetry), atol=1e-5)


def test_each_orientation_of_an_image_is_by_the_kernel_turned_that_way():
    layer, image = GroupConv(2, 3, lifts=True, rngs=nnx.Rngs(0)), noise(2, 5, 6, 2)
    layer.bias[...] = jnp.arange(3, dtype=jnp.float32)
    plain = EqualizedConv(2, 3, rngs=nnx.Rngs(0))
    plain.bias[...] = layer.bias[...]
    for symmetry in ALL:
        kernel = layer.kernel[...].reshape(1, 3, 3, 6)
        plain.kernel[...] = turned(kernel, symmetry).reshape(3, 3, 2, 3)
        np.testing.assert_allclose(layer(image)[..., symmetry, :], plain(image), atol=1e-5)


@pytest.mark.parametrize("resample", [None, "up"])
def test_the_first_orientation_is_a_convolution_of_all_as_channels(resample):
    """The law tells the others by it."""
    layer = GroupConv(2, 3, resample=resample, rngs=nnx.Rngs(0))
    plain = EqualizedConv(16, 3, resample=resample, rngs=nnx.Rngs(0))
    plain.kernel[...] = layer.kernel[...].reshape(3, 3, 16, 3)
    x = noise(2, 5, 6, 8, 2)
    np.testing.assert_allclose(layer(x)[..., 0, :], plain(x.reshape(2, 5, 6, 16)), atol=1e-5)


def test_features_keep_their_size_whatever_the_channels():
    for layer, features in (
        (GroupConv(32, 32, gain=1.0, rngs=nnx.Rngs(0)), (8, 32)),
        (GroupConv(64, 32, gain=1.0, lifts=True, rngs=nnx.Rngs(0)), (64,)),
    ):
        assert float(layer(noise(1, 24, 24, *features))[:, 1:-1, 1:-1].std()) == pytest.approx(
            1, abs=0.1
        )


def test_even_sides_are_averaged_by_pairs_and_odd_ones_about_every_second_pixel():
    even = noise(2, 4, 6, 8, 3)
    expected = downsample(even.reshape(2, 4, 6, 24)).reshape(2, 2, 3, 8, 3)
    np.testing.assert_allclose(halved(even), expected, atol=1e-6)
    odd = jnp.array([4.0, 8.0, 16.0, 0.0, 12.0], jnp.float32).reshape(1, 5, 1, 1, 1)
    found = halved(jnp.broadcast_to(odd, (1, 5, 2, 8, 1)))
    assert found[0, :, 0, 3, 0].tolist() == [5.0, 10.0, 9.0]


def test_kernels_are_turned_under_jit_and_computed_in_bfloat16():
    layer, x = GroupConv(2, 3, dtype="bfloat16", rngs=nnx.Rngs(0)), noise(1, 6, 6, 8, 2)
    structure, values = nnx.split(layer)
    compiled = jax.jit(lambda values, x: nnx.merge(structure, values)(x))
    found = compiled(values, x)
    assert found.dtype == jnp.bfloat16 and layer.kernel[...].dtype == jnp.float32
    exact = GroupConv(2, 3, rngs=nnx.Rngs(0))(x)
    np.testing.assert_allclose(found.astype(jnp.float32), exact, atol=0.1)
