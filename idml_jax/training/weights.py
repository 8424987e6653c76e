"""A trained generator as one file: its averaged parameters, its recipe, and its card."""

import json
import pathlib

import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from idml_jax.errors import InputError
from idml_jax.report import write_atomically
from idml_jax.training.generator import ProgressiveGAN, load_progressive_gan
from idml_jax.training.progressive_recipe import Recipe

FORMAT = "idml_jax progressive GAN, 1"
"""What such a file says of itself."""

_PACKAGE = pathlib.Path(__file__).parents[1]

SHELVES = _PACKAGE / "weights", _PACKAGE.parent / "experiments" / "weights"
"""Where generators that come with the toolkit lie: as installed, and in a working copy of it."""


def kept_generators() -> dict[str, pathlib.Path]:
    """Files of the generators that come with the toolkit, by name.

    Their cards, which `read_card` gives, say what they were trained on and how good they are.
    """
    files = (path for shelf in SHELVES for path in sorted(shelf.glob("*.safetensors")))
    return {path.stem: path for path in files}


def find_generator(name: str | pathlib.Path) -> pathlib.Path:
    """The folder or file that a name stands for: itself, or that of a generator that is kept.

    Raises
    ------
    InputError
        If there is neither.
    """
    path, kept = pathlib.Path(name), kept_generators()
    if path.exists():
        return path
    if str(name) in kept:
        return kept[str(name)]
    raise InputError(
        f"{name}: no such folder or file, nor a generator that comes with the toolkit "
        f"({', '.join(kept) or 'there are none here'}); give a run's folder, a .safetensors file, "
        "or one of these names."
    )


def write_generator(path: str | pathlib.Path, gan: ProgressiveGAN, *, card: str = "") -> None:
    """Write a generator into one safetensors file.

    Parameters
    ----------
    path : path
        ``.safetensors``. A file that is there is replaced, whole or not at all.
    gan : ProgressiveGAN
    card : str
        What a reader has to know of it: data and their licence, command, scores. It travels in the
        file.

    Notes
    -----
    The file holds arrays by name and text, and no code: it is safe to read from anywhere. Of the
    training only the averaged generator is in it, about a quarter of a checkpoint.
    """
    texts = {
        "format": FORMAT,
        "recipe": json.dumps(gan.recipe.plain()),
        "card": card,
    }
    arrays = {name: np.asarray(leaf) for name, leaf in _by_name(gan.generator).items()}
    write_atomically(pathlib.Path(path), safetensors.numpy.save(arrays, metadata=texts))


def load_generator(path: str | pathlib.Path) -> ProgressiveGAN:
    """A trained generator: of a run's folder, of a file that `write_generator` wrote, or by name.

    Parameters
    ----------
    path : path
        The folder or the file, or one of `kept_generators`, such as "superalloy".

    Returns
    -------
    gan : ProgressiveGAN

    Raises
    ------
    InputError
        If there is none at the path, or the file holds something else.
    """
    path = find_generator(path)
    if path.suffix != ".safetensors":
        return load_progressive_gan(path)
    texts, arrays = _read(path)
    recipe = Recipe.from_plain(json.loads(texts["recipe"]))
    generator, _ = recipe.networks()
    expected = _by_name(generator)
    if {name: leaf.shape for name, leaf in expected.items()} != {
        name: array.shape for name, array in arrays.items()
    }:
        raise InputError(
            f"{path}: its arrays do not fit the network of its recipe; it was changed, or is of a "
            "later version of idml_jax: take the file anew, or a newer version."
        )
    structure, state = nnx.split(generator)
    leaves = [jax.numpy.asarray(arrays[name]) for name in expected]
    state = jax.tree.unflatten(jax.tree.structure(state), leaves)
    return ProgressiveGAN(nnx.merge(structure, state), recipe)


def read_card(path: str | pathlib.Path) -> str:
    """The card of a generator's file: what was given to `write_generator`.

    Raises
    ------
    InputError
        If there is no such file, or it holds something else.
    """
    return _read(find_generator(path))[0]["card"]


def _read(path: pathlib.Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Texts and arrays of a file."""
    if not path.is_file():
        raise InputError(f"{path}: a folder; its generator is the .safetensors file in it.")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            texts = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({str(error)[:80]}); take it anew."
        ) from error
    if texts.get("format") != FORMAT:
        raise InputError(
            f"{path}: says of itself {texts.get('format', 'nothing')!r}, and a generator says "
            f"{FORMAT!r}; give a file that `idml generate train` wrote."
        )
    return texts, arrays


def _by_name(network: nnx.Module) -> dict[str, jax.Array]:
    """Parameters by their path, such as ``blocks.0.conv1.kernel``, in the order of the tree."""
    leaves = jax.tree_util.tree_flatten_with_path(nnx.split(network)[1])[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
