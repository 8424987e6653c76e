"""Whether a user is told that micrographs were taken in different light, and only then."""

import numpy as np
import pytest

from idml_jax import data
from idml_jax.workflows.light import tell_of_light


def taken(*lights):
    """Noise of so much brightness and contrast."""
    random = np.random.default_rng(0)
    return [
        data.Micrograph(np.float32(mean + spread * random.standard_normal((60, 80, 1))), f"{mean}")
        for mean, spread in lights
    ]


@pytest.mark.parametrize(
    ("lights", "local_contrast", "told"),
    [
        (((0.5, 0.1), (0.52, 0.12)), 0, ()),
        (((0.3, 0.05), (0.7, 0.05)), 0, ("in brightness by 5.",)),
        (((0.3, 0.05), (0.7, 0.05)), 31, ()),
        (((0.5, 0.02), (0.5, 0.2)), 0, ("in contrast by up to 10 times",)),
        (((0.3, 0.01), (0.7, 0.1)), 0, ("in brightness by", " and in contrast by up to")),
        (((0.3, 0.05),), 0, ()),
        # Nothing is to be seen in them, and nothing is divided by 0.
        (((0.3, 0.0), (0.7, 0.0)), 0, ()),
    ],
)
def test_a_user_is_told_of_light_that_differs(lights, local_contrast, told, capfd):
    tell_of_light(taken(*lights), local_contrast)
    error = capfd.readouterr().err
    assert error.count("\n") == bool(told)
    assert all(each in error for each in told)
    assert not told or "--local-contrast 30" in error
