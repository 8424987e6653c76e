"""Correlations of three and more points."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from idml_jax.statistics.pairs import pair_sums, spectrum
from idml_jax.statistics.phases import check_known, real_dtype
from idml_jax.typing import Array, Phase

BUDGET = 2**28
"""Bytes of working memory that a whole window of displacements may take at once."""


def three_point_correlation(
    phase: Phase,
    first: Int[Array, "*sets axes"] | tuple[int, ...],
    second: Int[Array, "*sets axes"] | tuple[int, ...],
    *,
    periodic: bool = True,
    mask: Phase | None = None,
) -> Float[Array, "*sets"]:
    r"""Three-point correlation :math:`S_3(\mathbf{a}, \mathbf{b})` of a phase.

    The probability that a point and the two displaced from it by :math:`\mathbf{a}` and
    :math:`\mathbf{b}` all lie in the phase.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    first, second : array of int of shape (..., axes)
        The displacements in pixels along each axis, or many of them.
    periodic, mask
        As in `n_point_correlation`.

    Returns
    -------
    s3 : float array of shape (...)
        One value for each pair of displacements.

    Raises
    ------
    ValueError, TypeError
        As `n_point_correlation` does.

    Notes
    -----
    For a phase of volume fraction :math:`\phi`, :math:`S_3(0, 0) = \phi`,
    :math:`S_3(\mathbf{a}, \mathbf{a}) = S_3(0, \mathbf{a}) = S_2(\mathbf{a})`, and far apart
    :math:`S_3 \to \phi^3` [1]_. Cost and memory are those of `n_point_correlation`.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002, section 2.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([[True], [False]]), (4, 8))
    >>> float(three_point_correlation(stripes, (2, 0), (4, 1)))
    0.5
    >>> float(three_point_correlation(stripes, (1, 0), (2, 1)))
    0.0
    """
    displacements = jnp.stack([_whole(first), _whole(second)], axis=-2)
    return n_point_correlation(phase, displacements, periodic=periodic, mask=mask)


def n_point_correlation(
    phase: Phase,
    displacements: Int[Array, "*sets points axes"] | list | tuple,
    *,
    periodic: bool = True,
    mask: Phase | None = None,
) -> Float[Array, "*sets"]:
    r"""n-point correlation :math:`S_n(\mathbf{r}_1, \dots, \mathbf{r}_{n-1})` of a phase.

    The probability that a point and those displaced from it by each
    :math:`\mathbf{r}_i` all lie in the phase.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    displacements : array of int of shape (..., n - 1, axes)
        The n - 1 displacements in pixels along each axis; leading axes are further sets of
        them. Traced like `phase`: other values of the same shape cost no compilation.
    periodic : bool
        Whether the image tiles space. If False, only those points count whose displaced
        ones all lie in the image.
    mask : array of the shape of `phase`, optional
        Pixels that are known, or how far each is trusted, in [0, 1]: a set of points weighs
        the product of theirs.

    Returns
    -------
    sn : float array of shape (...)
        One value for each set; NaN where no set of known points fits in the image.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an array holds NaN or values outside [0, 1].
    TypeError
        If `phase` is neither boolean nor float, or a displacement is not a whole number.

    Notes
    -----
    A sum of products from the definition: exact, :math:`O(n N)` for :math:`N` pixels and
    each set, sets one after another, in the memory of six images. Differentiable in soft
    phases. `n_point_window` is faster for all displacements up to a reach.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from idml_jax.data.synthetic import checkerboard
    >>> corners = [(0, 2), (2, 0), (2, 2)]
    >>> float(n_point_correlation(checkerboard((8, 8), side=2), corners))
    0.0
    >>> corners = [(2, 2), (4, 0), (0, 4)]
    >>> float(n_point_correlation(checkerboard((8, 8), side=2), corners))
    0.5
    """
    phase, _, mask = check_known(phase, mask)
    displacements = _whole(displacements)
    if displacements.ndim < 2 or displacements.shape[-1] != phase.ndim:
        raise ValueError(
            f"`displacements` has the shape {displacements.shape}: its last axis holds one step "
            f"for each of the {phase.ndim} axes of `phase`, the one before the points."
        )
    dtype = real_dtype(phase)
    return _n_point_correlation(phase, mask, displacements, dtype=dtype, periodic=periodic)


def n_point_window(
    phase: Phase,
    *,
    points: int,
    reach: int,
    periodic: bool = True,
    budget: int = BUDGET,
) -> Float[Array, "*window"]:
    """n-point correlation for every set of displacements up to `reach` along each axis.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    points : int
        n: 3 for the three-point correlation.
    reach : int
        Longest displacement along an axis; less than half of every side.
    periodic : bool
        Whether the image tiles space.
    budget : int
        Bytes of working memory, beside the result: how many displacements are transformed
        at once.

    Returns
    -------
    sn : float array of shape (2 * reach + 1, ...) with (points - 1) * axes axes
        For 3 points of an image, ``s3[reach + a, reach + b, reach + c, reach + d]`` is
        ``three_point_correlation(phase, (a, b), (c, d))``.

    Raises
    ------
    ValueError
        If `points` is below 2, `reach` too long, or `budget` below what one displacement needs;
        and as `two_point_correlation` does.
    TypeError
        As `two_point_correlation` does.

    Notes
    -----
    All displacements of the last point come from one Fourier transform, for each choice of
    the others: :math:`O(w^{n-2} N log N)` for :math:`w` displacements. The result has
    :math:`w^{n-1}` values. Counts of boolean phases are exact. Differentiable.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> s3 = n_point_window(jnp.eye(6, dtype=bool), points=3, reach=2)
    >>> s3.shape, round(float(s3[3, 3, 1, 1]), 4)
    ((5, 5, 5, 5), 0.1667)
    """
    phase, _, _ = check_known(phase, None)
    dtype, shape = real_dtype(phase), phase.shape
    if points < 2:
        raise ValueError(f"`points` (={points}) must be at least 2.")
    if not 0 <= reach <= (min(shape) - 1) // 2:
        raise ValueError(
            f"`reach` (={reach}) must lie between 0 and {(min(shape) - 1) // 2}, less than half of "
            f"the shortest side of {shape}."
        )
    # The product, its spectrum, that of the pairs and their inverse, with zeros where not periodic.
    wide = 1.0 if periodic else 1.6 ** len(shape)
    each = math.ceil(5 * math.prod(shape) * dtype.itemsize * wide)
    if each > budget:
        raise ValueError(f"`budget` (={budget}) is below the {each} bytes that one step needs.")
    steps = list(itertools.product(range(-reach, reach + 1), repeat=len(shape)))
    choices = list(itertools.product(steps, repeat=points - 2))
    found = _window(
        phase,
        jnp.asarray(np.array(choices, np.int32).reshape(len(choices), -1, len(shape))),
        reach=reach,
        dtype=dtype,
        periodic=periodic,
        at_once=max(1, budget // each),
    )
    return found.reshape((2 * reach + 1,) * ((points - 1) * len(shape)))


def _whole(displacements: object) -> Int[Array, "*any"]:
    """Displacements as integers, refused where they are not."""
    array = jnp.asarray(displacements)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"displacements are whole numbers of pixels, got {array.dtype}.")
    return array.astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=("dtype", "periodic"))
def _n_point_correlation(
    phase: Phase,
    mask: Phase | None,
    displacements: Int[Array, "*sets points axes"],
    *,
    dtype: jnp.dtype,
    periodic: bool,
) -> Float[Array, "*sets"]:
    def one(displaced: Int[Array, "points axes"]) -> Float[Array, ""]:
        if mask is None:
            hits = _product(phase, displaced, periodic).sum(dtype=_counting(phase, dtype))
            return hits.astype(dtype) / _sets_that_exist(phase.shape, displaced, dtype, periodic)
        whole = phase.dtype == mask.dtype == bool
        weighed = phase & mask if whole else phase.astype(dtype) * mask.astype(dtype)
        hits, tried = (
            _product(field, displaced, periodic).sum(dtype=_counting(field, dtype)).astype(dtype)
            for field in (weighed, mask)
        )
        return jnp.where(tried > 0, hits / jnp.where(tried > 0, tried, 1), jnp.nan)

    sets = displacements.shape[:-2]
    flat = displacements.reshape(-1, *displacements.shape[-2:])
    return jax.lax.map(one, flat).reshape(sets)


def _counting(field: Phase, dtype: jnp.dtype) -> jnp.dtype:
    """Pixels that are in or out are counted as integers, which float32 stops doing at 2^24."""
    return jnp.dtype(jnp.int32) if field.dtype == bool else dtype


def _product(field: Phase, displacements: Int[Array, "points axes"], periodic: bool) -> Phase:
    """At each pixel the product of the field there and at all points displaced from there."""

    def multiply(product: Phase, displacement: Int[Array, " axes"]) -> tuple[Phase, None]:
        moved = jnp.roll(field, -displacement, tuple(range(field.ndim)))
        if not periodic:
            for axis, side in enumerate(field.shape):
                place = jax.lax.broadcasted_iota(jnp.int32, field.shape, axis) + displacement[axis]
                moved = jnp.where((place >= 0) & (place < side), moved, jnp.zeros((), field.dtype))
        return product & moved if field.dtype == bool else product * moved, None

    return jax.lax.scan(multiply, field, displacements)[0]


def _sets_that_exist(
    shape: tuple[int, ...],
    displacements: Int[Array, "points axes"],
    dtype: jnp.dtype,
    periodic: bool,
) -> Float[Array, ""]:
    """Number of pixels from which all displaced points lie in the image; NaN if none does."""
    if periodic:
        return jnp.asarray(math.prod(shape), dtype)
    spread = jnp.maximum(displacements.max(axis=0), 0) - jnp.minimum(displacements.min(axis=0), 0)
    room = jnp.maximum(jnp.asarray(shape, jnp.int32) - spread, 0).astype(dtype)
    return jnp.where((room > 0).all(), room.prod(), jnp.nan)


@functools.partial(jax.jit, static_argnames=("reach", "dtype", "periodic", "at_once"))
def _window(
    phase: Phase,
    choices: Int[Array, "choices others axes"],
    *,
    reach: int,
    dtype: jnp.dtype,
    periodic: bool,
    at_once: int,
) -> Float[Array, "choices *window"]:
    weights = phase.astype(dtype)
    last = spectrum(weights, periodic)
    middle = tuple(slice(side // 2 - reach, side // 2 + reach + 1) for side in phase.shape)
    steps = jnp.arange(-reach, reach + 1, dtype=jnp.int32)

    def one(others: Int[Array, "others axes"]) -> Float[Array, "*window"]:
        product = spectrum(_product(weights, others, periodic), periodic)
        hits = pair_sums(product, last, phase.shape, periodic)[middle]
        hits = jnp.rint(hits) if phase.dtype == bool else hits
        if periodic:
            return hits / math.prod(phase.shape)
        return hits / _room(phase.shape, others, steps, dtype)

    return jax.lax.map(one, choices, batch_size=at_once)


def _room(
    shape: tuple[int, ...],
    others: Int[Array, "others axes"],
    steps: Int[Array, " steps"],
    dtype: jnp.dtype,
) -> Float[Array, "*window"]:
    """Number of pixels from which all points lie in the image, for each place of the last."""
    low = jnp.minimum(others.min(axis=0, initial=0), 0)
    high = jnp.maximum(others.max(axis=0, initial=0), 0)
    lengths = [
        (side - (jnp.maximum(steps, high[axis]) - jnp.minimum(steps, low[axis]))).astype(dtype)
        for axis, side in enumerate(shape)
    ]
    return functools.reduce(jnp.multiply.outer, lengths)
