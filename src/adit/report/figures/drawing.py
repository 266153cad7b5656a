"""Figures: style, and saving as SVG with the numbers as CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec

from markupsafe import Markup, escape

from adit import store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK: Final = "#1a1c1e"
"""Colour of text and axes; replaced by the text colour of the page in embedded figures."""

COLOURS: Final = {
    "blue": "#0072b2",
    "orange": "#e69f00",
    "green": "#009e73",
    "sky": "#56b4e9",
    "vermilion": "#d55e00",
    "purple": "#cc79a7",
    "grey": "#8a8f94",
}
"""Palette of Okabe and Ito (distinguishable by the colour-blind), and a grey."""

POPULATIONS: Final = {
    **{"samples": "blue", "baseline": "purple"},
    **{"train": "green", "test": "sky", "noise": "orange", "random": "vermilion"},
}
"""Colour of each population, in the order of tables."""

_STYLE: Final = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers it shows.

    Attributes:
        name: file name without suffix; letters, digits and dashes.
        figure: the matplotlib figure.
        data: the numbers, as written to CSV.
        text: description of the figure, for screen readers.
    """

    name: str
    figure: Figure
    data: pd.DataFrame
    text: str


def save_drawing(drawing: Drawing, folder: Path) -> Markup:
    """Write ``<name>.svg``, ``.pdf`` and ``.csv``; return the SVG for the page (colours by CSS variables, own ids)."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": drawing.name}):
        drawing.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        with store.atomic_path(folder / f"{drawing.name}.pdf") as temporary:
            drawing.figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    svg = buffer.getvalue()
    store.write_text(folder / f"{drawing.name}.svg", svg)
    store.write_frame(folder / f"{drawing.name}.csv", drawing.data)
    return Markup(_inline(svg, drawing))


def _inline(svg: str, drawing: Drawing) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{drawing.name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{drawing.name}-", svg)
    svg = svg.replace(INK, "currentColor")
    for name, value in COLOURS.items():
        svg = svg.replace(value, f"var(--{name}, {value})")
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', head)
    width = f"max-width:{float(box.group(1)) * 4 / 3:.0f}px" if box else ""
    label = escape(drawing.text)
    return (
        f'<svg class="figure" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{label}" style="{width}" {box.group(0) if box else ""}>{body}'
    )


def slug(text: Any) -> str:
    """Return a text as part of a file name or id: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", str(text)).strip("-")[:80] or "unnamed"


def styled(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    """Return the function wrapped to draw in the report's style."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Drawing:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """Return a figure in the report's style (``width`` and ``height`` in inches) and its axes (rows, columns)."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def grid_lines(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Draw thin lines behind the data across one axis."""
    axes.grid(axis=axis, color=INK, alpha=0.12, linewidth=0.8)
    axes.set_axisbelow(True)
