"""What a search is after."""

import numpy as np
import pytest

from idml_jax import design


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"goal": "target"}, "belongs to the goal 'target'"),
        ({"goal": "maximize", "target": 1.0}, "belongs to the goal 'target'"),
        ({"goal": "target", "target": 1.0, "of": ("a", "b")}, "one value for each"),
        ({"goal": "target", "target": (1.0, 2.0)}, "name them in `of`"),
        ({"goal": "maximize", "scale": 0.0}, "must be positive"),
    ],
)
def test_an_objective_that_says_two_things_is_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        design.Objective(**options)


def test_scores_rise_towards_the_goal():
    values = np.array([1.0, 2.0, 4.0])
    assert design.Objective("maximize").score(values).argmax() == 2
    assert design.Objective("minimize").score(values).argmax() == 0
    assert design.Objective("target", 2.5).score(values).argmax() == 1


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (-np.inf, np.inf), (np.nan, 1.0)])
def test_a_constraint_without_a_range_is_refused(low, high):
    with pytest.raises(ValueError, match="the ends of a range"):
        design.Constraint("a", low, high)


def test_an_aim_orders_by_constraints_first_and_then_by_score():
    aim = design.Aim(
        (design.Objective("minimize", of="a"),),
        (design.Constraint("b", 0.0, 1.0), design.Constraint("c", low=2.0)),
    )
    assert aim.outputs == ("a", "b", "c")
    values = np.array(
        [
            [5.0, 0.5, 3.0],
            [1.0, 1.5, 3.0],
            [4.0, 1.0, 2.0],
            [0.0, -0.25, 2.0],
            [np.nan, 0.5, 3.0],
            [0.0, 2.0, 0.0],
        ]
    )
    assert aim.feasible(values).tolist() == [True, False, True, False, False, False]
    assert aim.order(values).tolist() == [2, 0, 3, 1, 5, 4]
    np.testing.assert_array_equal(aim.merit(values)[:3], [-5.0, -np.inf, -4.0])


def test_the_front_is_of_what_meets_the_constraints():
    aim = design.Aim(
        (design.Objective("maximize", of="a"), design.Objective("target", 0.0, of="b")),
        (design.Constraint("a", high=9.0),),
    )
    values = np.array([[1.0, 0.0], [2.0, -1.0], [2.0, 2.0], [10.0, 0.0], [np.nan, 0.0]])
    assert aim.front(values).tolist() == [0, 1]
    with pytest.raises(ValueError, match="take the Pareto front"):
        aim.merit(values)
    # Where nothing meets them, what lacks least.
    assert aim.front(values[3:] + np.array([[1.0, 0.0]])).tolist() == [0]
