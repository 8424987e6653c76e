"""Features of texture: local patterns, co-occurrence, gradients, spectra, correlations."""

import numpy as np
from jaxtyping import Float
from skimage import feature, filters

from idml_jax import statistics
from idml_jax.training.features.images import OfImages


class LocalBinaryPatterns(OfImages):
    """Histograms of which neighbours on a circle are brighter, at several radii.

    Rotation-invariant uniform patterns [1]_: edges, corners and spots, and all that is none.

    Parameters
    ----------
    radii : tuple of int
        In pixels; on a circle lie eight neighbours for each pixel of its radius, 24 at most.

    References
    ----------
    .. [1] T. Ojala, M. Pietikainen, T. Maenpaa, "Multiresolution gray-scale and rotation invariant
       texture classification with local binary patterns", IEEE TPAMI 24, 971-987 (2002).

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).random((2, 32, 32, 1))
    >>> LocalBinaryPatterns(radii=(1, 2)).fit_transform(images).shape
    (2, 28)
    """

    def __init__(self, radii: tuple[int, ...] = (1, 2, 4)):
        self.radii = radii

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Shares of the patterns at each radius."""
        # The patterns are of whole greys: noise of the last digit is none.
        grey = np.clip(image * 32 + 128, 0, 255).astype(np.uint8)
        found = []
        for radius in self.radii:
            points = min(8 * radius, 24)
            patterns = feature.local_binary_pattern(grey, points, radius, method="uniform")
            counts = np.bincount(patterns.astype(int).ravel(), minlength=points + 2)
            found.append(counts / counts.sum())
        return np.concatenate(found)


class Haralick(OfImages):
    """Contrast, correlation, energy and homogeneity of pairs of greys, at several distances.

    The mean over four directions and the range between them [1]_.

    Parameters
    ----------
    distances : tuple of int
        In pixels.
    levels : int
        Greys that are told apart.

    References
    ----------
    .. [1] R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image classification",
       IEEE Trans. Syst. Man Cybern. 3, 610-621 (1973).
    """

    def __init__(self, distances: tuple[int, ...] = (1, 2, 4, 8), levels: int = 16):
        self.distances, self.levels = distances, levels

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Mean and range over the directions, of each property at each distance."""
        # Three deviations to either side of the mean, in as many steps as there are levels.
        step = 6 / self.levels
        grey = np.clip((image + 3) / step, 0, self.levels - 1).astype(np.uint8)
        angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
        counts = feature.graycomatrix(
            grey, self.distances, angles, levels=self.levels, symmetric=True, normed=True
        )
        names = ("contrast", "correlation", "energy", "homogeneity", "dissimilarity")
        found = np.stack([feature.graycoprops(counts, name) for name in names])
        return np.concatenate([found.mean(axis=-1).ravel(), np.ptp(found, axis=-1).ravel()])


class OrientedGradients(OfImages):
    """Histograms of oriented gradients, over cells of an image [1]_.

    Not invariant: what is where, and how it lies, tells.

    Parameters
    ----------
    cells : int
        Along each side of the image.
    orientations : int
        In half a turn.

    References
    ----------
    .. [1] N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
    """

    def __init__(self, cells: int = 4, orientations: int = 8):
        self.cells, self.orientations = cells, orientations

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Shares of the orientations in each cell, normalized over two by two of them."""
        sides = tuple(max(1, side // self.cells) for side in image.shape)
        return feature.hog(image, self.orientations, pixels_per_cell=sides, cells_per_block=(2, 2))


class PowerSpectrum(OfImages):
    """How much of an image varies at each wavelength, whatever the direction.

    Logarithms of the radial mean of the power spectrum, in bands of equal ratio; and in each how
    much more it varies along one direction than on the mean.

    Parameters
    ----------
    bands : int
        From the longest wavelength, the image's side, to two pixels.
    """

    def __init__(self, bands: int = 16):
        self.bands = bands

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Logarithms of the power in each band, and of its excess along one direction."""
        # What does not meet at opposite sides would be edges of its own.
        window = filters.window("hann", image.shape)
        power = np.abs(np.fft.fft2(image * window)) ** 2
        down, across = np.meshgrid(*map(np.fft.fftfreq, image.shape), indexing="ij")
        radius = np.hypot(down, across)
        edges = np.geomspace(1 / max(image.shape), 0.5, self.bands + 1)
        band = np.digitize(radius, edges) - 1
        sector = (np.arctan2(down, across) % np.pi / np.pi * 8).astype(int) % 8
        inside = (band >= 0) & (band < self.bands)
        place = (8 * band + sector)[inside]
        counts = np.bincount(place, minlength=8 * self.bands).reshape(self.bands, 8)
        sums = np.bincount(place, power[inside], 8 * self.bands).reshape(self.bands, 8)
        mean = sums.sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
        of_sectors = sums / np.maximum(counts, 1)
        tiny = 1e-9 * image.size
        excess = of_sectors.max(axis=1) / (mean + tiny)
        return np.concatenate([np.log(mean + tiny), np.log(excess + 1e-3)])


class TwoPointStatistics(OfImages):
    """Two-point correlation of the bright phase, up to a distance along every direction.

    Put `sklearn.decomposition.PCA` behind it: S. R. Niezgoda, A. K. Kanjarla, S. R. Kalidindi,
    Integr. Mater. Manuf. Innov. 2, 3 (2013).

    Parameters
    ----------
    reach : int
        In pixels.
    """

    def __init__(self, reach: int = 24):
        self.reach = reach

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Half of the displacements within the reach: the others are the same backwards."""
        bright = image > filters.threshold_otsu(image) if image.any() else image > 0
        s2 = np.asarray(statistics.two_point_correlation(bright, periodic=False))
        middle = [side // 2 for side in s2.shape]
        reach = [min(self.reach, (side - 1) // 2) for side in s2.shape]
        rows, cols = (slice(at - far, at + far + 1) for at, far in zip(middle, reach, strict=True))
        window = s2[rows, cols].ravel()
        return window[len(window) // 2 :]


class GreyLevels(OfImages):
    """How skewed the greys are, and how heavy their ends: all that is left without places."""

    def of_image(self, image: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, " features"]:
        """Skewness, kurtosis, and deciles of a standardized image."""
        deciles = np.quantile(image, np.linspace(0.05, 0.95, 10))
        return np.concatenate([[(image**3).mean(), (image**4).mean()], deciles])
