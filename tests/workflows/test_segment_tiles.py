"""Tiles of one size: what a network says of images of many sizes, by one compiled program."""

import numpy as np
import pytest
from flax import nnx

from idml_jax import data, evaluation, training
from idml_jax.models import UNet
from idml_jax.training import segmenter as segmenters
from idml_jax.workflows.segment_tiles import FEW_SIZES, Tiled, asked_through

pytestmark = pytest.mark.usefixtures("standard_promotion")

RANDOM = np.random.default_rng(0)
SIZES = ((131, 150), (140, 201), (190, 137), (128, 129))


def segmenter(seed=0, **options):
    network = UNet(1, 3, features=(4, 6), rngs=nnx.Rngs(seed), **options)
    network.eval()
    return training.Segmenter(network, *np.array([[0.5], [0.3]], np.float32), (0, 1, 2))


def annotated(size):
    image = RANDOM.random((*size, 1)).astype(np.float32)
    labels = RANDOM.integers(-1, 3, size).astype(np.int32)
    return data.Annotated(data.Micrograph(image, "x"), labels)


def test_images_of_many_sizes_are_told_as_they_are_by_one_program(monkeypatch):
    given = [annotated(size) for size in SIZES]
    plain = segmenter()
    whole = [plain.predict(one.micrograph.image) for one in given]
    shapes = []
    probabilities = segmenters._probabilities

    def asked(*arguments):
        shapes.append(arguments[-1].shape)
        return probabilities(*arguments)

    monkeypatch.setattr(segmenters, "_probabilities", asked)
    tiled = Tiled(plain, 128)
    for one, expected in zip(given, whole, strict=True):
        # At the borders too.
        np.testing.assert_allclose(tiled.predict(one.micrograph.image), expected, atol=1e-5)
    assert {*shapes} == {(1, 128, 128, 1)} and len(shapes) > 10
    judged = evaluation.judge_pixels(given, through=lambda each: Tiled(each, 128))(plain)
    assert judged == pytest.approx(evaluation.judge_pixels(given)(plain), abs=1e-5)


def test_tiles_are_for_many_sizes_alone():
    few = [annotated((20 + number, 40)) for number in range(40)]
    assert asked_through(few) is None
    many = [annotated((65 * number, 40)) for number in range(1, FEW_SIZES + 2)]
    through = asked_through(many)
    assert through is not None and isinstance(through(segmenter()), Tiled)


def test_a_thinned_network_is_one_in_all_tiles_and_turns_are_of_the_image():
    image = annotated((150, 170)).micrograph.image
    for member in training.thinned_members(segmenter(dropout=0.5), 3):
        np.testing.assert_allclose(
            Tiled(member, 96).predict(image), member.predict(image), atol=1e-5
        )
    whole = training.turned_members(segmenter())
    by_tiles = training.turned_members(Tiled(segmenter(), 96))
    for first, second in zip(whole, by_tiles, strict=True):
        np.testing.assert_allclose(first.predict(image), second.predict(image), atol=1e-5)


@pytest.mark.parametrize("tile", [1, 100, 128])
def test_a_tile_has_room_for_what_it_needs(tile):
    image = annotated((140, 30)).micrograph.image
    assert Tiled(segmenter(), tile).predict(image).shape == (140, 30, 3)
