"""From labels to a grey micrograph, with the defects of a microscope."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jax.core import Tracer
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from idml_jax.data.synthetic.cell import check_not_negative, check_shape
from idml_jax.typing import Array


def render_micrograph(
    key: PRNGKeyArray,
    labels: Int[Array, "rows cols"] | Bool[Array, "rows cols"],
    *,
    greys: Sequence[float] | Float[Array, " labels"],
    blur: float = 0.0,
    uneven_light: float = 0.0,
    curtaining: float = 0.0,
    charging: float = 0.0,
    shot_noise: float = 0.0,
    noise: float = 0.0,
) -> Float[Array, "rows cols 1"]:
    r"""Grey micrograph of a phase or of labels, which themselves stay the truth.

    Each defect has a strength, and at 0, the default, is absent. They act in the order
    of the parameters.

    Parameters
    ----------
    key : key
        Source of all that is random. A defect looks the same whichever others there are.
    labels : integer or boolean array of shape (rows, cols)
        The class, or grain, of each pixel, from 0; False and True are 0 and 1. A
        section of a volume is ``labels[plane]``.
    greys : sequence of float
        Grey of each label, in [0, 1].
    blur : float
        Standard deviation, in pixels, of the Gaussian that the beam or lens spreads a
        point over. Beyond its border the image is mirrored.
    uneven_light : float
        Light and detector: the image is multiplied by a smooth field, a random
        polynomial of second order of the place, which is furthest from 1 by just this,
        at one pixel.
    curtaining : float
        Ion milling: the image is multiplied by 1 and a stripe, constant down each column,
        of this standard deviation over the columns; stripes are about three pixels wide.
    charging : float
        Electron beam: in one row of twenty, on average, this is added from a random
        column on, and decays to the right by e in an eighth of the width. The beam scans
        along the rows.
    shot_noise : float
        Counted electrons: standard deviation of white. A pixel of grey g is a Poisson
        count of the mean :math:`g / s^2`, in units of :math:`s^2`, and has the variance
        :math:`g s^2`.
    noise : float
        Amplifier: standard deviation of what is added to each pixel, normal and independent.

    Returns
    -------
    image : float32 array of shape (rows, cols, 1)
        In [0, 1]: what leaves that is clipped, and with it the statistics of the noise
        near black and white.

    Raises
    ------
    ValueError
        If the labels have other than 2 axes, a label has no grey, a grey lies outside
        [0, 1], or a strength is negative.
    TypeError
        If the labels are not integer or boolean.

    Notes
    -----
    Compiles and runs under `jax.vmap` over keys, with the strengths static; labels and
    greys are then not looked at, and a label without a grey takes the nearest one that has.
    Differentiable in the greys as far as there is no shot noise. The blur costs two
    products of matrices, :math:`O(n)` times the side.

    Examples
    --------
    >>> import jax, numpy as np
    >>> phase = np.array([[True, False]])
    >>> render_micrograph(jax.random.key(0), phase, greys=(0.25, 0.75))[..., 0].tolist()
    [[0.75, 0.25]]
    """
    labels, greys = _checked(labels, greys)
    check_not_negative(
        blur=blur,
        uneven_light=uneven_light,
        curtaining=curtaining,
        charging=charging,
        shot_noise=shot_noise,
        noise=noise,
    )
    given = {
        "uneven_light": uneven_light,
        "curtaining": curtaining,
        "charging": charging,
        "shot_noise": shot_noise,
        "noise": noise,
    }
    image = jnp.take(greys, labels.astype(jnp.int32), mode="clip")
    if blur:
        down, across = (jnp.asarray(_blurring(side, blur), image.dtype) for side in labels.shape)
        image = down @ image @ across.T
    return _with_defects(key, image, {name: value for name, value in given.items() if value})


@jax.jit
def _with_defects(
    key: PRNGKeyArray,
    image: Float[Array, "rows cols"],
    strengths: dict[str, Float[Array, ""] | float],
) -> Float[Array, "rows cols 1"]:
    """The image with those defects that have a strength; compiled once for each choice of them."""
    keys = jax.random.split(key, 5)
    shape = image.shape
    if "uneven_light" in strengths:
        image = image * (1 + strengths["uneven_light"] * _light(keys[0], shape))
    if "curtaining" in strengths:
        image = image * (1 + strengths["curtaining"] * _stripes(keys[1], shape[1]))[None, :]
    if "charging" in strengths:
        image = image + strengths["charging"] * _streaks(keys[2], shape)
    if "shot_noise" in strengths:
        unit = strengths["shot_noise"] ** 2
        counts = jax.random.poisson(keys[3], jnp.maximum(image, 0) / unit)
        image = counts.astype(image.dtype) * unit
    if "noise" in strengths:
        image = image + strengths["noise"] * jax.random.normal(keys[4], shape, image.dtype)
    return jnp.clip(image, 0, 1)[..., None]


def _checked(labels: Array, greys: Array | Sequence[float]) -> tuple[Array, Array]:
    """Labels and greys as arrays that go with each other, as far as they can be looked at."""
    labels = jnp.asarray(labels)
    if not (jnp.issubdtype(labels.dtype, jnp.integer) or labels.dtype == bool):
        raise TypeError(
            f"`labels` are {labels.dtype}; give integers, or a boolean phase as in `phase > 0.5`."
        )
    if labels.ndim != 2:
        raise ValueError(
            f"`labels` has {labels.ndim} axes; a micrograph has 2: of a volume give one plane."
        )
    check_shape(labels.shape)
    greys = jnp.asarray(greys, jnp.float32)
    if not isinstance(labels, Tracer):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(greys):
            raise ValueError(
                f"`labels` run from {low} to {high}, and `greys` has one for each of 0 to "
                f"{len(greys) - 1}."
            )
    if not isinstance(greys, Tracer) and not bool(((greys >= 0) & (greys <= 1)).all()):
        raise ValueError("`greys` must lie in [0, 1], black to white.")
    return labels, greys


def _blurring(side: int, width: float) -> Float[np.ndarray, "side side"]:
    """Gaussian blur of a line of pixels as a matrix."""
    return scipy.ndimage.gaussian_filter1d(np.eye(side), width, axis=0, mode="reflect")


def _light(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "rows cols"]:
    """Random polynomial of second order without its constant, of the largest size 1."""
    down, across = (jnp.linspace(-1, 1, side, dtype=jnp.float32) for side in shape)
    rows, cols = jnp.meshgrid(down, across, indexing="ij")
    terms = jnp.stack([rows, cols, rows * cols, rows**2, cols**2])
    field = jnp.tensordot(jax.random.normal(key, (5,), jnp.float32), terms, 1)
    return field / jnp.maximum(jnp.abs(field).max(), 1e-6)


def _stripes(key: PRNGKeyArray, side: int) -> Float[Array, " cols"]:
    """Smooth noise along a row, of mean 0 and standard deviation 1."""
    white = jax.random.normal(key, (side,), jnp.float32)
    smooth = jnp.asarray(_blurring(side, 1.5), jnp.float32) @ white
    smooth = smooth - smooth.mean()
    return smooth / jnp.maximum(smooth.std(), 1e-6)


def _streaks(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "rows cols"]:
    """Streaks that begin at 1 and decay to the right, in one row of twenty."""
    rows, cols = shape
    which, where = jax.random.split(key)
    struck = jax.random.bernoulli(which, 0.05, (rows, 1))
    start = jax.random.randint(where, (rows, 1), 0, cols)
    behind = (jnp.arange(cols)[None, :] - start).astype(jnp.float32)
    tail = jnp.exp(-jnp.maximum(behind, 0) * 8 / cols)
    return jnp.where(struck & (behind >= 0), tail, 0)
