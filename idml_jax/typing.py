"""The array types that every room shares.

Shapes are part of the type. Axes are named ``planes``, ``rows`` and ``cols``;
during the tests every annotation is checked at run time.
"""

from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Integer, UInt8

Array: TypeAlias = jax.Array | np.ndarray
"""An array on the host or on a device."""

Image: TypeAlias = Float[Array, "rows cols channels"]
"""One micrograph: float, in [0, 1]."""

Images: TypeAlias = Float[Array, "batch rows cols channels"]
"""A batch of images of one size."""

Grey: TypeAlias = Float[Array, "rows cols"]
"""One grey image without its channel axis."""

Greys: TypeAlias = Float[Array, "batch rows cols"]
"""A batch of grey images of one size."""

Bytes: TypeAlias = UInt8[Array, "count rows cols channels"]
"""Images kept in 8 bits, to be cropped and augmented on the device."""

Volume: TypeAlias = Float[Array, "planes rows cols channels"]
"""One volume: float, in [0, 1]."""

Labels: TypeAlias = Int[Array, "*space"]
"""A class for each pixel, from 0; -1 marks a pixel that nobody annotated."""

Phase: TypeAlias = Bool[Array, "*space"] | Float[Array, "*space"]
"""Membership of one phase: boolean, or soft in [0, 1]."""

Conditions: TypeAlias = Float[Array, "batch conditions"]
"""For each image what is wanted of it: numbers of unit size."""

Latents: TypeAlias = Float[Array, "batch latent"]
"""A batch of latent vectors."""

NoiseNumbers: TypeAlias = Integer[Array, " batch"]
"""For each image the number of its noise: equal ones are equal noise."""
