"""What the tests of image files share."""

import numpy as np
import pytest
import tifffile
from PIL import Image


@pytest.fixture(params=["tif", "png", "bmp"])
def palette_file(request, tmp_path):
    """Write 8-bit indices as a palette image of one format: the file, and its palette."""

    def write(indices):
        palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
        path = tmp_path / f"a.{request.param}"
        if request.param == "tif":
            colormap = palette.T.astype(np.uint16) * 257
            tifffile.imwrite(path, indices, photometric="palette", colormap=colormap)
        else:
            picture = Image.fromarray(indices).convert("P")
            picture.frombytes(indices.tobytes())
            picture.putpalette(palette.tobytes())
            picture.save(path)
        return path, palette

    return write
