"""A U-Net to which a turned or mirrored image is the same image, turned or mirrored."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float

from idml_jax.models.equivariant import GroupConvolutions, halved, patches_of_orientations
from idml_jax.models.layers import EqualizedLinear
from idml_jax.models.normalization import Normalization
from idml_jax.models.unet import continued, reach_of
from idml_jax.typing import Array, Images


class EquivariantUNet(nnx.Module):
    """Class scores of each pixel, by a `UNet` of convolutions that commute with turns and mirrors.

    What it says of an image that is turned by a quarter or mirrored is what it says of the image,
    turned or mirrored, after any training [1]_: of images whose sides are multiples of
    `multiple`. Others are continued at their last row and column, and near these it is not exact.
    It is for materials, and shots of them, without a direction.

    Parameters
    ----------
    in_features, classes : int
        Channels of an image, and classes to tell apart.
    features : sequence of int
        Channels at each resolution, the finest first; each has eight orientations. A third of a
        `UNet`'s are as many parameters and eight times the work; an eighth are the same work.
    normalization : {"batch", "group", "none"}
        After each convolution, of all orientations of a channel together; as for `UNet`.
    dropout : float
        Share of the coarsest channels that is left out at random while it is trained, in all
        orientations.
    patch, periodic, dtype, rngs
        As for `UNet`. The pixels of a patch are turned with it.

    References
    ----------
    .. [1] T. S. Cohen and M. Welling, "Group equivariant convolutional networks", ICML 2016; for
       pixels: B. S. Veeling, J. Linmans, J. Winkens, T. Cohen, M. Welling, "Rotation equivariant
       CNNs for digital pathology", MICCAI 2018.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> network = EquivariantUNet(1, 3, features=(2, 4), rngs=nnx.Rngs(0))
    >>> network(jnp.zeros((2, 9, 12, 1), jnp.float32)).shape
    (2, 9, 12, 3)
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        features: Sequence[int] = (4, 8, 16, 32),
        normalization: Normalization = "batch",
        dropout: float = 0.0,
        patch: int = 1,
        periodic: bool = False,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs,
    ):
        options = {
            "normalization": normalization,
            "periodic": periodic,
            "dtype": dtype,
            "rngs": rngs,
        }
        if patch < 1:
            raise ValueError(f"`patch` (={patch}) must be at least 1.")
        self.in_features, self.classes, self.patch = in_features, classes, patch
        self.multiple = patch * 2 ** (len(features) - 1)
        before = (in_features, *features[:-1])
        self.down = nnx.List(
            GroupConvolutions(
                channels,
                after,
                after,
                lifts=number == 0,
                patch=1 if number else patch,
                **options,
            )
            for number, (channels, after) in enumerate(zip(before, features, strict=True))
        )
        steps = list(zip(features[:0:-1], features[-2::-1], strict=True))
        self.lift = nnx.List(
            GroupConvolutions(coarse, fine, resample="up", **options) for coarse, fine in steps
        )
        self.up = nnx.List(GroupConvolutions(2 * fine, fine, fine, **options) for _, fine in steps)
        self.dropout = nnx.Dropout(dropout, broadcast_dims=(1, 2, 3))
        self.last = EqualizedLinear(features[0], classes * patch**2, gain=1.0, rngs=rngs)

    @property
    def reach(self) -> int:
        """Pixels up to which others matter to a pixel, but for what groups are normalized by."""
        return reach_of(len(self.down), self.patch)

    def __call__(
        self, images: Images, *, rngs: nnx.Rngs | None = None
    ) -> Float[Array, "batch rows cols classes"]:
        """Logits: logarithms of the classes' probabilities, but for a constant.

        The random numbers are for `dropout`, while the network is trained.
        """
        x, extent = continued(images, self.multiple)
        kept = []
        for number, pair in enumerate(self.down):
            x = pair(halved(x) if number else x)
            kept.append(x)
        x = self.dropout(x, rngs=rngs)
        for number, (lift, pair) in enumerate(zip(self.lift, self.up, strict=True)):
            x = pair(jnp.concatenate([kept[-2 - number], lift(x)], axis=-1))
        if self.patch > 1:
            told = self.last(x.astype(jnp.float32))
            return patches_of_orientations(told, self.patch)[(slice(None), *extent)]
        # A class has no orientation.
        return self.last(x[(slice(None), *extent)].astype(jnp.float32).mean(axis=3))
