"""Where in a design the load is carried: local fields of the properties that it was made for."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from idml_jax import design, properties
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_goals import elasticity_of


def local_fields(
    config: Config, aim: design.Aim, phase: Bool[np.ndarray, "rows cols"]
) -> dict[str, Float[np.ndarray, "rows cols"]]:
    """Size of the flux, and stress, under a mean load along the axis of each property.

    Properties that have no local fields here are left out; so is everything that another program
    measured.

    Returns
    -------
    fields : dict of arrays
        By a name that says of which property; the flux under a unit mean gradient, the von Mises
        stress under a unit mean strain with the sides held.
    """
    found: dict[str, Float[np.ndarray, "rows cols"]] = {}
    if config.command is not None:
        return found
    for name in aim.outputs:
        kind, _, axis = name.rpartition("-")
        if axis not in ("rows", "cols"):
            continue
        place = ("rows", "cols").index(axis)
        if kind == "conductivity":
            outside, inside = config.conductivity
            fields = properties.conduction_fields(
                jnp.where(phase, inside, outside), jnp.eye(2)[place]
            )
            found[f"flux along {axis}"] = np.asarray(jnp.linalg.norm(fields.flux, axis=0))
        elif kind == "young":
            elasticity = elasticity_of(config)
            bulk, shear = (
                jnp.where(phase, inside, outside)
                for outside, inside in (elasticity.bulk, elasticity.shear)
            )
            strain = jnp.zeros((2, 2)).at[place, place].set(1)
            stress = properties.von_mises_stress(
                properties.elastic_fields(bulk, shear, strain), bulk, shear
            )
            found[f"von Mises stress along {axis}"] = np.asarray(stress)
    return found
