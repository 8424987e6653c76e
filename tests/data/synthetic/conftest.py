"""What the tests of media that are made at random share."""

import numpy as np
import pytest


@pytest.fixture
def follows():
    """Whether realisations, along the first axis, follow a law: within three standard errors."""

    def check(samples, truth):
        samples = np.asarray(samples, float)
        assert len(samples) >= 32
        error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
        assert (error > 0).all()
        excess = np.abs(samples.mean(axis=0) - truth) / error
        assert (excess < 3).all(), excess

    return check
