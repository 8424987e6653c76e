"""Folds: what each sees and is judged by, as scikit-learn parts it; leaks and gaps by name."""

import json

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from idml_jax import data
from idml_jax.errors import InputError

IMAGE = np.zeros((4, 4, 1), np.float32)


def micrographs(specimens):
    return [data.Micrograph(IMAGE, f"m{k}", specimen=one) for k, one in enumerate(specimens)]


def written(tmp_path, content):
    path = tmp_path / "folds.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_numbers_are_read_with_and_without_a_name(tmp_path):
    assert data.read_folds(written(tmp_path, {"a": 1, "b.png": 0})) == {"a": 1, "b.png": 0}
    several = {"cv": {"a": 1, "b": 2}, "note": "of somebody"}
    assert data.read_folds(written(tmp_path, several), name="cv") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("content", "name", "rule"),
    [
        ("{", None, "not JSON"),
        ([1], None, "holds no numbers of folds"),
        ({}, None, "holds no file"),
        ({"a": 1.5, "b": "2", "c": True, "d": 1}, None, "a is 1.5, b is '2', c is True: a fold is"),
        ({"cv": {"a": 1}}, None, "holds several partings, cv; say which"),
        ({"cv": {"a": 1}}, "other", "no parting is called other; there are cv"),
        ('{"a": 1, "a": 2}', None, "says twice what a is"),
    ],
)
def test_what_is_no_set_of_folds_is_one_line(tmp_path, content, name, rule):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        data.read_folds(path, name=name)
    assert rule in str(caught.value) and str(path) in str(caught.value)


def test_each_file_has_its_number_and_folds_can_be_left_out():
    numbers = {"a": 3, "b.tif": 1, "c": 1, "gone": 0, "d": 0}
    found = data.numbers_of(["b", "a", "c", "d"], numbers, path="folds.json", without=(0,))
    assert found.tolist() == [1, 3, 1, -1]
    folds = data.given_folds(found)
    assert [(each.name, each.judged.tolist()) for each in folds] == [("1", [0, 2]), ("3", [1])]
    assert [each.fitted.tolist() for each in folds] == [[1], [0, 2]]


def test_all_files_that_do_not_fit_are_named_at_once():
    numbers = {"a": 1, "a.png": 2, "gone": 1, "b": 1}
    with pytest.raises(InputError) as caught:
        data.numbers_of(["a", "b", "new", "newer"], numbers, path="folds.json", without=(7,))
    message = str(caught.value)
    assert message.startswith("folds.json: ") and "\n" not in message
    for rule in (
        "files that are not there: gone (fold 1)",
        "files with two folds: a",
        "micrographs without a fold: new, newer",
        "no such fold to leave out, of 1, 2: 7",
    ):
        assert rule in message
    with pytest.raises(InputError, match=r"fewer than two folds \(1\)"):
        data.numbers_of(["a", "b"], {"a": 1, "b": 1}, path="folds.json")


def test_folds_at_random_are_those_of_scikit_learn():
    labels = np.array([0, 1] * 6)
    found = data.split_into_folds(micrographs(range_of(12)), labels, "ab", folds=3, repeats=2)
    parted = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    expected = list(parted.split(labels[:, None], labels))
    assert [each.name for each in found[:4]] == [*(f"{k} of parting 1" for k in (1, 2, 3)),
                                                 "1 of parting 2"]  # fmt: skip
    for fold, (fitted, judged) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(fold.fitted, fitted)
        np.testing.assert_array_equal(fold.judged, judged)


def range_of(count):
    return [f"s{number}" for number in range(count)]


@pytest.mark.parametrize("labelled", [True, False])
def test_specimens_stay_together_and_every_micrograph_is_judged_once(labelled):
    given = micrographs([f"s{number // 3}" for number in range(36)])
    labels = np.arange(36) // 3 % 2 if labelled else None
    folds = data.split_into_folds(
        given, labels, ("x", "y"), folds=3, repeats=2, by_specimen=True, seed=1
    )
    data.check_folds(folds, given, labels, ("x", "y"))
    judged = np.concatenate([each.judged for each in folds])
    np.testing.assert_array_equal(np.bincount(judged), np.full(36, 2))
    assert any(
        set(one.judged) != set(other.judged) for one, other in zip(folds, folds[3:], strict=False)
    )
    # Without, the same micrographs leak.
    apart = data.split_into_folds(given, labels, ("x", "y"), folds=3, seed=1)
    with pytest.raises(InputError, match=r"specimens in several folds: .*s0 \(m0, m1, m2\)"):
        data.check_folds(apart, given, labels, ("x", "y"))


def test_classes_too_small_for_the_folds_are_named():
    given = micrographs(["s0", "s0", "s0", *range_of(9)[1:], "s9"])
    labels = np.array([0] * 3 + [1] * 5 + [2] * 4)
    with pytest.raises(InputError, match="fewer micrographs than 5 folds: a has 3, c has 4"):
        data.split_into_folds(given, labels, "abc", folds=5)
    with pytest.raises(InputError, match="fewer specimens than 11 folds: the set has 10:"):
        data.split_into_folds(given, folds=11, by_specimen=True)
    with pytest.raises(InputError, match="micrographs than 6 folds: a has 3, b has 5, c has 4"):
        data.split_into_folds(given, labels, "abc", folds=6, by_specimen=True)
    with pytest.raises(InputError, match="fewer micrographs than 13 folds: the set has 12"):
        data.split_into_folds(given, folds=13)


def test_classes_of_which_nothing_is_left_to_learn_are_named():
    labels = np.array([0, 1, 0, 0, 0, 2])
    folds = data.given_folds(np.array([1, 1, 2, 2, 2, 2]))
    with pytest.raises(InputError) as caught:
        data.check_folds(folds, micrographs(range_of(6)), labels, "abc", source="folds.json")
    assert str(caught.value).startswith(
        "folds.json: fold 1 leaves nothing to learn of b; fold 2 leaves nothing to learn of c: "
        "each class has to be in two folds at least; add "
    )
    there = data.one_class(labels, 3)
    assert data.classes_unjudged(folds, there, "abc") == {"1": ["c"], "2": ["b"]}
    # A micrograph may have something of several classes.
    there[:, 1] = True
    assert data.classes_unjudged(folds, there, "abc") == {"1": ["c"]}
    with pytest.raises(InputError, match="folds: fold 2 leaves nothing to learn of c: each"):
        data.check_learned(folds, there, "abc")
    empty = [*folds, data.Fold("3", np.arange(6), np.arange(0))]
    with pytest.raises(InputError, match="fold 3 is empty"):
        data.check_folds(empty, micrographs(range_of(6)))


def test_whole_specimens_may_leave_a_fold_without_a_class(recwarn):
    """Two specimens of a rare class, in five folds: three are judged by none, all learn of it."""
    given = micrographs([f"s{number // 2}" for number in range(24)])
    labels = np.array([0] * 20 + [1] * 4)
    folds = data.split_into_folds(given, labels, "ab", folds=5, by_specimen=True)
    data.check_folds(folds, given, labels, "ab")
    there = data.one_class(labels, 2)
    assert [*data.classes_unjudged(folds, there, "ab").values()] == [["b"]] * 3
    assert all(there[each.fitted].any(axis=0).all() for each in folds) and not recwarn.list
    # Of one specimen nothing is left where it is judged by.
    alone = micrographs([*(f"s{number // 2}" for number in range(20)), *["s10"] * 4])
    folds = data.split_into_folds(alone, labels, "ab", folds=5, by_specimen=True)
    with pytest.raises(InputError, match=r"^folds: fold \d leaves nothing to learn of b: "):
        data.check_folds(folds, alone, labels, "ab")


@pytest.mark.parametrize("together", [True, False])
def test_a_smaller_share_is_part_of_every_larger_one(together):
    given = micrographs([f"s{number // 4}" if together else f"s{number}" for number in range(40)])
    labels = np.arange(40) // 20
    fold = data.Fold("1", np.arange(4, 40), np.arange(4))
    before: set[int] = set()
    for share, each in ((0.01, (1, 1)), (0.25, (4, 5)), (0.5, (8, 10)), (1.0, (16, 20))):
        found = data.share_of(fold, share, given, labels, seed=3)
        assert tuple(np.bincount(labels[found])) == each and before < {*found}
        before = {*found}
        if together and share == 0.25:
            of_first = found[labels[found] == 0]
            assert len({given[place].specimen for place in of_first}) == 1
    np.testing.assert_array_equal(data.share_of(fold, 1.0, given, labels), fold.fitted)
    assert len(data.share_of(fold, 0.5, given)) == 18
