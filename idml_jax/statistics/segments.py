"""Straight lines through a microstructure: the lineal path function and the chords."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from idml_jax.statistics.phases import check_axis, check_binary, check_on_host, check_phase
from idml_jax.typing import Array, Phase


def lineal_path(
    phase: Phase, *, axis: int, periodic: bool = True, longest: int | None = None
) -> Float[Array, " lengths"]:
    r"""Lineal path function :math:`L(z)` along one axis.

    The probability that a whole segment of length z lies in the phase [1]_: here, of z + 1
    pixels in a row.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    axis : int
        The axis that the segments lie along.
    periodic : bool
        Whether the image tiles space. If False, only segments inside the image count.
    longest : int, optional
        The longest length z; by default ``n - 1`` for a side of n.

    Returns
    -------
    path : float array of shape (longest + 1,)
        L(0), L(1), ...: ``L(0)`` is the volume fraction.

    Raises
    ------
    ValueError
        If `axis` or `longest` is out of range, and as `two_point_correlation` does.
    TypeError
        If the phase is neither boolean nor float.

    Notes
    -----
    Of a boolean phase it counts runs of pixels, exactly, in one pass. Of a soft phase it is
    the mean product of the memberships along the segment, which is the same for memberships
    of 0 and 1 and has a gradient; it takes ``longest`` passes, and its gradient the memory
    of as many images. :math:`L(z) \le S_2(z)`.

    References
    ----------
    .. [1] B. Lu, S. Torquato, Phys. Rev. A 45, 922 (1992).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([True, True, False, False]), (2, 2))
    >>> lineal_path(stripes, axis=1, longest=3).tolist()
    [0.5, 0.25, 0.0, 0.0]
    >>> lineal_path(stripes, axis=0, periodic=False).tolist()
    [0.5, 0.5]
    """
    phase = check_phase(phase)
    axis = check_axis(axis, phase.shape)
    side = phase.shape[axis]
    wanted = side - 1 if longest is None else longest
    if not 0 <= wanted < side:
        raise ValueError(
            f"`longest` (={longest}) must lie between 0 and {side - 1}: the side has {side} pixels."
        )
    count = _runs_counted if phase.dtype == bool else _products_summed
    return count(jnp.moveaxis(phase, axis, -1), longest=wanted, periodic=periodic)


class ChordLengths(NamedTuple):
    """How long the chords of a phase are.

    Attributes
    ----------
    lengths : int array of shape (n,)
        1, 2, ..., n pixels.
    probabilities : float array of shape (n,)
        Share of the chords with that length; NaN where there is no chord at all.
    mean : float
        Mean length in pixels; NaN where there is no chord.
    number : float
        Chords for each pixel of the image.
    """

    lengths: Int[Array, " n"]
    probabilities: Float[Array, " n"]
    mean: Float[Array, ""]
    number: Float[Array, ""]


def chord_length_distribution(
    phase: Phase,
    *,
    axis: int,
    periodic: bool = False,
    cut: Literal["keep", "drop", "weigh"] = "weigh",
) -> ChordLengths:
    r"""Distribution of the chord lengths of a phase along one axis.

    A chord is a longest run of pixels in the phase along a line.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Boolean membership of the phase.
    axis : int
        The axis that the chords lie along.
    periodic : bool
        Whether the image tiles space; no chord is then cut. A line that lies in the phase
        from end to end has a chord without an end, which is left out.
    cut : "keep", "drop" or "weigh"
        What to do about chords that the border cuts. Kept, they count with what is seen
        of them. Dropped, long chords are missing, because they are cut more often. Weighed,
        they are dropped and each whole chord of l pixels counts as ``1 / (n - l - 1)``, one
        over the number of places where a line of n pixels shows it whole [1]_: the number of
        chords of each length is then unbiased, up to ``n - 2`` pixels.

    Returns
    -------
    chords : ChordLengths

    Raises
    ------
    ValueError
        If the phase is not binary, or `axis` or `cut` is out of range.
    TypeError
        If the phase is not boolean in a traced function.

    Notes
    -----
    No gradient: it counts whole pixels. It can be compiled and batched, in 14 bytes a pixel.

    Of a medium whose pixels are in the phase independently with probability p, chords are
    geometric: a share of :math:`p^{l-1} (1 - p)`, with mean :math:`1 / (1 - p)`.

    References
    ----------
    .. [1] D. G. Horvitz, D. J. Thompson, J. Am. Stat. Assoc. 47, 663 (1952).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> rows = jnp.array([[1, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], dtype=bool)
    >>> chord_length_distribution(rows, axis=1, cut="drop").probabilities.tolist()
    [0.5, 0.0, 0.5, 0.0, 0.0, 0.0]
    >>> float(chord_length_distribution(rows, axis=1, cut="keep").mean)
    1.6
    """
    phase = check_binary(phase)
    axis = check_axis(axis, phase.shape)
    if cut not in ("keep", "drop", "weigh"):
        raise ValueError(f"`cut` (={cut!r}) is one of 'keep', 'drop' and 'weigh'.")
    lines = jnp.moveaxis(phase, axis, -1).reshape(-1, phase.shape[axis])
    return _chord_length_distribution(lines, periodic=periodic, cut=cut)


def chord_lengths(
    phase: Phase,
    *,
    axis: int,
    periodic: bool = False,
    cut: Literal["keep", "drop"] = "keep",
) -> Int[np.ndarray, " chords"]:
    r"""Length in pixels of every chord of a phase along one axis.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Boolean membership of the phase.
    axis : int
        The axis that the chords lie along.
    periodic : bool
        Whether the image tiles space: a chord then goes on across the border, and a line
        that lies in the phase from end to end has none, because it has no end.
    cut : "keep" or "drop"
        Whether a chord that the border cuts counts with what is seen of it, or not at all.
        Both are biased: see `chord_length_distribution`.

    Returns
    -------
    lengths : int array of shape (chords,)
        Line after line, in the order of the array with `axis` moved to the end. A phase
        without pixels has none.

    Raises
    ------
    ValueError
        If the phase is not binary, or `axis` or `cut` is out of range.
    TypeError
        In a traced function: their number depends on the data.

    Notes
    -----
    On the host, with numpy, in 20 bytes a pixel, and no gradient.

    The chords of a disk of radius R have the mean :math:`\pi R / 2` and the standard
    deviation :math:`R \sqrt{(32 - 3 \pi^2) / 12}`; of a ball :math:`4 R / 3` and
    :math:`R \sqrt{2} / 3`.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], dtype=bool)
    >>> chord_lengths(rows, axis=1).tolist()
    [2, 1, 2]
    >>> chord_lengths(rows, axis=1, periodic=True).tolist()
    [3, 2]
    """
    check_on_host(phase)
    whole = np.asarray(check_binary(phase))
    axis = check_axis(axis, whole.shape)
    if cut not in ("keep", "drop"):
        raise ValueError(f"`cut` (={cut!r}) is 'keep' or 'drop'.")
    lines = np.moveaxis(whole, axis, -1).reshape(-1, whole.shape[axis])
    if periodic:
        lines = lines[~lines.all(axis=1)]
        # Each line is read from a pixel outside the phase on, so that no chord is cut.
        starts = lines.argmin(axis=1)
        places = (np.arange(lines.shape[1]) + starts[:, None]) % lines.shape[1]
        lines = np.take_along_axis(lines, places, axis=1)
    steps = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    _, begins = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    seen_whole = (begins > 0) & (ends < lines.shape[1])
    return (ends - begins)[seen_whole if cut == "drop" and not periodic else slice(None)]


def segments_in_phase(
    lines: Bool[Array, "lines n"], longest: int, *, periodic: bool
) -> Int[Array, " lengths"]:
    """Number of segments of 1, 2, ... pixels that lie in the phase: runs that are no shorter."""
    numbers = _numbers(_runs(lines, periodic), lines.shape[-1])
    return jnp.cumsum(numbers[::-1])[::-1][1 : longest + 2]


@functools.partial(jax.jit, static_argnames=("longest", "periodic"))
def _runs_counted(
    lines: Bool[Array, "*lines n"], *, longest: int, periodic: bool
) -> Float[Array, " lengths"]:
    """L(z) of a boolean phase."""
    found = segments_in_phase(lines.reshape(-1, lines.shape[-1]), longest, periodic=periodic)
    return found.astype(float) / _segments(lines.shape, longest, periodic)


@functools.partial(jax.jit, static_argnames=("longest", "periodic"))
def _products_summed(
    lines: Float[Array, "*lines n"], *, longest: int, periodic: bool
) -> Float[Array, " lengths"]:
    """L(z) of a soft phase: the mean product of z + 1 memberships in a row."""

    def lengthen(product, _):
        # A segment is its first pixel and the one shorter segment that begins behind it.
        shorter = jnp.roll(product, -1, axis=-1)
        product = lines * (shorter if periodic else shorter.at[..., -1].set(0))
        return product, product.sum()

    sums = jax.lax.scan(lengthen, lines, length=longest)[1]
    sums = jnp.concatenate([lines.sum()[None], sums])
    return sums / _segments(lines.shape, longest, periodic).astype(lines.dtype)


def _segments(shape: tuple[int, ...], longest: int, periodic: bool) -> Float[np.ndarray, " z"]:
    """Number of segments of 1, 2, ... pixels along the last axis."""
    places = np.full(longest + 1, shape[-1]) - (0 if periodic else np.arange(longest + 1))
    return places * float(np.prod(shape[:-1]))


def _runs(lines: Bool[Array, "lines n"], periodic: bool) -> Int[Array, "lines n"]:
    """How many pixels in a row, from each on, lie in the phase; at most n."""
    side = lines.shape[-1]
    outside = jnp.where(lines, 2 * side, jnp.arange(side)[None])
    nearest = jax.lax.cummin(outside, axis=1, reverse=True)
    # Behind the last pixel comes the first again, or nothing.
    beyond = side + nearest[:, :1] if periodic else jnp.full_like(nearest[:, :1], side)
    return jnp.minimum(jnp.minimum(nearest, beyond) - jnp.arange(side)[None], side)


def _numbers(
    values: Int[Array, "lines n"], largest: int, weights: Bool[Array, "lines n"] | None = None
) -> Int[Array, " values"]:
    """How often each of 0, 1, ..., `largest` occurs."""
    one = jnp.ones((), jnp.int32) if weights is None else weights.astype(jnp.int32).ravel()
    return jnp.zeros(largest + 1, jnp.int32).at[values.ravel()].add(one)


@functools.partial(jax.jit, static_argnames=("periodic", "cut"))
def _chord_length_distribution(
    lines: Bool[Array, "lines n"], *, periodic: bool, cut: str
) -> ChordLengths:
    side = lines.shape[-1]
    runs = _runs(lines, periodic)
    before = jnp.roll(lines, 1, axis=1)
    if periodic:
        begins = lines & ~before
    else:
        first = jnp.arange(side)[None] == 0
        begins = lines & (first | ~before)
        if cut != "keep":
            begins &= ~first & (jnp.arange(side)[None] + runs < side)
    numbers = _numbers(runs, side, begins)[1:].astype(float)
    lengths = np.arange(1, side + 1)
    if not periodic and cut == "weigh":
        # As many chords as if each could be seen whole from every pixel of the line.
        numbers = numbers * np.where(
            lengths < side - 1, side / np.maximum(side - lengths - 1, 1), 0
        )
    total = numbers.sum()
    none = total == 0
    probabilities = jnp.where(none, jnp.nan, numbers / jnp.where(none, 1, total))
    mean = (probabilities * lengths.astype(probabilities.dtype)).sum()
    return ChordLengths(lengths, probabilities, mean, total / lines.size)
