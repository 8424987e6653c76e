"""A microstructure from its statistics, by gradient."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, PRNGKeyArray

from idml_jax.statistics.correlation import two_point_correlation
from idml_jax.statistics.segments import lineal_path
from idml_jax.typing import Array, Phase

STEEPNESS = 2.0
"""Standard deviation of a field to start from: how far its soft phase is from grey."""


class Target(NamedTuple):
    """A statistic that a reconstruction is to have.

    Attributes
    ----------
    statistic : callable
        From a soft phase to an array, with a gradient.
    value : array
        What the statistic is to be.
    weight : float
        How much its mean square error counts beside that of other targets.
    coarsened : callable, optional
        From a whole factor to this target on a grid coarser by it. A target without one is
        left out while the grid is coarse.
    """

    statistic: Callable[[Phase], Float[Array, "..."]]
    value: Float[Array, "..."]
    weight: float = 1.0
    coarsened: Callable[[int], "Target"] | None = None

    def relative_error(self, phase: Phase) -> Float[Array, ""]:
        """How far the statistic of a phase is from its value: the L2 norm over that of the value.

        Of numbers of the value that are none nothing is asked. It has a gradient of soft phases,
        0 where nothing is left to be gained.

        Examples
        --------
        >>> import jax.numpy as jnp
        >>> layers = jnp.tile(jnp.array([[1.0], [0.0]]), (4, 8))
        >>> target = two_point_target(two_point_correlation(layers))
        >>> [round(float(target.relative_error(each)), 4) for each in (layers, 1 + 0 * layers)]
        [0.0, 2.2361]
        """
        known = jnp.isfinite(self.value)
        found = self.statistic(phase)
        value = jnp.where(known, self.value, 0).astype(found.dtype)
        difference = jnp.where(known, found - value, 0)
        square = jnp.sum(difference**2) / jnp.sum(value**2)
        # The root has no slope at 0: neither has what is squared.
        return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


class Reconstruction(NamedTuple):
    """A microstructure that was made from statistics.

    Attributes
    ----------
    phase : bool array
        The microstructure.
    errors : float array of shape (targets,)
        Mean square difference of each statistic of `phase` from its value.
    history : float array of shape (steps,)
        Weighted sum of the mean squares after each step of the search, on the finest grid.
    """

    phase: Bool[Array, "*space"]
    errors: Float[Array, " targets"]
    history: Float[Array, " steps"]


def two_point_target(
    s2: Float[Array, "*window"], *, periodic: bool = True, weight: float = 1.0
) -> Target:
    """The two-point correlation as a target: the whole of it, or a window around zero.

    Parameters
    ----------
    s2 : array
        Zero displacement at index ``n // 2`` of each axis, as `two_point_correlation` gives
        it and as PyMKS does, whose array is one pixel shorter where a side is even. Values
        of displacements that are not to count may be NaN.
    periodic : bool
        Whether the reconstruction is a periodic cell; `s2` may come from an image that is
        not.
    weight : float
        How much its mean square error counts.
    """

    def statistic(phase: Phase) -> Float[Array, "*window"]:
        return _middle(two_point_correlation(phase, periodic=periodic), s2.shape)

    def coarsened(factor: int) -> Target:
        # Every other pixel of a microstructure has its correlation at every other displacement.
        coarse = s2[tuple(slice(side // 2 % factor, None, factor) for side in s2.shape)]
        return two_point_target(coarse, periodic=periodic, weight=weight)

    return Target(statistic, s2, weight, coarsened)


def lineal_path_target(
    path: Float[Array, " lengths"], *, axis: int, periodic: bool = True, weight: float = 1.0
) -> Target:
    """The lineal path function along one axis as a target, up to its longest length.

    Parameters
    ----------
    path : array of shape (lengths,)
        L(0), L(1), ..., as `lineal_path` gives it.
    axis : int
        The axis that the segments lie along.
    periodic : bool
        Whether the reconstruction is a periodic cell.
    weight : float
        How much its mean square error counts.

    Notes
    -----
    On a coarse grid it is taken at every other length, which is an approximation: the pixels
    between are not looked at.
    """

    def statistic(phase: Phase) -> Float[Array, " lengths"]:
        return lineal_path(phase, axis=axis, periodic=periodic, longest=len(path) - 1)

    def coarsened(factor: int) -> Target:
        return lineal_path_target(path[::factor], axis=axis, periodic=periodic, weight=weight)

    return Target(statistic, path, weight, coarsened)


def plane_target(target: Target, *, axis: int) -> Target:
    """A target of images as one of volumes: the mean over the planes across `axis`.

    With one for each axis, a volume is reconstructed from the statistics of its sections.
    """

    def statistic(phase: Phase) -> Float[Array, "..."]:
        return jax.vmap(target.statistic)(jnp.moveaxis(phase, axis, 0)).mean(axis=0)

    def coarsened(factor: int) -> Target:
        assert target.coarsened is not None
        return plane_target(target.coarsened(factor), axis=axis)

    return target._replace(
        statistic=statistic, coarsened=None if target.coarsened is None else coarsened
    )


def reconstruct(
    key: PRNGKeyArray,
    targets: Sequence[Target],
    *,
    shape: tuple[int, ...],
    levels: int = 3,
    iterations: int = 100,
    start: Float[Array, "*space"] | None = None,
) -> Reconstruction:
    r"""A microstructure that has the statistics asked for, by gradient.

    A soft phase, the logistic function of a field, is moved by L-BFGS until the weighted sum
    of the mean square differences is least [1]_, first on coarse grids and then on the one
    asked for [2]_; the brightest pixels of it are the phase, as many as its mean membership
    says.

    Parameters
    ----------
    key : key
        Source of the start.
    targets : sequence of Target
        What is to be matched, in any mix: `two_point_target`, `lineal_path_target`,
        `plane_target`, or any function of a soft phase that has a gradient.
    shape : tuple of int
        Pixels or voxels along each axis.
    levels : int
        Number of grids, each half as fine as the next; 1 for the fine one alone.
    iterations : int
        L-BFGS steps on each grid.
    start : array of shape `shape`, optional
        The field to start from on the finest grid (0 for a membership of one half), for
        instance one with the right correlation already: `levels` is then 1.

    Returns
    -------
    reconstruction : Reconstruction

    Raises
    ------
    ValueError
        If there is no target, `shape` cannot be halved ``levels - 1`` times, a target does
        not fit the shape, or holds no number; if `start` and several levels are given.

    Notes
    -----
    What makes the soft phase hard is the statistics themselves: :math:`S_2(0) = \langle p^2
    \rangle` and the volume fraction :math:`L(0) = \langle p \rangle` are equal for a phase
    of zeros and ones alone. Memory: some thirty fields of the shape, for L-BFGS, and what
    the gradients of the targets take. S2 alone, or with the lineal path, does not determine a
    microstructure [2]_: networks of thin walls come out as pieces. It can be compiled, and
    batched over keys for an ensemble.

    References
    ----------
    .. [1] A. Bostanabad et al., Prog. Mater. Sci. 95, 1 (2018), section 3.
    .. [2] P. Seibert, A. Rassloff, M. Ambati, M. Kaestner, Acta Materialia 227, 117667 (2022).

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from idml_jax.statistics import two_point_correlation
    >>> disk = jnp.hypot(*jnp.mgrid[-8.0:8.0, -8.0:8.0]) < 4
    >>> target = two_point_target(two_point_correlation(disk))
    >>> found = reconstruct(jax.random.key(0), [target], shape=(16, 16), levels=1)
    >>> found.phase.shape, bool(found.errors[0] < 1e-3)
    ((16, 16), True)
    """
    _check(targets, shape, levels, start)
    coarsest = tuple(side // 2 ** (levels - 1) for side in shape)
    field = jax.random.normal(key, coarsest) if start is None else jnp.asarray(start)
    history = jnp.zeros(0)
    for level in reversed(range(levels)):
        if level < levels - 1:
            field = _doubled(field)
        here = [target.coarsened(2**level) for target in targets if target.coarsened]
        field, history = _descend(field, here if level else targets, iterations)
    phase = brightest(field, jax.nn.sigmoid(field).mean())
    errors = [_mean_square(target, phase.astype(field.dtype)) for target in targets]
    return Reconstruction(phase, jnp.stack(errors), history)


def correlated_start(
    key: PRNGKeyArray, s2: Float[Array, "*space"], *, steepness: float = STEEPNESS
) -> Float[Array, "*space"]:
    r"""A random field with the autocovariance of a phase, to start a reconstruction from.

    Parameters
    ----------
    key : key
        Source of the noise.
    s2 : float array of shape (M, N) or (P, M, N)
        Two-point correlation of the phase, as large as the reconstruction.
    steepness : float
        Standard deviation of the field: how far the soft phase is from grey at the start.

    Returns
    -------
    field : float array of the shape of `s2`
        Its positive part has the volume fraction ``s2`` has at zero.

    Notes
    -----
    The phase that it is cut into has not this correlation but one close to it, by the
    arcsine law. Frequencies at which the transform of a measured `s2` is negative, which
    that of a periodic microstructure cannot be, are left out. Memory: 7 images.
    """
    covariance = jnp.asarray(s2) - jnp.mean(s2)
    power = jnp.maximum(jnp.fft.fftn(jnp.fft.ifftshift(covariance)).real, 0)
    noise = jnp.fft.fftn(jax.random.normal(key, s2.shape, covariance.dtype))
    # Of the noise only the phases: the amplitudes are those asked for, and not drawn.
    amplitude = jnp.sqrt(power) / jnp.abs(noise)
    field = jnp.fft.ifftn(noise * amplitude.astype(noise.dtype)).real
    share = s2[tuple(side // 2 for side in s2.shape)]
    return steepness * (field - jnp.quantile(field, 1 - share)) / field.std()


def brightest(field: Float[Array, "*space"], share: Float[Array, ""]) -> Bool[Array, "*space"]:
    """The largest values of a field, as many as make up a share of it."""
    count = jnp.rint(share * field.size).astype(int)
    rank = jnp.argsort(jnp.argsort(-field.ravel())).reshape(field.shape)
    return rank < count


def _check(
    targets: Sequence[Target],
    shape: tuple[int, ...],
    levels: int,
    start: Float[Array, "*space"] | None,
) -> None:
    """Refuse what cannot be searched for."""
    if not targets:
        raise ValueError("`targets` is empty: give at least one statistic to match.")
    if levels < 1 or any(side % 2 ** (levels - 1) for side in shape):
        raise ValueError(
            f"`levels` (={levels}) grids, each half as fine as the next, need sides that are "
            f"multiples of {2 ** max(levels - 1, 0)}; `shape` is {shape}."
        )
    if levels > 1 and not any(target.coarsened for target in targets):
        raise ValueError(
            "no target can be had on a coarser grid (`Target.coarsened`): use `levels=1`."
        )
    if start is not None and (levels != 1 or start.shape != tuple(shape)):
        raise ValueError(
            f"`start` has the shape {start.shape} and goes with `levels=1` and that shape alone; "
            f"`shape` is {shape}, `levels` {levels}."
        )
    for place, target in enumerate(targets):
        found = jax.eval_shape(target.statistic, jax.ShapeDtypeStruct(shape, jnp.zeros(()).dtype))
        if found.shape != target.value.shape:
            raise ValueError(
                f"target {place}: its statistic has the shape {found.shape} on {shape}, and its "
                f"value {target.value.shape}."
            )
        if not np.isfinite(target.value).any():
            raise ValueError(f"target {place}: its value holds no number.")


def _doubled(field: Float[Array, "*space"]) -> Float[Array, "*fine"]:
    """The field on a grid twice as fine, smooth between its values, and grey enough to move."""
    for axis in range(field.ndim):
        field = jnp.repeat(field, 2, axis=axis)
        for _ in range(2):
            field = (jnp.roll(field, 1, axis) + 2 * field + jnp.roll(field, -1, axis)) / 4
    # What a coarse grid has decided would stay in blocks: its logistic function is flat.
    return STEEPNESS * field / jnp.maximum(jnp.std(field), 1)


def _middle(field: Float[Array, "*space"], window: tuple[int, ...]) -> Float[Array, "*window"]:
    """A centred field within a window around zero displacement."""
    return field[
        tuple(
            slice(side // 2 - width // 2, side // 2 - width // 2 + width)
            for side, width in zip(field.shape, window, strict=True)
        )
    ]


def _mean_square(target: Target, phase: Float[Array, "*space"]) -> Float[Array, ""]:
    """Mean square difference of a statistic from its value, where that is a number."""
    value = jnp.asarray(target.value, phase.dtype)
    known = jnp.isfinite(value)
    difference = jnp.where(known, target.statistic(phase) - jnp.where(known, value, 0), 0)
    return (difference**2).sum() / known.sum().astype(phase.dtype)


def _descend(
    field: Float[Array, "*space"], targets: Sequence[Target], iterations: int
) -> tuple[Float[Array, "*space"], Float[Array, " steps"]]:
    """L-BFGS on the field; its loss after each step beside it."""

    def loss(field: Float[Array, "*space"]) -> Float[Array, ""]:
        phase = jax.nn.sigmoid(field)
        return sum(
            (target.weight * _mean_square(target, phase) for target in targets), jnp.zeros(())
        )

    search = optax.lbfgs(memory_size=20)

    @jax.jit
    def descend(field):
        # The first step and the line search are of the order of one; a mean square is not.
        scale = loss(field)

        def relative(field):
            return loss(field) / scale

        both = optax.value_and_grad_from_state(relative)

        def step(carry, _):
            field, state = carry
            value, gradient = both(field, state=state)
            change, state = search.update(
                gradient, state, field, value=value, grad=gradient, value_fn=relative
            )
            field = optax.apply_updates(field, change)
            return (field, state), optax.tree.get(state, "value") * scale

        (field, _), history = jax.lax.scan(step, (field, search.init(field)), length=iterations)
        return field, history

    # optax mixes the types of integers, also where a user has asked JAX to be strict.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return descend(field)
