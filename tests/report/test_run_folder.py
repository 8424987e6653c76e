"""A run's files are whole or absent, and its folder is its own."""

import json

import pytest

from idml_jax import report
from idml_jax.errors import InputError


def test_a_folder_keeps_the_options_that_it_began_with(tmp_path):
    path = tmp_path / "run" / "config.json"
    report.claim(path, {"size": 64, "features": (1, 2)})
    report.claim(path, {"size": 64, "features": (1, 2)})
    assert json.loads(path.read_text()) == {"size": 64, "features": [1, 2]}


def test_another_configuration_is_refused_by_name_and_nothing_is_written(tmp_path):
    path = tmp_path / "config.json"
    report.claim(path, {"size": 64, "seed": 0})
    before = path.read_bytes()
    with pytest.raises(InputError, match="seed is 0 there and 1 here") as caught:
        report.claim(path, {"size": 64, "seed": 1})
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["{", "[1]", "\udcff"])
def test_a_file_that_is_not_ours_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="choose another run folder"):
        report.claim(path, {"size": 64})


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    report.write_atomically(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        report.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_what_is_not_a_number_is_null_in_json(tmp_path):
    content = {"a": [1.5, float("nan")], "b": {"c": (float("inf"), 2)}, "d": "nan"}
    report.write_json(tmp_path / "x.json", content)
    found = json.loads((tmp_path / "x.json").read_text())
    assert found == {"a": [1.5, None], "b": {"c": [None, 2]}, "d": "nan"}
