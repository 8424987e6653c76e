"""Tiles: the same answer as of the whole image, whatever the sizes, and never more in memory."""

import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from idml_jax.integration import predict_in_tiles
from idml_jax.models import UNet
from idml_jax.training import Segmenter


def blurred(image):
    """The mean over 7 x 7 pixels, of what an image has of them: it reaches 3 pixels far."""
    padded = np.pad(image, ((3, 3), (3, 3), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
    return windows.mean(axis=(-2, -1))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 90),
    cols=st.integers(1, 90),
    halo=st.integers(3, 6),
    overlap=st.integers(0, 8),
    extra=st.integers(1, 4),
    multiple=st.sampled_from([1, 2, 4]),
)
def test_every_pixel_is_as_in_the_whole_image(rows, cols, halo, overlap, extra, multiple):
    image = np.random.default_rng(0).random((rows, cols, 2))
    tile = 2 * halo + overlap + extra * multiple
    tile += -tile % multiple
    found = predict_in_tiles(
        blurred, image, tile=tile, halo=halo, overlap=overlap, multiple=multiple
    )
    np.testing.assert_allclose(found, blurred(image), atol=1e-12)


def test_a_tile_is_all_that_is_asked_at_a_time():
    sizes = []

    def asked(part):
        sizes.append(part.shape[:2])
        return part

    done = []
    image = np.zeros((100, 70, 1))
    options = {"tile": 32, "halo": 4, "overlap": 4, "multiple": 4}
    predict_in_tiles(asked, image, progress=lambda *at: done.append(at), **options)
    assert max(max(size) for size in sizes) == 32
    assert done[-1] == (len(sizes), len(sizes)) and len(sizes) > 10
    sizes.clear()
    predict_in_tiles(asked, image[:32, :30], **options)
    assert sizes == [(32, 30)]


def test_a_halo_that_is_too_small_shows():
    """The check of the first test can fail: what a tile does not see is missed."""
    image = np.random.default_rng(0).random((60, 60, 1))
    found = predict_in_tiles(blurred, image, tile=20, halo=1, overlap=2, multiple=1)
    assert abs(found - blurred(image)).max() > 1e-3


@pytest.mark.parametrize("window", [0, 9])
def test_a_network_says_the_same_by_tiles(window, standard_promotion):
    network = UNet(1, 3, features=(4, 6, 8), rngs=nnx.Rngs(0))
    network.eval()
    mean, deviation = np.array([[0.4], [0.2]], np.float32)
    segmenter = Segmenter(network, mean, deviation, (0, 1, 2), window=window)
    image = np.random.default_rng(0).random((150, 170, 1)).astype(np.float32)
    halo = segmenter.reach + -segmenter.reach % segmenter.multiple
    found = predict_in_tiles(
        segmenter.predict, image, tile=96, halo=halo, overlap=8, multiple=segmenter.multiple
    )
    whole = segmenter.predict(image)
    # At the right and below, the whole image is continued further than its last tiles.
    np.testing.assert_allclose(found[:-halo, :-halo], whole[:-halo, :-halo], atol=1e-5)
    np.testing.assert_allclose(found, whole, atol=0.05)


@pytest.mark.parametrize("options", [{"tile": 16, "halo": 8}, {"tile": 33, "multiple": 32}])
def test_tiles_without_room_are_refused(options):
    with pytest.raises(ValueError, match="`tile`"):
        predict_in_tiles(blurred, np.zeros((64, 64, 1)), **({"halo": 4, "overlap": 4} | options))
