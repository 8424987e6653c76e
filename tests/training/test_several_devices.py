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

SEGMENTER = """
import dataclasses
import sys
import jax
sys.path.insert(0, sys.argv[2])
from test_segmentation import CLASSES, RECIPE, annotated
from idml_jax import evaluation, training
assert jax.device_count() == int(sys.argv[3])
judge = evaluation.judge_pixels(annotated(1, seed=5))
recipe = dataclasses.replace(RECIPE, {options})
training.train_segmenter(annotated(2), CLASSES, recipe, run=sys.argv[1], judge=judge)
"""


def records_on(script, folder):
    """Of the same training on one device and on four."""
    records = []
    for devices in (1, 4):
        run = folder / str(devices)
        flags = f"--xla_force_host_platform_device_count={devices}"
        subprocess.run(
            [sys.executable, "-c", script, run, os.path.dirname(__file__), str(devices)],
            env={**os.environ, "XLA_FLAGS": flags, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
        )
        records.append(training.read_records(run))
    assert [each["step"] for each in records[0]] == [each["step"] for each in records[1]]
    return records


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ("optimizer='adam'", 5e-3),
        # Muon makes steps of what is no more than rounding as large as all others: in the end two
        # trainings differ by a point or two, but the first losses are the same.
        ("optimizer='muon', steps=8, judge_every=1", 1e-4),
    ],
)
def test_a_segmenter_on_four_devices_is_one_on_one(options, tolerance, tmp_path):
    """Its batches are normalized over all devices, and the best of it is kept."""
    tolerances = {"loss": tolerance}
    script = SEGMENTER.format(options=options)
    for one, four in zip(*records_on(script, tmp_path), strict=True):
        assert one.keys() == four.keys()
        for name in one.keys() - {"step", "images_per_second"}:
            atol = tolerances.get(name, 0.02)
            np.testing.assert_allclose(four[name], one[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.slow
def test_four_devices_have_the_losses_of_one(tmp_path):
    for one, four in zip(*records_on(SCRIPT, tmp_path), strict=True):
        for name in ("generator_loss", "discriminator_loss", "gradient_penalty", "diversity"):
            np.testing.assert_allclose(four[name], one[name], rtol=1e-3, err_msg=name)


def test_a_batch_that_one_device_takes_needs_no_more():
    assert device_mesh((3, 5)).size == 1
