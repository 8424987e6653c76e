"""Changes of annotated images: the mask moves with the image, and greys keep it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data import Changes

pytestmark = pytest.mark.usefixtures("standard_promotion")


def smooth(count=3, side=48):
    """Images whose sign is their label: any difference between the two shows."""
    at = np.arange(side) * 2 * np.pi / 16
    phases = np.random.default_rng(0).uniform(0, 6, (count, 2, 1))
    waves = np.sin(at + phases[:, 0])[:, :, None] + np.sin(at + phases[:, 1])[:, None, :]
    images = waves[..., None].astype(np.float32)
    return images, (images[..., 0] > 0).astype(np.int32)


@pytest.mark.parametrize("changes", [Changes(zoom=0.4), Changes(angle=30.0), Changes(elastic=3.0)])
def test_mask_and_image_are_moved_alike(changes):
    images, labels = smooth()
    seen, moved = changes(jax.random.key(0), images, labels)
    known = np.asarray(moved) >= 0
    assert abs(np.asarray(seen) - images).max() > 0.5
    # Within a pixel of a boundary the two are read between other pixels.
    sure = known & (abs(np.asarray(seen)[..., 0]) > 0.5)
    assert sure.mean() > 0.2
    np.testing.assert_array_equal(np.asarray(moved)[sure], (np.asarray(seen)[sure] > 0)[:, 0])


def test_what_comes_in_from_beyond_the_border_is_not_annotated():
    images, labels = smooth(count=64)
    _, moved = Changes(zoom=0.5)(jax.random.key(1), images, labels)
    beyond = (np.asarray(moved) == -1).mean(axis=(1, 2))
    # Half of them are made smaller, and get a frame; the others none.
    assert 0.3 < (beyond > 0).mean() < 0.7
    framed = np.asarray(moved)[beyond > 0.2]
    assert (framed[:, 0] == -1).all() and (framed[:, 24, 24] >= 0).all()


def test_greys_change_by_a_line_and_the_mask_stays():
    images, labels = smooth(count=8)
    seen, same = Changes(brightness=0.5, contrast=0.5)(jax.random.key(0), images, labels)
    np.testing.assert_array_equal(same, labels)
    for one, other in zip(images, np.asarray(seen), strict=True):
        slope, offset = np.polyfit(one.ravel(), other.ravel(), 1)
        assert slope > 0
        np.testing.assert_allclose(slope * one + offset, other, atol=1e-4)


def test_noise_is_of_no_more_than_its_strength_and_differs_from_pixel_to_pixel():
    images, labels = smooth(count=200)
    seen, _ = Changes(noise=0.5)(jax.random.key(0), images, labels)
    deviations = (np.asarray(seen) - images).std(axis=(1, 2, 3))
    assert deviations.max() < 0.52
    assert deviations.mean() == pytest.approx(0.25, abs=0.03)


def test_without_changes_nothing_changes():
    images, labels = smooth()
    seen, same = Changes()(jax.random.key(0), images, labels)
    np.testing.assert_array_equal(seen, images)
    np.testing.assert_array_equal(same, labels)


def test_it_compiles_and_depends_on_its_key_alone():
    images, labels = map(jnp.asarray, smooth())
    changes = Changes(zoom=0.2, angle=9.0, elastic=2.0, brightness=0.2, contrast=0.2, noise=0.1)
    compiled = jax.jit(changes)
    one, again, other = (compiled(jax.random.key(seed), images, labels)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert float(abs(one - other).max()) > 0.1


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Changes)])
def test_negative_changes_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Changes(**{name: -0.1})
