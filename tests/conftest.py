"""Settings of the whole suite, and what many tests share."""

import itertools
import os
import pathlib

# A user never sees XLA's harmless warnings about cached programs; neither does a test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

REAL_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def getkey():
    """A new random key at each call, the same ones at each run."""
    counter = itertools.count()
    return lambda: jax.random.key(next(counter))


@pytest.fixture
def standard_promotion():
    """For code that runs optax.adam, which mixes int32 and float."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def unchecked():
    """As it runs for a user: without the tests' own check of every annotation."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def real_data():
    """The folder of real micrographs beside the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real micrographs are not beside the project ({REAL_DATA})")
    return REAL_DATA
