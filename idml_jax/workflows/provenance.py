"""What computed a result."""

import importlib.metadata
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

import jax

from idml_jax import report

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


def end_page(page: report.Page, settings: Mapping[str, Any], path: pathlib.Path) -> None:
    """Write a page that ends with the options of the run and what computed it."""
    page.section("Configuration")
    page.settings(settings)
    page.section("Versions")
    page.settings(versions())
    page.write(path)
