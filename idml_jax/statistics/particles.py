"""A table of the particles of an image: size, shape and place of each."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from idml_jax.statistics.clusters import label_clusters
from idml_jax.statistics.minkowski import crofton_weights
from idml_jax.statistics.phases import (
    PixelSize,
    check_binary,
    check_labels,
    check_on_host,
    pixel_sides,
)
from idml_jax.typing import Labels, Phase


def particle_table(
    labels_or_phase: Labels | Phase,
    *,
    pixel_size: PixelSize = 1.0,
    connectivity: int = 1,
    background: int | None = None,
    clear_border: bool = False,
) -> dict[str, np.ndarray]:
    """Particles of an image: size, shape and place of each, as columns of a table.

    Parameters
    ----------
    labels_or_phase : array of shape (M, N) or (P, M, N)
        A phase, boolean or of float zeros and ones, whose connected parts are the
        particles; or the particle of each pixel as an integer from 0, -1 where
        there is none.
    pixel_size : float or one for each axis
        Sides of a pixel, in the unit that the lengths of the table are to have.
    connectivity : int
        What connects the pixels of a phase: 1, common faces, to the number of axes,
        common corners. Labels are taken as they are, in one piece or not.
    background : int, optional
        A label that is no particle: 0 for most programs that label particles.
    clear_border : bool
        Whether to leave out the particles that touch the border of the image, which
        may go on beyond.

    Returns
    -------
    table : dict of arrays of shape (particles,)
        "label"
            The particle's own label, or its number from 1 if a phase is given.
        "area", in 3-D "volume"
            Pixels times their size.
        "equivalent_diameter"
            That of the disk, or ball, of the same size.
        "aspect_ratio"
            Longest over shortest axis of the ellipse, or ellipsoid, with the same
            second moments, those of the pixels themselves included: 1 for a single
            square pixel, 4 for a row of four.
        "orientation", in 3-D "axis_planes", "axis_rows", "axis_cols"
            The direction of the longest axis: in radians from the rows to the cols
            axis, in (-pi/2, pi/2], as scikit-image has it; in 3-D a unit vector,
            its largest component positive.
        "perimeter", in 3-D "surface"
            By Crofton's formula with 4 or 13 directions, as `minkowski_functionals`
            of each particle by itself. The cut at a border counts.
        "centroid_rows", "centroid_cols", in 3-D also "centroid_planes"
            From the middle of the first pixel.

    Raises
    ------
    ValueError
        If the array has other than 2 or 3 axes, no pixels, or is neither binary nor
        of labels; if a pixel size is not positive or `connectivity` out of range.
    TypeError
        If it is traced.

    Notes
    -----
    The columns that `skimage.measure.regionprops_table` has too are equal to it, but
    for the pixels' own moment in the aspect ratio; all particles are measured at
    once, in a time that does not grow with their number. A particle that crosses
    the border of a periodic image is two. Runs on the host, in about 100 bytes a
    pixel. Not differentiable.

    Examples
    --------
    >>> import numpy as np
    >>> phase = np.zeros((6, 8), bool)
    >>> phase[1:3, 1:7] = True
    >>> table = particle_table(phase, pixel_size=0.5)
    >>> [float(table[name][0]) for name in ("area", "aspect_ratio", "centroid_cols")]
    [3.0, 3.0, 1.75]
    """
    check_on_host(labels_or_phase, "labels_or_phase")
    given = np.asarray(labels_or_phase)
    if np.issubdtype(given.dtype, np.integer):
        check_labels(given, "labels_or_phase")
        places = (given >= 0) & (given != (-1 if background is None else background))
        own = given
    else:
        places = np.asarray(check_binary(given, "labels_or_phase"))
        own = label_clusters(places, periodic=False, connectivity=connectivity)
    sides = np.array(pixel_sides(pixel_size, given.ndim))
    # Numbers without gaps, and 0 for all else.
    names, numbers = np.unique(own[places], return_inverse=True)
    particles = np.zeros(given.shape, np.int32)
    particles[places] = numbers + 1
    keep = np.ones(len(names), bool)
    if clear_border:
        keep[on_border(particles - 1)] = False

    number, centroids, covariances = _moments(places, numbers, sides)
    size = number * math.prod(sides)
    moments, vectors = np.linalg.eigh(covariances + np.diag(sides**2 / 12))
    longest = vectors[:, :, -1]
    largest = np.take_along_axis(longest, np.abs(longest).argmax(-1, keepdims=True), -1)
    longest = longest * np.sign(largest)
    axes = ("planes", "rows", "cols")[-given.ndim :]
    plane = given.ndim == 2
    table = {
        "label": names,
        "area" if plane else "volume": size,
        "equivalent_diameter": np.sqrt(4 * size / math.pi)
        if plane
        else np.cbrt(6 * size / math.pi),
        "aspect_ratio": np.sqrt(moments[:, -1] / moments[:, 0]),
    }
    if plane:
        table["orientation"] = _folded(np.arctan2(longest[:, 1], longest[:, 0]))
    else:
        table |= {f"axis_{name}": longest[:, axis] for axis, name in enumerate(axes)}
    surfaces = _surfaces(particles, len(names), tuple(map(float, sides)))
    table["perimeter" if plane else "surface"] = surfaces
    table |= {f"centroid_{name}": centroids[:, axis] for axis, name in enumerate(axes)}
    return {name: column[keep] for name, column in table.items()}


def on_border(numbers: Int[np.ndarray, "*space"]) -> Int[np.ndarray, " found"]:
    """Those from 0 that touch the border of the image."""
    faces = [np.take(numbers, [0, -1], axis).ravel() for axis in range(numbers.ndim)]
    found = np.unique(np.concatenate(faces))
    return found[found >= 0]


def _moments(
    places: Bool[np.ndarray, "*space"],
    numbers: Int[np.ndarray, " pixels"],
    sides: Float[np.ndarray, " axes"],
) -> tuple[
    Int[np.ndarray, " particles"],
    Float[np.ndarray, "particles axes"],
    Float[np.ndarray, "particles axes axes"],
]:
    """Pixels of each particle, and the mean and covariance of where their middles are."""
    count = np.bincount(numbers)

    def mean(values: Float[np.ndarray, " pixels"]) -> Float[np.ndarray, " particles"]:
        return np.bincount(numbers, weights=values) / count

    points = [index * side for index, side in zip(np.nonzero(places), sides, strict=True)]
    centroids = [mean(point) for point in points]
    offsets = [point - at[numbers] for point, at in zip(points, centroids, strict=True)]
    covariances = [np.stack([mean(one * other) for other in offsets], -1) for one in offsets]
    return count, np.stack(centroids, axis=-1), np.stack(covariances, axis=-2)


def _folded(angle: Float[np.ndarray, " particles"]) -> Float[np.ndarray, " particles"]:
    """The same axis by its angle in (-pi/2, pi/2]."""
    return math.pi / 2 - (math.pi / 2 - angle) % math.pi


def _surfaces(
    particles: Int[np.ndarray, "*space"], count: int, sides: tuple[float, ...]
) -> Float[np.ndarray, " particles"]:
    """Perimeter or surface of each particle, numbered from 1."""
    wide = np.pad(particles, 1)
    total = np.zeros(count + 1)
    for step, weight in zip(*crofton_weights(sides), strict=True):
        moved = np.roll(wide, [-part for part in step], range(wide.ndim))
        changed = wide != moved
        for side in (wide, moved):
            total += weight * np.bincount(side[changed], minlength=count + 1)
    return total[1:]
