"""Reliability as a picture: the points are those that were found, and what is empty is none."""

import numpy as np
import pytest

from idml_jax import evaluation, report


def test_points_are_those_of_filled_bins_and_the_error_is_said():
    shares = np.array([[0.9, 0.1]] * 9 + [[0.4, 0.6]])
    labels = np.array([0] * 3 + [1] * 6 + [0])
    found = evaluation.reliability(shares, labels, bins=10)
    figure = report.reliability_figure({"as it is": found})
    upper, lower = figure.axes
    line = upper.get_lines()[1]
    np.testing.assert_allclose(line.get_xydata(), [[0.6, 0.0], [0.9, 3 / 9]])
    assert upper.get_legend().get_texts()[0].get_text() == f"as it is: off by {found.error:.3f}"
    (steps,) = lower.patches
    np.testing.assert_allclose(steps.get_data().values, found.share)


def test_how_many_there_are_is_limited_by_colours():
    found = evaluation.reliability(np.array([[0.9, 0.1]]), np.array([0]))
    assert len(report.reliability_figure(dict.fromkeys("abcd", found)).axes) == 2
    for names in ("", "abcde"):
        with pytest.raises(ValueError, match="one to 4"):
            report.reliability_figure(dict.fromkeys(names, found))
