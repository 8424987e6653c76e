"""How wrong the class scores of pixels are: losses that leave out what nobody annotated."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from idml_jax.typing import Array, Labels


@dataclasses.dataclass(frozen=True)
class SegmentationLoss:
    r"""Cross-entropy of pixels and overlap of classes, added up.

    Parameters
    ----------
    cross_entropy : float
        Weight of the cross-entropy, the mean over the pixels with their weights.
    focus : float
        Exponent :math:`\gamma` of :math:`(1 - p)^\gamma`, by which a pixel weighs less the surer
        the network is of its class: 0 for plain cross-entropy, 2 for the focal loss of [1]_.
    overlap : float
        Weight of one minus the Tversky index [2]_ of each class over the whole batch, in the mean
        over the classes that the batch holds.
    missed : float
        What a missed pixel of a class weighs in the index, of 0 to 1, and one that is taken for it
        wrongly what is left of 1: 0.5 for the Dice coefficient.

    References
    ----------
    .. [1] T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollar, "Focal loss for dense object
       detection", ICCV 2017, equation 4.
    .. [2] S. S. M. Salehi, D. Erdogmus, A. Gholipour, "Tversky loss function for image segmentation
       using 3D fully convolutional deep networks", MLMI 2017, equation 3.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> logits = jnp.log(jnp.array([[0.5, 0.5], [0.9, 0.1]]))
    >>> labels = jnp.array([1, -1])
    >>> round(float(SegmentationLoss(overlap=0.0)(logits, labels)), 4)
    0.6931
    """

    cross_entropy: float = 1.0
    focus: float = 0.0
    overlap: float = 1.0
    missed: float = 0.5

    def __post_init__(self):
        if self.cross_entropy < 0 or self.overlap < 0 or self.cross_entropy + self.overlap <= 0:
            raise ValueError(
                f"`cross_entropy` (={self.cross_entropy}) and `overlap` (={self.overlap}) are not "
                "negative, and not both 0."
            )
        if not (self.focus >= 0 and 0 <= self.missed <= 1):
            raise ValueError(
                f"`focus` (={self.focus}) is not negative, and `missed` (={self.missed}) in [0, 1]."
            )

    def __call__(
        self,
        logits: Float[Array, "*pixels classes"],
        labels: Labels,
        weights: Float[Array, "*pixels"] | None = None,
    ) -> Float[Array, ""]:
        """The loss of a batch.

        Parameters
        ----------
        logits : float array of shape (*pixels, classes)
        labels : integer array of shape (*pixels,)
            From 0; pixels of -1 are left out.
        weights : float array of shape (*pixels,), optional
            Of pixels in the cross-entropy: of their classes, or of how near a boundary they are.

        Returns
        -------
        loss : float
            0 where nothing is annotated.
        """
        logits = jnp.asarray(logits, jnp.float32)
        labels = jnp.asarray(labels)
        known = labels >= 0
        of_pixels = known.astype(jnp.float32)
        classes = jnp.where(known, labels, 0)
        total = jnp.float32(0)
        if self.cross_entropy:
            surprise = optax.losses.softmax_cross_entropy_with_integer_labels(logits, classes)
            if self.focus:
                surprise = surprise * (-jnp.expm1(-surprise)) ** self.focus
            weighed = (
                of_pixels if weights is None else of_pixels * jnp.asarray(weights, jnp.float32)
            )
            mean = (weighed * surprise).sum() / jnp.maximum(weighed.sum(), 1e-6)
            total = total + self.cross_entropy * mean
        if self.overlap:
            shares = of_pixels[..., None] * jax.nn.softmax(logits)
            truth = of_pixels[..., None] * jax.nn.one_hot(
                classes, logits.shape[-1], dtype=jnp.float32
            )
            axes = tuple(range(labels.ndim))
            # Not optax's: it has no way to leave pixels out.
            found, there, both = (each.sum(axis=axes) for each in (shares, truth, shares * truth))
            wrong = (1 - self.missed) * (found - both) + self.missed * (there - both)
            # A pixel more on both sides, so that a class of few pixels has a slope.
            apart = wrong / (both + wrong + 1)
            holds = (there > 0).astype(jnp.float32)
            total = total + self.overlap * (holds * apart).sum() / jnp.maximum(holds.sum(), 1)
        return total


def beside_others(labels: Int[Array, "batch *space"]) -> Float[Array, "batch *space"]:
    """1 for pixels of which a neighbour along an axis is of another class, else 0.

    Parameters
    ----------
    labels : integer array of shape (batch, *space)
        Pixels of -1 are of no class.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> beside_others(jnp.array([[0, 0, 1, 1, -1, 0]])).tolist()
    [[0.0, 1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    labels = jnp.asarray(labels)
    found = jnp.zeros(labels.shape, bool)
    for axis in range(1, labels.ndim):
        length = labels.shape[axis]
        one = jax.lax.slice_in_dim(labels, 0, length - 1, axis=axis)
        other = jax.lax.slice_in_dim(labels, 1, length, axis=axis)
        apart = (one != other) & (one >= 0) & (other >= 0)
        for sides in ((0, 1), (1, 0)):
            around = [sides if each == axis else (0, 0) for each in range(labels.ndim)]
            found |= jnp.pad(apart, around)
    return found.astype(jnp.float32)
