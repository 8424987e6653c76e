"""Images of a generator written to files."""

import io

import imageio.v3 as imageio
import jax
import jax.numpy as jnp
import numpy as np
import tifffile
from jaxtyping import Float, UInt32
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
    latents, noise = draws_of(config.seed, config.count, gan.latent_features)
    array, unfinished = None, config.out / "images.npy.part"
    if config.format == "npy":
        shape = (config.count, *gan.size, gan.recipe.channels)
        array = open_memmap(unfinished, "w+", np.float32, shape)
    bar = tqdm(total=config.count, desc="images", unit="img", delay=2)
    with bar:
        for start in range(0, config.count, config.batch):
            part = slice(start, min(start + config.batch, config.count))
            # All batches of one size: one compilation.
            filled = np.resize(np.arange(part.start, part.stop), config.batch)
            made = gan(latents[filled], noise=noise[filled], truncation=config.truncation)
            images = np.asarray(made)[: part.stop - part.start]
            if array is not None:
                array[part] = images
            else:
                for number, image in enumerate(images, start):
                    path = config.out / f"sample_{number:06d}.{config.format}"
                    report.write_atomically(path, _encoded(image, config.format, gan.recipe))
            bar.update(len(images))
    if array is not None:
        array.flush()
        unfinished.replace(config.out / "images.npy")
    for name, drawn in (("latents", latents), ("noise", noise)):
        np.save(buffer := io.BytesIO(), drawn)
        report.write_atomically(config.out / f"{name}.npy", buffer.getvalue())


def draws_of(
    seed: int, count: int, features: int
) -> tuple[Float[np.ndarray, "count features"], UInt32[np.ndarray, " count"]]:
    """Latents and noise of images by their number: the first ones are the same, of any count."""

    def draw(number: jax.Array) -> tuple[jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), number)
        noise = jax.random.bits(jax.random.fold_in(key, 1))
        return jax.random.normal(key, (features,), jnp.float32), noise

    latents, noise = jax.jit(jax.vmap(draw))(jnp.arange(count))
    return np.asarray(latents), np.asarray(noise)


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
