"""Micrographs in a folder a class."""

import imageio.v3 as imageio
import numpy as np
import pytest

from idml_jax import data
from idml_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Two classes of two grey images each."""
    random = np.random.default_rng(0)
    for name in ("pearlite", "bainite"):
        (tmp_path / name).mkdir()
        for stem in "ab":
            pixels = random.integers(0, 256, (6, 8), np.uint8)
            imageio.imwrite(tmp_path / name / f"{stem}.png", pixels)
    return tmp_path


def test_the_folders_are_the_classes_by_name(folder):
    (folder / ".hidden").mkdir()
    (folder / "notes.txt").write_text("of somebody")
    found = data.read_classified(folder)
    assert found.classes == ("bainite", "pearlite")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert [one.name for one in found.micrographs] == [
        "bainite/a", "bainite/b", "pearlite/a", "pearlite/b",
    ]  # fmt: skip
    assert found.micrographs[0].specimen == "bainite/a"


def test_classes_of_a_training_keep_their_numbers(folder):
    found = data.read_classified(folder, classes=("austenite", "pearlite", "bainite"))
    assert found.labels.tolist() == [2, 2, 1, 1]
    with pytest.raises(InputError, match=r"pearlite: is none of the classes bainite; rename"):
        data.read_classified(folder, classes=("bainite",))


def test_colour_beside_grey_becomes_grey(folder):
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    imageio.imwrite(folder / "bainite" / "c.png", colours)
    assert {one.image.shape[-1] for one in data.read_classified(folder).micrographs} == {1}


def test_all_files_that_cannot_be_used_are_named_at_once(folder):
    for place in ("bainite/a.png", "pearlite/b.png"):
        (folder / place).write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        data.read_classified(folder)
    message = str(caught.value)
    assert message.startswith("2 files cannot be used") and "\n" not in message
    assert "bainite/a.png" in message and "pearlite/b.png" in message


def test_what_is_no_folder_of_classes_is_one_line(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no micrograph in it"):
        data.read_classified(folder)
    imageio.imwrite(folder / "loose.png", np.eye(4, dtype=np.uint8))
    with pytest.raises(InputError, match=r"loose\.png: lies beside the folders"):
        data.read_classified(folder)
    with pytest.raises(InputError, match="no folder in it; each class is one"):
        data.read_classified(folder / "empty")
    with pytest.raises(InputError, match="does not exist"):
        data.read_classified(folder / "nowhere")
