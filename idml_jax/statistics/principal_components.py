"""Principal components of the statistics of an ensemble: few numbers for each microstructure."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Float

from idml_jax.typing import Array


class PrincipalComponents(NamedTuple):
    """An ensemble of statistics by its mean and the directions in which it varies most.

    A pytree: it passes through `jax.jit` and `jax.vmap`, and is saved, as its five arrays.
    """

    mean: Float[Array, "*any"]
    """Mean over the ensemble, of the shape of one statistic."""
    components: Float[Array, "count *any"]
    """Directions of unit length, at right angles to each other, the largest variance first."""
    explained_variance: Float[Array, " count"]
    """Variance of the ensemble along each, with ``samples - 1`` in the denominator."""
    explained_variance_ratio: Float[Array, " count"]
    """Its share of the total variance, which is that along all directions."""

    def scores(self, statistics: Float[Array, "..."]) -> Float[Array, "..."]:
        """Coordinates of statistics along the components.

        Parameters
        ----------
        statistics : array of shape (...) + the shape of `mean`
            One statistic, or many: of the ensemble or any other.

        Returns
        -------
        scores : array of shape (..., count)

        Raises
        ------
        ValueError
            If the last axes do not have the shape of `mean`.

        Notes
        -----
        A matrix product at full precision; differentiable, so that a distance in the
        space of scores can be an objective.
        """
        shape = jnp.shape(self.mean)
        leading = jnp.ndim(statistics) - len(shape)
        if leading < 0 or jnp.shape(statistics)[leading:] != shape:
            raise ValueError(
                f"`statistics` has the shape {jnp.shape(statistics)}; its last axes must have that "
                f"of the mean, {shape}."
            )
        mean = jnp.reshape(self.mean, (1,) * leading + shape)
        flat = (jnp.asarray(statistics) - mean).reshape(
            *jnp.shape(statistics)[:leading], math.prod(shape)
        )
        return _product(flat, self._flat.T)

    def reconstruct(self, scores: Float[Array, "*batch count"]) -> Float[Array, "..."]:
        """The statistics of given scores: the mean and as much of each component.

        Parameters
        ----------
        scores : array of shape (..., count)
            Or fewer than `count`: those of the first components.

        Returns
        -------
        statistics : array of shape (...) + the shape of `mean`
            Of scores that came from `scores`, the nearest that the components can make;
            with all ``min(samples - 1, features)`` of them, each sample of the ensemble is
            as it was.

        Raises
        ------
        ValueError
            If there are more scores than components.
        """
        scores = jnp.asarray(scores)
        kept = len(self._flat)
        if scores.ndim == 0 or scores.shape[-1] > kept:
            raise ValueError(
                f"`scores` has the shape {scores.shape}; its last axis holds one for each of the "
                f"{kept} components, or for the first of them."
            )
        shape = jnp.shape(self.mean)
        deviations = _product(scores, self._flat[: scores.shape[-1]])
        mean = jnp.reshape(self.mean, (1,) * (scores.ndim - 1) + shape)
        return mean + deviations.reshape(*scores.shape[:-1], *shape)

    @property
    def _flat(self) -> Float[Array, "count features"]:
        """Components as the rows of a matrix."""
        return jnp.reshape(self.components, (len(self.components), math.prod(self.mean.shape)))


def principal_components(
    statistics: Float[Array, "samples *any"], count: int
) -> PrincipalComponents:
    r"""Principal component analysis of the statistics of an ensemble of microstructures.

    Each microstructure, by its two-point correlations for instance, is a point in a space of as
    many dimensions as the statistic has values. The components are the directions in which the
    points lie farthest apart, and the first two or three often tell materials and processes from
    one another [1]_.

    Parameters
    ----------
    statistics : array of shape (samples, ...)
        One statistic for each microstructure: ``jax.vmap(two_point_correlation)(phases)``, or
        several kinds side by side, each scaled as it shall count.
    count : int
        How many components to keep, at most the smaller of samples and values.

    Returns
    -------
    view : PrincipalComponents
        With methods: `scores` of any statistics, and to `reconstruct` statistics from scores.

    Raises
    ------
    ValueError
        If there are fewer than two samples, `count` is out of range, or, where the values can
        be looked at, they are not finite or all samples are equal.
    TypeError
        If the statistics are not float.

    Notes
    -----
    By the thin singular value decomposition of the deviations from the mean, which keeps the
    digits that the eigenvalues of a covariance or Gram matrix lose. Cost :math:`O(s f
    \min(s, f))` for s samples of f values, memory about four times the ensemble.

    The sign of a component is free. Here its entry of largest magnitude is positive, the first
    of them if there are several: the rule of scikit-learn (1.5 and later), to whose `PCA` the
    results are equal. Values that are correlated count together: a full map of :math:`S_2`
    holds each displacement twice, and large displacements in large numbers. Nothing is
    whitened. Statistics in other units than each other need a scale first.

    `scores` and `reconstruct` have gradients. So has the decomposition, where the kept variances
    differ from one another and from the rest; where they do not, directions are arbitrary.
    With as many components as samples the last has no variance, and no meaning.

    References
    ----------
    .. [1] S. R. Niezgoda, Y. C. Yabansu, S. R. Kalidindi, Acta Materialia 59, 6387 (2011).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> line = jnp.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> view = principal_components(line, 1)
    >>> view.explained_variance_ratio.round(3).tolist()
    [1.0]
    >>> scores = view.scores(line[2])
    >>> scores.round(3).tolist(), [round(float(value), 3) for value in view.reconstruct(scores)]
    ([5.0], [6.0, 8.0])
    """
    statistics = _check_ensemble(statistics)
    samples, features = len(statistics), math.prod(statistics.shape[1:])
    if not 1 <= count <= min(samples, features):
        raise ValueError(
            f"`count` (={count}) must lie between 1 and {min(samples, features)}: there are "
            f"{samples} samples of {features} values."
        )
    return _principal_components(statistics, count)


@functools.partial(jax.jit, static_argnames="count")
def _principal_components(
    statistics: Float[Array, "samples *any"], count: int
) -> PrincipalComponents:
    samples, shape = len(statistics), statistics.shape[1:]
    mean = statistics.mean(axis=0)
    deviations = (statistics - mean[None]).reshape(samples, -1)
    _, singular, rows = jnp.linalg.svd(deviations, full_matrices=False)
    variances = singular**2 / (samples - 1)
    kept = rows[:count]
    largest = jnp.argmax(jnp.abs(kept), axis=1)[:, None]
    kept = kept * jnp.sign(jnp.take_along_axis(kept, largest, axis=1))
    return PrincipalComponents(
        mean,
        kept.reshape(count, *shape),
        variances[:count],
        variances[:count] / variances.sum(),
    )


def _check_ensemble(statistics: Float[Array, "samples *any"]) -> Array:
    """The array if it can be the statistics of several microstructures."""
    array = jnp.asarray(statistics)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"`statistics` are float, got {array.dtype}.")
    if array.ndim == 0 or len(array) < 2 or array.size == 0:
        raise ValueError(
            f"`statistics` has the shape {array.shape}; the first axis holds the samples, two or "
            "more, and the others the values of each."
        )
    if not isinstance(array, Tracer):
        if not bool(jnp.isfinite(array).all()):
            raise ValueError(
                "`statistics` has values that are not finite, such as NaN where no pair of pixels "
                "is known: leave those displacements out, for all samples."
            )
        if bool((array == array[:1]).all()):
            raise ValueError("`statistics`: all samples are equal, so that there is no variance.")
    return array


def _product(
    left: Float[Array, "*batch inner"], right: Float[Array, "inner outer"]
) -> Float[Array, "*batch outer"]:
    """Matrix product in all digits, of which a GPU by default drops some."""
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)
