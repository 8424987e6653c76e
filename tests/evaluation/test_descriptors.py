"""`idml_jax.evaluation.descriptors` against the statistics that they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import statistics
from idml_jax.evaluation import STANDARD, Descriptor, describe
from idml_jax.properties import Conductivity, Property

PHASES = np.random.default_rng(0).random((5, 12, 16)) < np.linspace(0.2, 0.8, 5)[:, None, None]


def expected(phase):
    """Each statistic by its own function, one image at a time and without wrapping."""
    shape = phase.shape
    found = {
        "volume fraction": phase.mean(),
        "two-point correlation": statistics.radial_average(
            statistics.two_point_correlation(phase, periodic=False)
        )[1],
        "two-point cluster function": statistics.radial_average(
            statistics.two_point_cluster(phase, periodic=False)
        )[1],
        "specific surface": statistics.specific_surface(phase, periodic=False),
    }
    for axis, name in enumerate(("rows", "cols")):
        path = statistics.lineal_path(phase, axis=axis, periodic=False)
        found[f"lineal path along {name}"] = path[: shape[axis] // 2 + 1]
        chords = statistics.chord_lengths(phase, axis=axis)
        lengths = np.arange(1, shape[axis] + 1)
        found[f"chord lengths along {name}"] = np.mean(chords[:, None] <= lengths, axis=0)
    functionals = statistics.minkowski_functionals(phase, periodic=False)
    found["perimeter per area"] = functionals.perimeter / phase.size
    found["Euler number per area"] = functionals.euler_number / phase.size
    table = statistics.particle_table(phase)
    diameters, areas = table["equivalent_diameter"], table["area"]
    found["mean particle diameter"] = diameters.mean()
    steps = np.arange(1, 17)
    found["particle diameters"] = [areas[diameters <= d + 1e-9].sum() / areas.sum() for d in steps]
    return found


def test_each_is_the_statistic_of_its_name():
    found = describe(PHASES, STANDARD)
    assert set(found) == {one.name for one in STANDARD} == set(expected(PHASES[0]))
    for k, phase in enumerate(PHASES):
        for name, value in expected(phase).items():
            np.testing.assert_allclose(found[name][k], value, rtol=1e-12, atol=1e-12, err_msg=name)


def test_curves_say_where_their_values_are():
    found = describe(PHASES, STANDARD)
    for one in STANDARD:
        if one.at is None:
            assert found[one.name].shape == (5,)
        else:
            assert found[one.name].shape == (5, len(one.at((12, 16))))
    at = {one.name: one.at((12, 16)) for one in STANDARD if one.at is not None}
    np.testing.assert_allclose(
        at["two-point correlation"], statistics.radial_average(np.zeros((12, 16)))[0], rtol=1e-12
    )
    assert at["lineal path along rows"].tolist() == list(range(7))
    assert at["chord lengths along cols"].tolist() == list(range(1, 17))


def test_batches_do_not_change_the_values(monkeypatch):
    monkeypatch.setattr("idml_jax.evaluation.descriptors.BATCH_PIXELS", 2 * 12 * 16)
    one_by_two = describe(PHASES, STANDARD)
    monkeypatch.setattr("idml_jax.evaluation.descriptors.BATCH_PIXELS", 2**18)
    together = describe(PHASES, STANDARD)
    for name, values in together.items():
        np.testing.assert_array_equal(one_by_two[name], values, err_msg=name)


def test_what_an_image_does_not_have_is_nan():
    found = describe(np.zeros((1, 8, 8), bool), STANDARD)
    missing = {name for name, values in found.items() if np.isnan(values).any()}
    assert missing == {
        "chord lengths along rows",
        "chord lengths along cols",
        "mean particle diameter",
        "particle diameters",
    }


def test_properties_share_what_is_solved_for():
    calls = []

    def solve(phase):
        calls.append(1)
        return jnp.mean(phase.astype(float)), phase

    pair = [
        Property(lambda solved: solved[0], "share", solve=solve),
        Property(lambda solved: 2 * solved[0], "twice the share", solve=solve),
    ]
    found = describe(PHASES, [Descriptor.of(one) for one in pair])
    assert len(calls) == 1  # traced once, for all images and both properties
    np.testing.assert_allclose(found["share"], PHASES.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found["twice the share"], 2 * found["share"], rtol=1e-12)


def test_a_property_is_the_same_as_of_one_image():
    along = Conductivity(phases=(1.0, 5.0)).along("rows")
    found = describe(PHASES[:, :8, :8], [Descriptor.of(along)])[along.name]
    each = jax.jit(along)
    np.testing.assert_allclose(found, [each(phase[:8, :8]) for phase in PHASES], rtol=1e-5)


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="give each a name of its own"):
        describe(PHASES, [STANDARD[0], STANDARD[0]])
