"""What ours and PyTorch compute on: the same, and as much of it."""

import os

import jax
import torch


def shared_device(threads: int) -> str:
    """Keep both to as many threads on a CPU, and leave room for both on a GPU.

    To be called before JAX computes anything: it starts as many threads as there are cores.

    Returns
    -------
    device : {"cpu", "cuda"}
        PyTorch's name of it.
    """
    if not torch.cuda.is_available() and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU is for both
    gpu = jax.default_backend() == "gpu"
    return "cuda" if gpu and torch.cuda.is_available() else "cpu"
