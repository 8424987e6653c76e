"""Fields as VTK reads them: the file read back by its own rules."""

import numpy as np
import pytest

from idml_jax import integration


def read(text):
    """Dimensions, spacing and fields, x running fastest."""
    lines = text.splitlines()
    assert lines[0] == "# vtk DataFile Version 3.0"
    assert lines[2:4] == ["ASCII", "DATASET STRUCTURED_POINTS"]
    points = np.array(lines[4].split()[1:], int)
    spacing = np.array(lines[6].split()[1:], float)
    count = int(lines[7].split()[1])
    cells = points - 1
    assert lines[7].startswith("CELL_DATA") and count == cells.prod()
    fields, name, numbers = {}, None, []
    for line in [*lines[8:], "SCALARS end"]:
        if line.startswith("SCALARS"):
            if name:
                fields[name] = np.array(numbers).reshape(cells[::-1])
            name, numbers = line.split()[1], []
        elif not line.startswith("LOOKUP"):
            numbers += list(map(float, line.split()))
    return points, spacing, fields


def test_an_image_lies_as_it_did():
    random = np.random.default_rng(0)
    fields = {"phase": random.random((3, 4)), "von Mises stress": random.random((3, 4))}
    points, spacing, found = read(integration.vtk_text(fields, pixel_size=(2e-9, 5e-9)))
    assert points.tolist() == [5, 4, 2]
    assert spacing.tolist() == [5e-9, 2e-9, 1.0]
    assert list(found) == ["phase", "von_Mises_stress"]
    np.testing.assert_allclose(found["phase"][0], fields["phase"], atol=1e-6)
    np.testing.assert_allclose(found["von_Mises_stress"][0], fields["von Mises stress"], atol=1e-6)


def test_a_volume_lies_as_it_did():
    field = np.arange(24.0).reshape(2, 3, 4)
    points, _, found = read(integration.vtk_text({"a": field}, title="two\nlines"))
    assert points.tolist() == [5, 4, 3]
    np.testing.assert_array_equal(found["a"], field)


@pytest.mark.parametrize(
    ("fields", "pixel_size", "rule"),
    [
        ({}, None, "give at least one"),
        ({"a": np.zeros(3)}, None, "give at least one, all of one shape"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 3))}, None, "all of one shape"),
        ({"a": np.zeros((2, 2))}, (1.0, 1.0, 1.0), "a side for each axis"),
    ],
)
def test_what_is_no_grid_is_refused(fields, pixel_size, rule):
    with pytest.raises(ValueError, match=rule):
        integration.vtk_text(fields, pixel_size=pixel_size)
