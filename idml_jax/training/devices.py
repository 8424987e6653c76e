"""Several devices, of one process or more: each holds the networks, and a share of each batch."""

from collections.abc import Sequence
from typing import TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from idml_jax.errors import InputError
from idml_jax.training.processes import on_all

Tree = TypeVar("Tree")


def device_mesh(batches: Sequence[int]) -> Mesh:
    """All devices of all processes in a row.

    Raises
    ------
    InputError
        If a batch does not divide among them.
    """
    devices = jax.device_count()
    uneven = [batch for batch in batches if batch % devices]
    if uneven:
        raise InputError(
            f"{devices} devices share each batch, and {uneven[0]} images do not divide among them; "
            f"choose batches that are multiples of {devices}, or hide devices from JAX."
        )
    return jax.make_mesh((devices,), ("images",), axis_types=(AxisType.Auto,))


def replicated(tree: Tree, mesh: Mesh) -> Tree:
    """The whole tree on every device."""
    return on_all(tree, whole(mesh))


def whole(mesh: Mesh) -> NamedSharding:
    """How an array lies that every device holds the whole of."""
    return NamedSharding(mesh, PartitionSpec())


def shared_out(batch: Tree, mesh: Mesh) -> Tree:
    """In a compiled function: each device computes its share of the images of a batch."""
    sharding = NamedSharding(mesh, PartitionSpec("images"))
    return jax.lax.with_sharding_constraint(batch, sharding)


def put_together(share: Tree, mesh: Mesh) -> Tree:
    """A batch over all devices, of the share that each process has on its host."""
    sharding = NamedSharding(mesh, PartitionSpec("images"))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), share)
