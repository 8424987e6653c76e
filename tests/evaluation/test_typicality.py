"""Whether one image looks like the material."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from idml_jax import evaluation

SURFACE = next(one for one in evaluation.STANDARD if one.name == "specific surface")
SHARE = evaluation.Descriptor("share", jnp.mean)


def grains(count, seed, width=1.5):
    noise = np.random.default_rng(seed).standard_normal((count, 40, 40))
    return scipy.ndimage.gaussian_filter(noise, (0, width, width), mode="wrap") > 0


def test_images_of_the_material_have_all_shares_alike():
    """As p-values under their null hypothesis have."""
    found = evaluation.typicality(
        grains(80, 0), grains(600, 1), [evaluation.VOLUME_FRACTION, evaluation.TWO_POINT]
    )
    assert scipy.stats.kstest(found.overall, "uniform").pvalue > 0.01
    for shares in found.shares.values():
        assert scipy.stats.kstest(shares, "uniform").pvalue > 0.01


def test_another_material_is_told_by_what_is_different():
    """Stripes of the same volume fraction."""
    fraction, surface = evaluation.VOLUME_FRACTION, SURFACE
    stripes = np.tile((np.arange(40) // 10 % 2 == 0)[:, None], (1, 1, 40))
    found = evaluation.typicality(stripes, grains(60, 1), [fraction, surface])
    assert found.shares[fraction.name][0] > 0.5
    assert found.shares[surface.name][0] == found.overall[0] == 1 / 61


def test_the_smallest_share_is_that_of_the_image_itself():
    material = np.arange(16).reshape(4, 4) < np.arange(6, 11)[:, None, None]
    found = evaluation.typicality(np.zeros((1, 4, 4), bool), material, [SHARE])
    assert found.overall.tolist() == [1 / 6]


def test_what_has_no_value_is_left_out():
    """A mean diameter where there is no particle; the other descriptor decides."""

    def third(phase):
        return jnp.where(phase.any(), jnp.mean(phase) * 3, jnp.nan)

    material = np.arange(16).reshape(4, 4) < np.array([0, 1, 2, 3])[:, None, None]
    judged = np.zeros((1, 4, 4), bool)
    both = [SHARE, evaluation.Descriptor("third", third)]
    found = evaluation.typicality(judged, material, both)
    assert np.isnan(found.shares["third"]).all()
    assert found.overall.tolist() == found.shares["share"].tolist() == [3 / 5]


def test_too_few_images_of_the_material_are_refused():
    with pytest.raises(ValueError, match="holds 2 images"):
        evaluation.typicality(grains(1, 0), grains(2, 1), [SHARE])
