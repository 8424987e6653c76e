"""The HTML page of a run: one file that opens without a network."""

import base64
import html
import io
import pathlib
from collections.abc import Mapping, Sequence

import imageio.v3 as imageio
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from idml_jax.report.run_folder import write_atomically

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { font-size: 1.7rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
p.lead { color: #555; margin-top: .3rem; }
img { max-width: 100%; display: block; margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block;
        overflow-x: auto; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #eee;
         vertical-align: top; }
th { font-weight: 600; }
figcaption { color: #555; font-size: .9rem; }
figure { margin: 0 0 1.2rem 0; }
"""


class Page:
    """A report that is put together piece by piece and written once.

    Parameters
    ----------
    title : str
    lead : str
        One sentence under it.
    """

    def __init__(self, title: str, lead: str):
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1><p class=lead>{html.escape(lead)}</p>"]

    def section(self, heading: str, text: str = "") -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(heading)}</h2>")
        if text:
            self._parts.append(f"<p>{html.escape(text)}</p>")

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a figure with its caption."""
        figure.savefig(buffer := io.BytesIO(), format="png", dpi=110)
        self._picture(buffer.getvalue(), caption)

    def _picture(self, png: bytes, caption: str) -> None:
        data = base64.b64encode(png).decode()
        text = html.escape(caption)
        self._parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
            f"<figcaption>{text}</figcaption></figure>"
        )

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table of text."""
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(f"<table><tr>{cells}</tr>{body}</table>")

    def settings(self, values: Mapping[str, object]) -> None:
        """Add a table of options or versions."""
        self.table(("option", "value"), [(name, str(value)) for name, value in values.items()])

    def write(self, path: pathlib.Path) -> None:
        """Write the page, whole or not at all."""
        title = html.escape(self._title)
        write_atomically(
            path,
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{_STYLE}</style></head><body>{''.join(self._parts)}</body></html>\n",
        )


def write_grey_png(path: pathlib.Path, image: Float[np.ndarray, "rows cols"]) -> None:
    """Write a grey image with values in [0, 1] as an 8-bit PNG, whole or not at all."""
    grey = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    write_atomically(path, imageio.imwrite("<bytes>", grey, extension=".png"))


def write_colour_png(path: pathlib.Path, pixels: UInt8[np.ndarray, "rows cols 3"]) -> None:
    """Write a picture of red, green and blue in 8 bits as a PNG, whole or not at all."""
    write_atomically(path, imageio.imwrite("<bytes>", pixels, extension=".png"))
