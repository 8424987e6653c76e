"""Several processes, each with devices of its own, that train one network together.

Each has called `jax.distributed.initialize` and runs the same program. With one process, all of
this is nothing.
"""

import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from idml_jax.errors import InputError
from idml_jax.typing import Array

Tree = TypeVar("Tree")

_MESSAGE = 4096
"""Bytes of the message that process 0 sends to all: they have to know how many."""


def leads() -> bool:
    """Whether this process writes what is written once: process 0 does."""
    return jax.process_index() == 0


def by_leader(action: Callable[[], None]) -> None:
    """Let process 0 alone do something to the files of a run; all wait until it is done.

    Raises
    ------
    InputError
        In all of them, where `action` raises it: a process that went on would wait for the others
        for ever.
    """
    if jax.process_count() == 1:
        return action()
    refusal, message = None, np.zeros(_MESSAGE, np.uint8)
    if leads():
        try:
            action()
        except InputError as error:
            refusal, text = error, str(error).encode()[:_MESSAGE]
            message[: len(text)] = np.frombuffer(text, np.uint8)
    told = np.asarray(multihost_utils.broadcast_one_to_all(message)).tobytes().rstrip(b"\0")
    if told:
        raise refusal or InputError(told.decode(errors="replace"))


def largest(number: int) -> int:
    """The largest of the numbers that the processes give; all have to ask for it."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.process_allgather(np.int32(number)).max())


def check_alike(what: str, content: bytes | Array) -> None:
    """Refuse to train on what is not the same in every process.

    Raises
    ------
    InputError
        In all of them.
    """
    if jax.process_count() == 1:
        return
    digest = zlib.crc32(content if isinstance(content, bytes) else np.asarray(content).tobytes())
    digests = multihost_utils.process_allgather(np.uint32(digest))
    if (digests != digests[0]).any():
        raise InputError(
            f"{what} of process 0 and of process {int((digests != digests[0]).argmax())} are not "
            "the same: start all processes with the same options, on the same files."
        )


def on_all(tree: Tree, sharding: NamedSharding) -> Tree:
    """A tree that every process holds alike, as arrays of a sharding over all their devices."""
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def spread(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return jax.device_put(leaf, sharding)
        # `device_put` would send the whole of it round to compare.
        values = np.asarray(leaf)
        return jax.make_array_from_callback(values.shape, sharding, lambda part: values[part])

    return jax.tree.map(spread, tree)


def here(tree: Tree) -> Tree:
    """Replicated arrays as this process alone can compute with them; nothing is copied."""
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
