"""One grey scale for all micrographs of a set, so that one threshold serves them all."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from skimage import filters

from idml_jax.data.micrograph import Micrograph
from idml_jax.errors import InputError

CONTRAST = 0.6
"""Difference of the grey values that the two classes' means get, 0.2 and 0.8."""

THRESHOLD = 0.5
"""Half way between them."""

RESOLVED = 6.0
"""Mean chord of the scarcer phase, in pixels, from which on a generator draws it solid.

Measured on three materials: precipitates of 6.4 pixels and blobs of 9.7 come out solid, and
pores of 9.5 as well; the same pores at 5.2 pixels come out as rings."""


def equalize_contrast(micrograph: Micrograph, *, contrast: float = CONTRAST) -> Micrograph:
    r"""The micrograph on a grey scale where its two phases' means lie about 0.5.

    Micrographs of one material differ in brightness and contrast from shot to
    shot. Otsu's threshold [1]_ splits the pixels of each into a dark and a bright
    class; a linear map takes the two means to 0.2 and 0.8, as far apart as `contrast`, and
    what falls outside [0, 1] is clipped. Otsu's threshold lies half way between its classes'
    means, so that afterwards the bright phase is ``image > 0.5`` in every
    micrograph of the set, and in every image that a generator learns from them.

    Parameters
    ----------
    micrograph : Micrograph
        One channel, of two phases that differ in brightness.
    contrast : float
        Difference of the two means. A large one lets a network see the phases best; where there
        are more than two grey values, as of grains, a smaller one clips fewer of them: of a
        normal distribution 0.6 clips 18 in 100 pixels, 0.4 clips 5 and 0.3 clips 1.

    Returns
    -------
    micrograph : Micrograph
        The same, its contrast equalized.

    Raises
    ------
    InputError
        If it has several channels, or one value only.
    ValueError
        If the contrast is not above 0 and up to 1.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms",
       IEEE Trans. Syst. Man Cybern. 9, 62-66 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((8, 8, 1), 0.4, np.float32)
    >>> image[:, :3] = 0.5
    >>> np.unique(equalize_contrast(Micrograph(image, "faint")).image).round(3)
    array([0.2, 0.8], dtype=float32)
    """
    if not 0 < contrast <= 1:
        raise ValueError(f"`contrast` (={contrast}) must be above 0 and up to 1.")
    channels = micrograph.image.shape[-1]
    if channels != 1:
        raise InputError(
            f"{micrograph.label}: has {channels} channels and the threshold needs one; "
            "use `micrograph.grey()`."
        )
    if micrograph.image.min() == micrograph.image.max():
        raise InputError(
            f"{micrograph.label}: every pixel has the same value, so it shows no two phases; "
            "take it away."
        )
    image = micrograph.image.astype(np.float64)
    # Dirt and pores far outside the two phases would draw the threshold to themselves, and the
    # means with it: both are taken from the image that is cut off three deviations out.
    centre, spread = image.mean(), 3 * image.std()
    inside = np.clip(image, centre - spread, centre + spread)
    bright = inside > filters.threshold_otsu(inside)
    low, high = inside[~bright].mean(), inside[bright].mean()
    scaled = THRESHOLD + contrast * ((image - low) / (high - low) - 0.5)
    return dataclasses.replace(micrograph, image=np.clip(scaled, 0, 1).astype(np.float32))


def choose_binning(
    train: Sequence[Micrograph], size: int, *, held_out: Sequence[Micrograph] = ()
) -> int:
    """Binning at which a crop of `size` pixels shows enough of the material, and clearly.

    Enough is nine correlation lengths; clearly is a mean chord of `RESOLVED` pixels
    in the scarcer phase, because a generator draws features of fewer pixels as their
    outlines. The largest factor that serves the second is taken, up to the one that
    gives the first, and never so large that a micrograph of either group would be
    less than twice the crop; 1 where one is as small as that already. Where no
    factor is clear, the one with the longest chords: averaging takes noise away
    before it takes features. Lengths are medians over the micrographs to train on;
    of the held-out ones nothing is used but their sizes.
    """
    length = float(np.median([correlation_length(micrograph) for micrograph in train]))
    wanted = math.ceil(9 * length / size)
    room = min(min(micrograph.size) for micrograph in (*train, *held_out)) // (2 * size)
    chords = {}
    for factor in range(max(1, min(wanted, room)), 0, -1):
        binned = [mean_chord_length(micrograph.binned(factor)) for micrograph in train]
        chords[factor] = float(np.median(binned))
        if chords[factor] >= RESOLVED:
            return factor
    return max(chords, key=lambda factor: chords[factor])


def mean_chord_length(micrograph: Micrograph) -> float:
    """Mean length, in pixels along rows and cols, of the lines inside the scarcer phase.

    Twice the phase's share divided by the share of neighbours that a boundary
    parts, which a chord cut off by the image's edge does not shorten. 0 where there
    is one phase only.

    Examples
    --------
    >>> import numpy as np
    >>> layers = np.tile(np.float32([[[0], [1]]]), (4, 2, 1))
    >>> mean_chord_length(Micrograph(layers, "one pixel across, endless along"))
    2.0
    """
    image = micrograph.image[..., 0]
    phase = image > filters.threshold_otsu(image)
    share = min(phase.mean(), 1 - phase.mean())
    parted = ((phase[1:] != phase[:-1]).mean() + (phase[:, 1:] != phase[:, :-1]).mean()) / 2
    return float(2 * share / parted) if share else 0.0


def correlation_length(micrograph: Micrograph) -> float:
    """Distance, in pixels, at which the bright phase's autocovariance first falls to a tenth.

    Measured along rows and cols and averaged over both; half the shorter side
    where it never falls that low.
    """
    image = micrograph.image[..., 0].astype(np.float64)
    phase = (image > filters.threshold_otsu(image)).astype(float)
    fluctuation = phase - phase.mean()
    longest = min(phase.shape) // 2
    covariance = np.zeros(longest)
    for along in (fluctuation, fluctuation.T):
        # Padded to twice its length, so that the two ends do not meet in the Fourier product.
        spectrum = np.fft.rfft(along, 2 * len(along), axis=0)
        products = np.fft.irfft((np.abs(spectrum) ** 2).mean(axis=1))[:longest]
        covariance += products / (len(along) - np.arange(longest))
    below = np.flatnonzero(covariance <= 0.1 * covariance[0])
    return float(below[0]) if below.size else float(longest)
