"""`idml_jax.statistics.phases`: what a phase is, and what is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax import statistics
from idml_jax.statistics import memberships, two_point_correlation, volume_fraction
from idml_jax.statistics.phases import check_axis, check_binary, check_phase

STATISTICS = {
    "volume_fraction": statistics.volume_fraction,
    "two_point_correlation": statistics.two_point_correlation,
    "three_point_correlation": lambda p: statistics.three_point_correlation(
        p, (0,) * jnp.ndim(p), (1,) * jnp.ndim(p)
    ),
    "n_point_window": lambda p: statistics.n_point_window(p, points=3, reach=1),
    "lineal_path": lambda p: statistics.lineal_path(p, axis=0),
    "spectral_density": statistics.spectral_density,
    "correlation_length": statistics.correlation_length,
    "specific_surface": statistics.specific_surface,
    "surface_surface_correlation": statistics.surface_surface_correlation,
    "triangle_correlation": lambda p: statistics.triangle_correlation(p, 1.0, 1.0, 1.0),
    "chord_lengths": lambda p: statistics.chord_lengths(p, axis=0),
    "chord_length_distribution": lambda p: statistics.chord_length_distribution(p, axis=0),
    "label_clusters": statistics.label_clusters,
    "largest_cluster_share": statistics.largest_cluster_share,
    "percolates": lambda p: statistics.percolates(p, axis=0),
    "two_point_cluster": statistics.two_point_cluster,
    "minkowski_functionals": statistics.minkowski_functionals,
    "euler_number": statistics.euler_number,
    "distance_to_interface": statistics.distance_to_interface,
    "pore_size_function": statistics.pore_size_function,
    "local_thickness": statistics.local_thickness,
    "thickness_distribution": statistics.thickness_distribution,
}
COUNT_WHOLE_PIXELS = tuple(STATISTICS)[tuple(STATISTICS).index("chord_lengths") :]
COMPILED = ("chord_length_distribution", "minkowski_functionals", "euler_number")
ON_HOST = tuple(name for name in COUNT_WHOLE_PIXELS if name not in COMPILED)
each_statistic = pytest.mark.parametrize("name", STATISTICS)
stripes = np.tile([[True], [False]], (3, 6))


@each_statistic
@pytest.mark.parametrize(
    ("phase", "error", "message"),
    [
        (np.ones(6, bool), ValueError, "`phase` has 1 axes; a microstructure has 2 or 3"),
        (np.ones((2, 2, 2, 2), bool), ValueError, "`phase` has 4 axes"),
        (np.zeros((0, 5), bool), ValueError, r"`phase` has the shape \(0, 5\), and so no pixels"),
        (stripes.astype(np.int32), TypeError, "a phase is a boolean array, or a float one"),
        (stripes.astype(np.uint8) * 255, TypeError, "a phase is a boolean array, or a float one"),
        (np.where(stripes, np.nan, 0.5), ValueError, "`phase` (has NaN|is not binary)"),
        (stripes * 255.0, ValueError, "`phase` (has values from 0 to 255|is not binary)"),
        (stripes - 0.5, ValueError, "`phase` (has values from -0.5 to 0.5|is not binary)"),
    ],
    ids=["1-D", "4-D", "no pixels", "labels", "grey", "NaN", "above 1", "below 0"],
)
def test_every_statistic_refuses_what_is_no_phase_by_name(name, phase, error, message, unchecked):
    with pytest.raises(error, match=message):
        STATISTICS[name](phase)


@pytest.mark.parametrize("name", [name for name in STATISTICS if name != "triangle_correlation"])
def test_a_wrong_shape_or_type_is_refused_in_a_compiled_function_too(name, unchecked):
    on_host = name in ON_HOST
    error, message = (TypeError, "on the host") if on_host else (ValueError, "`phase` has 1 axes")
    with pytest.raises(error, match=message):
        jax.jit(STATISTICS[name])(jnp.ones(6))


@pytest.mark.parametrize("name", COUNT_WHOLE_PIXELS)
def test_what_counts_whole_pixels_refuses_a_soft_phase(name):
    with pytest.raises(ValueError, match="`phase` is not binary, and this statistic counts whole"):
        STATISTICS[name](np.full((3, 4), 0.5))


@pytest.mark.parametrize("name", ON_HOST)
@pytest.mark.parametrize("transform", [jax.jit, jax.vmap], ids=["jit", "vmap"])
def test_what_runs_on_the_host_refuses_a_traced_phase_with_the_way_out(name, transform):
    statistic = STATISTICS[name]
    with pytest.raises(TypeError, match="`phase` is traced.*on the host: call it outside"):
        transform(lambda phase: statistic(phase))(jnp.ones((3, 4, 5), bool))


@pytest.mark.parametrize("mask", [np.full((6, 6), np.nan), np.full((6, 6), 2.0)], ids=["NaN", "2"])
def test_a_mask_that_is_none_is_refused(mask):
    with pytest.raises(ValueError, match="`mask` has"):
        two_point_correlation(stripes, mask=mask)


def test_a_phase_may_be_nothing_or_everything():
    for whole, value in ((np.zeros((4, 5), bool), 0.0), (np.ones((4, 5), bool), 1.0)):
        np.testing.assert_array_equal(two_point_correlation(whole), np.full((4, 5), value))
        assert float(volume_fraction(whole)) == value


def test_values_that_are_there_are_looked_at_and_traced_ones_let_pass():
    soft = jnp.full((3, 3), 0.5)
    assert check_phase(soft) is soft
    with pytest.raises(ValueError, match="memberships of a phase lie in"):
        check_phase(2 * soft + 0.1)
    jax.jit(lambda phase: check_phase(2 * phase + 0.1))(soft)


def test_zeros_and_ones_in_floats_are_binary_and_nothing_else_is():
    np.testing.assert_array_equal(check_binary(stripes.astype(np.float32)), stripes)
    with pytest.raises(ValueError, match="not binary"):
        check_binary(np.where(stripes, 1.0, 1e-6))
    with pytest.raises(TypeError, match="in a compiled function give a boolean array"):
        jax.jit(check_binary)(jnp.ones((3, 3)))


@pytest.mark.parametrize(("axis", "expected"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_axes_count_from_either_end(axis, expected):
    assert check_axis(axis, (4, 5, 6)) == expected


def test_memberships_are_the_labels_one_by_one():
    labels = np.array([[0, 2, 1], [-1, 2, 0]])
    found = memberships(labels, 3)
    assert found.dtype == bool
    for phase in range(3):
        np.testing.assert_array_equal(found[phase], labels == phase)
    np.testing.assert_array_equal(found.sum(axis=0) == 0, labels == -1)
    compiled = jax.jit(memberships, static_argnums=1)(jnp.asarray(labels), 3)
    np.testing.assert_array_equal(compiled, found)


def test_labels_that_are_none_are_refused(unchecked):
    with pytest.raises(ValueError, match="go up to 3; `count` .=3. must be more"):
        memberships(np.array([[0, 3]]), 3)
    with pytest.raises(TypeError, match="are integers from 0"):
        memberships(np.ones((2, 2)), 2)
