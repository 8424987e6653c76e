r"""Stokes flow through voxels, on a staggered grid: velocities on faces, pressures in centres.

The flow goes along axis 0. A face between two pore voxels carries the velocity across it; every
other face stands still. The viscous force on a face comes from the six (in 2-D four) faces around
it that carry the same component. Beside a wall it is :math:`w u` with :math:`w = 2 h / (h - 2/3)`
and h the number of faces in a row from wall to wall: with it a slit of any width, down to one
voxel, carries exactly :math:`h^2 / 12`, where the usual w = 2 carries :math:`h^2 / 12 + 1/6`.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from idml_jax.properties.face_to_face import of_outer_layers
from idml_jax.properties.multigrid import Network, multigrid, shifted
from idml_jax.typing import Array

Flow: TypeAlias = tuple[tuple[Float[Array, "*wide"], ...], Float[Array, "*wide"]]
"""Velocities on the faces behind each voxel, one array an axis, and pressures."""


class Channel(NamedTuple):
    """Pore voxels between two open faces, as networks of viscosity and of pressure.

    A layer lies before the first and behind the last: its pressure is given, and the faces
    between it and the pores carry flow like any others.
    """

    inside: Float[Array, "*wide"]
    """1 in the pore voxels whose pressure is looked for."""
    open: tuple[Float[Array, "*wide"], ...]
    """For each axis 1 on the faces, each behind its voxel, that carry flow."""
    viscous: tuple[Network, ...]
    """For each axis what carries momentum between the faces, and to the walls."""
    pressure: Network
    """What carries pressure between the voxels."""

    def apply(self, flow: Flow) -> Flow:
        """Viscous forces and differences of pressure on the faces, and what flows into voxels."""
        velocities, pressure = flow
        forces = tuple(
            network.apply(velocity) + faces * (shifted(pressure, -1, along) - pressure)
            for along, (network, velocity, faces) in enumerate(
                zip(self.viscous, velocities, self.open, strict=True)
            )
        )
        inflow = jnp.zeros_like(pressure)
        for along, (velocity, faces) in enumerate(zip(velocities, self.open, strict=True)):
            carried = velocity * faces
            inflow = inflow + shifted(carried, 1, along) - carried
        return forces, inflow * self.inside

    def drive(self) -> Flow:
        """The load of a pressure of 1 in the layer before the first, and 0 behind the last."""
        still = jnp.zeros_like(self.inside)
        first = of_outer_layers(self.open[0], first=True)
        return (first, *(still for _ in self.open[1:])), still

    def preconditioner(self) -> Callable[[Flow], Flow]:
        """A multigrid cycle for each velocity, and for the pressure two answers added up.

        Within a pore pressure answers a source at once, and over many pores by Darcy's law, with
        the drag of the pores, which is that of a uniform force (J. Cahouet, J.-P. Chabard, Int.
        J. Numer. Methods Fluids 8, 869, 1988, of drag in place of a step of time).
        """
        cycles = [multigrid(network) for network in self.viscous]
        spread = multigrid(self.pressure)
        uniform = self.open[0]
        mobility = (uniform * cycles[0](uniform)).sum() / jnp.maximum(uniform.sum(), 1)
        drag = 1 / jnp.where(mobility > 0, mobility, 1)

        def precondition(flow: Flow) -> Flow:
            forces, inflow = flow
            velocities = tuple(cycle(force) for cycle, force in zip(cycles, forces, strict=True))
            return velocities, inflow + drag * spread(inflow)

        return precondition


def channel(pore: Bool[Array, "*space"], dtype: np.dtype, *, mirrored: bool = False) -> Channel:
    """The faces and voxels of a pore space between its first and last layer.

    The other faces of the image are walls, or, if it is to be mirrored there, let the flow slip.
    """
    dimensions = pore.ndim
    wide = jnp.pad(pore, [(1, 1), *[(0, 0)] * (dimensions - 1)], mode="edge")
    last = len(wide) - 1
    place = _numbers(wide, 0)
    inner = wide & (place > 0) & (place < last)
    faces = [
        inner & shifted(inner, -1, k) if k else wide & shifted(wide, -1, k)
        for k in range(dimensions)
    ]
    viscous = tuple(
        _viscosity(each, k, (1 if k else 0, last - 1), dtype, mirrored)
        for k, each in enumerate(faces)
    )
    between = [each & inner & shifted(inner, -1, k) for k, each in enumerate(faces)]
    outside = sum(
        (each & ~both & inner).astype(dtype) + (shifted(each & ~both, 1, k) & inner).astype(dtype)
        for k, (each, both) in enumerate(zip(faces, between, strict=True))
    )
    pressure = Network(
        tuple(_but_last(each, k).astype(dtype) for k, each in enumerate(between)),
        jnp.asarray(outside),
    )
    return Channel(
        inner.astype(dtype), tuple(each.astype(dtype) for each in faces), viscous, pressure
    )


def _viscosity(
    faces: Bool[Array, "*wide"],
    along: int,
    extent: tuple[int, int],
    dtype: np.dtype,
    mirrored: bool,
) -> Network:
    """Faces of one component as a network: to each other, and to the walls beside them."""
    between = []
    outside = jnp.zeros(faces.shape, dtype)
    for across in range(faces.ndim):
        ahead = faces & ~shifted(faces, -1, across)
        behind = faces & ~shifted(faces, 1, across)
        number = _numbers(faces, across)
        if across == 0:
            # Beyond the open ends the flow goes on as it is.
            ahead, behind = ahead & (number < extent[1]), behind & (number > extent[0])
        elif mirrored and across != along:
            ahead, behind = ahead & (number < faces.shape[across] - 1), behind & (number > 0)
        walls = ahead.astype(dtype) + behind.astype(dtype)
        # A face that stands still lies a voxel ahead, a wall beside half a voxel.
        if across != along:
            walls = walls * _friction(faces, across, dtype, mirrored)
        outside = outside + walls
        between.append(_but_last(faces & shifted(faces, -1, across), across).astype(dtype))
    return Network(tuple(between), outside)


def _friction(
    faces: Bool[Array, "*wide"], across: int, dtype: np.dtype, mirrored: bool
) -> Float[Array, "*wide"]:
    """What a wall does to the face beside it, by the number of faces from wall to wall."""
    side = faces.shape[across]
    number = _numbers(faces, across)
    before = jax.lax.cummax(jnp.where(faces, -1, number), axis=across)
    after = jax.lax.cummin(jnp.where(faces, side, number), axis=across, reverse=True)
    width = jnp.maximum(after - before - 1, 1).astype(dtype)
    if mirrored:
        width = jnp.where((before < 0) | (after == side), 2 * width, width)
    return 2 * width / (width - 2 / 3)


def _but_last(faces: Bool[Array, "*wide"], axis: int) -> Bool[Array, "..."]:
    """Without the last layer, behind which there is no voxel."""
    return jax.lax.slice_in_dim(faces, 0, -1, axis=axis)


def _numbers(faces: Bool[Array, "*wide"], axis: int) -> Int[Array, "*broadcast"]:
    """Places along an axis, in a shape that goes with the faces."""
    return jnp.arange(faces.shape[axis], dtype=jnp.int32).reshape(
        [-1 if k == axis else 1 for k in range(faces.ndim)]
    )
