"""The picture of a confusion matrix says what its numbers say."""

import numpy as np

from idml_jax import report


def test_shares_are_by_true_class_and_long_names_at_a_slant():
    counts = np.array([[3, 1], [0, 0]])
    figure, ax = report.new_figure(3.0, 3.0)
    assert report.draw_confusion(ax, counts, ("ferrite", "pearlite")) is ax
    assert [text.get_text() for text in ax.texts] == ["0.750", "0.250", "0.000", "0.000"]
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 0]
    (ax,) = report.confusion_figure(counts, ("bainite", "Widmanstaetten ferrite")).axes
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {35}
    assert [label.get_text() for label in ax.get_yticklabels()][1] == "Widmanstaetten ferrite"
