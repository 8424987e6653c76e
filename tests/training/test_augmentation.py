"""Changes of the images that a discriminator sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.training import augment
from idml_jax.training.augmentation import seen_through, steered

CHANGE = jax.jit(augment, static_argnames="colour")


@pytest.fixture
def images(getkey):
    return jax.random.uniform(getkey(), (64, 8, 12, 2), jnp.float32)


@pytest.mark.parametrize("colour", [True, False])
def test_nothing_changes_at_no_probability(images, getkey, colour):
    found = CHANGE(getkey(), images, jnp.float32(0), colour=colour)
    np.testing.assert_array_equal(found, images)


def test_about_as_many_images_stay_as_no_change_hits(images, getkey):
    images = jnp.concatenate([images] * 16)
    found = CHANGE(getkey(), images, jnp.float32(0.2), colour=True)
    same = (found == images).all(axis=(1, 2, 3)).mean()
    # Six changes; a hole may lie beside what it would hit, never fully beyond the image.
    assert float(same) == pytest.approx(0.8**6, abs=4 * np.sqrt(0.26 * 0.74 / 1024))


def test_changed_memberships_of_phases_still_add_up_to_one(getkey):
    share = jax.random.uniform(getkey(), (32, 8, 8, 1), jnp.float32)
    phases = jnp.concatenate([share, 1 - share], axis=-1)
    found = CHANGE(getkey(), phases, jnp.float32(0.8), colour=False)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
    assert found.min() >= 0
    assert (found != phases).any()


def test_a_change_has_a_derivative_in_the_image(images, getkey):
    key = getkey()

    def total(images):
        return (augment(key, images, jnp.float32(0.7), colour=True) ** 2).sum()

    slope = jax.jit(jax.grad(total))(images)
    direction = jax.random.normal(getkey(), images.shape, images.dtype)
    step = jnp.float32(1e-2)
    ends = [float(total(images + sign * step * direction)) for sign in (1, -1)]
    # Quadratic in the image: a central difference is exact, up to rounding.
    expected = (ends[0] - ends[1]) / 2e-2
    assert float((slope * direction).sum()) == pytest.approx(expected, rel=2e-2, abs=2)


@pytest.mark.parametrize(
    ("angle", "factor", "shift", "expected"),
    [
        (0.0, 1.0, (0.0, 0.0), lambda x: x),
        (np.pi, 1.0, (0.0, 0.0), lambda x: np.rot90(x, 2)),
        (-np.pi / 2, 1.0, (0.0, 0.0), lambda x: np.rot90(x)),
        (0.0, 1.0, (2.0, 0.0), lambda x: np.concatenate([x[2:0:-1], x[:-2]])),
        (0.0, 1.0, (0.0, -1.0), lambda x: np.concatenate([x[:, 1:], x[:, -2:-1]], axis=1)),
    ],
)
def test_turns_and_moves_by_whole_pixels_are_exact_and_mirror_the_border(
    angle, factor, shift, expected
):
    image = np.random.default_rng(0).random((7, 7, 1))
    found = seen_through(*map(jnp.asarray, (image, angle, factor, shift)))
    np.testing.assert_allclose(found, expected(image), atol=1e-9)


def test_an_enlarged_slope_is_less_steep():
    rows = np.broadcast_to(np.arange(9.0)[:, None, None], (9, 5, 1))
    found = seen_through(*map(jnp.asarray, (rows, 0.0, 2.0, (0.0, 0.0))))
    np.testing.assert_allclose(np.asarray(found)[:, 0, 0], 4 + (np.arange(9) - 4) / 2)


@pytest.mark.parametrize(
    ("before", "real", "expected"),
    [
        (0.3, 9, 0.4),  # signs of mean 0.8: overfitting
        (0.3, 7, 0.2),  # of mean 0.4: not
        (0.3, 8, 0.3),  # of mean 0.6: as wanted
        (0.0, 0, 0.0),
        (0.8, 10, 0.8),
    ],
)
def test_the_probability_follows_the_sign_of_the_scores(before, real, expected):
    scores = jnp.where(jnp.arange(10) < real, jnp.float32(3), jnp.float32(-1))
    found = steered(jnp.float32(before), scores, images_to_full=100)
    assert float(found) == pytest.approx(expected, abs=1e-6)
