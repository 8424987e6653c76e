"""Media that repeat: laminates, checkerboards, pearlite and triply periodic surfaces."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from idml_jax.data.synthetic.cell import (
    check_fraction,
    check_not_negative,
    check_positive,
    check_shape,
    host_generator,
    one_of,
)
from idml_jax.data.synthetic.fields import gaussian_random_field, level_cut
from idml_jax.data.synthetic.power_diagram import nearest
from idml_jax.typing import Array


def laminate(
    shape: tuple[int, ...], *, axis: int = 0, thicknesses: tuple[int, int] = (4, 4)
) -> Bool[Array, "*space"]:
    """Flat layers across `axis`: the first thickness True, the second False, repeated.

    Of two conductivities, the effective one is the arithmetic mean along the
    layers and the harmonic mean across, where the period divides the cell.

    Examples
    --------
    >>> laminate((4, 2), thicknesses=(1, 1)).astype(int).tolist()
    [[1, 1], [0, 0], [1, 1], [0, 0]]
    """
    inside = jnp.arange(shape[axis]) % sum(thicknesses) < thicknesses[0]
    sides = [1] * len(shape)
    sides[axis] = shape[axis]
    return jnp.broadcast_to(inside.reshape(sides), shape)


def checkerboard(shape: tuple[int, ...], *, side: int) -> Bool[Array, "*space"]:
    """Squares or cubes of `side` pixels that alternate; the first is True.

    Two conductivities k1 and k2 on a 2-D checkerboard conduct as
    ``sqrt(k1 * k2)`` in the limit of a fine grid (Keller 1964, Dykhne 1970).

    Examples
    --------
    >>> checkerboard((2, 4), side=2).astype(int).tolist()
    [[1, 1, 0, 0], [1, 1, 0, 0]]
    """
    return (jnp.indices(shape) // side).sum(axis=0) % 2 == 0


def pearlite(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    spacing: float = 10.0,
    cementite_fraction: float = 0.12,
    colonies: int = 12,
    waviness: float = 0.15,
) -> Bool[Array, "*space"]:
    r"""Pearlite: lamellae of cementite in ferrite, in colonies that are turned at random.

    The colonies are a Voronoi tessellation. In each, lamellae stand square to a random
    direction, at an equal spacing and a random offset, and are slightly bent.

    Parameters
    ----------
    key : key
        Source of the colonies, their directions and offsets, and the bending.
    shape : tuple of int
        Pixels or voxels along each axis, periodic; 2 or 3 axes.
    spacing : float
        Interlamellar spacing :math:`\lambda`, in pixels, from one lamella of cementite to the
        next.
    cementite_fraction : float
        :math:`\phi`, in [0, 1]; in steel of the eutectoid composition about 0.12.
    colonies : int
        Number of colonies.
    waviness : float
        Standard deviation of the lamellae's places about the flat ones, in spacings; the
        bends are three spacings long. 0 is flat.

    Returns
    -------
    cementite : boolean array of the shape `shape`

    Raises
    ------
    ValueError
        If a value is out of its range.
    TypeError
        In a traced function: made on the host.

    Notes
    -----
    Each pixel is cementite with the probability :math:`\phi`, exactly. Of flat lamellae, and
    away from the borders of colonies: a line along the direction of a colony has
    :math:`S_2(r) = \max(\phi - s, 0) + \max(\phi + s - 1, 0)` with s the fractional part of
    :math:`r / \lambda`; a random line meets a lamella every :math:`\pi \lambda / 2` in 2-D and
    :math:`2 \lambda` in 3-D (the mean random spacing [1]_); the interface is :math:`2 / \lambda`.
    In 2-D the lamellae stand square to the image. A shape of one plane, ``(1, rows, cols)``,
    is a section through lamellae of any direction, with apparent spacings of :math:`\lambda` and
    more.

    A colony that reaches over half the cell has a fault where it meets itself.

    References
    ----------
    .. [1] E. E. Underwood, *Quantitative Stereology*, Addison-Wesley, 1970, chapter 3.

    Examples
    --------
    >>> import jax
    >>> cementite = pearlite(jax.random.key(0), (128, 128))
    >>> cementite.shape, 0.08 < float(cementite.mean()) < 0.16
    ((128, 128), True)
    """
    check_shape(shape)
    check_positive(spacing=spacing)
    check_fraction(cementite_fraction, "cementite_fraction")
    check_not_negative(waviness=waviness)
    if colonies < 1:
        raise ValueError(f"`colonies` (={colonies}) must be at least 1.")
    random = host_generator(key)
    sides = np.asarray(shape)
    seeds = random.random((colonies, len(shape))) * sides
    normals = random.standard_normal((colonies, len(shape)))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = random.random(colonies)
    colony = nearest(shape, seeds)
    height = np.zeros(shape)
    for axis, side in enumerate(shape):
        place = np.arange(side).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        apart = place - seeds[colony, axis]
        height += (apart - np.round(apart / side) * side) * normals[colony, axis]
    place = jnp.asarray(height / spacing + offsets[colony], float)
    if waviness:
        place = place + waviness * gaussian_random_field(key, shape, length=3 * spacing)
    return place % 1 < cementite_fraction


def triply_periodic(
    shape: tuple[int, ...],
    *,
    kind: str,
    period: float,
    volume_fraction: float | None = None,
    level: float | None = None,
    sheet: bool = False,
) -> Bool[Array, "planes rows cols"]:
    r"""Triply periodic minimal surface: one side of it, or a sheet along it.

    The surface is that where a sum of sines and cosines is zero, which comes near
    to the true minimal surface [1]_. With x, y, z the coordinates of a voxel in units of
    :math:`\text{period} / 2 \pi`, s and c sine and cosine, f is

    - ``gyroid``: :math:`s_x c_y + s_y c_z + s_z c_x`
    - ``schwarz_p``: :math:`c_x + c_y + c_z`
    - ``diamond``: :math:`s_x s_y s_z + s_x c_y c_z + c_x s_y c_z + c_x c_y s_z`
    - ``iwp``: :math:`2 (c_x c_y + c_y c_z + c_z c_x) - c_{2x} - c_{2y} - c_{2z}`

    Parameters
    ----------
    shape : (planes, rows, cols)
        Voxels along each axis; periodic where the period divides them.
    kind : str
        One of the four.
    period : float
        Side of the cubic unit cell, in voxels.
    volume_fraction : float, optional
        The voxels of the highest f, or for a sheet of the lowest :math:`|f|`, as many as
        make up the fraction, exactly. Of voxels that the symmetry makes equal, the last
        ones may not all be in it.
    level : float, optional
        In its place the level: :math:`f > \text{level}`, or for a sheet :math:`|f| <
        \text{level}`; keeps the symmetry.
    sheet : bool
        A sheet along the surface in place of the network on one side of it.

    Returns
    -------
    phase : boolean array of shape (planes, rows, cols)

    Raises
    ------
    ValueError
        If the shape has other than 3 axes, the kind is not known, or not exactly one
        of `volume_fraction` and `level` is given.

    Notes
    -----
    At level 0 the gyroid, Schwarz P and diamond part space into equal halves. Area of the
    minimal surface in a unit cell of side 1 [2]_: gyroid 3.0915, Schwarz P 2.3451,
    diamond 3.8378, I-WP 3.4641; those of f = 0 are larger by less than one in a hundred,
    of I-WP by three. A thin sheet of the thickness t has the volume fraction of the area
    times t over the period.

    References
    ----------
    .. [1] H. G. von Schnering, R. Nesper, Z. Phys. B 83, 407 (1991).
    .. [2] A. H. Schoen, *Infinite Periodic Minimal Surfaces without Self-Intersections*,
       NASA TN D-5541, 1970.

    Examples
    --------
    >>> gyroid = triply_periodic((16, 16, 16), kind="gyroid", period=16.0, volume_fraction=0.25)
    >>> float(gyroid.mean())
    0.25
    """
    check_shape(shape, axes=(3,))
    check_positive(period=period)
    if kind not in ("gyroid", "schwarz_p", "diamond", "iwp"):
        raise ValueError(f'`kind` (={kind!r}) must be "gyroid", "schwarz_p", "diamond" or "iwp".')
    given = one_of(volume_fraction=volume_fraction, level=level)
    field = _nodal_surface(shape, kind, period)
    if sheet:
        field = -np.abs(field)
    if given == "level":
        assert level is not None
        return jnp.asarray(field > (-level if sheet else level))
    assert volume_fraction is not None
    return level_cut(field, volume_fraction)


def _nodal_surface(
    shape: tuple[int, ...], kind: str, period: float
) -> Float[np.ndarray, "planes rows cols"]:
    """The sum of sines and cosines that is zero on the surface."""
    angles = [
        (2 * math.pi / period * np.arange(side)).reshape([-1 if k == axis else 1 for k in range(3)])
        for axis, side in enumerate(shape)
    ]
    (sx, sy, sz), (cx, cy, cz) = map(np.sin, angles), map(np.cos, angles)
    if kind == "gyroid":
        return sx * cy + sy * cz + sz * cx
    if kind == "schwarz_p":
        return cx + cy + cz
    if kind == "diamond":
        return sx * sy * sz + sx * cy * cz + cx * sy * cz + cx * cy * sz
    # The cosine of the double angle is 2 c^2 - 1.
    return 2 * (cx * cy + cy * cz + cz * cx - cx**2 - cy**2 - cz**2) + 3
