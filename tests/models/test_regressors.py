"""Networks from a microstructure to numbers, by what they can see and what they cannot."""

import jax
import numpy as np
import pytest
from flax import nnx

from idml_jax import models


@pytest.mark.parametrize("space", [(16, 15), (9, 8, 7)], ids=str)
def test_field_of_a_shifted_cell_is_the_shifted_field(space, getkey):
    network = models.FieldRegressor(
        2, 3, features=4, dilations=(1, 2), dimensions=len(space), rngs=nnx.Rngs(0)
    )
    x = jax.random.normal(getkey(), (2, *space, 2), "float32")
    axes = tuple(range(1, len(space) + 1))
    moved = jax.numpy.roll(x, (3, 5, 2)[: len(space)], axes)
    expected = jax.numpy.roll(network(x), (3, 5, 2)[: len(space)], axes)
    np.testing.assert_allclose(network(moved), expected, atol=1e-5)


def test_field_depends_on_as_many_pixels_around_as_the_dilations_add_up_to(getkey):
    network = models.FieldRegressor(
        1, 1, features=4, dilations=(1, 3), periodic=False, rngs=nnx.Rngs(0)
    )
    x = jax.random.normal(getkey(), (1, 17, 17, 1), "float32")
    slopes = jax.grad(lambda x: network(x)[0, 8, 8, 0])(x)[0, ..., 0]
    seen = np.argwhere(np.asarray(slopes) != 0)
    assert seen.min(axis=0).tolist() == [4, 4] and seen.max(axis=0).tolist() == [12, 12]


@pytest.mark.parametrize("space", [(16, 24), (4, 8, 6)], ids=str)
def test_properties_of_a_periodic_cell_do_not_depend_on_where_it_begins(space, getkey):
    network = models.PropertyRegressor(
        1, 2, features=(3, 4), dimensions=len(space), periodic=True, rngs=nnx.Rngs(0)
    )
    network = nnx.jit(network)
    x = jax.random.normal(getkey(), (3, *space, 1), "float32")
    # By as many pixels as the coarsest grid is coarse.
    moved = jax.numpy.roll(x, (2, 6), (1, 2))
    assert network(x).shape == (3, 2)
    np.testing.assert_allclose(network(moved), network(x), atol=1e-5)
    assert float(abs(network(x[::-1]) - network(x)).max()) > 1e-3


def test_dilation_beside_resampling_is_refused():
    with pytest.raises(ValueError, match="`dilation`"):
        models.EqualizedConv(1, 1, resample="up", dilation=2, rngs=nnx.Rngs(0))
