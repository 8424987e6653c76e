"""Fields on a grid as VTK reads them: ParaView, PyVista and many solvers do."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from idml_jax.typing import Array


def vtk_text(
    fields: Mapping[str, Float[Array, "*space"] | np.ndarray],
    *,
    pixel_size: Sequence[float] | None = None,
    title: str = "idml_jax",
) -> str:
    """Fields of an image or a volume in VTK's legacy format: structured points with cell data.

    Parameters
    ----------
    fields : mapping from str to array of shape (rows, cols) or (planes, rows, cols)
        Numbers for each pixel, of one shape. Blanks in a name become underscores.
    pixel_size : sequence of float, optional
        Side of a pixel along each axis; by default 1.
    title : str
        First line of what the file says of itself.

    Returns
    -------
    text : str
        The content of a ``.vtk`` file. In it, x runs along cols, y along rows and z along planes.

    Raises
    ------
    ValueError
        If there is no field, or they are not of one shape of 2 or 3 axes.

    Notes
    -----
    W. Schroeder, K. Martin, B. Lorensen, *The Visualization Toolkit*, "VTK file formats", simple
    legacy formats, version 3.0, ASCII.

    Examples
    --------
    >>> import numpy as np
    >>> text = vtk_text({"phase": np.array([[0.0, 1.0]])}, pixel_size=(2.0, 3.0))
    >>> [line for line in text.splitlines() if line.startswith(("DIM", "SPA"))]
    ['DIMENSIONS 3 2 2', 'SPACING 3.0 2.0 1.0']
    """
    arrays = {name.replace(" ", "_"): np.asarray(field) for name, field in fields.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) not in (2, 3):
        raise ValueError(
            f"`fields` of the shapes {sorted(shapes)}: give at least one, all of one shape, (rows, "
            "cols) or (planes, rows, cols)."
        )
    shape = next(iter(shapes))
    sides = (1.0,) * len(shape) if pixel_size is None else tuple(map(float, pixel_size))
    if len(sides) != len(shape):
        raise ValueError(f"`pixel_size` (={sides}) has a side for each axis of {shape}.")
    # Points are the corners of the cells, and a plane of cells is one thick.
    points = [count + 1 for count in reversed(shape)]
    spacing = list(reversed(sides))
    if len(shape) == 2:
        points, spacing = [*points, 2], [*spacing, 1.0]
    lines = [
        "# vtk DataFile Version 3.0",
        title.splitlines()[0][:255] if title else "idml_jax",
        "ASCII",
        "DATASET STRUCTURED_POINTS",
        f"DIMENSIONS {' '.join(map(str, points))}",
        "ORIGIN 0 0 0",
        f"SPACING {' '.join(map(str, spacing))}",
        f"CELL_DATA {np.prod(shape)}",
    ]
    for name, array in arrays.items():
        lines += [f"SCALARS {name} float 1", "LOOKUP_TABLE default"]
        lines += [" ".join(f"{value:.6g}" for value in row) for row in array.reshape(-1, shape[-1])]
    return "\n".join(lines) + "\n"
