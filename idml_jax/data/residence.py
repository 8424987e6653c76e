"""Whether micrographs fit the device, or their crops are sent to it."""

import pathlib
from collections.abc import Sequence

import jax

from idml_jax.data.micrograph import Micrograph


def bytes_on_device(micrographs: Sequence[Micrograph]) -> int:
    """What `keep_on_device` would take: a frame of the largest rows and cols for each."""
    rows, cols = (max(sides) for sides in zip(*(each.size for each in micrographs), strict=True))
    return len(micrographs) * rows * cols * micrographs[0].image.shape[-1]


def device_memory() -> int | None:
    """Bytes of memory of this process's devices, the smallest one; None where nobody says.

    A device that says nothing is a processor: what is free of the host's memory.
    """
    limits = [(each.memory_stats() or {}).get("bytes_limit") for each in jax.local_devices()]
    known = [limit for limit in limits if limit]
    if known:
        return min(known)
    information = pathlib.Path("/proc/meminfo")
    if not information.exists():
        return None
    lines = (line.split() for line in information.read_text().splitlines())
    return next(int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:")
