"""Does one image look like the material? Its statistics among those of many."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from idml_jax.evaluation.descriptors import Descriptor, describe


class Typicality(NamedTuple):
    """How many images of the material are as far from its mean as given ones."""

    shares: dict[str, Float[np.ndarray, " count"]]
    """By the name of each descriptor, for each image: the share of images of the material that lie
    at least as far from their mean. Near 0 the image is none of them; not a number where the
    descriptor has no value."""
    overall: Float[np.ndarray, " count"]
    """The same of the distance by all descriptors together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Typical:
    """What images of a material are by their statistics: described once, to judge others by.

    Parameters
    ----------
    descriptors : sequence of Descriptor
    curves : dict of arrays
        By the name of each descriptor, (many, points), of the images of the material.
    """

    descriptors: Sequence[Descriptor]
    curves: dict[str, Float[np.ndarray, "many points"]]

    @classmethod
    def of(
        cls, material: Bool[np.ndarray, "many rows cols"], descriptors: Sequence[Descriptor]
    ) -> "Typical":
        """That of images of a material.

        Raises
        ------
        ValueError
            If there are fewer than three.
        """
        if len(material) < 3:
            raise ValueError(
                f"`material` holds {len(material)} images: there is no telling what is typical."
            )
        return cls(descriptors, _flat(describe(material, descriptors)))

    def judge(self, images: Bool[np.ndarray, "count rows cols"]) -> Typicality:
        """Where images stand among them: see `typicality`."""
        shares, real, judged = {}, [], []
        for name, values in _flat(describe(images, self.descriptors)).items():
            curves = self.curves[name]
            many = len(curves)
            mean = _mean(curves, axis=0)
            deviation = np.sqrt(_mean((curves - mean) ** 2, axis=0))
            # Where no image of the material differs at all, another one differs beyond measure.
            unit = np.maximum(deviation, 1e-6 * np.nanmax(deviation) or 1.0)
            own, others = (
                np.sqrt(_mean(((each - mean) / unit) ** 2, axis=1)) for each in (values, curves)
            )
            others *= many / (many - 1)
            shares[name] = _share(own, others)
            scale = float(_mean(others, axis=0)) or 1.0
            real.append(others / scale)
            judged.append(own / scale)
        together = [_mean(np.array(each) ** 2, axis=0) for each in (judged, real)]
        return Typicality(shares, _share(together[0], together[1]))


def typicality(
    images: Bool[np.ndarray, "count rows cols"],
    material: Bool[np.ndarray, "many rows cols"],
    descriptors: Sequence[Descriptor],
) -> Typicality:
    """Where images stand among images of a material, by each descriptor and by all together.

    Parameters
    ----------
    images : boolean array of shape (count, rows, cols)
        The phase in each image that is judged.
    material : boolean array of shape (many, rows, cols)
        The same of real images, or of typical ones; three at least.
    descriptors : sequence of Descriptor

    Returns
    -------
    typicality : Typicality
        Shares of ``1 / (many + 1)`` at least, as the image itself is counted: that of a permutation
        test of one image against the others.

    Raises
    ------
    ValueError
        If there are fewer than three images of the material.

    Notes
    -----
    The distance of curves is the root mean square difference, each point in units of the deviation
    of the material there. An image of the material is compared with the mean of the others, as the
    images that are judged are in no mean either. All descriptors together are the root mean square
    of their distances, in units of the mean over the material: one that is far off counts.
    The two-point correlation of a single image says little beside the volume fraction, by which
    most of it varies: give `STANDARD`, which has the surface and chords as well.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> share = Descriptor("share", jnp.mean)
    >>> material = np.arange(16).reshape(4, 4) < np.array([3, 4, 5])[:, None, None]
    >>> judged = np.stack([material[1], np.ones((4, 4), bool)])
    >>> typicality(judged, material, [share]).overall.tolist()
    [1.0, 0.25]
    """
    return Typical.of(material, descriptors).judge(images)


def _flat(found: dict[str, np.ndarray]) -> dict[str, Float[np.ndarray, "count points"]]:
    return {name: values.reshape(len(values), -1) for name, values in found.items()}


def _share(
    distances: Float[np.ndarray, " count"], others: Float[np.ndarray, " many"]
) -> Float[np.ndarray, " count"]:
    """Of those others, and itself, that are at least as far."""
    others = others[np.isfinite(others)]
    as_far = np.sum(others >= distances[:, None] * (1 - 1e-12), axis=1)
    return np.where(np.isfinite(distances), (1 + as_far) / (1 + len(others)), np.nan)


def _mean(values: Float[np.ndarray, "*shape"], axis: int) -> Float[np.ndarray, "*rest"]:
    """Of what is a number along an axis; of nothing it is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
