"""Grey micrographs of labels, and the statistics of their defects."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from jax.test_util import check_grads

from idml_jax.data.synthetic import render_micrograph

# One shape for all, as each choice of defects is compiled once for a shape.
SHAPE = (200, 210)
LABELS = np.random.default_rng(0).integers(0, 3, SHAPE)
GREYS = (0.2, 0.5, 0.7)
DEFECTS = ["blur", "uneven_light", "curtaining", "charging", "shot_noise", "noise"]


def rendered(key, labels=LABELS, greys=GREYS, **defects):
    return np.asarray(render_micrograph(key, labels, greys=greys, **defects))[..., 0]


def flat(key, grey, **defects):
    return rendered(key, np.zeros(SHAPE, int), (grey,), **defects)


def test_without_defects_it_is_the_greys(getkey):
    image = render_micrograph(getkey(), LABELS, greys=GREYS)
    assert image.shape == (*SHAPE, 1) and image.dtype == jnp.float32
    np.testing.assert_array_equal(image[..., 0], np.array(GREYS, np.float32)[LABELS])
    phase = LABELS == 1
    np.testing.assert_array_equal(
        rendered(getkey(), phase, (0.25, 0.75)), np.where(phase, 0.75, 0.25)
    )
    np.testing.assert_array_equal(rendered(getkey(), LABELS, jnp.array(GREYS)), image[..., 0])


def test_blur_is_scipys_gaussian(getkey):
    found = rendered(getkey(), blur=1.7)
    expected = scipy.ndimage.gaussian_filter(np.array(GREYS)[LABELS], 1.7, mode="reflect")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("grey", [0.3, 0.6])
def test_noise_is_normal_and_of_its_deviation_whatever_the_grey(grey, getkey):
    image = flat(getkey(), grey, noise=0.05)
    n = image.size
    assert abs(image.mean() - grey) < 3 * 0.05 / np.sqrt(n)
    assert abs(image.std() - 0.05) < 3 * 0.05 / np.sqrt(2 * n)
    deviations = (image - grey) / 0.05
    # The fourth moment of a normal variable is 3, its variance 96.
    assert abs((deviations**4).mean() - 3) < 3 * np.sqrt(96 / n)
    for axis in (0, 1):
        neighbours = (deviations * np.roll(deviations, 1, axis)).mean()
        assert abs(neighbours) < 3 / np.sqrt(n)


@pytest.mark.parametrize("grey", [0.1, 0.3, 0.6])
def test_shot_noise_has_a_variance_that_goes_with_the_grey(grey, getkey):
    image = flat(getkey(), grey, shot_noise=0.1)
    n, mean = image.size, grey / 0.1**2
    counts = image / 0.1**2
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    assert abs(counts.mean() - mean) < 3 * np.sqrt(mean / n)
    # The fourth central moment of a Poisson variable is 3 m^2 + m.
    error = np.sqrt((3 * mean**2 + mean - mean**2) / n)
    assert abs(counts.var() - mean) < 3 * error


def test_uneven_light_is_smooth_and_strays_by_just_its_strength(getkey):
    for _ in range(5):
        light = flat(getkey(), 0.5, uneven_light=0.3) / 0.5 - 1
        assert np.abs(light).max() == pytest.approx(0.3, abs=1e-6)
        # A polynomial of second order has no third differences.
        for axis in (0, 1):
            assert np.abs(np.diff(light, 3, axis)).max() < 1e-5
        assert light.std() > 0.02


def test_curtaining_stands_in_columns_and_has_its_deviation(getkey):
    image = flat(getkey(), 0.5, curtaining=0.1)
    np.testing.assert_array_equal(image, np.broadcast_to(image[:1], image.shape))
    stripes = image[0] / 0.5 - 1
    assert stripes.std() == pytest.approx(0.1, rel=1e-4)
    assert stripes.mean() == pytest.approx(0, abs=1e-6)
    # White noise under a Gaussian of 1.5 pixels: a correlation of exp(-r^2 / (4 * 1.5^2)).
    beside = [(stripes[r:] * stripes[: len(stripes) - r]).mean() / 0.01 for r in (2, 12)]
    assert beside[0] == pytest.approx(np.exp(-4 / 9), abs=0.15)
    assert abs(beside[1]) < 0.4


def test_charging_begins_bright_and_decays_along_its_row(getkey):
    image = np.concatenate([flat(getkey(), 0.3, charging=0.4) for _ in range(20)])
    streaked = image.max(axis=1) > 0.31
    assert abs(streaked.mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / len(image))
    for row in image[streaked]:
        start = row.argmax()
        assert (row[:start] == np.float32(0.3)).all()
        behind = np.arange(SHAPE[1] - start)
        expected = 0.3 + 0.4 * np.exp(-8 * behind / SHAPE[1])
        np.testing.assert_allclose(row[start:], expected, atol=1e-6)
    assert (image[~streaked] == np.float32(0.3)).all()


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_its_own_whichever_others_there_are(defect, getkey):
    """Zero is its absence; from zero on it grows without a jump; one key makes one image."""
    key = getkey()
    clean = rendered(key)
    np.testing.assert_array_equal(rendered(key, **{defect: 0.0}), clean)
    small = rendered(key, **{defect: 1e-2 if defect == "blur" else 1e-3})
    assert np.abs(small - clean).max() < 0.01
    strength = {defect: 0.2}
    np.testing.assert_array_equal(rendered(key, **strength), rendered(key, **strength))
    if defect != "blur":
        assert (rendered(key, **strength) != rendered(getkey(), **strength)).any()
    if defect in ("uneven_light", "charging"):
        # Noise comes after the others and does not change with them.
        image, noisy = rendered(key, **strength), rendered(key, noise=0.01, **strength)
        within = (image > 0.05) & (image < 0.95)
        noise = rendered(key, noise=0.01) - clean
        np.testing.assert_allclose((noisy - image)[within], noise[within], atol=1e-6)


def test_all_together_stay_in_range_and_are_made_in_a_batch(getkey):
    # All but shot noise, which takes long to compile.
    strengths = {name: 0.3 for name in DEFECTS if name != "shot_noise"}
    make = functools.partial(render_micrograph, greys=GREYS, **strengths)
    images = jax.vmap(make, in_axes=(0, None))(jax.random.split(getkey(), 2), LABELS)
    assert images.shape == (2, *SHAPE, 1)
    assert float(images.min()) == 0 and float(images.max()) == 1
    assert (images[0] != images[1]).any()


def test_a_compiled_one_is_the_same(getkey):
    key = getkey()
    make = functools.partial(render_micrograph, greys=GREYS, blur=1.0, noise=0.05)
    found = jax.jit(make)(key, LABELS)
    np.testing.assert_allclose(found[..., 0], rendered(key, blur=1.0, noise=0.05), atol=1e-6)


def test_it_is_differentiable_in_the_greys(getkey):
    key = getkey()

    @jax.jit
    def mean_square(greys):
        image = render_micrograph(
            key, LABELS, greys=greys, blur=1.0, uneven_light=0.2, charging=0.1
        )
        return jnp.mean(image**2)

    greys = jnp.array(GREYS, jnp.float32)
    check_grads(mean_square, (greys,), order=1, modes=["rev"], atol=1e-2, rtol=1e-2, eps=1e-2)


def test_what_cannot_be_rendered_is_refused(getkey, unchecked):
    for labels, greys, error, message in [
        (LABELS, (0.1, 0.2), ValueError, "`labels` run from 0 to 2, and `greys` .* 0 to 1"),
        (LABELS - 1, GREYS, ValueError, "`labels` run from -1"),
        (LABELS, (0.1, 0.2, 1.2), ValueError, r"`greys` must lie in \[0, 1\]"),
        (LABELS, (0.1, 0.2, np.nan), ValueError, "`greys`"),
        (LABELS[None], GREYS, ValueError, "`labels` has 3 axes"),
        (LABELS[:0], GREYS, ValueError, "at least one pixel"),
        (LABELS / 2, GREYS, TypeError, "`labels` are float64"),
    ]:
        with pytest.raises(error, match=message):
            render_micrograph(getkey(), labels, greys=greys)
    for defect in DEFECTS:
        with pytest.raises(ValueError, match=f"`{defect}`"):
            render_micrograph(getkey(), LABELS, greys=GREYS, **{defect: -0.1})
