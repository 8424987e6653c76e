"""The page is one file without links out of it; figures show what they are given."""

import re

import numpy as np
from PIL import Image

from idml_jax import report


def test_a_sheet_holds_every_image_at_its_place():
    images = np.arange(3.0)[:, None, None] / 4 * np.ones((3, 2, 2))
    sheet = report.sheet(images, columns=2, gap=1)
    expected = np.ones((5, 5))
    expected[:2, :2], expected[:2, 3:], expected[3:, :2] = 0, 0.25, 0.5
    np.testing.assert_array_equal(sheet, expected)


def test_a_page_opens_without_a_network(tmp_path):
    page = report.Page("A <title>", "lead")
    figure, ax = report.new_figure(2.0, 2.0)
    report.draw_images(ax, np.zeros((2, 4, 4)), columns=2)
    page.figure(figure, "caption & more")
    page.table(("name", "value"), [("a", "1 < 2")])
    page.write(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "1 &lt; 2" in text
    assert "A &lt;title&gt;" in text
    assert text.count("data:image/png;base64,") == 1


def test_curves_are_drawn_at_their_values():
    _, ax = report.new_figure(2.0, 2.0)
    mean = np.array([0.5, 0.25])
    report.draw_curves(
        ax, np.array([0.0, 1.0]), {"made": (mean, mean - 0.1, mean + 0.1)}, {"made": "red"}
    )
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), mean)
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == mean.min() - 0.1
    assert band[:, 1].max() == mean.max() + 0.1


def test_a_grey_image_survives_the_png(tmp_path):
    image = np.linspace(0, 1, 256).reshape(16, 16)
    report.write_grey_png(tmp_path / "a" / "grey.png", image)
    with Image.open(tmp_path / "a" / "grey.png") as read:
        np.testing.assert_array_equal(np.asarray(read), np.arange(256).reshape(16, 16))


def test_intervals_are_drawn_at_their_values():
    _, ax = report.new_figure(2.0, 2.0)
    report.draw_intervals(
        ax,
        {"real": (0.5, 0.4, 0.7), "made": (0.6, 0.5, 0.8)},
        {"real": "blue", "made": "red"},
        label="share",
    )
    drawn = [line.get_ydata().tolist() for line in ax.lines]
    assert drawn == [[0.4, 0.7], [0.5], [0.5, 0.8], [0.6]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["real", "made"]
