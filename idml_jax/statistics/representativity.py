"""Representativity: how sure an image is of its volume fraction and S2, and how large it must be.

The method is that of the integral range: the covariance within an image tells how much the mean
over such an image varies from place to place. ImageRep, which many know, has the same idea for the
volume fraction (A. Dahari, R. Docherty, S. Kench, S. J. Cooper, "Prediction of microstructural
representativity from a single image", 2025). It widens its intervals by an error that was fitted to
a library of generated microstructures and depends on the number of pixels; here they are as wide as
the degrees of freedom of the estimate make them.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.statistics.integral_range import TOO_SMALL
from idml_jax.statistics.intervals import (
    check_images,
    student_quantile,
    two_point_interval,
    volume_fraction_interval,
)
from idml_jax.statistics.phases import check_on_host
from idml_jax.typing import Array, Phase

Quantity: TypeAlias = Literal["volume_fraction", "two_point_maximum", "two_point_rms"]


class RepresentativeSize(NamedTuple):
    """How large an image must be, or how many must be taken instead."""

    side: int
    """Side in pixels of one square or cubic image."""
    images: int
    """Images of the size of the given ones, in all."""


def representative_size(
    phase: Phase | Sequence[Array],
    *,
    error: float,
    of: Quantity = "volume_fraction",
    relative: bool = False,
    periodic: bool = True,
    confidence: float = 0.95,
    reach: int | None = None,
    pooled: bool = False,
) -> RepresentativeSize:
    r"""How large an image of the material must be for a given error at a given confidence.

    Parameters
    ----------
    phase, periodic, confidence, reach, pooled
        As in `volume_fraction_interval`: images of the material, of any size that shows its
        range.
    error : float
        Half of the confidence interval that is wanted.
    of : "volume_fraction", "two_point_maximum" or "two_point_rms"
        Of the volume fraction; or of the radial :math:`S_2` up to the default distance of
        `two_point_interval`, the widest place of the band or its root mean square.
    relative : bool
        Whether `error` is a share of the volume fraction.

    Returns
    -------
    size : RepresentativeSize

    Raises
    ------
    ValueError
        If `error` is not positive, the phase is uniform, or the image too small to tell; and as
        `volume_fraction_interval` does.
    TypeError
        In a traced function; and as `volume_fraction_interval` does.

    Notes
    -----
    Half of the interval is t standard errors, with the degrees of freedom of the given images:
    what is known now of an image yet to be taken. Variance falls as one over the volume, where
    that is much more than the integral range: a side below its root says no more than that.
    On the host: it returns whole numbers. Memory is that of the intervals.

    Examples
    --------
    >>> import jax
    >>> phase = jax.random.bernoulli(jax.random.key(0), 0.5, (100, 100))
    >>> size = representative_size(phase, error=0.0196)  # 1.96 * sqrt(0.25 / 50**2)
    >>> 42 < size.side < 58, size.images
    (True, 1)
    """
    for each in phase if isinstance(phase, Sequence) else [phase]:
        check_on_host(each)
    if not error > 0:
        raise ValueError(f"`error` (={error}) must be more than 0.")
    half, fraction, degrees, volume, count = _half_width(
        phase, of, periodic, confidence, reach, pooled
    )
    if not float(half) > 0 or float(degrees) <= TOO_SMALL:
        raise ValueError(
            "`phase` is uniform, or too small for the range of its structure, or images are all "
            "alike: this does not tell how large an image must be; give a larger image, or several."
        )
    wanted = volume * (float(half) / (error * (float(fraction) if relative else 1))) ** 2
    dimensions = jnp.ndim(phase[0] if isinstance(phase, Sequence) else phase)
    # A hair below, so that rounding makes no pixel of nothing.
    side, images = wanted ** (1 / dimensions), wanted * count / volume
    return RepresentativeSize(math.ceil(side * (1 - 1e-9)), math.ceil(images * (1 - 1e-9)))


def expected_error(
    phase: Phase | Sequence[Array],
    *,
    side: int,
    images: int = 1,
    of: Quantity = "volume_fraction",
    relative: bool = False,
    periodic: bool = True,
    confidence: float = 0.95,
    reach: int | None = None,
    pooled: bool = False,
) -> Float[Array, ""]:
    """Error to expect of images of a given side: the inverse of `representative_size`.

    Parameters
    ----------
    phase, of, relative, periodic, confidence, reach, pooled
        As in `representative_size`.
    side : int
        In pixels, of each square or cubic image.
    images : int
        How many.

    Returns
    -------
    error : float
        Half of the confidence interval. NaN for a uniform phase; more than any fraction for one
        that is too small to tell.

    Raises
    ------
    ValueError
        If `side` or `images` is below 1; and as `volume_fraction_interval` does.
    TypeError
        As `volume_fraction_interval` does.

    Examples
    --------
    >>> import jax
    >>> phase = jax.random.bernoulli(jax.random.key(0), 0.5, (100, 100))
    >>> 0.0042 < float(expected_error(phase, side=200)) < 0.0056  # 1.96 * sqrt(0.25 / 200**2)
    True
    """
    if side < 1 or images < 1:
        raise ValueError(f"`side` (={side}) and `images` (={images}) must be at least 1.")
    half, fraction, _, volume, _ = _half_width(phase, of, periodic, confidence, reach, pooled)
    dimensions = jnp.ndim(phase[0] if isinstance(phase, Sequence) else phase)
    half = half * math.sqrt(volume / (images * side**dimensions))
    return half / fraction if relative else half


def _half_width(
    phase: Phase | Sequence[Array],
    of: Quantity,
    periodic: bool,
    confidence: float,
    reach: int | None,
    pooled: bool,
) -> tuple[Array, Array, Array, int, int]:
    """Half of the interval, the volume fraction, degrees of freedom; pixels in all, and images."""
    phases = check_images(phase, reach, confidence, pooled)
    pixels = sum(each.size for each in phases)
    options = {"periodic": periodic, "confidence": confidence, "reach": reach, "pooled": pooled}
    if of == "volume_fraction":
        interval = volume_fraction_interval(phases, **options)
        fraction = interval.value
    elif of in ("two_point_maximum", "two_point_rms"):
        _, interval = two_point_interval(phases, **options)
        fraction = interval.value[0]
    else:
        raise ValueError(
            f"`of` (={of!r}) is one of 'volume_fraction', 'two_point_maximum', 'two_point_rms'."
        )
    half = student_quantile(interval.degrees_of_freedom, confidence) * interval.standard_error
    half = jnp.sqrt((half**2).mean()) if of == "two_point_rms" else half.max()
    return half, fraction, interval.degrees_of_freedom.min(), pixels, len(phases)
