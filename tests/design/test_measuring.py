"""From latents to numbers: batches, gradients, several devices."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import design, properties, statistics
from idml_jax.errors import InputError


class Waves:
    """Images of three cosines, whose weights the latents are."""

    latent_features = 3

    def __call__(self, latents):
        latents = jnp.asarray(latents, float)
        rows, cols = jnp.meshgrid(jnp.arange(8.0), jnp.arange(8.0), indexing="ij")
        angles = 2 * jnp.pi * jnp.stack([rows, cols, rows + cols]) / 8
        field = jnp.einsum("bk,krc->brc", latents, jnp.cos(angles).astype(float))
        return 0.5 + 0.2 * field[..., None]


LATENTS = design.random_latents(5, 3, seed=0)
ALONG = properties.Conductivity((1.0, 5.0))
BOTH = design.Aim.of([design.Objective("maximize", of=name) for name in ("rows", "cols")])
PROPERTIES = {"rows": ALONG.along("rows"), "cols": ALONG.along("cols")}


def test_values_are_those_of_each_image_in_the_order_of_the_aim():
    found = design.Measured(Waves(), PROPERTIES, batch=4).measure(LATENTS, BOTH).values
    for latent, values in zip(LATENTS, found, strict=True):
        phase = statistics.bright_phase(Waves()(latent[None])[0])
        np.testing.assert_allclose(values, np.diag(ALONG.tensor(phase)), rtol=1e-5)


def test_what_several_outputs_are_read_from_is_solved_once():
    calls = []

    def solve(phase):
        calls.append(phase)
        return jnp.stack([jnp.mean(phase, dtype=float), jnp.mean(~phase, dtype=float)])

    named = {
        name: properties.Property(lambda both, place=place: both[place], name, solve=solve)
        for place, name in enumerate(("rows", "cols"))
    }
    found = design.Measured(Waves(), named).measure(LATENTS, BOTH).values
    assert len(calls) == 1
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_slopes_are_those_of_the_score_of_the_soft_phase():
    aim = design.Aim.of(design.Objective("target", 3.0, of="rows"))
    measured = design.Measured(Waves(), PROPERTIES)
    found = measured.measure(LATENTS, aim, slopes=True).slopes

    def score(latent):
        phase = statistics.soft_phase(Waves()(latent[None])[0])
        return -abs(float(PROPERTIES["rows"](phase)) - 3.0)

    step = 1e-3
    for latent, slope in zip(LATENTS.astype(float), found, strict=True):
        expected = [
            (score(latent + step * unit) - score(latent - step * unit)) / (2 * step)
            for unit in np.eye(3)
        ]
        np.testing.assert_allclose(slope, expected, rtol=0.02, atol=2e-3)


def test_a_constraint_that_is_missed_pulls_back():
    share = {"rows": PROPERTIES["rows"], "share": statistics.volume_fraction}
    aim = design.Aim(
        (design.Objective("maximize", of="rows"),), (design.Constraint("share", high=0.1),)
    )
    only = design.Aim.of(design.Objective("minimize", of="share"))
    measured = design.Measured(Waves(), share)
    found = measured.measure(LATENTS, aim, slopes=True).slopes
    downwards = measured.measure(LATENTS, only, slopes=True).slopes
    cosines = (found * downwards).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosines / np.linalg.norm(downwards, axis=1) > 0.99).all()


def test_what_cannot_be_traced_is_measured_one_after_the_other():
    """Beside what can be, in the order of the aim; of it the score has no slope."""
    seen = []

    def rows_filled(phase):
        assert isinstance(phase, np.ndarray) and phase.dtype == bool
        seen.append(phase)
        return phase.any(axis=1).mean()

    plain = properties.Property(rows_filled, "rows filled", compiled=False)
    grey = {"grey": lambda image: jnp.mean(image)}
    measured = design.Measured(Waves(), PROPERTIES | {"filled": plain}, grey, batch=2)
    constraint = design.Constraint("filled", low=0.9)
    named = [design.Objective("maximize", of=name) for name in ("grey", "rows")]
    found = measured.measure(LATENTS, design.Aim(tuple(named), (constraint,))).values
    assert len(seen) == len(LATENTS)
    images = np.asarray(Waves()(LATENTS))[..., 0]
    np.testing.assert_allclose(found[:, 0], images.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 2], (images > 0.5).any(axis=2).mean(axis=1))
    aims = [design.Aim((named[1],), each) for each in ((constraint,), ())]
    slopes = [measured.measure(LATENTS, aim, slopes=True).slopes for aim in aims]
    np.testing.assert_allclose(*slopes, rtol=1e-4)
    with pytest.raises(InputError, match="filled: counts whole pixels, and has no slope"):
        filled = design.Aim.of(design.Objective("maximize", of="filled"))
        measured.measure(LATENTS, filled, slopes=True)


def test_a_name_that_nothing_measures_is_refused():
    with pytest.raises(ValueError, match="no property is called other; there are rows, cols"):
        design.Measured(Waves(), PROPERTIES).measure(
            LATENTS, design.Aim.of(design.Objective("maximize", of="other"))
        )


def test_four_devices_measure_what_one_does():
    script = """
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from tests.design.test_measuring import BOTH, LATENTS, PROPERTIES, Waves
from idml_jax import design
assert len(jax.devices()) == 4
found = design.Measured(Waves(), PROPERTIES, batch=8).measure(LATENTS, BOTH, slopes=True)
print(np.concatenate([found.values, found.slopes], axis=1).tolist())
"""
    root = pathlib.Path(__file__).resolve().parents[2]
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=240,
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    here = design.Measured(Waves(), PROPERTIES, batch=8).measure(LATENTS, BOTH, slopes=True)
    assert len(jax.devices()) == 1
    expected = np.concatenate([here.values, here.slopes], axis=1)
    np.testing.assert_allclose(np.array(json.loads(done.stdout)), expected, rtol=1e-4, atol=1e-5)
