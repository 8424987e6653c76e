"""Images in units of what the training images vary by."""

from jaxtyping import Float

from idml_jax.typing import Array, Images


def standardized(
    images: Images, mean: Float[Array, " channels"], deviation: Float[Array, " channels"]
) -> Images:
    """Each channel of zero mean and unit variance, over the training images."""
    mean, deviation = (each.reshape(1, 1, 1, -1) for each in (mean, deviation))
    return (images - mean) / deviation
