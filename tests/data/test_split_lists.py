"""Splits from files: what is read, and what would leak or is no split."""

import json

import pytest

from idml_jax.data import Split, read_split
from idml_jax.errors import InputError


def written(tmp_path, content):
    path = tmp_path / "split.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_lists_are_read_and_what_is_not_there_is_empty(tmp_path):
    given = {"train": ["a", "b"], "val": ["c"], "test": ["d"], "note": "of somebody"}
    assert read_split(written(tmp_path, given)) == Split(("a", "b"), ("c",), ("d",))
    assert read_split(written(tmp_path, {"train": ["a"]})) == Split(("a",), (), ())


def test_one_of_several_is_read_by_its_name(tmp_path):
    path = written(tmp_path, {"one": {"train": ["a"]}, "two": {"train": ["b"], "val": ["a"]}})
    assert read_split(path, name="two") == Split(("b",), ("a",), ())


@pytest.mark.parametrize(
    ("content", "name", "rule"),
    [
        ("{", None, "not JSON"),
        ([1], None, "holds no lists of names"),
        ({"val": ["a"]}, None, 'no list called "train"'),
        ({"train": []}, None, "nothing to learn from"),
        ({"train": "ab"}, None, '"train" is no list of names'),
        ({"train": [1]}, None, '"train" is no list of names'),
        ({"train": ["a"], "val": ["a"]}, None, 'a is in "train" and in "val"'),
        ({"train": ["a", "a"]}, None, 'a is in "train" and in "train"'),
        ({"one": {"train": ["a"]}}, None, "holds several splits, one; say which"),
        ({"one": {"train": ["a"]}}, "two", "no split is called two; there are one"),
        ('{"train": ["a"], "train": ["b"]}', None, "says twice what train is"),
        ({"train": ["a"]}, "two", "it holds one split, without any"),
    ],
)
def test_what_is_no_split_is_one_line(tmp_path, content, name, rule):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_split(path, name=name)
    assert rule in str(caught.value) and str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_split(tmp_path / "nowhere.json")
