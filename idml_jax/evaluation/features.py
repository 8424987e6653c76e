"""Images as vectors of features, by any encoder."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from idml_jax.typing import Array, Images


def encode(
    images: Images, encoder: Callable[[Images], Array], *, batch_size: int = 64
) -> Float[np.ndarray, "count features"]:
    """Features of images, a batch at a time.

    Parameters
    ----------
    images : array of shape (count, rows, cols, channels)
        Values in [0, 1].
    encoder : callable
        From a batch of images, (batch, rows, cols, channels), to features of any shape behind
        the batch axis, as a trained network or `jax.vmap` of a statistic is. Compile it with
        `jax.jit` where it can be.
    batch_size : int
        Images a batch. The last one is filled up with copies of its last image, so that the
        encoder sees one shape only.

    Returns
    -------
    features : array of shape (count, features)
        One row an image.

    Raises
    ------
    ValueError
        If there is no image, or the encoder does not return a row for each image.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.linspace(0, 1, 5).reshape(5, 1, 1, 1)
    >>> encode(images, lambda batch: batch.mean(axis=(1, 2)), batch_size=2)[:, 0].tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    count = len(images)
    if count == 0 or batch_size < 1:
        raise ValueError(f"{count} images in batches of {batch_size}; give one or more of both.")
    size = min(batch_size, count)
    found = []
    for start in tqdm(range(0, count, size), desc="features", unit="batch", delay=2):
        batch = images[start : start + size]
        missing = size - len(batch)
        if missing:
            batch = np.concatenate([batch, np.repeat(np.asarray(batch[-1:]), missing, axis=0)])
        features = np.asarray(encoder(batch))
        if features.shape[:1] != (size,):
            raise ValueError(
                f"`encoder` returned the shape {features.shape} for {size} images; the first axis "
                "must be that of the images."
            )
        found.append(features.reshape(size, -1)[: size - missing])
    return np.concatenate(found)
