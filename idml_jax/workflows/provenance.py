"""What computed a result."""

import importlib.metadata
import platform

import jax

PACKAGES = (
    "idml-jax jax jaxlib flax optax orbax-checkpoint numpy scikit-image botorch torch".split()
)


def versions() -> dict[str, str]:
    """Versions of what computed the run, and the device."""
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "device": f"{device.platform} {device.device_kind}",
    }
