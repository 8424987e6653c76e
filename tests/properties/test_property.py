"""`idml_jax.properties.property`: what design and reports are given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from idml_jax.data.synthetic import laminate
from idml_jax.properties import (
    Conductivity,
    Elasticity,
    Property,
    Transport,
    effective_stiffness,
    engineering_constants,
    permeability,
    tortuosity,
)


def test_a_property_of_ones_own_is_a_function_with_a_name():
    largest = Property(lambda phase: phase.sum(axis=0).max(), "longest column", "px")
    assert float(largest(jnp.eye(3).at[2, 0].set(1))) == 2
    assert (largest.name, largest.unit, largest.bounds) == ("longest column", "px", None)
    batch = jnp.stack([jnp.eye(3), jnp.ones((3, 3))])
    np.testing.assert_array_equal(jax.jit(jax.vmap(largest))(batch), [1, 3])


@pytest.mark.parametrize(
    ("shape", "axes"), [((6, 8), ("rows", "cols")), ((4, 3, 5), ("planes", "rows", "cols"))]
)
def test_youngs_modulus_along_an_axis_is_that_of_the_stiffness_and_within_its_bounds(shape, axes):
    material = Elasticity(bulk=(1.0, 9.0), shear=(0.5, 4.0), dimensions=len(shape))
    phase = np.random.default_rng(0).random(shape) < 0.5
    bulk, shear = np.where(phase, 9.0, 1.0), np.where(phase, 4.0, 0.5)
    expected = engineering_constants(effective_stiffness(bulk, shear)).young
    for axis, value in zip(axes, expected, strict=True):
        young = material.young_along(axis)
        assert float(young(phase)) == pytest.approx(float(value), rel=1e-9)
        low, high = young.bounds(phase.mean())
        assert low < float(value) < high
        assert young.name == f"Young's modulus along {axis}" and young.unit == "GPa"


def test_bounds_are_reached_by_one_material_and_a_pore_leaves_none():
    material = Elasticity(bulk=(1.0, 9.0), shear=(0.5, 4.0), plane="stress")
    for fraction, phase in ((0.0, np.zeros((4, 4), bool)), (1.0, np.ones((4, 4), bool))):
        young = material.young_along("rows")
        np.testing.assert_allclose(young.bounds(fraction), float(young(phase)), rtol=1e-6)
    foam = Elasticity(bulk=(0.0, 9.0), shear=(0.0, 4.0)).young_along("rows")
    assert foam.bounds(0.5)[0] == 0
    assert float(foam(laminate((8, 8), thicknesses=(2, 2)))) == pytest.approx(0, abs=1e-6)


def test_transport_along_axes_that_have_names():
    pore = np.ones((6, 8), bool)
    pore[2, :5] = False
    for axis, name in enumerate(("rows", "cols")):
        expected = float(tortuosity(pore, axis=axis))
        tau = Transport().tortuosity_along(name)
        assert float(tau(pore)) == expected >= tau.bounds(0.9)[0] == 1
        diffusivity = Transport().diffusivity_along(name)
        assert float(diffusivity(pore)) == pytest.approx(pore.mean() / expected, rel=1e-12)
        assert diffusivity.bounds(0.9) == (0.0, 0.9)
        flow = {size: Transport(size).permeability_along(name) for size in (None, 2e-6)}
        assert {size: each.unit for size, each in flow.items()} == {None: "px^2", 2e-6: "m^2"}
        assert float(flow[None](pore)) == float(permeability(pore, axis=axis))
        assert float(flow[2e-6](pore)) == pytest.approx(4e-12 * float(flow[None](pore)), rel=1e-12)
    # A soft phase diffuses by its membership, and its derivative goes through.
    soft = jnp.linspace(0.5, 1.0, 48).reshape(6, 8)
    slope = jax.grad(Transport().diffusivity_along("cols"))(soft)
    assert float(slope.min()) > 0
    with pytest.raises(ValueError, match="`pixel_size`"):
        Transport(pixel_size=0.0)


def test_components_turn_with_the_medium():
    """A quarter turn exchanges the axes, and the sign of what couples them."""
    slanted = (np.arange(12)[:, None] + 2 * np.arange(24)[None, :]) % 12 < 5
    slanted = slanted[:, ::2][:, :12]
    material, elastic = Conductivity((1.0, 4.0)), Elasticity((1.0, 5.0), (0.5, 4.0))
    between = material.between("rows", "cols")
    assert abs(float(between(slanted))) > 0.05
    assert float(between(slanted)) == pytest.approx(float(material.tensor(slanted)[0, 1]))
    turned = np.rot90(slanted)
    assert float(between(turned)) == pytest.approx(-float(between(slanted)), rel=1e-4)
    names = ("11", "22", "12", "66", "16", "26")
    own, other = (
        {name: float(elastic.component(name)(phase)) for name in names}
        for phase in (slanted, turned)
    )
    assert abs(own["16"]) > 0.05 and abs(own["16"] - own["26"]) > 0.05
    exchanged = ("22", "11", "12", "66", "26", "16")
    for name, partner in zip(names, exchanged, strict=True):
        sign = -1 if name in ("16", "26") else 1
        assert other[name] == pytest.approx(sign * own[partner], rel=1e-3), name
    with pytest.raises(ValueError, match="two of 1, 2, 6"):
        elastic.component("13")


def test_kin_name_one_solve_and_strangers_do_not():
    material = Conductivity((1.0, 2.0))
    rows, cols = material.along("rows"), material.along("cols")
    assert rows.solve == cols.solve != Conductivity((1.0, 3.0)).along("rows").solve
    phase = np.random.default_rng(0).random((4, 6)) < 0.5
    tensor = rows.solve(phase)
    assert (rows.compute(tensor), cols.compute(tensor)) == (rows(phase), cols(phase))
    elastic = Elasticity((1.0, 2.0), (1.0, 2.0))
    assert elastic.young_along("rows").solve == elastic.young_along("cols").solve
    transport = Transport(1e-6)
    tau = transport.tortuosity_along("rows").solve
    assert tau == transport.diffusivity_along("rows").solve
    assert tau != transport.diffusivity_along("cols").solve


def test_what_does_not_fit_is_refused(unchecked):
    with pytest.raises(ValueError, match="`phase` has 3 axes; this elasticity is of 2 dim"):
        Elasticity((1.0, 2.0), (1.0, 2.0)).stiffness(np.ones((2, 2, 2), bool))
    with pytest.raises(ValueError, match="are finite, none below 0"):
        Elasticity((1.0, -2.0), (1.0, 2.0))
    with pytest.raises(TypeError, match="a phase is a boolean array, or a float one"):
        Elasticity((1.0, 2.0), (1.0, 2.0)).stiffness(np.ones((2, 2), np.uint8))
    with pytest.raises(ValueError, match="the axes are planes, rows, cols"):
        Conductivity((1.0, 2.0)).along("x")
