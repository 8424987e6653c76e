"""The three-point correlation of an isotropic medium: as a function of a triangle's sides."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from idml_jax.statistics.n_point import three_point_correlation
from idml_jax.statistics.phases import check_phase
from idml_jax.typing import Array, Phase


class TriangleCorrelation(NamedTuple):
    """Three-point correlation over the orientations of one triangle.

    Attributes
    ----------
    value : float
        Mean over the orientations.
    spread : float
        Standard deviation over them: what anisotropy, chance and rounding leave.
    sides : float array of shape (3,)
        Mean length in pixels, over the orientations, of the first and second side and of the
        one between their ends, as they were rounded to the grid.
    """

    value: Float[Array, ""]
    spread: Float[Array, ""]
    sides: Float[np.ndarray, "3"]


def triangle_correlation(
    phase: Phase,
    first: float,
    second: float,
    angle: float,
    *,
    orientations: int = 64,
    periodic: bool = True,
) -> TriangleCorrelation:
    r"""Three-point correlation :math:`S_3(r, s, \theta)` of an isotropic medium.

    The probability that the corners of a triangle with the sides r and s and the angle
    :math:`\theta` between them all lie in the phase, wherever it lies and however it is
    turned: the form in which three-point bounds take it [1]_.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    first, second : float
        The two sides in pixels.
    angle : float
        Between them, in radians, from 0 to pi.
    orientations : int
        How many are averaged. In 2-D even angles, half of the triangles mirrored; in 3-D
        evenly spread rotations.
    periodic : bool
        Whether the image tiles space. If False, only triangles that lie in it count.

    Returns
    -------
    correlation : TriangleCorrelation

    Raises
    ------
    ValueError
        If a side is negative, the angle out of range, there are no orientations, or a triangle
        does not fit the image; and as `three_point_correlation` does.
    TypeError
        As `three_point_correlation` does.

    Notes
    -----
    The corners are rounded to the nearest pixels: each end of a side lies up to half a pixel's
    diagonal away from where the triangle asked for has it, which matters where the sides are
    as short as a few pixels. For each rounded triangle the value is exact. The differences of
    orientations of a medium that is not isotropic are averaged away; `spread` shows them.
    Differentiable in soft phases. At :math:`r = s = 0` it is the volume fraction. Memory is
    that of `n_point_correlation`.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, sections 2.2 and
       20.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> found = triangle_correlation(jnp.ones((16, 16), bool), 3.0, 4.0, jnp.pi / 2)
    >>> float(found.value), found.sides.round().tolist()
    (1.0, [3.0, 4.0, 5.0])
    """
    phase = check_phase(phase)
    if not (first >= 0 and second >= 0 and 0 <= angle <= math.pi + 1e-12):
        raise ValueError(
            f"sides (={first}, {second}) are not negative, and `angle` (={angle}) is between 0 and "
            "pi radians."
        )
    if orientations < 1:
        raise ValueError(f"`orientations` (={orientations}) must be at least 1.")
    corners = triangle_corners(
        first, second, angle, dimensions=phase.ndim, orientations=orientations
    )
    if (
        not periodic
        and (np.ptp(np.pad(corners, ((0, 0), (1, 0), (0, 0))), axis=1) >= phase.shape).any()
    ):
        raise ValueError(
            f"a triangle of the sides {first:g} and {second:g} does not fit {phase.shape} pixels "
            "in every orientation."
        )
    values = three_point_correlation(phase, corners[:, 0], corners[:, 1], periodic=periodic)
    sides = np.stack([corners[:, 0], corners[:, 1], corners[:, 1] - corners[:, 0]], axis=1)
    lengths = np.sqrt((sides**2).sum(axis=-1)).mean(axis=0)
    return TriangleCorrelation(values.mean(), jnp.std(values), lengths)


def triangle_corners(
    first: float, second: float, angle: float, *, dimensions: int, orientations: int
) -> Int[np.ndarray, "orientations 2 axes"]:
    """The two displacements of a triangle in many orientations, rounded to whole pixels."""
    flat = np.array([[first, 0.0, 0.0], [second * math.cos(angle), second * math.sin(angle), 0.0]])
    if dimensions == 2:
        turns = 2 * math.pi * (np.arange(orientations) + 0.5) / orientations
        ways = Rotation.from_rotvec(np.outer(turns, [0.0, 0.0, 1.0])).as_matrix()
        # Every other one mirrored: an image may prefer one handedness, an isotropic medium not.
        ways[1::2] = ways[1::2] @ np.diag([1.0, -1.0, 1.0])
    else:
        ways = Rotation.from_quat(_even_quaternions(orientations)).as_matrix()
    turned = np.einsum("oij,cj->oci", ways, flat)[..., :dimensions]
    return np.rint(turned).astype(np.int32)


def _even_quaternions(count: int) -> Float[np.ndarray, "count 4"]:
    """Rotations that are spread evenly: super-Fibonacci spirals (Alexa, CVPR 2022)."""
    steps = np.arange(count) + 0.5
    inner, outer = np.sqrt(steps / count), np.sqrt(1 - steps / count)
    alpha = 2 * math.pi * steps / math.sqrt(2)
    beta = 2 * math.pi * steps / 1.533751168755204288118041
    return np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)],
        axis=1,
    )
