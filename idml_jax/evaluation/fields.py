"""How far predicted local fields are from true ones."""

import jax.numpy as jnp
from jaxtyping import Float

from idml_jax.typing import Array


def mean_absolute_strain_error(
    predicted: Float[Array, "*space"], true: Float[Array, "*space"], *, mean_strain: float
) -> Float[Array, ""]:
    r"""Mean absolute strain error (MASE), in per cent of the strain that is applied.

    .. math:: \frac{100}{S} \sum_s \left| \frac{p_s - \hat p_s}{\bar\epsilon} \right|

    Parameters
    ----------
    predicted, true : float array of shape (M, N) or (P, M, N)
        One component of the strain at each pixel.
    mean_strain : float
        The strain :math:`\bar\epsilon` that is applied to the cell, not 0.

    Returns
    -------
    error : float
        0 where both agree everywhere.

    Raises
    ------
    ValueError
        If the shapes differ, or `mean_strain` is 0.

    References
    ----------
    .. [1] Z. Yang et al., Acta Materialia 166, 335 (2019).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> true = jnp.array([[1.0, 3.0]])
    >>> round(float(mean_absolute_strain_error(true + 0.1, true, mean_strain=2.0)), 4)
    5.0
    """
    predicted, true = jnp.asarray(predicted), jnp.asarray(true)
    if predicted.shape != true.shape:
        raise ValueError(f"`predicted` is of shape {predicted.shape} and `true` of {true.shape}.")
    if mean_strain == 0:
        raise ValueError("`mean_strain` is 0; the error is relative to it.")
    return 100 * jnp.abs(predicted - true).mean() / abs(mean_strain)
