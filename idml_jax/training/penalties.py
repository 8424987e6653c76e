"""Penalties on the gradient of a critic, that can be differentiated once."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from idml_jax.typing import Array, Images

Critic: TypeAlias = Callable[[Images], Float[Array, " batch"]]
"""From images to one score each."""


def r1_penalty(critic: Critic, real: Images) -> Float[Array, ""]:
    """Mean squared norm of the critic's gradient at real images.

    For a linear critic it is the squared norm of its weights. Source: L.
    Mescheder, A. Geiger, S. Nowozin, "Which training methods for GANs do actually
    converge?", ICML 2018, equation 9.
    """
    return _penalty(critic, real, lambda gradient: jnp.sum(gradient**2, axis=(1, 2, 3)).mean())


def wasserstein_penalty(
    critic: Critic, real: Images, fake: Images, key: PRNGKeyArray
) -> Float[Array, ""]:
    """Mean of (gradient norm - 1)^2 at random points between real and fake images.

    Parameters
    ----------
    critic : callable
        From images to one score each.
    real, fake : array of shape (batch, rows, cols, channels)
        Ends of the lines that the points lie on.
    key : key
        Source of the places on them.

    Returns
    -------
    penalty : scalar

    Notes
    -----
    For a linear critic it is (norm of its weights - 1)^2. Source: I. Gulrajani et
    al., "Improved training of Wasserstein GANs", NeurIPS 2017, section 4.
    """
    share = jax.random.uniform(key, (real.shape[0], 1, 1, 1), real.dtype)
    between = real + share * (fake - real)

    def penalty(gradient):
        # The root has no gradient at zero.
        norm = jnp.sqrt(jnp.sum(gradient**2, axis=(1, 2, 3)) + 1e-12)
        return jnp.mean((norm - 1) ** 2)

    return _penalty(critic, between, penalty)


def _penalty(
    critic: Critic, images: Images, penalty: Callable[[Images], Float[Array, ""]]
) -> Float[Array, ""]:
    """A function of the critic's gradient at images; it can be differentiated once.

    Its derivative by the critic's parameters is that of the directional derivative
    of the critic along the penalty's own gradient, held fixed. One reverse pass over
    one forward pass: two reverse passes would give the same numbers, and convolutions
    that XLA has no fast program for on a CPU (they cost four times the others there).
    """

    def total(images):
        return critic(images).sum()

    gradient = jax.lax.stop_gradient(jax.grad(total)(images))
    value, direction = jax.value_and_grad(penalty)(gradient)
    _, along = jax.jvp(total, (images,), (direction,))
    return value + along - jax.lax.stop_gradient(along)
