"""A broken stack fails here, first and by name, before anything of ours is blamed."""

import jax
import jax.numpy as jnp
import numpy as np


def test_jit_eager_and_numpy_agree_on_this_machine():
    rows = np.random.default_rng(0).standard_normal((16384, 8)).astype(np.float32)
    matrix = np.random.default_rng(1).standard_normal((8, 8)).astype(np.float32)

    def energy(row):
        return ((jnp.asarray(matrix) @ row) ** 2).sum()

    expected = ((rows.astype(np.float64) @ matrix.T.astype(np.float64)) ** 2).sum(axis=1)
    with jax.default_matmul_precision("highest"):
        compiled = jax.jit(jax.vmap(energy))(rows)
        eager = jax.vmap(energy)(rows)
        total = jax.jit(lambda rows: jax.vmap(energy)(rows).sum())(rows)
    stack = f"jax {jax.__version__} on {jax.devices()[0].device_kind}"
    np.testing.assert_allclose(compiled, expected, rtol=1e-4, err_msg=f"{stack}: jit is wrong")
    np.testing.assert_allclose(eager, expected, rtol=1e-4, err_msg=f"{stack}: eager is wrong")
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-4, err_msg=f"{stack}: jit is wrong")
