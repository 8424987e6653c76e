"""A U-Net whose way down is a residual network that others have trained."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float

from idml_jax.models.layers import EqualizedLinear
from idml_jax.models.resnet import Depth, ResNet
from idml_jax.models.unet import ConvolutionPair, Upsampled, continued
from idml_jax.typing import Array, Images


class EncoderUNet(nnx.Module):
    """Class scores of each pixel, by what a residual network makes of the image and its parts.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    depth : {18, 34, 50}
        Of the residual network, `encoder`: give it weights by `load_pytorch_weights`.
    features : sequence of int
        Channels on the way up, at a sixteenth, an eighth, a quarter and half of the resolution, and
        at all of it.
    frozen : bool
        Whether the residual network stays as it is, its moments too, while the rest is trained.
    dropout : float
        Share of the coarsest channels that is left out at random while it is trained.
    dtype : dtype, optional
        Type that the convolutions compute in; the parameters stay float32.
    rngs : nnx.Rngs
        Source of the initial values.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = EncoderUNet(1, 3, 18, features=(8, 8, 8, 8, 4), rngs=nnx.Rngs(0))
    >>> network(jnp.zeros((1, 40, 64, 1), jnp.float32)).shape
    (1, 40, 64, 3)
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        depth: Depth,
        *,
        features: Sequence[int] = (128, 64, 48, 32, 16),
        frozen: bool = False,
        dropout: float = 0.0,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        if len(features) != 5:
            raise ValueError(f"`features` (={tuple(features)}) are of five resolutions.")
        self.in_features, self.classes, self.frozen = in_features, classes, frozen
        self.encoder = ResNet(in_features, depth, dtype=dtype, rngs=rngs)
        options = {
            "dimensions": 2,
            "normalization": "batch",
            "periodic": False,
            "dtype": dtype,
            "rngs": rngs,
        }
        beside = (*self.encoder.features[-2::-1], 0)
        before = (self.encoder.features[-1], *features[:-1])
        self.lift = nnx.List(
            Upsampled(coarse, fine, **options)
            for coarse, fine in zip(before, features, strict=True)
        )
        self.up = nnx.List(
            ConvolutionPair(fine + kept, fine, residual=False, **options)
            for fine, kept in zip(features, beside, strict=True)
        )
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(1, 2))
        self.last = EqualizedLinear(features[-1], classes, gain=1.0, rngs=rngs)
        self.multiple = 32

    @property
    def reach(self) -> int:
        """Pixels up to which others matter to a pixel: half the field of view, and more."""
        blocks = (
            self.encoder.layer1,
            self.encoder.layer2,
            self.encoder.layer3,
            self.encoder.layer4,
        )
        of_encoder = (
            3 + 2 + sum(2 * len(stage) * 2 ** (place + 2) for place, stage in enumerate(blocks))
        )
        of_decoder = sum(3 * 2**level for level in range(5))
        return of_encoder + of_decoder + self.multiple

    def __call__(
        self, images: Images, *, rngs: nnx.Rngs | None = None
    ) -> Float[Array, "batch rows cols classes"]:
        """Logits: logarithms of the classes' probabilities, but for a constant.

        The random numbers are for `dropout`, while the network is trained.
        """
        x, extent = continued(images, self.multiple)
        if self.frozen:
            # By its running moments, which then stay as they are, in a training too.
            self.encoder.eval()
        kept = self.encoder(x)
        if self.frozen:
            kept = tuple(map(jax.lax.stop_gradient, kept))
        x = self.dropout(kept[-1], rngs=rngs)
        beside = (*kept[-2::-1], None)
        for lift, pair, fine in zip(self.lift, self.up, beside, strict=True):
            x = lift(x)
            x = pair(x if fine is None else jnp.concatenate([fine, x], axis=-1))
        return self.last(x[(slice(None), *extent)].astype(jnp.float32))
