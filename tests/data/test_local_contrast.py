"""Local contrast: what SciPy's moving means give, and what it does not see."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from idml_jax import data

IMAGES = np.random.default_rng(0).random((2, 40, 33, 2)).astype(np.float32)


def expected(images, window):
    """The same in double precision."""
    side = (1, 2 * (window // 2) + 1, 2 * (window // 2) + 1, 1)
    apart = np.asarray(images, float)
    apart = apart - ndimage.uniform_filter(apart, side, mode="reflect")
    deviation = np.sqrt(ndimage.uniform_filter(apart**2, side, mode="reflect"))
    return np.clip(0.5 + apart / (8 * np.maximum(deviation, 1 / 255)), 0, 1)


@pytest.mark.parametrize("window", [3, 10, 65])
def test_moving_means_are_those_of_scipy(window):
    found = data.local_contrast(IMAGES, window)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected(IMAGES, window), atol=2e-6)


def test_few_grey_values_far_from_the_middle_lose_no_digits():
    """A large micrograph of little contrast, one part of which is much brighter."""
    images = 0.1 + 0.02 * np.random.default_rng(1).random((1, 600, 500, 1)).astype(np.float32)
    images[:, 300:] += 0.8
    np.testing.assert_allclose(data.local_contrast(images, 129), expected(images, 129), atol=1e-4)


def test_brightness_contrast_and_a_slope_of_light_are_not_seen():
    plain = data.local_contrast(IMAGES, 9)
    np.testing.assert_allclose(data.local_contrast(0.6 + 0.3 * IMAGES, 9), plain, atol=1e-4)
    slope = np.linspace(0, 0.5, 40, dtype=np.float32).reshape(1, -1, 1, 1)
    inner = slice(8, -8)
    sloped = data.local_contrast(0.5 * IMAGES + slope, 9)
    np.testing.assert_allclose(sloped[:, inner, inner], plain[:, inner, inner], atol=1e-4)
    # Where nothing varies there is nothing to be seen, and no division by 0.
    even = data.local_contrast(jnp.full((1, 8, 8, 1), 0.3), 5)
    np.testing.assert_allclose(even, 0.5, atol=1e-4)


def test_a_pixel_depends_on_those_within_reach_alone():
    reach = data.local_contrast_reach(7)
    changed = IMAGES.copy()
    changed[:, 20, 16] = 0
    differs = np.abs(data.local_contrast(changed, 7) - data.local_contrast(IMAGES, 7)) > 1e-6
    rows, cols = np.nonzero(differs.any(axis=(0, 3)))
    assert max(abs(rows - 20).max(), abs(cols - 16).max()) == reach == 6


def test_a_window_of_less_than_three_pixels_is_refused():
    with pytest.raises(ValueError, match="`window` .=2. must be at least 3"):
        data.local_contrast(IMAGES, 2)


def test_annotated_micrographs_keep_their_masks():
    micrograph = data.Micrograph(IMAGES[0], "one")
    labels = np.arange(40 * 33, dtype=np.int32).reshape(40, 33)
    seen = data.Annotated(micrograph, labels).in_local_contrast(9)
    np.testing.assert_array_equal(seen.labels, labels)
    one = data.Annotated(micrograph, labels)
    assert one.in_local_contrast(0) is one
    assert seen.name == "one" and isinstance(seen.micrograph.image, np.ndarray)
    np.testing.assert_allclose(seen.micrograph.image, expected(IMAGES[:1], 9)[0], atol=2e-6)
