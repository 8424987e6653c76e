"""Micrographs that a table says something of: classes, numbers, specimens."""

import imageio.v3 as imageio
import numpy as np
import pytest

from idml_jax import data
from idml_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for stem in "abcd":
        pixels = random.integers(0, 256, (6, 8), np.uint8)
        imageio.imwrite(tmp_path / f"{stem}.png", pixels)
    return tmp_path


def table(folder, text):
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_classes_are_those_of_the_table_and_files_are_named_with_and_without_ending(folder):
    rows = "file,class,note\na,x,\nd.png,y,late\nb,x,\nc.png,y,\n"
    found = data.read_labelled(folder, table(folder, rows))
    assert found.classes == ("x", "y") and found.labels.tolist() == [0, 0, 1, 1]
    assert [each.name for each in found.micrographs] == list("abcd")
    assert [each.specimen for each in found.micrographs] == list("abcd")
    found = data.read_labelled(folder, table(folder, rows), classes=("y", "z", "x"))
    assert found.labels.tolist() == [2, 2, 0, 0]


def test_everything_that_is_wrong_is_named_at_once(folder):
    (folder / "b.png").write_bytes(b"no image")
    path = table(folder, "file,class\na,x\na.png,x\nb,x\nc,new\ngone,x\n")
    with pytest.raises(InputError) as caught:
        data.read_labelled(folder, path, classes=("x", "y"))
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    for rule in (
        "rows about files that are not there: gone (line 6)",
        "files without a row: d.png",
        "files with several rows: a.png (lines 2 and 3)",
        "classes that are none of x, y: new (c.png)",
        "files that cannot be used: ",
    ):
        assert rule in message, message
    assert str(folder / "b.png") in message


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("file,class\na,x\nb,x\nc,x\nd,x\n", r"one class only \(x\), and there are two"),
        ("file,kind\na,x\n", "no column 'class'; the columns are file, kind"),
        ("file,class\na,x\nb,\nc\nd,\n", "line 3, column 'class': empty, line 4 has 1 cells, and "
         "the first line 2, line 5"),
        ("file,class,specimen\na,x,1\nb,y,\n", "line 3, column 'specimen': empty"),
    ],
)  # fmt: skip
def test_a_table_of_no_use_is_one_line(folder, text, rule):
    with pytest.raises(InputError, match=rule):
        data.read_labelled(folder, table(folder, text))
    with pytest.raises(InputError, match="nowhere: does not exist"):
        data.read_labelled(folder / "nowhere", table(folder, "file,class\na,x\n"))


def test_numbers_are_read_and_words_are_named(folder):
    rows = "file,hardness,heat\na,1.5,x\nb,2,\nc,3e2,x\nd,-1,x\n"
    found = data.read_valued(folder, table(folder, rows), "hardness")
    assert found.values.tolist() == [1.5, 2, 300, -1]
    with pytest.raises(InputError, match="no column 'price'; the columns are file, hardness, heat"):
        data.read_valued(folder, table(folder, rows), "price")
    rows = "file,hardness\na,1\nb,soft\nc,nan\nd,inf\n"
    rule = r"no finite numbers: 'soft' \(line 3\), 'nan' \(line 4\), 'inf' \(line 5\)"
    with pytest.raises(InputError, match=rule):
        data.read_valued(folder, table(folder, rows), "hardness")
    with pytest.raises(InputError, match=r"one value only \(2.0\)"):
        data.read_valued(folder, table(folder, "file,h\na,2\nb,2\nc,2\nd,2\n"), "h")


def test_specimens_are_those_of_a_column(folder):
    rows = "file,class,specimen\na,x,1\nb,y,1\nc,x,2\nd,y,2\n"
    found = data.read_labelled(folder, table(folder, rows))
    assert [each.specimen for each in found.micrographs] == ["1", "1", "2", "2"]


IMAGE = np.zeros((4, 4, 1), np.float32)
NAMES = ["x/a_1", "x/a_2", "y/a_1"]


def test_specimens_are_those_of_a_table_of_their_own(folder):
    given = [data.Micrograph(IMAGE, name) for name in NAMES]
    path = table(folder, "file,specimen\nx/a_1,7\nx/a_2.png,7\ny/a_1,8\n")
    assert [each.specimen for each in data.specimens_by_table(given, path)] == ["7", "7", "8"]
    path = table(folder, "file,specimen\nx/a_1,7\nx/a_1.png,7\ngone,8\n")
    with pytest.raises(InputError) as caught:
        data.specimens_by_table(given, path)
    for rule in (
        "not there: gone (line 4)", "two rows: x/a_1.png (line 3)", "a row: x/a_2, y/a_1",
    ):  # fmt: skip
        assert rule in str(caught.value)


def test_specimens_are_a_part_of_the_names():
    given = [data.Micrograph(IMAGE, name) for name in NAMES]
    found = data.specimens_by_name(given, r"[ab](?=_)")
    assert [each.specimen for each in found] == ["a", "a", "a"]
    assert data.specimens_by_name(given, r"(.)/a")[2].specimen == "y"
    with pytest.raises(InputError, match="finds nothing in y/a_1: it has to say"):
        data.specimens_by_name(given, "x")
    with pytest.raises(InputError, match="no regular expression"):
        data.specimens_by_name(given, "(")
