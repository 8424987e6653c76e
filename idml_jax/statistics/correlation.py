"""Two-point correlations of phases, in 2 and 3 dimensions."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Complex, Float

from idml_jax.statistics.pairs import pair_sums, pairs_that_exist, spectrum
from idml_jax.statistics.phases import check_known, real_dtype
from idml_jax.typing import Array, Phase


def two_point_correlation(
    phase: Phase,
    other: Phase | None = None,
    *,
    periodic: bool = True,
    mask: Phase | None = None,
) -> Float[Array, "*space"]:
    r"""Two-point correlation :math:`S_2(\mathbf{r})` of one phase, or of two.

    The probability that a point lies in `phase` while the point displaced from it
    by :math:`\mathbf{r}` lies in `other`, estimated over every pair of pixels
    that far apart.

    Parameters
    ----------
    phase : array of shape (M, N) or (P, M, N)
        Membership of the phase: boolean, or a probability in [0, 1].
    other : array of the same shape, optional
        The second phase. By default `phase`, which gives the autocorrelation.
    periodic : bool
        Whether the image tiles space. If False, pairs that would cross the border
        are left out rather than wrapped.
    mask : array of the same shape, optional
        Pixels that are known: only pairs with both ends in it count. Or how far
        each is trusted, in [0, 1]: a pair weighs the product of its ends.
        Whatever the phase holds where the mask is 0 is not looked at.

    Returns
    -------
    s2 : float array of the shape of `phase`
        ``s2[..., i, j]`` is the value at the displacement ``(i - M // 2, j - N //
        2)``, in pixels: the zero displacement is at index ``n // 2`` of each axis.
        NaN where no pair of known pixels is that far apart.

    Raises
    ------
    ValueError
        If the shapes differ, or have other than 2 or 3 axes.
    TypeError
        If an array is neither boolean nor float.

    Notes
    -----
    Computed by the Wiener-Khinchin theorem in :math:`O(n \log n)` for :math:`n`
    pixels; exact for boolean phases, whose pairs are whole numbers. For a phase
    of volume fraction :math:`\phi`, :math:`S_2(0) = \phi`, and in a medium without
    long-range order :math:`S_2(\mathbf{r}) \to \phi^2` at large distance [1]_.
    Differentiable in soft phases, also where the result is NaN at other
    displacements. Memory beside the input: 2 images if periodic, 3 with a mask, 6 without
    periodic borders (in 3-D 8), the result included.

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 2.2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> stripes = jnp.tile(jnp.array([[True], [False]]), (4, 8))
    >>> s2 = two_point_correlation(stripes)
    >>> s2[4:7, 4].round(6).tolist()
    [0.5, 0.0, 0.5]
    """
    given = check_known(phase, mask, other=other)
    dtype = real_dtype(given[0])
    # Pairs of pixels that are in or out are counted, not weighed.
    whole = all(array.dtype == bool for array in given if array is not None)
    return _correlation(*given, dtype=dtype, whole=whole, periodic=periodic)


def two_point_correlations(
    memberships: Bool[Array, "phases *space"] | Float[Array, "phases *space"],
    *,
    periodic: bool = True,
    mask: Phase | None = None,
) -> Float[Array, "phases phases *space"]:
    r"""Every auto- and cross-correlation of the phases of one microstructure.

    Parameters
    ----------
    memberships : array of shape (phases, M, N) or (phases, P, M, N)
        Membership of each phase, as `memberships` makes them of labels.
    periodic, mask
        As in `two_point_correlation`.

    Returns
    -------
    s2 : float array of shape (phases, phases, M, N) or (phases, phases, P, M, N)
        ``s2[a, b]`` is ``two_point_correlation(memberships[a], memberships[b])``.

    Raises
    ------
    ValueError, TypeError
        As `two_point_correlation` does.

    Notes
    -----
    One Fourier transform for each phase, and one for each pair. Where the memberships
    of each pixel add up to one, so do all values at each displacement, and ``phases -
    1`` of the correlations determine the others [1]_. Memory: the result, and a
    spectrum for each phase. Differentiable in soft phases.

    References
    ----------
    .. [1] S. R. Niezgoda, D. T. Fullwood, S. R. Kalidindi, Acta Materialia 56, 5285
       (2008).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from idml_jax.statistics import memberships
    >>> s2 = two_point_correlations(memberships(jnp.array([[0, 1], [2, 1]]), 3))
    >>> s2[:, :, 1, 1].diagonal().tolist(), float(s2[..., 0, 0].sum())
    ([0.25, 0.5, 0.25], 1.0)
    """
    if jnp.ndim(memberships) not in (3, 4):
        raise ValueError(
            f"`memberships` has {jnp.ndim(memberships)} axes: one of phases and the 2 or 3 of the "
            "microstructure; `memberships(labels, count)` makes it of labels."
        )
    known = None
    phases = []
    for phase in memberships:
        phase, _, known = check_known(phase, mask, name="memberships")
        phases.append(phase)
    dtype = real_dtype(phases[0])
    whole = all(array.dtype == bool for array in (*phases, known) if array is not None)
    return _correlations(phases, known, dtype=dtype, whole=whole, periodic=periodic)


@functools.partial(jax.jit, static_argnames=("dtype", "whole", "periodic"))
def _correlation(
    phase: Phase,
    other: Phase | None,
    mask: Phase | None,
    *,
    dtype: jnp.dtype,
    whole: bool,
    periodic: bool,
) -> Float[Array, "*space"]:
    """Two-point correlation of phases that were checked."""
    phases = [phase] if other is None else [phase, other]
    spectra = [_weighed_spectrum(array, mask, dtype, periodic) for array in phases]
    hits = pair_sums(spectra[0], spectra[-1], phase.shape, periodic)
    return _share(hits, _tried(phase.shape, mask, dtype, whole, periodic), whole)


@functools.partial(jax.jit, static_argnames=("dtype", "whole", "periodic"))
def _correlations(
    phases: list[Phase], mask: Phase | None, *, dtype: jnp.dtype, whole: bool, periodic: bool
) -> Float[Array, "phases phases *space"]:
    """All two-point correlations of phases that were checked."""
    shape = phases[0].shape
    spectra = [_weighed_spectrum(phase, mask, dtype, periodic) for phase in phases]
    tried = _tried(shape, mask, dtype, whole, periodic)
    rows = [
        jnp.stack([_share(pair_sums(a, b, shape, periodic), tried, whole) for b in spectra])
        for a in spectra
    ]
    return jnp.stack(rows)


def _weighed_spectrum(
    phase: Phase, mask: Phase | None, dtype: jnp.dtype, periodic: bool
) -> Complex[Array, "*frequencies"]:
    """Spectrum of a phase as far as it is known."""
    weights = phase.astype(dtype)
    return spectrum(weights if mask is None else weights * mask.astype(dtype), periodic)


def _tried(
    shape: tuple[int, ...], mask: Phase | None, dtype: jnp.dtype, whole: bool, periodic: bool
) -> Float[Array, "*displacements"]:
    """Number, or weight, of the pairs at each displacement; 0 where none is known."""
    if mask is None:
        return pairs_that_exist(shape, periodic, dtype)
    known = mask.astype(dtype)
    weights = spectrum(known, periodic)
    tried = pair_sums(weights, weights, shape, periodic)
    # What the transforms leave of nothing, by rounding, is no pair.
    rounding = 8 * jnp.finfo(dtype).eps * jnp.sum(known**2)
    exists = tried > jnp.maximum(rounding, jnp.finfo(dtype).tiny)
    return jnp.where(exists, jnp.rint(tried) if whole else tried, 0)


def _share(
    hits: Float[Array, "*space"], tried: Float[Array, "*displacements"], whole: bool
) -> Float[Array, "*space"]:
    """Pairs that hit over pairs that exist; NaN where there are none."""
    if whole:
        hits = jnp.rint(hits)
    # The division is safe on both branches, or its derivative would be NaN on both.
    return jnp.where(tried > 0, hits / jnp.where(tried > 0, tried, 1), jnp.nan)
