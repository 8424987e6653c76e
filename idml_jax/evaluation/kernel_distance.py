"""Kernel distance of two samples of features (KID), with its deviation over subsets."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from idml_jax.evaluation.discrepancy import check_samples, maximum_mean_discrepancy
from idml_jax.evaluation.pairwise import polynomial_kernel
from idml_jax.typing import Array


class KernelDistance(NamedTuple):
    """A distance, and how much it varies."""

    mean: float
    """Over the subsets; near 0, on either side, for samples of one distribution."""
    deviation: float
    """Standard deviation over the subsets."""


def kernel_distance(
    first: Float[Array, "n features"],
    second: Float[Array, "m features"],
    *,
    subsets: int = 100,
    size: int = 1000,
    degree: int = 3,
    seed: int = 0,
) -> KernelDistance:
    r"""Kernel distance of two samples of features: KID where an Inception network made them.

    The unbiased squared maximum mean discrepancy of the kernel :math:`(x \cdot y / d + 1)^3`,
    d being the number of features, on random subsets of both samples [1]_.

    Parameters
    ----------
    first, second : arrays of shape (n, features) and (m, features)
        Features of one image a row, as `encode` makes them.
    subsets, size : int
        How many subsets to draw, without replacement within each, and how many images of each
        sample are in one: at most as many as there are.
    degree : int
        Of the polynomial, 3 by custom.
    seed : int
        Of the draws.

    Returns
    -------
    distance : KernelDistance
        ``(mean, deviation)``.

    Raises
    ------
    ValueError
        If the numbers of features differ, or a subset has fewer than two images.

    Notes
    -----
    Unbiased for any number of images, where `frechet_distance` is not. The subsets overlap, so
    that the deviation over them is that of one subset, not the error of the mean; where a
    subset is the whole of both samples it is 0 and says nothing.

    References
    ----------
    .. [1] M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs",
       ICLR 2018, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(2, 200, 4))
    >>> same = kernel_distance(features[0], features[1], subsets=20, size=100)
    >>> shifted = kernel_distance(features[0], features[1] + 2, subsets=20, size=100)
    >>> abs(same.mean) < 0.05, shifted.mean > 5
    (True, True)
    """
    one, two = check_samples(first, second, least=2)
    size = min(size, len(one), len(two))
    if size < 2 or subsets < 1:
        raise ValueError(f"{subsets} subsets of {size} images; give at least 1 of at least 2.")
    generator = np.random.default_rng(seed)

    def drawn(sample: Array) -> Int[np.ndarray, "subsets size"]:
        rows = [generator.permutation(len(sample))[:size] for _ in range(subsets)]
        return np.stack(rows)

    found = np.asarray(_distances(one, two, drawn(one), drawn(two), degree), float)
    return KernelDistance(float(found.mean()), float(found.std()))


@functools.partial(jax.jit, static_argnames="degree")
def _distances(
    one: Float[Array, "n features"],
    two: Float[Array, "m features"],
    rows: Int[Array, "subsets size"],
    others: Int[Array, "subsets size"],
    degree: int,
) -> Float[Array, " subsets"]:
    """The discrepancy of each pair of subsets, one after the other."""
    kernel = functools.partial(polynomial_kernel, degree=degree)

    def distance(chosen: tuple[Array, Array]) -> Array:
        return maximum_mean_discrepancy(one[chosen[0]], two[chosen[1]], kernel=kernel)

    return jax.lax.map(distance, (jnp.asarray(rows), jnp.asarray(others)))
