"""Local orientation of fibres and layers in a grey image, from its structure tensor."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.statistics.eigen import least_axis
from idml_jax.statistics.gaussian import gaussian_gradient, gaussian_mean
from idml_jax.statistics.texture import check_image
from idml_jax.typing import Array


class PlaneOrientation(NamedTuple):
    """Local orientation in 2-D."""

    angle: Float[Array, "*space"]
    """Radians in (-pi/2, pi/2], from the direction of the rows axis (down) to that of the cols
    axis (right): counter-clockwise as the image is seen, as scikit-image's `orientation`."""
    coherency: Float[Array, "*space"]
    """From 0, no orientation, to 1, change in one direction only."""


class SpaceOrientation(NamedTuple):
    """Local orientation in 3-D."""

    axis: Float[Array, "*space 3"]
    """Unit vector along planes, rows, cols, whose largest component is positive."""
    coherency: Float[Array, "*space"]
    """From 0, no such axis, to 1."""


def structure_tensor(
    image: Float[Array, "*space"],
    *,
    width: float | int,
    gradient_width: float | int = 1.0,
    periodic: bool = True,
) -> Float[Array, "*space axes axes"]:
    r"""Structure tensor: the mean product of the components of the gradient about each pixel.

    .. math:: J_{ij} = G_w * (\partial_i I \, \partial_j I)

    Parameters
    ----------
    image : array of shape (M, N) or (P, M, N)
        Grey values, or a soft phase.
    width : float
        Pixels; standard deviation of the Gaussian :math:`G_w` over which
        orientations are averaged. As wide as a few of the fibres or layers looked
        at.
    gradient_width : float
        Pixels; standard deviation of the Gaussian that smooths the image as it is
        differentiated. Above the noise and below the detail.
    periodic : bool
        Whether the image tiles space. If False, it is mirrored at its borders.

    Returns
    -------
    tensors : float array of shape (M, N, 2, 2) or (P, M, N, 3, 3)
        Symmetric, of grey squared per pixel squared, components in the order of
        the axes. Its trace is the mean squared gradient.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, no pixels, or values that are not
        finite; if a width is not positive.
    TypeError
        If it is not float.

    Notes
    -----
    Exact derivatives of the band-limited image, by fast Fourier transforms, in
    O(n log n) and the memory of about 10 images in 2-D and 20 in 3-D [1]_.
    Differentiable.

    References
    ----------
    .. [1] J. Bigun, G. H. Granlund, "Optimal orientation detection of linear
       symmetry", ICCV 1987, 433.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> layers = jnp.sin(2 * jnp.pi * jnp.arange(16.0) / 8)[:, None] * jnp.ones((1, 16))
    >>> tensor = structure_tensor(layers, width=4.0)[0, 0]
    >>> [round(float(part), 3) for part in (tensor[0, 0] / tensor.trace(), tensor[1, 1])]
    [1.0, 0.0]
    """
    image = check_image(image)
    for name, value in (("width", width), ("gradient_width", gradient_width)):
        if not 0 < value < math.inf:
            raise ValueError(f"`{name}` (={value}) must be a positive number of pixels.")
    return _structure_tensor(image, width, gradient_width, periodic=periodic)


def orientation(
    tensors: Float[Array, "*space axes axes"], *, across: bool = False
) -> PlaneOrientation | SpaceOrientation:
    r"""Local orientation from the structure tensor: along fibres, or across layers.

    Parameters
    ----------
    tensors : array of shape (..., 2, 2) or (..., 3, 3)
        As `structure_tensor` returns them, or means of them.
    across : bool
        Which axis is meant: that along which the image changes least, as by
        default, which is the direction of fibres; or that along which it changes
        most, the normal of layers.

    Returns
    -------
    orientation : PlaneOrientation or SpaceOrientation
        In 2-D ``(angle, coherency)``, in 3-D ``(axis, coherency)``. Where the
        tensor is zero or has no such axis, one of the candidates with a coherency
        of 0.

    Raises
    ------
    ValueError
        If the last two axes are not 2 by 2 or 3 by 3.

    Notes
    -----
    The coherency is the difference over the sum of two eigenvalues: that of the
    axis and the one next to it, so in 2-D :math:`(\lambda_1 - \lambda_2) /
    (\lambda_1 + \lambda_2)`.

    By `jax.numpy.linalg.eigh`, for all pixels at once. Differentiable where the eigenvalue
    is a single one; the angle is by nature undefined to multiples of pi, and the
    axis to its sign. Where it is not single the derivative is taken as 0. Memory:
    two to three times that of the tensors.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> tensor = jnp.array([[1.0, 0.0], [0.0, 0.0]])  # grey changes from row to row
    >>> angle, coherency = orientation(tensor)
    >>> round(float(angle), 4), float(coherency)
    (1.5708, 1.0)
    """
    tensors = jnp.asarray(tensors)
    if tensors.shape[-2:] not in ((2, 2), (3, 3)):
        raise ValueError(
            f"`tensors` end in {tensors.shape[-2:]}; a structure tensor is 2 by 2 or 3 by 3."
        )
    axis, coherency = _orientation(tensors, across=across)
    if axis.shape[-1] == 3:
        return SpaceOrientation(axis, coherency)
    # Of the two ends of the axis the one further down, so that the angle is within +- pi / 2.
    row, col = axis[..., 0], axis[..., 1]
    turn = jnp.where((row < 0) | ((row == 0) & (col < 0)), -1, 1).astype(axis.dtype)
    return PlaneOrientation(jnp.arctan2(turn * col, turn * row), coherency)


def mean_orientation(
    tensors: Float[Array, "*space axes axes"], *, across: bool = False
) -> PlaneOrientation | SpaceOrientation:
    """Mean orientation of a whole image, each pixel weighing its squared gradient.

    Parameters
    ----------
    tensors : array of shape (M, N, 2, 2) or (P, M, N, 3, 3)
        As `structure_tensor` returns them.
    across : bool
        As in `orientation`.

    Returns
    -------
    orientation : PlaneOrientation or SpaceOrientation
        `orientation` of the mean tensor. Its coherency is the anisotropy of the
        image: 0 if its gradients have no preferred direction, 1 if all are
        parallel.

    Raises
    ------
    ValueError
        If the last two axes are not 2 by 2 or 3 by 3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> fibres = jnp.sin(jnp.pi / 4 * jnp.indices((32, 32), float).sum(axis=0))
    >>> angle, anisotropy = mean_orientation(structure_tensor(fibres, width=2.0))
    >>> round(float(angle), 4), round(float(anisotropy), 4)
    (-0.7854, 1.0)
    """
    tensors = jnp.asarray(tensors)
    return orientation(jnp.mean(tensors, axis=tuple(range(tensors.ndim - 2))), across=across)


def orientation_distribution(
    tensors: Float[Array, "rows cols 2 2"], *, bins: int = 90, across: bool = False
) -> tuple[Float[np.ndarray, " bins"], Float[Array, " bins"]]:
    r"""Orientation distribution of a 2-D image: the density of its angles.

    Parameters
    ----------
    tensors : array of shape (M, N, 2, 2)
        As `structure_tensor` returns them.
    bins : int
        How many angles; 90 are two degrees each.
    across : bool
        As in `orientation`.

    Returns
    -------
    angles : array of shape (bins,)
        Radians, from the rows axis to the cols axis, between -pi/2 and pi/2.
    density : array of shape (bins,)
        Per radian: its sum times ``pi / bins`` is 1. NaN for an image without any
        orientation.

    Raises
    ------
    ValueError
        If the tensors are not those of a 2-D image: of a volume, take
        `mean_orientation`, or the axes of `orientation`. If there is no bin.

    Notes
    -----
    Each pixel weighs the difference of its eigenvalues, which is its squared
    gradient times its coherency: flat and isotropic places do not count. Its
    weight is shared by the two nearest bins, which makes the density continuous
    and differentiable almost everywhere.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> fibres = jnp.sin(jnp.pi / 4 * jnp.indices((32, 32), float).sum(axis=0))
    >>> angles, density = orientation_distribution(structure_tensor(fibres, width=2.0), bins=6)
    >>> angles.round(2).tolist(), (density * jnp.pi / 6).round(3).tolist()
    ([-1.31, -0.79, -0.26, 0.26, 0.79, 1.31], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    """
    tensors = jnp.asarray(tensors)
    if tensors.ndim != 4 or tensors.shape[-2:] != (2, 2):
        raise ValueError(
            f"`tensors` have the shape {tensors.shape}; the distribution of an angle is that of "
            "an image of shape (M, N, 2, 2): of a volume take `mean_orientation`."
        )
    if bins < 1:
        raise ValueError(f"`bins` (={bins}) must be at least 1.")
    angle, coherency = orientation(tensors, across=across)
    weight = coherency * jnp.trace(tensors, axis1=-2, axis2=-1)
    place = (angle + math.pi / 2) * (bins / math.pi) - 0.5
    below = jnp.floor(place)
    share = place - below
    index = below.astype(int)
    sums = jnp.zeros(bins, tensors.dtype)
    sums = sums.at[index % bins].add((1 - share) * weight)
    sums = sums.at[(index + 1) % bins].add(share * weight)
    angles = (np.arange(bins) + 0.5) * math.pi / bins - math.pi / 2
    return angles, sums / (jnp.sum(weight) * (math.pi / bins))


@functools.partial(jax.jit, static_argnames=("width", "gradient_width", "periodic"))
def _structure_tensor(
    image: Float[Array, "*space"],
    width: float | int,
    gradient_width: float | int,
    *,
    periodic: bool,
) -> Float[Array, "*space axes axes"]:
    """Smoothed products of the components of the gradient."""
    gradient = gaussian_gradient(image, width=gradient_width, periodic=periodic)
    axes = range(image.ndim)
    mean = {
        (i, j): gaussian_mean(gradient[i] * gradient[j], width=width, periodic=periodic)
        for i in axes
        for j in axes
        if i <= j
    }
    rows = [jnp.stack([mean[min(i, j), max(i, j)] for j in axes], axis=-1) for i in axes]
    return jnp.stack(rows, axis=-2)


@functools.partial(jax.jit, static_argnames="across")
def _orientation(
    tensors: Float[Array, "*space axes axes"], *, across: bool
) -> tuple[Float[Array, "*space axes"], Float[Array, "*space"]]:
    """The axis of least, or most, change as a unit vector, and its coherency."""
    # What changes most is what changes least of the opposite.
    values, axis = least_axis(-tensors if across else tensors)
    first, second = values[..., 0], values[..., 1]
    total = jnp.abs(first + second)
    # Two eigenvalues that are nothing beside the third, by rounding, tell no direction.
    exists = total > 64 * jnp.finfo(tensors.dtype).eps * jnp.max(jnp.abs(values), axis=-1)
    coherency = jnp.where(exists, (second - first) / jnp.where(exists, total, 1), 0)
    # By rounding too, the least eigenvalue of an ideal fibre may be a little negative.
    return axis, jnp.clip(coherency, 0, 1)
