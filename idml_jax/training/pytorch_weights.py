"""Weights of encoders from and for PyTorch, read without running what their files may hold."""

import hashlib
import pathlib
import pickle

import numpy as np
from flax import nnx
from jaxtyping import Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from idml_jax.errors import InputError
from idml_jax.models import ResNet, load_pytorch_weights, pytorch_weights
from idml_jax.report import write_atomically


def read_pytorch_weights(path: str | pathlib.Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Arrays by their names, from a .safetensors file or one that ``torch.save`` wrote.

    Parameters
    ----------
    path : path
        A state dict, or a checkpoint that holds one as ``state_dict`` or ``model``.

    Returns
    -------
    weights : dict from str to array
        For `models.load_pytorch_weights`.

    Raises
    ------
    InputError
        If there is no such file, it is none of these, or it holds more than arrays: code in it is
        never run.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; name one of weights (.safetensors, .pth, .pt).")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_pickled(path)


def load_encoder(network: nnx.Module, path: str | pathlib.Path) -> str:
    """Give a network's encoder the weights of a file, in place; a digest of them.

    Raises
    ------
    InputError
        If the network has no such encoder, or the weights do not fit it.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, ResNet):
        raise InputError(f"{path}: weights are for an encoder, and this network has none of them.")
    weights = read_pytorch_weights(path)
    try:
        load_pytorch_weights(encoder, weights)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()[:16]


def write_encoder(path: str | pathlib.Path, network: nnx.Module) -> None:
    """Write a network's encoder for others to begin with, by torchvision's layout (.safetensors).

    Raises
    ------
    ValueError
        If the network has no residual encoder.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, ResNet):
        raise ValueError(f"a {type(network).__name__} has no residual encoder to write.")
    write_atomically(pathlib.Path(path), save(pytorch_weights(encoder)))


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"{path}: no safetensors file ({error}); fetch it again, or name another one."
        ) from error


def _read_pickled(path: pathlib.Path) -> dict[str, np.ndarray]:
    # It takes seconds to import, and only this needs it.
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: no file of weights alone ({reason}); save the state dict by itself, or as "
            ".safetensors."
        ) from error
    for inside in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(inside), dict):
            found = found[inside]
    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())):
        raise InputError(f"{path}: holds no arrays by name; save the state dict by itself.")
    return {name: tensor.float().numpy() for name, tensor in found.items()}
