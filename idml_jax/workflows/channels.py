"""Micrographs with the channels that a trained network takes."""

from idml_jax import data
from idml_jax.errors import InputError


def with_channels(micrograph: data.Micrograph, channels: int) -> data.Micrograph:
    """A micrograph with as many channels as a network takes: in grey, where that is one.

    Raises
    ------
    InputError
        If it has another number of them.
    """
    found = micrograph.image.shape[-1]
    if found == channels:
        return micrograph
    if channels == 1:
        return micrograph.grey()
    raise InputError(
        f"{micrograph.label}: has {found} channels, and the network was trained on {channels}; "
        "give micrographs as those of the training."
    )
