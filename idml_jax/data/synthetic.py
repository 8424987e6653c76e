"""Media that the computer makes: what they are is known, so they can test everything else."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, PRNGKeyArray

from idml_jax.typing import Array


def spinodal(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    composition: float = 0.0,
    wavelength: float = 12.0,
    time: float = 20.0,
    steps: int = 200,
    noise: float = 0.05,
) -> Float[Array, "*space"]:
    r"""Spinodal decomposition: the Cahn-Hilliard equation from a noisy uniform start.

    .. math:: \partial_t c = \nabla^2 (c^3 - c - \kappa \nabla^2 c)

    in a periodic cell, by the linearly stabilized semi-implicit Fourier scheme
    [2]_. Two phases form, c near -1 and +1, and coarsen.

    Parameters
    ----------
    key : key
        Source of the initial noise.
    shape : tuple of int
        Pixels or voxels along each axis; 2 or 3 axes.
    composition : float
        Mean of c, conserved; between -0.57 and 0.57, where a uniform mixture is
        unstable.
    wavelength : float
        Pixels; the one that grows fastest at the start, :math:`2 \pi \sqrt{2
        \kappa / (1 - 3 c_0^2)}`. It sets :math:`\kappa`.
    time : float
        How long, in units in which that wavelength grows by e; the phases have
        formed at about 8 and coarsen after.
    steps : int
        Number of time steps. The scheme is of first order: it slows the first
        growth by a third at ten steps in a unit of `time`, as by default, and by
        a tenth at fifty.
    noise : float
        Standard deviation of c at the start. While c deviates little, each of
        its Fourier modes grows at its own rate :math:`k^2 (1 - 3 c_0^2 - \kappa
        k^2)`.

    Returns
    -------
    c : float array of the shape `shape`
        The order parameter. The phase ``c > 0`` has, by the lever rule, a volume
        fraction near ``(1 + composition) / 2``; its deviation is the curvature
        of the interfaces.

    References
    ----------
    .. [1] J. W. Cahn, J. E. Hilliard, J. Chem. Phys. 28, 258 (1958).
    .. [2] L. Q. Chen, J. Shen, Comput. Phys. Commun. 108, 147 (1998).

    Examples
    --------
    >>> import jax
    >>> c = spinodal(jax.random.key(0), (32, 32), composition=0.1)
    >>> c.shape, round(float(c.mean()), 3)
    ((32, 32), 0.1)
    """
    if not 3 * composition**2 < 1:
        raise ValueError(
            f"`composition` (={composition}) must lie within +-0.577, where a uniform mixture "
            "decomposes by itself."
        )
    drive = 1 - 3 * composition**2
    kappa = (wavelength / (2 * math.pi)) ** 2 * drive / 2
    step = time * 4 * kappa / drive**2 / steps
    squared = _squared_frequencies(shape)
    stabilizer = 2.0
    damping = 1 / (1 + step * squared * (stabilizer + kappa * squared))
    kept, driven = damping.astype(complex), (step * squared * damping).astype(complex)

    def advance(_, c):
        nonlinear = jnp.fft.rfftn(c**3 - (1 + stabilizer) * c)
        return jnp.fft.irfftn(kept * jnp.fft.rfftn(c) - driven * nonlinear, shape)

    start = noise * jax.random.normal(key, shape)
    return jax.lax.fori_loop(0, steps, advance, composition + start - start.mean())


def gaussian_random_field(
    key: PRNGKeyArray, shape: tuple[int, ...], *, length: float
) -> Float[Array, "*space"]:
    r"""Periodic Gaussian random field of zero mean and unit variance.

    Its correlation is :math:`g(r) = \exp(-r^2 / (2 l^2))` where the cell is much
    longer than `length`. The phase ``field > 0`` then has the volume fraction 1/2
    on average and :math:`S_2(r) = 1/4 + \arcsin(g(r)) / (2 \pi)` [1]_.

    Parameters
    ----------
    key : key
        Source of the noise.
    shape : tuple of int
        Pixels along each axis.
    length : float
        The correlation length l, in pixels; at least about 1.5, below which the
        grid does not resolve it.

    Returns
    -------
    field : float array of the shape `shape`

    References
    ----------
    .. [1] S. Torquato, *Random Heterogeneous Materials*, Springer, 2002,
       section 8.2.
    """
    # The amplitude is the root of the spectrum, a Gaussian as well.
    amplitude = jnp.exp(-_squared_frequencies(shape) * length**2 / 4)
    variance = jnp.fft.irfftn(amplitude**2, shape).ravel()[0]
    white = jnp.fft.rfftn(jax.random.normal(key, shape))
    return jnp.fft.irfftn(white * (amplitude / jnp.sqrt(variance)).astype(complex), shape)


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


def _squared_frequencies(shape: tuple[int, ...]) -> Float[Array, "*half"]:
    """Squared angular frequency, in radians a pixel, on the grid of `jnp.fft.rfftn`."""
    axes = [2 * jnp.pi * jnp.fft.fftfreq(side) for side in shape[:-1]]
    axes.append(2 * jnp.pi * jnp.fft.rfftfreq(shape[-1]))
    return (jnp.stack(jnp.meshgrid(*axes, indexing="ij")) ** 2).sum(axis=0)
