"""A microstructure from its statistics, by exchanging pixels: Yeong and Torquato's annealing."""

import functools
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from idml_jax.statistics.correlation import two_point_correlation
from idml_jax.statistics.phases import check_axis, check_binary
from idml_jax.statistics.reconstruction import Reconstruction
from idml_jax.statistics.segments import lineal_path, segments_in_phase
from idml_jax.typing import Array


def anneal(
    key: PRNGKeyArray,
    start: Bool[Array, "*space"],
    s2: Float[Array, "*space"],
    *,
    lineal_paths: Mapping[int, Float[Array, " lengths"]] | None = None,
    weight: float = 1.0,
    exchanges: int = 100_000,
    acceptance: float = 0.5,
    cooling: float = 0.9,
    records: int = 100,
) -> Reconstruction:
    r"""Exchange pixels of a periodic microstructure until its statistics are those asked for.

    A pixel of the phase and one outside it, drawn at random, change places; the exchange
    stays if the energy, the mean square error of S2 and `weight` times those of the lineal
    paths, falls, and else with the probability :math:`\exp(-\Delta E / T)` [1]_. The volume
    fraction never changes.

    Parameters
    ----------
    key : key
        Source of the exchanges.
    start : bool array of shape (M, N) or (P, M, N)
        The microstructure to begin with, with the volume fraction to keep, for instance
        random pixels or what `reconstruct` found.
    s2 : array of the same shape
        The two-point correlation to reach at every displacement.
    lineal_paths : mapping of int to array of shape (lengths,), optional
        The lineal path function to reach along each axis that is named.
    weight : float
        What the mean square error of each lineal path counts.
    exchanges : int
        How many are tried.
    acceptance : float
        Share of the exchanges for the worse that are accepted at the start: it sets the first
        temperature, from one hundred exchanges of the start. 0 accepts none, ever.
    cooling : float
        Factor of the temperature, `records` times in all.
    records : int
        How often the energy is written down.

    Returns
    -------
    reconstruction : Reconstruction
        The best microstructure of those recorded; `errors` are the mean squares of S2 and of
        each lineal path, `history` the energy after each of the records.

    Raises
    ------
    ValueError
        If `start` is not binary or wholly in or out of the phase, or an array does not fit.

    Notes
    -----
    An exchange changes the counts of S2 by what the two pixels see of the image, in
    :math:`O(N)` for :math:`N` pixels, and the lineal path along the four lines through
    them (in 3-D: six); nothing is transformed again, and the counts stay exact. No gradient.
    Memory: some 20 bytes a pixel.
    `reconstruct` reaches the same error in far less time; annealing needs no soft phase,
    keeps the volume fraction, and mends what a threshold leaves.

    References
    ----------
    .. [1] C. L. Y. Yeong, S. Torquato, Phys. Rev. E 57, 495 (1998).

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([True, True, False, False]), (8, 2))
    >>> start = jax.random.permutation(jax.random.key(0), stripes.ravel()).reshape(8, 8)
    >>> found = anneal(
    ...     jax.random.key(1), start, two_point_correlation(stripes), exchanges=2000
    ... )
    >>> int(found.phase.sum()), bool(found.history[-1] < found.history[0] / 3)
    (32, True)
    """
    start = jnp.asarray(check_binary(start, "start"))
    if s2.shape != start.shape:
        raise ValueError(f"`s2` has the shape {s2.shape} and `start` {start.shape}: give equal.")
    if not 0 < int(start.sum()) < start.size:
        raise ValueError("`start` is wholly in the phase or wholly out: there is nothing to move.")
    paths = {}
    for axis, path in (lineal_paths or {}).items():
        axis = check_axis(axis, start.shape)
        if not 1 <= len(path) <= start.shape[axis]:
            raise ValueError(
                f"the lineal path along axis {axis} has {len(path)} lengths; a side of "
                f"{start.shape[axis]} pixels has 1 to {start.shape[axis]}."
            )
        paths[axis] = jnp.asarray(path)
    phase, history = _anneal(
        key,
        start,
        *(jnp.flatnonzero(chosen).astype(jnp.int32) for chosen in (start, ~start)),
        jnp.asarray(s2),
        paths,
        jnp.asarray(weight, s2.dtype),
        jnp.asarray(acceptance, s2.dtype),
        jnp.asarray(cooling, s2.dtype),
        each=max(exchanges // records, 1),
        records=records,
    )
    errors = [jnp.mean((two_point_correlation(phase) - s2) ** 2)]
    for axis, path in paths.items():
        found = lineal_path(phase, axis=axis, longest=len(path) - 1)
        errors.append(jnp.mean((found - path) ** 2))
    return Reconstruction(phase, jnp.stack(errors), history)


class _State(NamedTuple):
    """What an exchange may change."""

    tiled: Bool[Array, "*twice"]  # two cells along each axis: what is cut out needs no wrapping
    inside: Int[Array, " inside"]  # flat indices of the pixels in the phase
    outside: Int[Array, " outside"]
    pairs: Float[Array, "*space"]  # pairs of pixels in the phase at each displacement
    segments: dict[int, Int[Array, " lengths"]]  # segments in the phase of each length
    energy: Float[Array, ""]


class _Exchange(NamedTuple):
    """Two pixels that change places, and what that changes."""

    leaves: Int[Array, ""]  # place in the list of the pixels in the phase
    enters: Int[Array, ""]  # place in the list of those outside
    old: Int[Array, ""]
    new: Int[Array, ""]
    pairs: Float[Array, "*space"]
    segments: dict[int, Int[Array, " lengths"]]


@functools.partial(jax.jit, static_argnames=("each", "records"))
def _anneal(
    key: PRNGKeyArray,
    start: Bool[Array, "*space"],
    inside: Int[Array, " inside"],
    outside: Int[Array, " outside"],
    s2: Float[Array, "*space"],
    paths: dict[int, Float[Array, " lengths"]],
    weight: Float[Array, ""],
    acceptance: Float[Array, ""],
    cooling: Float[Array, ""],
    *,
    each: int,
    records: int,
) -> tuple[Bool[Array, "*space"], Float[Array, " records"]]:
    size, dtype = start.size, s2.dtype

    def energy(pairs: Float[Array, "*space"], segments: dict) -> Float[Array, ""]:
        total = jnp.mean((pairs / size - s2) ** 2)
        for axis, path in paths.items():
            # Periodic: as many segments of each length as there are pixels.
            total += weight * jnp.mean((segments[axis].astype(dtype) / size - path) ** 2)
        return total

    def attempt(state: _State, key: PRNGKeyArray) -> tuple[_Exchange, Float[Array, ""]]:
        """An exchange, and the energy after it."""
        keys = jax.random.split(key)
        leaves = jax.random.randint(keys[0], (), 0, len(state.inside))
        enters = jax.random.randint(keys[1], (), 0, len(state.outside))
        old, new = state.inside[leaves], state.outside[enters]
        pairs = _change_of_pairs(state.tiled, old, new, dtype)
        phase = _cell(state.tiled)
        segments = {
            axis: _change_of_segments(phase, old, new, axis, len(found))
            for axis, found in state.segments.items()
        }
        after = {axis: state.segments[axis] + change for axis, change in segments.items()}
        found = _Exchange(leaves, enters, old, new, pairs, segments)
        return found, energy(state.pairs + pairs, after)

    def exchange(carry, key):
        state, temperature = carry
        keys = jax.random.split(key)
        tried, after = attempt(state, keys[0])
        rise = after - state.energy
        hot = jnp.where(temperature > 0, temperature, 1)
        chance = jnp.where(temperature > 0, jnp.exp(-rise / hot), 0)
        stays = (rise <= 0) | (jax.random.uniform(keys[1], dtype=dtype) < chance)
        # Written pixel by pixel, so that nothing but the counts of pairs is copied.
        tiled = _written(_written(state.tiled, tried.old, ~stays), tried.new, stays)
        state = _State(
            tiled,
            state.inside.at[tried.leaves].set(jnp.where(stays, tried.new, tried.old)),
            state.outside.at[tried.enters].set(jnp.where(stays, tried.old, tried.new)),
            state.pairs + jnp.where(stays, tried.pairs, 0),
            {
                axis: found + jnp.where(stays, tried.segments[axis], 0)
                for axis, found in state.segments.items()
            },
            jnp.where(stays, after, state.energy),
        )
        return (state, temperature), None

    def record(carry, key):
        state, temperature, best, lowest = carry
        (state, _), _ = jax.lax.scan(exchange, (state, temperature), jax.random.split(key, each))
        better = state.energy < lowest
        best = jnp.where(better, _cell(state.tiled), best)
        lowest = jnp.minimum(state.energy, lowest)
        return (state, temperature * cooling, best, lowest), state.energy

    pairs = jnp.rint(two_point_correlation(start).astype(dtype) * size)
    segments = {
        axis: segments_in_phase(_lines(start, axis), len(path) - 1, periodic=True)
        for axis, path in paths.items()
    }
    tiled = jnp.tile(start, (2,) * start.ndim)
    state = _State(tiled, inside, outside, pairs, segments, energy(pairs, segments))
    keys = jax.random.split(key)
    rises = jax.lax.map(
        lambda key: attempt(state, key)[1] - state.energy, jax.random.split(keys[0], 100)
    )
    up = rises > 0
    mean_rise = jnp.where(up, rises, 0).sum() / jnp.maximum(up.sum(), 1).astype(dtype)
    # exp(-rise / T) is the acceptance asked for.
    share = jnp.clip(acceptance, jnp.finfo(dtype).tiny, 1 - jnp.finfo(dtype).eps)
    temperature = jnp.where(acceptance > 0, -mean_rise / jnp.log(share), 0)
    carry = (state, temperature, start, state.energy)
    (_, _, best, _), history = jax.lax.scan(record, carry, jax.random.split(keys[1], records))
    return best, history


def _change_of_pairs(
    tiled: Bool[Array, "*twice"], old: Int[Array, ""], new: Int[Array, ""], dtype: jnp.dtype
) -> Float[Array, "*space"]:
    """What an exchange does to the number of pairs at each displacement."""
    shape = tuple(side // 2 for side in tiled.shape)
    middle = np.array([side // 2 for side in shape], np.int32)

    def seen_from(place):
        """Whether the pixels displaced from here, and to here, are in the phase."""
        first = [(p - m) % n for p, m, n in zip(place, middle, shape, strict=True)]
        ahead = jax.lax.dynamic_slice(tiled, first, shape)
        # Mirrored about zero displacement: what is n - 1 - x of the other one.
        first = [(p + m - n + 1) % n for p, m, n in zip(place, middle, shape, strict=True)]
        behind = jnp.flip(jax.lax.dynamic_slice(tiled, first, shape))
        return ahead.astype(dtype) + behind.astype(dtype)

    places = [jnp.unravel_index(index, shape) for index in (old, new)]
    change = seen_from(places[1]) - seen_from(places[0])
    apart = [b - a for a, b in zip(*places, strict=True)]
    change = change.at[tuple(middle)].add(2)
    for sign in (1, -1):
        between = [(m + sign * d) % n for m, d, n in zip(middle, apart, shape, strict=True)]
        change = change.at[tuple(between)].add(-1)
    return change


def _change_of_segments(
    phase: Bool[Array, "*space"],
    old: Int[Array, ""],
    new: Int[Array, ""],
    axis: int,
    lengths: int,
) -> Int[Array, " lengths"]:
    """What an exchange does to the number of segments of each length along an axis."""
    along, lines = [], []
    for index in (old, new):
        place = list(jnp.unravel_index(index, phase.shape))
        along.append(place.pop(axis))
        lines.append(tuple(place))
    same = jnp.all(jnp.stack([a == b for a, b in zip(*lines, strict=True)]))

    def gained(line, left, entered):
        """Segments after less those before, where pixels leave or enter a line if told so."""
        before = jnp.asarray(jnp.moveaxis(phase, axis, -1)[line])
        after = before.at[along[0]].set(before[along[0]] & ~left)
        after = after.at[along[1]].set(after[along[1]] | entered)
        found = [
            segments_in_phase(line[None], lengths - 1, periodic=True) for line in (before, after)
        ]
        return found[1] - found[0]

    there = jnp.asarray(True)
    return gained(lines[0], there, same) + jnp.where(same, 0, gained(lines[1], ~there, there))


def _cell(tiled: Bool[Array, "*twice"]) -> Bool[Array, "*space"]:
    """One cell of two along each axis."""
    return tiled[tuple(slice(side // 2) for side in tiled.shape)]


def _written(
    tiled: Bool[Array, "*twice"], index: Int[Array, ""], value: Bool[Array, ""]
) -> Bool[Array, "*twice"]:
    """A pixel set in every copy of the cell."""
    shape = tuple(side // 2 for side in tiled.shape)
    place = jnp.unravel_index(index, shape)
    for copies in itertools.product((0, 1), repeat=len(shape)):
        there = tuple(p + c * n for p, c, n in zip(place, copies, shape, strict=True))
        tiled = jnp.asarray(tiled).at[there].set(value)
    return tiled


def _lines(phase: Bool[Array, "*space"], axis: int) -> Bool[Array, "lines n"]:
    """Every line of pixels along an axis."""
    return jnp.moveaxis(phase, axis, -1).reshape(-1, phase.shape[axis])
