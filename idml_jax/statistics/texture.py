"""Texture of a grey image: Gram matrices of features, and co-occurrence of grey levels."""

import math
from collections.abc import Callable, Sequence

import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.statistics.phases import check_grid, check_on_host
from idml_jax.typing import Array, Grey


def gram_matrix(features: Float[Array, "*space channels"]) -> Float[Array, "channels channels"]:
    r"""Gram matrix of feature maps: which features occur together, wherever they do.

    .. math:: G_{ij} = \frac{1}{n} \sum_x F_i(x) F_j(x)

    over the n positions of the maps [1]_.

    Parameters
    ----------
    features : array of shape (M, N, channels) or (P, M, N, channels)
        What a layer of a network returns for one image.

    Returns
    -------
    gram : float array of shape (channels, channels)
        Symmetric and positive semi-definite; independent of the size of a texture
        that goes on alike.

    Notes
    -----
    Differentiable. Divided by the positions only: other packages divide by the
    channels too, or by their square.

    References
    ----------
    .. [1] L. A. Gatys, A. S. Ecker, M. Bethge, "Texture synthesis using
       convolutional neural networks", NeurIPS 2015, equation 1.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> gram_matrix(jnp.ones((4, 4, 2)).at[..., 1].set(3)).tolist()
    [[1.0, 3.0], [3.0, 9.0]]
    """
    features = jnp.asarray(features)
    rows = features.reshape(-1, features.shape[-1])
    # In full precision: an accelerator would round each product to 8 or 10 bits.
    return jnp.matmul(rows.T, rows, precision="highest") / len(rows)


def gram_features(
    image: Float[Array, "*space channels"],
    network: Callable[[Float[Array, "*space channels"]], Sequence[Float[Array, "..."]]],
) -> tuple[Float[Array, "features features"], ...]:
    """Gram matrices of an image in each layer of any network: its texture, as a network sees it.

    Parameters
    ----------
    image : array of shape (M, N, channels) or (P, M, N, channels)
        One image, as the network takes it.
    network : callable
        From one image to a sequence of feature maps, each of shape (rows, cols,
        channels), or (planes, rows, cols, channels). Put a batch axis on and off
        in it where the network wants one.

    Returns
    -------
    grams : tuple of float arrays of shape (channels, channels)
        One for each feature map, by `gram_matrix`.

    Notes
    -----
    Differentiable if the network is; all that it costs is the network's.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> network = lambda image: [image, jnp.concatenate([image, 2 * image], axis=-1)]
    >>> [gram.tolist() for gram in gram_features(jnp.ones((3, 3, 1)), network)]
    [[[1.0]], [[1.0, 2.0], [2.0, 4.0]]]
    """
    return tuple(gram_matrix(features) for features in network(image))


def grey_level_cooccurrence(
    image: Grey,
    *,
    distances: Sequence[int] = (1,),
    angles: Sequence[float] = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4),
    levels: int = 32,
    properties: Sequence[str] = (
        "contrast",
        "dissimilarity",
        "homogeneity",
        "energy",
        "correlation",
        "entropy",
    ),
) -> dict[str, Float[np.ndarray, "distances angles"]]:
    """Haralick's texture features: properties of the grey-level co-occurrence matrix.

    Parameters
    ----------
    image : array of shape (M, N)
        Grey values in [0, 1].
    distances : sequence of int
        How far apart the pixels of a pair are.
    angles : sequence of float
        Radians, from the direction of the cols axis (right) to that of the rows axis
        (down), as scikit-image has them: 0 pairs neighbours of one row. The other
        angles of this module start at the rows axis.
    levels : int
        2 to 256 greys; value v is level ``floor(v * levels)``, and 1 the last.
    properties : sequence of str
        Those of `skimage.feature.graycoprops`: also "ASM", "mean", "variance" and
        "std".

    Returns
    -------
    values : dict of arrays of shape (distances, angles)
        One entry for each property, in units of levels.

    Raises
    ------
    ValueError
        If the image has other than 2 axes or values outside [0, 1]; if `levels` is
        out of range or a property is unknown.
    TypeError
        If the image is not float, or is traced.

    Notes
    -----
    Pairs within the image only, both ways round, as shares. Runs on the host, in about
    20 bytes a pixel; not differentiable.

    References
    ----------
    .. [1] R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image
       classification", IEEE Trans. Syst. Man Cybern. SMC-3, 610 (1973).

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.tile([[0.0], [1.0]], (4, 8))
    >>> values = grey_level_cooccurrence(stripes, angles=(0.0, np.pi / 2), levels=2)
    >>> values["contrast"].tolist()
    [[0.0, 1.0]]
    """
    check_on_host(image, "image")
    values = np.asarray(check_image(image))
    if values.ndim != 2 or values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"`image` has {values.ndim} axes and values from {values.min():g} to "
            f"{values.max():g}; co-occurrence takes a grey image of 2 axes, in [0, 1]."
        )
    if not 2 <= levels <= 256:
        raise ValueError(f"`levels` (={levels}) must be between 2 and 256.")
    # Slow to import, and needed here only.
    from skimage.feature import graycomatrix, graycoprops

    level = np.minimum((values * levels).astype(int), levels - 1).astype(np.uint8)
    matrix = graycomatrix(
        level, list(distances), list(angles), levels=levels, symmetric=True, normed=True
    )
    return {name: graycoprops(matrix, name) for name in properties}


def check_image(image: Float[Array, "*space"]) -> Float[Array, "*space"]:
    """Refuse what is not a float image of 2 or 3 axes with finite values."""
    check_grid(image, "image")
    if not jnp.issubdtype(jnp.asarray(image).dtype, jnp.floating):
        raise TypeError(f"`image` is float, with greys in [0, 1], got {jnp.asarray(image).dtype}.")
    image = jnp.asarray(image)
    if not isinstance(image, jax.core.Tracer) and not bool(jnp.all(jnp.isfinite(image))):
        raise ValueError("`image` has values that are not finite; fill or crop them first.")
    return image
