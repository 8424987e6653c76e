"""Overlapping particles, thrown at random: disks and balls, sticks and cylinders."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import (
    CHUNK,
    ball_volume,
    check_fraction,
    check_positive,
    check_radii,
    check_shape,
    host_generator,
    one_of,
    paint_balls,
    spread,
    write,
)
from idml_jax.typing import Array


def boolean_model(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    radius: float | Sequence[float] | Float[Array, " sizes"],
    density: float | None = None,
    volume_fraction: float | None = None,
    periodic: bool = True,
) -> Bool[Array, "*space"]:
    r"""Boolean model: disks, or balls, that overlap freely (Poisson, "Swiss cheese").

    The centres are a Poisson process: their number is random, and each lies
    anywhere, whatever the others do. A pixel is True if its centre lies in a disk.

    Parameters
    ----------
    key : key
        Source of the number, the places and the radii.
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    radius : float or sequence of float
        Radius R of the disks, in pixels. Of several, each disk takes one with equal
        chance: a thousand draws from a distribution stand for it.
    density : float, optional
        Mean number :math:`\rho` of centres in the area, or volume, of one pixel.
    volume_fraction : float, optional
        In its place the mean fraction :math:`\phi` of the disks, in [0, 1):
        :math:`\rho = -\ln(1 - \phi) / \langle v \rangle` for disks of the mean area,
        or volume, :math:`\langle v \rangle`.
    periodic : bool
        Whether the image tiles space. If False, it is a window of an unbounded
        medium: disks whose centres lie outside reach into it.

    Returns
    -------
    disks : boolean array of the shape `shape`
        True in the disks. The formulas below are those of the matrix, ``~disks``.

    Raises
    ------
    ValueError
        If not exactly one of `density` and `volume_fraction` is given, or a value
        is out of its range.
    TypeError
        In a traced function: made on the host, as the number of disks is random.

    Notes
    -----
    Points :math:`x_1, \ldots, x_n` all lie in the matrix with the probability

    .. math:: S_n = \exp(-\rho \langle |B(x_1) \cup \ldots \cup B(x_n)| \rangle)

    where B is the disk of radius R around a point and the mean is over the radii
    [1]_. Pixels are points, their centres, so this holds exactly at every
    displacement by whole pixels, without an error from the pixels' size; on a
    periodic cell where no disk meets its own image, :math:`|r| + 2 R` being at most
    the side.

    - :math:`\phi_{matrix} = S_1 = \exp(-\rho v)`, with v = :math:`\pi R^2` or
      :math:`4 \pi R^3 / 3`.
    - :math:`S_2(r) = \exp(-\rho (2 v - w(r)))` with w the part that two have in
      common: with h = min(r / 2R, 1), :math:`w = 2 R^2 (\arccos h - h \sqrt{1 - h^2})`
      in 2-D and :math:`v (1 - 3 h / 2 + h^3 / 2)` in 3-D.
    - :math:`S_3 = \exp(-\rho (3 v - w_{12} - w_{13} - w_{23} + w_{123}))`; for three
      points in a row, :math:`w_{123}` is w of the outer two.
    - Lineal path: :math:`\exp(-\rho (v + a z))`, a = 2 R or :math:`\pi R^2`, along a
      segment of length z. Pixels touch the segment at z + 1 points only, which all
      lie in the matrix with :math:`\exp(-\rho (v + z (v - w(1))))`, exactly.
    - Chords of the matrix are exponential, of mean :math:`1 / (\rho a)`; as runs of
      pixels geometric, of mean :math:`1 / (1 - \exp(-\rho (v - w(1))))`.
    - Surface: :math:`\rho s \phi_{matrix}` with s the perimeter, or surface, of one.

    Equal disks percolate above :math:`\phi` = 0.676 in 2-D and 0.290 in 3-D. The cost is
    that of the boxes around the disks: :math:`-\ln(1 - \phi)` times 1.3 in 2-D, or 1.9 in
    3-D, pixels looked at for each pixel of the image, and more where R is small.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, chapter 5.

    Examples
    --------
    >>> import jax
    >>> disks = boolean_model(jax.random.key(0), (64, 64), radius=4.0, volume_fraction=0.3)
    >>> disks.shape, str(disks.dtype)
    ((64, 64), 'bool')
    """
    check_shape(shape)
    radii = check_radii(radius)
    volume = float(ball_volume(radii, len(shape)).mean())
    density = _density(density, volume_fraction, volume)
    random = host_generator(key)
    margin = 0.0 if periodic else radii.max()
    centres = _poisson(random, shape, density, margin=margin, periodic=periodic)
    chosen = random.choice(radii, len(centres))
    return jnp.asarray(paint_balls(shape, centres, chosen, periodic=periodic) > 0)


def fibres(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    length: float,
    radius: float,
    density: float | None = None,
    volume_fraction: float | None = None,
    direction: Sequence[float] | None = None,
    concentration: float | None = None,
    periodic: bool = True,
) -> Bool[Array, "*space"]:
    r"""Straight fibres that overlap freely: sticks in 2-D, cylinders with flat ends in 3-D.

    A Boolean model, as `boolean_model`, of another particle. The axis u of each
    fibre is drawn from the density :math:`\propto \exp(\kappa (u \cdot d)^2)` around
    the direction d: the Watson distribution, which in 2-D is that of von Mises for
    twice the angle [2]_.

    Parameters
    ----------
    key : key
        Source of the number, the places and the axes.
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    length : float
        Of a fibre, L, in pixels. An aligned one of the length of the cell closes on
        itself.
    radius : float
        Half the width of a stick, or the radius of a cylinder, R, in pixels.
    density, volume_fraction : float, optional
        Exactly one: the mean number :math:`\rho` of fibres in a pixel, or the mean
        fraction :math:`\phi` that they fill.
    direction : sequence of float, optional
        Direction d, its components along the axes of the array; of any length. By
        default every direction is equally likely.
    concentration : float, optional
        :math:`\kappa`: 0 is isotropic, large is aligned, and below 0 the fibres lie
        across the direction, as those of a mat do. With a `direction` and without
        this, all are exactly aligned.
    periodic : bool
        Whether the image tiles space; if False, a window of an unbounded medium.

    Returns
    -------
    fibres : boolean array of the shape `shape`
        True where the centre of the pixel lies in a fibre.

    Raises
    ------
    ValueError
        If a value is out of its range, or a `concentration` has no `direction`.
    TypeError
        In a traced function: made on the host, as the number of fibres is random.

    Notes
    -----
    A fibre has the area v = 2 R L, or the volume :math:`v = \pi R^2 L`. With K a fibre
    and the mean over the axes, the matrix ``~fibres`` has :math:`S_1 = \exp(-\rho v)`
    and :math:`S_2(r) = \exp(-\rho (2 v - \langle |K \cap (K + r)| \rangle))` [1]_, exactly
    between pixel centres. Of a displacement with the part a along the fibre and b
    across, :math:`|K \cap (K + r)| = \max(L - a, 0) w(b)`, where w(b) is :math:`\max(2 R - b,
    0)` in 2-D, and in 3-D the area that two disks at the distance b have in common, as
    in `boolean_model`. The lineal path of the matrix is :math:`\exp(-\rho (v + z A))`
    with A the mean shadow of a fibre along the segment: 2 R or :math:`\pi R^2` along
    aligned fibres, and in isotropic ones :math:`(2 L + 4 R) / \pi` or :math:`\pi R (L +
    R) / 2`.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, chapter 5.
    .. [2] K. V. Mardia, P. E. Jupp, *Directional Statistics*, Wiley, 2000, section 9.4.

    Examples
    --------
    >>> import jax
    >>> sticks = fibres(
    ...     jax.random.key(0), (8, 6), length=8.0, radius=0.4, density=0.02, direction=(1.0, 0.0)
    ... )
    >>> bool((sticks == sticks[:1]).all())  # from border to border, along the first axis
    True
    """
    check_shape(shape)
    check_positive(length=length, radius=radius)
    volume = float(length * ball_volume(radius, len(shape) - 1))
    density = _density(density, volume_fraction, volume)
    if concentration is not None and direction is None:
        raise ValueError(f"`concentration` (={concentration}) is about a `direction`: give one.")
    if direction is not None:
        if len(direction) != len(shape) or not 0 < math.hypot(*direction) < math.inf:
            raise ValueError(
                f"`direction` (={tuple(direction)}) must have {len(shape)} finite components, one "
                "for each axis, that are not all zero."
            )
    random = host_generator(key)
    margin = 0.0 if periodic else math.hypot(length / 2, radius)
    centres = _poisson(random, shape, density, margin=margin, periodic=periodic)
    axes = _axes(random, len(centres), len(shape), direction, concentration)
    labels = np.zeros(shape, np.int32)
    along = np.abs(axes).argmax(axis=1)
    for axis in range(len(shape)):
        chosen = along == axis
        _paint_fibres(labels, axis, centres[chosen], axes[chosen], length, radius, periodic)
    return jnp.asarray(labels > 0)


def _density(density: float | None, volume_fraction: float | None, volume: float) -> float:
    """Particles in a pixel, from the one of the two that is given."""
    one_of(density=density, volume_fraction=volume_fraction)
    if density is None:
        assert volume_fraction is not None
        check_fraction(volume_fraction, below_one=True)
        return -math.log1p(-volume_fraction) / volume
    if not 0 <= density < math.inf:
        raise ValueError(f"`density` (={density}) must not be negative.")
    return density


def _poisson(
    random: np.random.Generator,
    shape: tuple[int, ...],
    density: float,
    *,
    margin: float,
    periodic: bool,
) -> Float[np.ndarray, "count axes"]:
    """Points of a Poisson process in the cell, or in the window and a margin around it."""
    # A cell ends where its first pixel comes again; a window at the centre of its last.
    sides = np.asarray(shape, float) - (0 if periodic else 1) + 2 * margin
    count = random.poisson(density * math.prod(sides))
    return random.random((count, len(shape))) * sides - margin


def _axes(
    random: np.random.Generator,
    count: int,
    dimensions: int,
    direction: Sequence[float] | None,
    concentration: float | None,
) -> Float[np.ndarray, "count axes"]:
    """Axes of the Watson distribution; isotropic without a direction."""
    across = random.standard_normal((count, dimensions))
    if direction is None:
        return across / np.linalg.norm(across, axis=1, keepdims=True)
    mean = np.asarray(direction, float) / math.hypot(*direction)
    across -= np.outer(across @ mean, mean)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    concentration = math.inf if concentration is None else concentration
    cosine = _cosines(random, count, dimensions, concentration)[:, None]
    return cosine * mean + np.sqrt(np.maximum(1 - cosine**2, 0)) * across


def _cosines(
    random: np.random.Generator, count: int, dimensions: int, concentration: float
) -> Float[np.ndarray, " count"]:
    """Component, without its sign, along the direction of a Watson distribution."""
    if math.isinf(concentration):
        return np.full(count, float(concentration > 0))
    if dimensions == 2:
        angle = random.vonmises(0, abs(concentration) / 2, count) / 2
        return np.abs(np.cos(angle) if concentration >= 0 else np.sin(angle))
    # In 3-D its density is exp(concentration * t^2) on [0, 1].
    uniform = random.random(count)
    if concentration == 0:
        return uniform
    width = math.sqrt(abs(concentration))
    if concentration < 0:
        return scipy.special.erfinv(uniform * math.erf(width)) / width
    # Its integral is exp(concentration * t^2) times Dawson's function; inverted by bisection.
    total = math.log(scipy.special.dawsn(width)) + concentration
    low, high = np.zeros(count), np.ones(count)
    with np.errstate(divide="ignore"):
        for _ in range(53):
            middle = (low + high) / 2
            log = np.log(scipy.special.dawsn(width * middle)) + concentration * middle**2
            below = log < np.log(uniform) + total
            low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _paint_fibres(
    labels: Int[np.ndarray, "*space"],
    axis: int,
    centres: Float[np.ndarray, "count axes"],
    axes: Float[np.ndarray, "count axes"],
    length: float,
    radius: float,
    periodic: bool,
) -> None:
    """Set the pixels in the fibres, which run along `axis` more than along any other; in place.

    Slice by slice along that axis only a window around the fibre is looked at, so that a long
    thin one costs about as much as its own volume.
    """
    dimensions = labels.ndim
    reach = math.ceil(length / 2 + radius)
    half = math.ceil(radius * math.sqrt(dimensions))
    steps, window = np.arange(-reach, reach + 2), np.arange(-half, half + 2)
    many = max(1, CHUNK // (len(steps) * len(window) ** (dimensions - 1)))
    others = [other for other in range(dimensions) if other != axis]
    for start in range(0, len(centres), many):
        centre, unit = centres[start : start + many], axes[start : start + many]
        places: list[np.ndarray] = [np.empty(0)] * dimensions
        places[axis] = np.floor(centre[:, axis, None]).astype(int) + steps
        ahead = places[axis] - centre[:, axis, None]
        for other in others:
            # Where the fibre's axis passes through the slice.
            middle = centre[:, other, None] + ahead * (unit[:, other] / unit[:, axis])[:, None]
            nearby = np.floor(middle).astype(int)[:, :, None] + window
            before = others.index(other)
            box = [1] * before + [len(window)] + [1] * (len(others) - 1 - before)
            places[other] = nearby.reshape(len(centre), len(steps), *box)
        places[axis] = places[axis].reshape(len(centre), len(steps), *[1] * len(others))
        offsets = [place - spread(centre[:, k], dimensions) for k, place in enumerate(places)]
        along = sum(off * spread(unit[:, k], dimensions) for k, off in enumerate(offsets))
        across = sum(off**2 for off in offsets) - along**2
        inside = (np.abs(along) <= length / 2) & (across <= radius**2)
        write(labels, places, inside, np.ones(len(centre), np.int32), periodic=periodic)
