"""Ask and tell: what is lost when a process dies, an answer is wrong, or two serve one search."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from idml_jax import design
from idml_jax.errors import InputError

# gpytorch and torch warn of their own coming versions.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

BOX = design.Box((0.0, -1.0), (1.0, 3.0))


def value(points):
    """Largest, 0, at (0.3, 1)."""
    return -((points[:, 0] - 0.3) ** 2) - (points[:, 1] - 1) ** 2


def make(run, strategy="bayes", **options):
    aim = options.pop("aim", design.Objective("maximize"))
    strategy = design.strategy_of(strategy, 40) if isinstance(strategy, str) else strategy
    return design.Search(BOX, aim, run=run, strategy=strategy, **{"start": 6} | options)


def go_on(search, rounds, count=3):
    for _ in range(rounds):
        points = search.ask(count)
        search.tell(points, value(points))
    return search.history


@pytest.mark.parametrize(
    "strategy", ["bayes", "sparse", "trust-region", "hedge", "cma-es", "sobol", "random"]
)
def test_a_search_in_new_processes_goes_the_same_way(tmp_path, strategy):
    """The state is in the file: one object, or a new one for each question."""
    whole = go_on(make(tmp_path / "whole", strategy), 5)
    for _ in range(5):
        parts = go_on(make(tmp_path / "parts", strategy), 1)
    np.testing.assert_array_equal(whole.points, parts.points)
    assert len(whole) == 15


def test_what_was_asked_and_not_told_is_named_again_by_a_new_process(tmp_path):
    search = make(tmp_path)
    asked = search.ask(4)
    search.tell(asked[:1], value(asked[:1]))
    # This process knows that it has named them; one that is started in its place does not.
    assert not (search.ask(3)[:, None] == asked).all(-1).any()
    resumed = make(tmp_path)
    np.testing.assert_array_equal(resumed.ask(3), asked[1:])
    resumed.tell(asked[1:], value(asked[1:]))
    assert len(resumed.history.told) == 4


def test_a_worker_takes_into_account_what_others_asked_for(tmp_path):
    first = go_on(make(tmp_path, worker="first"), 3)
    one, other = (make(tmp_path, worker=name) for name in ("first", "second"))
    named, beside = one.ask(2), other.ask(2)
    assert np.abs(named[:, None] - beside).max(axis=-1).min() > 1e-3
    # Answers may come from anybody, and in any order.
    one.tell(beside, value(beside))
    other.tell(named, value(named))
    history = make(tmp_path).history
    assert len(history.told) == len(first) + 4
    assert history.workers[-4:].tolist() == ["first"] * 2 + ["second"] * 2


def test_answers_that_went_through_a_table_are_recognized(tmp_path):
    search = make(tmp_path)
    asked = search.ask(3)
    table = np.array([[float(f"{number:.7g}") for number in point] for point in asked])
    search.tell(table, value(table))
    assert len(search.history) == 3
    np.testing.assert_array_equal(search.history.told.points, asked)


def test_what_nobody_asked_for_may_be_told(tmp_path):
    """Experiments of before."""
    search = make(tmp_path, start=2)
    known = BOX.drawn(8, seed=5)
    search.tell(known, value(known))
    history = go_on(search, 4)
    assert (history.asks[:8] == -1).all()
    assert value(history.points[8:]).max() > -0.01


@pytest.mark.parametrize(
    ("told", "values", "rule"),
    [
        (slice(0, 3), [1.0, 2.0], "of shape (2,) for 3 points"),
        (slice(0, 2), [1.0, 2.0, 3.0], "of shape (3,) for 2 points"),
        (slice(0, 2), ["a", "b"], "are not numbers"),
        (slice(0, 2), {"other": [1.0, 2.0]}, "lack value"),
        ([0, 0], [1.0, 2.0], "is given twice"),
        ([3, 1], [1.0, 2.0], "points 0 were told before"),
    ],
)
def test_answers_that_cannot_be_are_one_line_and_nothing_is_told(tmp_path, told, values, rule):
    search = make(tmp_path)
    asked = search.ask(4)
    search.tell(asked[3:], [5.0])
    before = search.path.read_bytes()
    with pytest.raises(InputError) as error:
        search.tell(asked[told], values)
    assert rule in str(error.value) and "\n" not in str(error.value)
    assert search.path.read_bytes() == before


@pytest.mark.parametrize(
    ("points", "rule"),
    [
        (np.zeros((2, 3)), r"have 2 numbers each"),
        (np.zeros(2), r"have 2 numbers each"),
        (np.array([[0.1, np.nan]]), "not all finite"),
    ],
)
def test_points_of_another_shape_are_refused(tmp_path, points, rule):
    with pytest.raises(InputError, match=rule):
        make(tmp_path).tell(points, np.zeros(len(points)))


def test_slopes_of_another_shape_are_refused(tmp_path):
    search = make(tmp_path)
    with pytest.raises(InputError, match="`slopes` of shape"):
        search.tell(search.ask(2), [1.0, 2.0], slopes=np.zeros((2, 3)))


@pytest.mark.parametrize("strategy", ["bayes", "trust-region", "cma-es", "hedge"])
def test_what_failed_is_remembered_and_not_asked_for_again(tmp_path, strategy):
    search = make(tmp_path, strategy)
    for _ in range(5):
        points = search.ask(3)
        values = np.where(points[:, 0] > 0.5, np.nan, value(points))
        search.tell(points, values)
    history = search.history
    assert len(history) == 15 and len(history.pending) == 0
    assert 0 < len(history.told) < 15
    assert np.isnan(history.values[history.points[:, 0] > 0.5]).all()


def test_where_everything_fails_points_stay_evenly_spread(tmp_path):
    search = make(tmp_path, start=4)
    for _ in range(3):
        points = search.ask(4)
        search.tell(points, np.full(4, np.inf))
    np.testing.assert_array_equal(search.history.points, BOX.sobol(12, seed=0))


def test_the_folder_of_another_problem_is_refused(tmp_path):
    make(tmp_path)
    other = design.Box((0.0, -1.0), (1.0, 4.0))
    with pytest.raises(InputError, match=r"high is \[1.0, 3.0\] there and \[1.0, 4.0\] here"):
        design.Search(other, design.Objective("maximize"), run=tmp_path, start=6)
    with pytest.raises(InputError, match="strategy is 'ExpectedImprovement' there and 'CMAES'"):
        make(tmp_path, "cma-es")
    constrained = design.Aim(
        (design.Objective("maximize"),), (design.Constraint("size", high=3.0),)
    )
    with pytest.raises(InputError, match="constraints is None there and 'size <= 3' here"):
        make(tmp_path, aim=constrained)


@pytest.mark.parametrize("content", [b"", b"nonsense", json.dumps({"a": 1}).encode()])
def test_a_state_that_is_no_state_is_named_and_kept(tmp_path, content):
    search = make(tmp_path)
    search.ask(2)
    search.path.write_bytes(content)
    with pytest.raises(InputError, match="search.npz: not the state of a search"):
        search.ask(2)
    assert search.path.read_bytes() == content


@pytest.mark.parametrize("strategy", ["trust-region", "cma-es", "hedge", "gradient", "polished"])
def test_several_objectives_are_for_expected_improvement(tmp_path, strategy):
    """It is said when the search begins, and leaves no folder."""
    aim = [design.Objective("maximize", of=name) for name in ("a", "b")]
    with pytest.raises(InputError, match="has one objective, and the search 2: several"):
        make(tmp_path / "run", strategy, aim=aim, start=2)
    assert not (tmp_path / "run").exists()


def test_a_killed_process_loses_nothing_that_was_told(tmp_path):
    """Killed without warning between an answer and the next question, again and again."""
    script = f"""
import os, sys
from tests.design import test_search
search = test_search.make({str(tmp_path / "killed")!r}, "random")
points = search.ask(3)
if sys.argv[1] == "told":
    search.tell(points, test_search.value(points))
os.kill(os.getpid(), 9)
"""
    root = pathlib.Path(__file__).resolve().parents[2]
    for step in ("asked", "told", "asked", "asked", "told"):
        done = subprocess.run([sys.executable, "-c", script, step], cwd=root, timeout=120)
        assert done.returncode == -9
    found = make(tmp_path / "killed", "random").history
    whole = go_on(make(tmp_path / "whole", "random"), 2)
    np.testing.assert_array_equal(found.points, whole.points)
    np.testing.assert_array_equal(found.values, whole.values)


def test_two_processes_that_ask_and_tell_at_once_lose_nothing(tmp_path):
    script = f"""
import sys
from tests.design import test_search
search = test_search.make({str(tmp_path)!r}, "random", worker=sys.argv[1])
for _ in range(20):
    points = search.ask(2)
    search.tell(points, test_search.value(points))
"""
    root = pathlib.Path(__file__).resolve().parents[2]
    both = [subprocess.Popen([sys.executable, "-c", script, name], cwd=root) for name in ("a", "b")]
    assert [each.wait(timeout=240) for each in both] == [0, 0]
    history = make(tmp_path, "random").history
    assert len(history.told) == len(history) == 80
    np.testing.assert_array_equal(history.points, BOX.drawn(80, seed=0))
    np.testing.assert_allclose(history.values[:, 0], value(history.points))
