"""The progressive GAN: a generator and a discriminator that are walked to a level.

Both networks are built at full depth at once, so that the structure of a
checkpoint never changes; `level` says how far a call goes and `fade` how much of
that last level is blended in.
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, Integer, PRNGKeyArray

from idml_jax.models.layers import (
    AddedNoise,
    Detector,
    EqualizedConv,
    EqualizedLinear,
    append_minibatch_deviation,
    leaky,
    pixel_norm,
)
from idml_jax.models.resampling import downsample, upsample
from idml_jax.typing import Array, Conditions, Images, Latents, NoiseNumbers

Output: TypeAlias = Literal["grey", "phases"]
"""What the channels of an image are: grey values, or memberships of phases that add up to 1."""


class SynthesisBlock(nnx.Module):
    """One resolution of the generator: upsample, then two equalized convolutions.

    With `noise`, each adds a field of it.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        periodic: bool,
        noise: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        options = {"periodic": periodic, "dtype": dtype, "rngs": rngs}
        self.conv1 = EqualizedConv(in_features, out_features, resample="up", **options)
        self.conv2 = EqualizedConv(out_features, out_features, **options)
        self.noise1 = AddedNoise(out_features) if noise else None
        self.noise2 = AddedNoise(out_features) if noise else None

    def __call__(
        self,
        x: Float[Array, "batch rows cols in"],
        noise: Sequence[Float[Array, "batch 2*rows 2*cols"] | None] = (None, None),
    ) -> Float[Array, "batch 2*rows 2*cols out"]:
        first, second = noise
        x = pixel_norm(leaky(_noisy(self.conv1(x), self.noise1, first)))
        return pixel_norm(leaky(_noisy(self.conv2(x), self.noise2, second)))


def _noise_key(number: Integer[Array, ""]) -> PRNGKeyArray:
    return jax.random.fold_in(jax.random.key(0), number)


def _noisy(
    x: Float[Array, "batch rows cols features"],
    add: AddedNoise | None,
    noise: Float[Array, "batch rows cols"] | None,
) -> Float[Array, "batch rows cols features"]:
    return x if add is None or noise is None else add(x, noise)


class Generator(nnx.Module):
    """Latent vectors to images, one level of resolution after another.

    Parameters
    ----------
    latent_features : int
        Length of a latent vector. Latents are scaled to unit mean square first,
        so that only their direction matters and none is untypical.
    features : sequence of int
        Feature channels of each level, the coarsest first; level ``n`` makes
        images of side ``first_size * 2**n``.
    first_size : pair of int
        Rows and cols of the coarsest images.
    channels : int
        Channels of an image, or phases.
    output : {"grey", "phases"}
        Whether each channel is a grey value of its own, or the channels are memberships of
        phases, by a soft-max.
    conditions : int
        Numbers that say what is wanted of an image, such as its volume fraction or one for each
        class: each of unit size.
    periodic : bool
        Whether the convolutions wrap around, so that images tile the plane.
    noise : bool
        Whether convolutions add noise of a strength that they learn (`AddedNoise`), so that
        latents need not say what is random at every pixel.
    noise_from : int
        The first level that adds it, 0 for all. From the finest level on it is grain and shot
        noise alone: coarser fields of it blur into patches.
    detector : bool
        Whether images of grey values get what a `Detector` adds to them.
    dtype : dtype, optional
        Type of the convolutions; parameters and images stay float32.
    rngs : nnx.Rngs
        Source of the initial values.

    References
    ----------
    .. [1] T. Karras, T. Aila, S. Laine, J. Lehtinen, "Progressive growing of
       GANs for improved quality, stability, and variation", ICLR 2018,
       section 2 and appendix A.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> generator = Generator(8, features=(16, 8), rngs=nnx.Rngs(0))
    >>> generator(jnp.ones((2, 8), jnp.float32)).shape
    (2, 16, 16, 1)
    """

    def __init__(
        self,
        latent_features: int,
        *,
        features: Sequence[int],
        first_size: Sequence[int] = (8, 8),
        channels: int = 1,
        output: Output = "grey",
        conditions: int = 0,
        periodic: bool = True,
        noise: bool = False,
        noise_from: int = 0,
        detector: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        if not 0 <= noise_from < len(features):
            raise ValueError(
                f"`noise_from` (={noise_from}) is a level, and these are 0 to {len(features) - 1}."
            )
        self.latent_features = latent_features
        self.first_shape = (*first_size, features[0])
        self.levels = len(features)
        self.output: Output = output
        # The gain is a quarter of the usual one, as in the original's first layer.
        quarter = {"gain": math.sqrt(2) / 4, "rngs": rngs}
        width = math.prod(self.first_shape)
        self.first = EqualizedLinear(latent_features, width, **quarter)
        self.wanted = EqualizedLinear(conditions, width, **quarter) if conditions else None
        self.conv = EqualizedConv(
            features[0], features[0], periodic=periodic, dtype=dtype, rngs=rngs
        )
        self.blocks = nnx.List(
            SynthesisBlock(
                features[level - 1],
                features[level],
                periodic=periodic,
                noise=noise and level >= noise_from,
                dtype=dtype,
                rngs=rngs,
            )
            for level in range(1, self.levels)
        )
        self.to_image = nnx.List(
            EqualizedLinear(width, channels, gain=1.0, dtype=dtype, rngs=rngs) for width in features
        )
        self.noise = AddedNoise(features[0]) if noise and noise_from == 0 else None
        self.noise_from = noise_from if noise else self.levels
        self.detector = (
            Detector(features[0], channels=channels, levels=self.levels, rngs=rngs)
            if detector
            else None
        )

    def __call__(
        self,
        latents: Latents,
        conditions: Conditions | None = None,
        *,
        noise: NoiseNumbers | None = None,
        level: int | None = None,
        fade: Float[Array, ""] | float = 1.0,
    ) -> Images:
        """Images of one level.

        Parameters
        ----------
        latents : array of shape (batch, latent_features)
            Any vectors; only their direction matters.
        conditions : array of shape (batch, conditions), optional
            What is wanted of each image, where the generator was made for it.
        noise : integers of shape (batch,), optional
            Numbers of the noise that each image has, where the generator has any: equal ones are
            equal noise. By default that of number 0 for all.
        level : int, optional
            How far to go; by default to the finest level.
        fade : float
            0 gives the level below, upsampled; 1 gives this level alone.

        Returns
        -------
        images : float32 array of shape (batch, rows, cols, channels)
            Grey values, in [0, 1] but for overshoots; or memberships of phases.
        """
        return self.draw(self.style(latents, conditions), noise=noise, level=level, fade=fade)

    def style(
        self, latents: Latents, conditions: Conditions | None = None
    ) -> Float[Array, "batch first_rows first_cols features"]:
        """What the first layer makes of latents: all that the rest knows of them.

        Images of styles nearer to the mean of many are more typical and less varied (truncation).
        """
        x = self.first(pixel_norm(latents))
        if self.wanted is not None:
            if conditions is None:
                raise ValueError("this generator is told what is wanted: give it `conditions`.")
            x = x + self.wanted(conditions)
        return pixel_norm(leaky(x).reshape(-1, *self.first_shape))

    def draw(
        self,
        style: Float[Array, "batch first_rows first_cols features"],
        *,
        noise: NoiseNumbers | None = None,
        level: int | None = None,
        fade: Float[Array, ""] | float = 1.0,
    ) -> Images:
        """Images of styles, at one level."""
        level = self.levels - 1 if level is None else level
        numbers = jnp.zeros(len(style), jnp.uint32) if noise is None else noise
        first, *fields = self.noise_fields(numbers, level=level)
        coarser = x = pixel_norm(leaky(_noisy(self.conv(style), self.noise, first)))
        for number, block in enumerate(self.blocks[:level]):
            coarser, x = x, block(x, fields[2 * number : 2 * number + 2])
        image = self._image(x, level)
        if level > 0:
            below = upsample(self._image(coarser, level - 1))
            image = below + fade * (image - below)
        if self.detector is not None:
            image = self.detector(image, style, self._pixel_noise(numbers, level), level=level)
        return image

    def _pixel_noise(self, numbers: NoiseNumbers, level: int) -> Float[Array, "batch rows_ cols_"]:
        """The noise of these numbers in the pixels of a level."""
        rows, cols, _ = self.first_shape

        def of_image(number: Integer[Array, ""]) -> Float[Array, "rows_ cols_"]:
            # One more than the layers of the level.
            key = jax.random.fold_in(_noise_key(number), 2 * level + 1)
            return jax.random.normal(key, (rows << level, cols << level), jnp.float32)

        return jax.vmap(of_image)(jnp.asarray(numbers, jnp.uint32))

    def noise_fields(
        self, numbers: NoiseNumbers, *, level: int | None = None
    ) -> list[Float[Array, "batch rows_ cols_"] | None]:
        """The noise of these numbers in every layer up to a level; None where none is added."""
        level = self.levels - 1 if level is None else level
        rows, cols, _ = self.first_shape
        scales = [0, *(scale for scale in range(1, level + 1) for _ in range(2))]

        def of_image(number: Integer[Array, ""]) -> list[Float[Array, "rows_ cols_"] | None]:
            key = _noise_key(number)
            return [
                None
                if scale < self.noise_from
                else jax.random.normal(
                    jax.random.fold_in(key, layer), (rows << scale, cols << scale), jnp.float32
                )
                for layer, scale in enumerate(scales)
            ]

        return jax.vmap(of_image)(jnp.asarray(numbers, jnp.uint32))

    def _image(self, x: Float[Array, "batch rows cols features"], level: int) -> Images:
        image = self.to_image[level](x).astype(jnp.float32)
        return jax.nn.softmax(image) if self.output == "phases" else 0.5 + 0.5 * image


class AnalysisBlock(nnx.Module):
    """One resolution of the discriminator: two equalized convolutions, then half the side."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        self.conv1 = EqualizedConv(in_features, in_features, dtype=dtype, rngs=rngs)
        self.conv2 = EqualizedConv(
            in_features, out_features, resample="down", dtype=dtype, rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "batch rows cols in"]
    ) -> Float[Array, "batch rows//2 cols//2 out"]:
        return leaky(self.conv2(leaky(self.conv1(x))))


class Discriminator(nnx.Module):
    """Images of one level to a score: how real each one looks.

    The generator's mirror image; its convolutions pad with zeros, because real
    crops do not tile.

    Parameters
    ----------
    features, first_size, channels, conditions, dtype, rngs
        As for `Generator`. The score of an image and its conditions is that of the image and a
        scalar product of both [1]_.
    codes : int
        Numbers of the conditions, the last ones, that are guessed from an image [2]_.

    References
    ----------
    .. [1] T. Miyato, M. Koyama, "cGANs with projection discriminator", ICLR 2018, equation 3.
    .. [2] X. Chen et al., "InfoGAN: interpretable representation learning by information
       maximizing generative adversarial nets", NeurIPS 2016, section 5.
    """

    def __init__(
        self,
        *,
        features: Sequence[int],
        first_size: Sequence[int] = (8, 8),
        channels: int = 1,
        conditions: int = 0,
        codes: int = 0,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        self.levels = len(features)
        self.from_image = nnx.List(
            EqualizedLinear(channels, width, dtype=dtype, rngs=rngs) for width in features
        )
        self.blocks = nnx.List(
            AnalysisBlock(fine, coarse, dtype=dtype, rngs=rngs)
            for coarse, fine in zip(features[:-1], features[1:], strict=True)
        )
        self.conv = EqualizedConv(features[0] + 1, features[0], dtype=dtype, rngs=rngs)
        width = features[0]
        self.hidden = EqualizedLinear(math.prod(first_size) * width, width, rngs=rngs)
        linear = {"gain": 1.0, "rngs": rngs}
        self.score = EqualizedLinear(width, 1, **linear)
        told = conditions - codes
        self.wanted = EqualizedLinear(told, width, **linear) if told else None
        self.guess = EqualizedLinear(width, codes, **linear) if codes else None

    def __call__(
        self,
        images: Images,
        conditions: Conditions | None = None,
        *,
        level: int | None = None,
        fade: Float[Array, ""] | float = 1.0,
    ) -> Float[Array, " batch"]:
        """Score of each image of the level's size; `fade` as for `Generator`."""
        return self.score_of(self.seen(images, level=level, fade=fade), conditions)

    def score_of(
        self, seen: Float[Array, "batch width"], conditions: Conditions | None
    ) -> Float[Array, " batch"]:
        """Scores of what was seen in images, and of whether it is what was wanted."""
        score = self.score(seen)[:, 0]
        if self.wanted is None:
            return score
        if conditions is None:
            raise ValueError("this discriminator is told what is wanted: give it `conditions`.")
        direction = self.wanted(conditions[:, : self.wanted.kernel.shape[0]])
        return score + (direction * seen).sum(axis=-1) / math.sqrt(seen.shape[-1])

    def seen(
        self, images: Images, *, level: int | None = None, fade: Float[Array, ""] | float = 1.0
    ) -> Float[Array, "batch width"]:
        """What the score, and the guess of the codes, are linear functions of."""
        level = self.levels - 1 if level is None else level
        images = 2 * images - 1
        x = leaky(self.from_image[level](images))
        if level > 0:
            x = self.blocks[level - 1](x)
            below = leaky(self.from_image[level - 1](downsample(images)))
            x = below + jnp.asarray(fade, x.dtype) * (x - below)
        for block in reversed(self.blocks[: max(level - 1, 0)]):
            x = block(x)
        x = leaky(self.conv(append_minibatch_deviation(x)))
        return leaky(self.hidden(x.reshape(x.shape[0], -1).astype(jnp.float32)))
