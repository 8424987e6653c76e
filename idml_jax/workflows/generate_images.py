"""Images of a generator written to files."""

import io
from collections.abc import Sequence

import imageio.v3 as imageio
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer, UInt32
from numpy.lib.format import open_memmap
from tqdm import tqdm

from idml_jax import integration, report, training
from idml_jax.errors import InputError
from idml_jax.training.conditions import shown
from idml_jax.typing import Image
from idml_jax.workflows import generate_interpolate
from idml_jax.workflows.conditioning import check_told, values_of
from idml_jax.workflows.generate_sample import Config
from idml_jax.workflows.told import by_name


def write_samples(config: Config) -> None:
    """Images of random latents, the latents, and the options, into a folder.

    Raises
    ------
    InputError
        If the run has no generator, or the folder belongs to other options.
    """
    gan = training.load_generator(config.run)
    told = told_of(config, gan.recipe)
    run = training.find_generator(config.run).resolve()
    known = {"run": str(run), "seed": config.seed, "format": config.format}
    known |= {"truncation": config.truncation, "pixel_size": gan.recipe.pixel_size}
    known |= {"wanted": by_name(config.wanted)} if gan.recipe.conditions else {}
    if config.format == "png":
        _check_eight_or_sixteen_bits(gan.recipe)
    report.claim(config.out / "samples.json", known)
    latents, noise = draws_of(config.seed, config.count, gan.latent_features)
    conditions = training.encode_conditions(gan.recipe.meanings, told) if told else None
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
            wanted = None if conditions is None else conditions[filled]
            made = gan(latents[filled], wanted, noise=noise[filled], truncation=config.truncation)
            images = np.asarray(made)[: part.stop - part.start]
            if array is not None:
                array[part] = images
            else:
                for number, image in enumerate(images, start):
                    path = config.out / f"sample_{number:06d}.{config.format}"
                    report.write_atomically(path, encoded(image, config.format, gan.recipe))
            bar.update(len(images))
    if array is not None:
        array.flush()
        unfinished.replace(config.out / "images.npy")
    for name, drawn in (("latents", latents), ("noise", noise)):
        np.save(buffer := io.BytesIO(), drawn)
        report.write_atomically(config.out / f"{name}.npy", buffer.getvalue())
    if told:
        report.write_atomically(config.out / "conditions.csv", told_text("image", told))


def told_text(what: str, told: Sequence[dict[str, float | str]]) -> str:
    """A table of what a generator was told, a row each."""
    rows = [(number, *map(shown, row.values())) for number, row in enumerate(told)]
    return report.csv_text([what, *told[0]], rows)


def told_of(
    config: Config | generate_interpolate.Config, recipe: training.Recipe
) -> list[dict[str, float | str]]:
    """What the generator is told of each image, in the user's units; nothing if it is told nothing.

    Raises
    ------
    InputError
        If what is wanted is not what it is told, or that is not known.
    """
    wanted = by_name(config.wanted)
    check_told(config.run, recipe, wanted)
    if not recipe.meanings:
        return []
    if not wanted:
        return training.draw_conditions(recipe.meanings, config.count, seed=config.seed)
    return [values_of(recipe.meanings, wanted)] * config.count


def draws_of(
    seed: int, count: int, features: int
) -> tuple[Float[np.ndarray, "count features"], UInt32[np.ndarray, " count"]]:
    """Latents and noise of images by their number: the first ones are the same, of any count."""

    def draw(number: jax.Array) -> tuple[jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), number)
        noise = jax.random.bits(jax.random.fold_in(key, 1), dtype=jnp.uint32)
        return jax.random.normal(key, (features,), jnp.float32), noise

    latents, noise = jax.jit(jax.vmap(draw))(jnp.arange(count))
    return np.asarray(latents), np.asarray(noise)


def _check_eight_or_sixteen_bits(recipe: training.Recipe) -> None:
    """Refuse labels that a PNG cannot hold."""
    if recipe.labels and recipe.labels[-1] >= 2**16:
        raise InputError(
            f"the label {recipe.labels[-1]} does not fit into the 16 bits of a PNG; write --format "
            "tiff."
        )


def labels_of(image: Image, recipe: training.Recipe) -> Integer[np.ndarray, "rows cols"]:
    """The phase of each pixel under its label, in as few bits as all labels fit in."""
    labels = np.asarray(recipe.labels or range(recipe.channels))
    kind = np.min_scalar_type(labels.max())
    return labels.astype(kind)[np.asarray(image).argmax(axis=-1)]


def encoded(image: Image, kind: str, recipe: training.Recipe) -> bytes:
    """An image as a file: in 8 bits, or as it is with its pixel size; of phases their labels."""
    if kind == "png":
        if recipe.output == "phases":
            pixels = labels_of(image, recipe)
        else:
            pixels = np.rint(np.asarray(image) * 255).astype(np.uint8)
        return imageio.imwrite("<bytes>", np.squeeze(pixels), extension=".png")
    if recipe.output == "phases":
        return integration.tiff_bytes(labels_of(image, recipe), recipe.pixel_size)
    channels = recipe.channels > 1
    pixels = np.asarray(image) if channels else np.asarray(image)[..., 0]
    return integration.tiff_bytes(pixels, recipe.pixel_size, channels=channels)
