"""Images of a generator written to files."""

import io

import imageio.v3 as imageio
import jax
import jax.numpy as jnp
import numpy as np
import tifffile
from jaxtyping import Float
from numpy.lib.format import open_memmap
from tqdm import tqdm

from idml_jax import report, training
from idml_jax.errors import InputError
from idml_jax.typing import Image
from idml_jax.workflows.generate_sample import Config


def write_samples(config: Config) -> None:
    """Images of random latents, the latents, and the options, into a folder.

    Raises
    ------
    InputError
        If the run has no generator, or the folder belongs to other options.
    """
    gan = training.load_generator(config.run)
    if gan.recipe.conditions + gan.recipe.codes:
        raise InputError(
            f"{config.run}: this generator is told what is wanted of an image; sample it in "
            "Python, with `conditions`."
        )
    run = training.find_generator(config.run).resolve()
    known = {"run": str(run), "seed": config.seed, "format": config.format}
    known |= {"truncation": config.truncation, "pixel_size": gan.recipe.pixel_size}
    report.claim(config.out / "samples.json", known)
    latents = latents_of(config.seed, config.count, gan.latent_features)
    array, unfinished = None, config.out / "images.npy.part"
    if config.format == "npy":
        shape = (config.count, *gan.size, gan.recipe.channels)
        array = open_memmap(unfinished, "w+", np.float32, shape)
    bar = tqdm(total=config.count, desc="images", unit="img", delay=2)
    with bar:
        for start in range(0, config.count, config.batch):
            part = latents[start : start + config.batch]
            # All batches of one size: one compilation.
            missing = np.zeros((config.batch - len(part), part.shape[1]), np.float32)
            filled = np.concatenate([part, missing])
            images = np.asarray(gan(filled, truncation=config.truncation))[: len(part)]
            if array is not None:
                array[start : start + len(part)] = images
            else:
                for number, image in enumerate(images, start):
                    path = config.out / f"sample_{number:06d}.{config.format}"
                    report.write_atomically(path, _encoded(image, config.format, gan.recipe))
            bar.update(len(part))
    if array is not None:
        array.flush()
        unfinished.replace(config.out / "images.npy")
    np.save(buffer := io.BytesIO(), latents)
    report.write_atomically(config.out / "latents.npy", buffer.getvalue())


def latents_of(seed: int, count: int, features: int) -> Float[np.ndarray, "count features"]:
    """Latents of images by their number: the first ones are the same however many follow."""
    key = jax.random.key(seed)
    draw = jax.jit(
        jax.vmap(lambda number: jax.random.normal(jax.random.fold_in(key, number), (features,)))
    )
    return np.asarray(draw(jnp.arange(count)), np.float32)


def _encoded(image: Image, kind: str, recipe: training.Recipe) -> bytes:
    """An image as a file: in 8 bits, of phases their numbers; or as it is, with its pixel size."""
    buffer = io.BytesIO()
    if kind == "png":
        if recipe.output == "phases":
            pixels = np.asarray(image).argmax(axis=-1).astype(np.uint8)
        else:
            pixels = np.rint(np.asarray(image) * 255).astype(np.uint8)
        return imageio.imwrite("<bytes>", np.squeeze(pixels), extension=".png")
    options = {}
    if recipe.pixel_size is not None:
        rows, cols = recipe.pixel_size
        options = {"resolution": (1e-2 / cols, 1e-2 / rows), "resolutionunit": "CENTIMETER"}
    channels_last = recipe.channels > 1
    tifffile.imwrite(
        buffer,
        np.asarray(image) if channels_last else np.asarray(image)[..., 0],
        photometric="rgb" if recipe.channels == 3 and recipe.output == "grey" else "minisblack",
        **({"planarconfig": "contig"} if channels_last else {}),
        **options,
    )
    return buffer.getvalue()
