"""Frechet distance of two samples of features (FID)."""

import numpy as np
from jaxtyping import Float

from idml_jax.evaluation.discrepancy import check_samples
from idml_jax.typing import Array

FEWEST = 2048
"""Images below which the estimate is mostly bias."""


def frechet_distance(
    first: Float[Array, "n features"], second: Float[Array, "m features"], *, force: bool = False
) -> float:
    """Frechet distance of two samples of features: FID where an Inception network made them.

    That of the normal distributions with the means and covariances of the samples [1]_.

    Parameters
    ----------
    first, second : arrays of shape (n, features) and (m, features)
        Features of one image a row, as `encode` makes them; finite.
    force : bool
        Whether to compute it from fewer than 2048 images of one side all the same.

    Returns
    -------
    distance : float
        In the squared unit of the features; 0 for samples of equal means and covariances.

    Raises
    ------
    ValueError
        If a side has fewer than 2048 images and `force` is not set, or fewer than two; if the
        numbers of features differ, or a feature is not finite.

    Notes
    -----
    The estimate is too large, by an amount that falls with the number of images and depends on
    the distribution [2]_: only distances from equal numbers of images can be compared, and of
    few images none: use `kernel_distance`. On the host, in double precision.

    References
    ----------
    .. [1] M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local
       Nash equilibrium", NeurIPS 2017, equation 6.
    .. [2] M. Binkowski, D. J. Sutherland, M. Arbel, A. Gretton, "Demystifying MMD GANs",
       ICLR 2018, appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(frechet_distance(features, features + 2, force=True), 6)
    12.0
    """
    check_samples(first, second, least=2)
    moments = []
    for sample in (first, second):
        if len(sample) < FEWEST and not force:
            raise ValueError(
                f"{len(sample)} images; of fewer than {FEWEST} the estimate is mostly bias: take "
                "`kernel_distance`, more images, or `force=True`."
            )
        rows = np.asarray(sample, np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("a feature is NaN or infinite; look at what the encoder returns.")
        moments.append((rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))))
    return frechet_distance_of_normals(*moments[0], *moments[1])


def frechet_distance_of_normals(
    mean: Float[np.ndarray, " d"],
    covariance: Float[np.ndarray, "d d"],
    other_mean: Float[np.ndarray, " d"],
    other_covariance: Float[np.ndarray, "d d"],
) -> float:
    r"""Squared Frechet, or 2-Wasserstein, distance of two normal distributions.

    .. math:: |\mu - \mu'|^2 + \mathrm{tr}(C + C' - 2 (C C')^{1/2})

    Parameters
    ----------
    mean, other_mean : arrays of shape (d,)
        The means.
    covariance, other_covariance : arrays of shape (d, d)
        Symmetric and positive semi-definite; they may be singular.

    Returns
    -------
    distance : float

    Notes
    -----
    The trace of the root is the sum of the roots of the eigenvalues of the symmetric matrix
    :math:`C^{1/2} C' C^{1/2}`, which :math:`C C'` shares: no root of a matrix that is not
    symmetric is taken, and no imaginary part is left to throw away.

    References
    ----------
    .. [1] D. C. Dowson, B. V. Landau, "The Frechet distance between multivariate normal
       distributions", Journal of Multivariate Analysis 12, 450 (1982).

    Examples
    --------
    >>> import numpy as np
    >>> round(frechet_distance_of_normals(np.zeros(2), np.eye(2), np.ones(2), 4 * np.eye(2)), 12)
    4.0
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(0))
    shared = np.linalg.eigvalsh(root.T @ other_covariance @ root).clip(0)
    traces = np.trace(covariance) + np.trace(other_covariance)
    distance = np.sum((mean - other_mean) ** 2) + traces - 2 * np.sqrt(shared).sum()
    # What rounding leaves below 0 is 0.
    return max(float(distance), 0.0)
