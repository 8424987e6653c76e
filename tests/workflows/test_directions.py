"""Whether a material has directions, and whether a user is told."""

import numpy as np
import pytest
import scipy.ndimage

from idml_jax import data
from idml_jax.workflows.directions import intercept_ratio, tell_of_directions


def stretched(factor, count=4):
    """Cuts of Gaussian fields, so many times as long along the rows' axis."""
    made = []
    for seed in range(count):
        noise = np.random.default_rng(seed).standard_normal((2, 96, 96))
        field = scipy.ndimage.gaussian_filter(noise[0], (3.0 * factor, 3.0), mode="wrap")
        grey = np.clip(0.5 + 0.3 * np.sign(field) + 0.03 * noise[1], 0, 1)
        made.append(data.Micrograph(np.float32(grey)[..., None], f"{seed}"))
    return made


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_ratio_is_that_of_the_stretch(factor):
    ratio, error = intercept_ratio(stretched(factor))
    assert abs(np.log(ratio / factor)) < max(4 * error, 0.1)


def test_a_user_is_told_only_of_what_is_lost(capfd):
    tell_of_directions(stretched(1.0), "all")
    tell_of_directions(stretched(2.0), "mirrors")
    tell_of_directions(stretched(2.0, count=1), "all")
    assert capfd.readouterr().err == ""
    tell_of_directions(stretched(0.5), "all")
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "times as long along cols as along rows" in error and "--turns mirrors" in error
