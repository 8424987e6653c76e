"""Microstructures that grow by themselves: spinodal decomposition and dendrites."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import check_not_negative, check_shape, squared_frequencies
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
    squared = squared_frequencies(shape)
    start = noise * jax.random.normal(key, shape)
    return _decompose(composition + start - start.mean(), squared, kappa, step, steps)


def dendrites(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    *,
    nuclei: int = 1,
    symmetry: int = 4,
    anisotropy: float = 0.04,
    latent_heat: float = 1.6,
    steps: int = 1250,
    noise: float = 0.01,
) -> Float[Array, "rows cols"]:
    r"""Dendrites that grow into an undercooled melt: Kobayashi's phase-field model.

    The phase p is 1 in the solid and 0 in the melt, the temperature T is 0 in the
    melt at the start and 1 at equilibrium [1]_:

    .. math::
        \tau \partial_t p &= \nabla \cdot (\epsilon^2 \nabla p)
            - \partial_{c} (\epsilon \epsilon' \partial_{r} p)
            + \partial_{r} (\epsilon \epsilon' \partial_{c} p)
            + p (1 - p) (p - 1/2 + m(T)) \\
        \partial_t T &= \nabla^2 T + K \partial_t p

    with c and r along the columns and rows, :math:`\epsilon(\theta) = \bar\epsilon (1 + \delta
    \cos(j (\theta - \theta_0)))` of the direction :math:`\theta` of the interface and
    :math:`m = (\alpha / \pi) \arctan(\gamma (1 - T))`, in a periodic cell.

    Parameters
    ----------
    key : key
        Source of the noise, and of the nuclei where there are several.
    shape : (rows, cols)
        Pixels; 2 axes. A pixel is 0.03 units of length, as in the paper.
    nuclei : int
        One stands in the middle, at pixel ``n // 2``, with an arm along the columns.
        Several lie anywhere, each turned by an angle of its own.
    symmetry : int
        Number of arms j; 4 and 6 are those of cubic and hexagonal crystals.
    anisotropy : float
        Strength :math:`\delta` of the anisotropy; 0 grows without a direction, in seaweed.
    latent_heat : float
        K, which is one over the undercooling. Small grows compact and fast, 2 slender
        and slow.
    steps : int
        Time steps of 2e-4 units. The arms of the defaults are about 95 pixels
        long at the end.
    noise : float
        Strength of the noise on the interface, which brings side branches.

    Returns
    -------
    solid : float array of shape (rows, cols)
        The phase p, in [0, 1] up to a little; the crystal is ``solid > 0.5``.

    Raises
    ------
    ValueError
        If the shape has other than 2 axes, or a value is out of its range.

    Notes
    -----
    No statistic of it is known in closed form, but heat is conserved: the means of T
    and p obey :math:`\bar T = K (\bar p - \bar p_0)`, so that growth ends, at T = 1, with the
    solid fraction :math:`1 / K` and a little more, that of the nuclei. With a `noise` of 0 a
    crystal of 4 arms has the symmetry of the square. Where crystals meet they merge:
    there is no grain boundary.

    Explicit Euler with central differences on the pixels: cost :math:`O(n)` a step,
    memory about twenty times the field. Compiles, once for each shape. The other
    constants are the paper's: :math:`\bar\epsilon` = 0.01, :math:`\tau` = 3e-4,
    :math:`\alpha` = 0.9, :math:`\gamma` = 10. The grid's own anisotropy is small beside 0.04,
    not beside 0.

    References
    ----------
    .. [1] R. Kobayashi, Physica D 63, 410 (1993).

    Examples
    --------
    >>> import jax
    >>> solid = dendrites(jax.random.key(0), (32, 32), steps=100)
    >>> solid.shape, bool(solid[16, 16] > 0.9), bool(solid[0, 0] < 0.1)
    ((32, 32), True, True)
    """
    check_shape(shape, axes=(2,))
    check_not_negative(anisotropy=anisotropy, noise=noise, steps=steps)
    if nuclei < 1 or symmetry < 1:
        raise ValueError(f"`nuclei` (={nuclei}) and `symmetry` (={symmetry}) must be at least 1.")
    if not 0 < latent_heat < math.inf:
        raise ValueError(f"`latent_heat` (={latent_heat}) must be positive.")
    where, turned, agitated = jax.random.split(key, 3)
    sides = jnp.asarray(shape, float)
    if nuclei == 1:
        places, turns = jnp.floor(sides / 2)[None, :], jnp.zeros(1)
    else:
        places = jax.random.uniform(where, (nuclei, 2)) * sides[None, :]
        turns = jax.random.uniform(turned, (nuclei,), maxval=2 * math.pi / symmetry)
    distance, turn = _nearest_nucleus(places, turns, shape)
    solid = (distance <= 2.5**2).astype(distance.dtype)
    settings = jnp.asarray([anisotropy, latent_heat, noise], float)
    return _grow(agitated, solid, turn, settings, steps, symmetry=symmetry)


@jax.jit
def _decompose(
    start: Float[Array, "*space"],
    squared: Float[Array, "*half"],
    kappa: Float[Array, ""] | float,
    step: Float[Array, ""] | float,
    steps: Int[Array, ""] | int,
) -> Float[Array, "*space"]:
    """The Cahn-Hilliard equation by semi-implicit steps; compiled once for each shape."""
    stabilizer = 2.0
    damping = 1 / (1 + step * squared * (stabilizer + kappa * squared))
    kept, driven = damping.astype(complex), (step * squared * damping).astype(complex)

    def advance(_, c):
        nonlinear = jnp.fft.rfftn(c**3 - (1 + stabilizer) * c)
        return jnp.fft.irfftn(kept * jnp.fft.rfftn(c) - driven * nonlinear, start.shape)

    return jax.lax.fori_loop(0, steps, advance, start)


@functools.partial(jax.jit, static_argnames="shape")
def _nearest_nucleus(
    places: Float[Array, "nuclei 2"], turns: Float[Array, " nuclei"], shape: tuple[int, int]
) -> tuple[Float[Array, "rows cols"], Float[Array, "rows cols"]]:
    """For each pixel the squared distance of the nearest nucleus, and how that one is turned."""

    def closer(number, state):
        distance, turn = state
        here = jnp.zeros(shape)
        for axis, side in enumerate(shape):
            apart = jnp.arange(side, dtype=places.dtype) - places[number, axis]
            apart = apart - side * jnp.round(apart / side)
            here = here + jnp.expand_dims(apart**2, 1 - axis)
        return jnp.minimum(distance, here), jnp.where(here < distance, turns[number], turn)

    return jax.lax.fori_loop(0, len(turns), closer, (jnp.full(shape, math.inf), jnp.zeros(shape)))


@functools.partial(jax.jit, static_argnames="symmetry")
def _grow(
    key: PRNGKeyArray,
    solid: Float[Array, "rows cols"],
    turn: Float[Array, "rows cols"],
    settings: Float[Array, "3"],
    steps: Int[Array, ""] | int,
    *,
    symmetry: int,
) -> Float[Array, "rows cols"]:
    """Kobayashi's equations, from the nuclei on, by explicit steps."""
    width, relaxation, drive, steepness = 0.01, 3e-4, 0.9, 10.0
    pixel, time_step = 0.03, 2e-4
    anisotropy, latent_heat, noise = settings
    cosine_turn, sine_turn = jnp.cos(symmetry * turn), -jnp.sin(symmetry * turn)
    rows, cols = solid.shape

    def neighbours(field):
        # Wrapped once, and not rolled for each neighbour, which takes three times as long.
        wrapped = jax.lax.optimization_barrier(jnp.pad(field, 1, mode="wrap"))
        return lambda i, j: wrapped[1 + i : 1 + i + rows, 1 + j : 1 + j + cols]

    def slopes(at):
        return (at(1, 0) - at(-1, 0)) / (2 * pixel), (at(0, 1) - at(0, -1)) / (2 * pixel)

    def laplacian(at):
        # Nine points, of which the error is the same in all directions.
        sides = at(1, 0) + at(-1, 0) + at(0, 1) + at(0, -1)
        corners = at(1, 1) + at(1, -1) + at(-1, 1) + at(-1, -1)
        return (4 * sides + corners - 20 * at(0, 0)) / (6 * pixel**2)

    def advance(number, state):
        solid, temperature = state
        near = neighbours(solid)
        down, across = slopes(near)
        # The direction as a complex number on the unit circle, to the power of the symmetry.
        length = jnp.sqrt(jnp.maximum(down**2 + across**2, jnp.finfo(solid.dtype).tiny))
        cosine, sine = cosine_turn, sine_turn
        for _ in range(symmetry):
            cosine, sine = (
                (cosine * across - sine * down) / length,
                (cosine * down + sine * across) / length,
            )
        energy = width * (1 + anisotropy * cosine)
        torque = -energy * width * anisotropy * symmetry * sine
        squared_down, squared_across = slopes(neighbours(energy**2))
        turning = slopes(neighbours(torque * across))[0] - slopes(neighbours(torque * down))[1]
        diffusion = energy**2 * laplacian(near) + squared_down * down + squared_across * across
        force = drive / math.pi * jnp.arctan(steepness * (1 - temperature))
        shake = jax.random.uniform(jax.random.fold_in(key, number), solid.shape, minval=-0.5)
        bulk = solid * (1 - solid) * (solid - 0.5 + force + noise * shake)
        change = time_step / relaxation * (diffusion + turning + bulk)
        warmer = time_step * laplacian(neighbours(temperature)) + latent_heat * change
        return solid + change, temperature + warmer

    return jax.lax.fori_loop(0, steps, advance, (solid, jnp.zeros_like(solid)))[0]
