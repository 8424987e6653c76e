"""A training on four devices is one on a single device, up to rounding."""

import os
import subprocess
import sys

import numpy as np
import pytest

from idml_jax import training
from idml_jax.training.devices import device_mesh

SCRIPT = """
import sys
import jax
sys.path.insert(0, sys.argv[2])
from test_progressive_gan import TINY, two_micrographs
from idml_jax import training
assert jax.device_count() == int(sys.argv[3])
gan = training.train_progressive_gan(two_micrographs(), run=sys.argv[1], recipe=TINY)
"""


@pytest.mark.slow
def test_four_devices_have_the_losses_of_one(tmp_path):
    records = []
    for devices in (1, 4):
        run = tmp_path / str(devices)
        flags = f"--xla_force_host_platform_device_count={devices}"
        subprocess.run(
            [sys.executable, "-c", SCRIPT, run, os.path.dirname(__file__), str(devices)],
            env={**os.environ, "XLA_FLAGS": flags, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
        )
        records.append(training.read_records(run))
    assert [each["step"] for each in records[0]] == [each["step"] for each in records[1]]
    for one, four in zip(*records, strict=True):
        for name in ("generator_loss", "discriminator_loss", "gradient_penalty", "diversity"):
            np.testing.assert_allclose(four[name], one[name], rtol=1e-3, err_msg=name)


def test_a_batch_that_one_device_takes_needs_no_more():
    assert device_mesh((3, 5)).size == 1
