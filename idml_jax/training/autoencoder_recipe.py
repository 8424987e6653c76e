"""What a variational autoencoder is made with."""

import dataclasses
from typing import Any, Literal, TypeAlias

import optax
from flax import nnx

from idml_jax.data import Turns
from idml_jax.models import Likelihood, RotationInvariantVAE, VariationalAutoencoder
from idml_jax.training.optimization import warmed_up
from idml_jax.training.recipes import plain_fields

Network: TypeAlias = VariationalAutoencoder | RotationInvariantVAE
"""Either one; a network of your own has the same methods."""

NEWER_FIELDS = ("turns",)
"""Those that came after recipes which were written without them."""


@dataclasses.dataclass(frozen=True)
class AutoencoderRecipe:
    """What an autoencoder was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    shape : tuple of int
        Sides of an image, or of a volume if "convolutional": multiples of
        ``2**(len(features) - 1)``.
    kind : {"convolutional", "rotation-invariant"}
        `VariationalAutoencoder` or `RotationInvariantVAE`.
    channels : int
        Channels of an image, or phases.
    latent_features : int
        Numbers of the code; beside angle and shift, if "rotation-invariant".
    features : tuple of int
        Channels of the networks at each resolution, the finest first.
    likelihood, deviation
        Of the pixels, as in `Likelihood`.
    conditions : int
        Numbers known of each image, if "convolutional".
    periodic : bool
        Whether images tile the plane, if "convolutional".
    shift : float
        Of "rotation-invariant" ones: standard deviation of shifts, in half sides.
    turns : {"all", "mirrors", "sideways", "none"}
        How crops of micrographs are turned at random, as in `data.random_crops`.
    beta : float
        Weight of the divergence: 1 for the evidence's lower bound, more for latents that are
        less entangled [1]_.
    warm_up : int
        Steps in which the weight of the divergence grows from nothing [2]_: without them latents
        may be given up before the decoder has learned to use them.
    steps, batch, learning_rate, seed
        As in `RegressionRecipe`.

    References
    ----------
    .. [1] I. Higgins et al., "beta-VAE: learning basic visual concepts with a constrained
       variational framework", ICLR 2017.
    .. [2] C. K. Sonderby et al., "Ladder variational autoencoders", NeurIPS 2016, section 3.1.
    """

    shape: tuple[int, ...]
    kind: Literal["convolutional", "rotation-invariant"] = "convolutional"
    channels: int = 1
    latent_features: int = 8
    features: tuple[int, ...] = (16, 32, 64)
    likelihood: Literal["gaussian", "bernoulli", "categorical"] = "bernoulli"
    deviation: float = 0.1
    conditions: int = 0
    periodic: bool = True
    shift: float = 0.1
    turns: Turns = "all"
    beta: float = 1.0
    warm_up: int = 0
    steps: int = 2000
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self):
        if self.conditions and self.kind != "convolutional":
            raise ValueError(f"a {self.kind} network takes no `conditions` (={self.conditions}).")
        if self.likelihood == "categorical" and self.channels < 2:
            raise ValueError("a categorical likelihood has two or more phases as `channels`.")

    def network(self) -> Network:
        """The network with the initial values of the seed."""
        rngs, likelihood = nnx.Rngs(self.seed), Likelihood(self.likelihood, self.deviation)
        sizes = self.shape, self.channels, self.latent_features
        shared = {"features": self.features, "likelihood": likelihood, "rngs": rngs}
        if self.kind == "rotation-invariant":
            return RotationInvariantVAE(*sizes, shift=self.shift, **shared)
        return VariationalAutoencoder(
            *sizes, conditions=self.conditions, periodic=self.periodic, **shared
        )

    def transform(self) -> optax.GradientTransformation:
        """The optimizer."""
        return warmed_up("adam", self.learning_rate, self.steps)

    def plain(self) -> dict[str, Any]:
        """The fields as plain values: see `plain_fields`."""
        return plain_fields(self, NEWER_FIELDS)

    @classmethod
    def from_plain(cls, options: dict[str, Any]) -> "AutoencoderRecipe":
        """The recipe of what `plain` made of it, and JSON of that."""
        lists = {name: tuple(options[name]) for name in ("shape", "features")}
        return cls(**{**options, **lists})
