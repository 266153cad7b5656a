"""Phonon densities of states as a figure, one panel per crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adit.columns import Col
from adit.report.figures.drawing import COLOURS, INK, Drawing, grid_lines, new_figure, styled
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS: Final = 3

MOST: Final = 12
"""Panels at most; the numbers beside the figure have all crystals."""


@styled
def phonon_dos(table: pd.DataFrame, dos: pd.DataFrame) -> Drawing:
    """Draw the density of states of each crystal; the part of imaginary modes has a colour of its own.

    Args:
        table: one row a crystal, with its id and formula.
        dos: densities of states of all crystals: id, frequency (THz, negative: imaginary), density (1/THz an atom).
    """
    names = list(dict.fromkeys(dos[Col.SYSTEM_ID].astype(str)))
    shown = names[:MOST]
    rows = -(-len(shown) // COLUMNS)
    figure, grid = new_figure(10.2, 2.1 * rows + 0.3, rows=rows, columns=COLUMNS)
    formulas = dict(zip(table[Col.SYSTEM_ID].astype(str), table.get(Col.FORMULA, table[Col.SYSTEM_ID]), strict=True))
    for number, axes in enumerate(grid.flat):
        if number >= len(shown):
            axes.set_visible(False)
            continue
        name = shown[number]
        _panel(axes, dos[dos[Col.SYSTEM_ID].astype(str) == name])
        axes.set_title(_title(name, formulas.get(name)), fontsize=9)
        if number >= len(shown) - COLUMNS:
            axes.set_xlabel(f"{Col.FREQUENCY.label}, {Col.FREQUENCY.unit}")
        if number % COLUMNS == 0:
            axes.set_ylabel(f"{Col.DENSITY_OF_STATES.label}, {Col.DENSITY_OF_STATES.unit}")
    text = f"Phonon densities of states of {len(shown)} crystals: {', '.join(shown)}"
    return Drawing("phonon-dos", figure, dos, text)


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    frequency, density = part[Col.FREQUENCY].astype(float), part[Col.DENSITY_OF_STATES].astype(float)
    axes.plot(frequency, density, color=COLOURS["blue"], linewidth=1.2)
    axes.fill_between(frequency, density, where=frequency >= 0, color=COLOURS["blue"], alpha=0.25, linewidth=0)
    axes.fill_between(frequency, density, where=frequency <= 0, color=COLOURS["vermilion"], alpha=0.6, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_ylim(bottom=0)
    grid_lines(axes, "y")


def _title(name: str, formula: object) -> str:
    text = name if formats.is_missing(formula) else f"{formats.chemical(str(formula))} · {name}"
    text = text.replace("$", r"\$")
    return text if len(text) <= 40 else text[:39] + "…"
