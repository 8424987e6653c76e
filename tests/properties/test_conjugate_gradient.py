"""`idml_jax.properties.conjugate_gradient` against dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.properties import conjugate_gradient


def random_matrix(seed, size, *, rank=None):
    """Symmetric, with eigenvalues between 1 and 10, and zeros where the rank is not full."""
    generator = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(generator.normal(size=(size, size)))
    eigenvalues = generator.uniform(1, 10, size) * (np.arange(size) < (rank or size))
    return basis * eigenvalues @ basis.T


def solve(matrix, load, precondition=lambda residual: residual, **options):
    options = {"tolerance": 1e-12, "max_iterations": 200} | options
    shape = load.shape

    def operator(x):
        return (matrix @ x.ravel()).reshape(shape)

    found = conjugate_gradient(operator, jnp.asarray(load), precondition, **options)
    return found.x, found.converged


@pytest.mark.parametrize("seed", range(5))
def test_definite_systems_are_solved_as_numpy_solves_them(seed):
    matrix, load = random_matrix(seed, 12), np.random.default_rng(seed + 100).normal(size=(3, 4))
    x, converged = solve(matrix, load)
    assert converged
    expected = np.linalg.solve(matrix, load.ravel()).reshape(load.shape)
    np.testing.assert_allclose(x, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_semidefinite_systems_are_solved_with_the_least_norm(seed):
    """A load in the operator's range, as a divergence is, has the pseudo-inverse's answer."""
    matrix = random_matrix(seed, 12, rank=9)
    load = matrix @ np.random.default_rng(seed + 100).normal(size=12)
    x, converged = solve(matrix, load)
    assert converged
    np.testing.assert_allclose(x, np.linalg.pinv(matrix) @ load, rtol=1e-8, atol=1e-9)


def test_an_exact_preconditioner_needs_one_iteration():
    matrix, load = random_matrix(0, 12), np.random.default_rng(1).normal(size=12)
    inverse = np.linalg.inv(matrix)
    x, converged = solve(matrix, load, lambda r: inverse @ r, max_iterations=1, tolerance=1e-10)
    assert converged
    np.testing.assert_allclose(x, inverse @ load, rtol=1e-10, atol=1e-12)


def test_as_many_iterations_as_distinct_eigenvalues_suffice():
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    matrix = basis * np.repeat([1.0, 4.0, 9.0], 4) @ basis.T
    load = np.random.default_rng(1).normal(size=12)
    assert solve(matrix, load, max_iterations=3, tolerance=1e-10)[1]
    assert not solve(matrix, load, max_iterations=2, tolerance=1e-10)[1]


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_what_it_calls_converged_has_the_residual_asked_for(tolerance):
    matrix, load = random_matrix(2, 30), np.random.default_rng(3).normal(size=30)
    x, converged = solve(matrix, load, tolerance=tolerance)
    residual = np.linalg.norm(load - matrix @ x) / np.linalg.norm(load)
    assert converged and residual <= tolerance * (1 + 1e-6)


def test_a_load_of_zero_has_the_answer_zero():
    x, converged = solve(random_matrix(0, 6), np.zeros(6))
    assert converged and (np.asarray(x) == 0).all()


def test_an_indefinite_breakdown_is_not_called_converged():
    """The first direction has zero energy: there is no step along it."""
    x, converged = solve(np.diag([1.0, -1.0]), np.ones(2))
    assert not converged


def test_each_load_of_a_batch_stops_on_its_own():
    matrix = random_matrix(0, 8)
    loads = np.stack([np.zeros(8), np.random.default_rng(0).normal(size=8), np.ones(8)])
    x, converged = jax.jit(jax.vmap(lambda load: solve(matrix, load)))(loads)
    assert converged.all()
    np.testing.assert_allclose(x, np.linalg.solve(matrix, loads.T).T, rtol=1e-9, atol=1e-10)
