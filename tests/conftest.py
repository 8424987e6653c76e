"""Settings of the whole suite, and what many tests share."""

import itertools
import os
import pathlib

# A user never sees XLA's harmless warnings about cached programs; neither does a test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jaxlib
import jaxtyping
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    """Compile in a third of the time: what the tests compute takes less than to compile it.

    XLA's newer emitters of fused loops, and LLVM's optimizations, are left out; modules that use
    `optimized`, and the slow proofs, compute for long and have the latter. A flag that XLA does
    not know ends the process, and later versions do not know this one.
    """
    os.environ.setdefault("XLA_FLAGS", "")
    if jaxlib.__version__.startswith("0.10."):
        os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
    if config.option.markexpr == "not slow":
        # Of subprocesses too.
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def optimized():
    """For modules that compute for longer than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    quick = "JAX_DISABLE_MOST_OPTIMIZATIONS" in os.environ
    jax.config.update("jax_disable_most_optimizations", quick)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_let_go():
    """Each compiled program takes maps of memory, of which a process has 65530: so many tests do.

    Programs are shared within a module, and hardly between them.
    """
    yield
    jax.clear_caches()


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
