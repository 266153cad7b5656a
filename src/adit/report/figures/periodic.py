"""The periodic table as a figure: number of training atoms of each element."""

from __future__ import annotations

from collections.abc import Mapping
from math import log1p

from adit.elements import ATOMIC_NUMBER, SYMBOLS
from adit.report.figures.drawing import COLOURS, INK, Drawing, new_figure, slug, styled

_LONG_ROWS = {1: (1, 2), 2: (3, 10), 3: (11, 18), 4: (19, 36), 5: (37, 54), 6: (55, 86), 7: (87, 118)}
"""First and last atomic number of each period."""


def place(number: int) -> tuple[int, int]:
    """Return the column (1..18) and row of an element; lanthanides and actinides are in rows 9 and 10.

    Args:
        number: atomic number, 1 to 118.
    """
    period = next(p for p, (first, last) in _LONG_ROWS.items() if first <= number <= last)
    first, last = _LONG_ROWS[period]
    from_left, from_right = number - first, last - number
    if period >= 6 and 2 <= from_left <= 16:
        return 1 + from_left, period + 3
    left_block = {1: 1, 2: 2, 3: 2}.get(period, 2)
    return (from_left + 1, period) if from_left < left_block else (18 - from_right, period)


@styled
def periodic_table(dataset: str, counts: Mapping[str, int]) -> Drawing:
    """Draw the periodic table, with stronger colours for elements with more training atoms.

    Args:
        dataset: name of the dataset.
        counts: number of atoms by element symbol.
    """
    import pandas as pd
    from matplotlib.patches import Rectangle

    data = pd.DataFrame(
        [(s, ATOMIC_NUMBER[s], int(n)) for s, n in counts.items() if s in ATOMIC_NUMBER],
        columns=["element", "number", "atoms"],
    ).sort_values("number")
    most = max([int(n) for n in data["atoms"]], default=1)
    figure, grid = new_figure(6.6, 3.7)
    axes = grid[0, 0]
    held = dict(zip(data["number"], data["atoms"], strict=True))
    for number in range(1, 119):
        column, row = place(number)
        n = held.get(number, 0)
        depth = 0.12 + 0.78 * log1p(n) / log1p(most) if n else 0.0
        axes.add_patch(Rectangle((column, -row), 0.92, 0.92, facecolor=COLOURS["sky"], alpha=depth, linewidth=0))
        axes.add_patch(Rectangle((column, -row), 0.92, 0.92, fill=False, edgecolor=INK, alpha=0.2, linewidth=0.6))
        shade = 1.0 if n else 0.35
        axes.text(column + 0.46, -row + 0.58, SYMBOLS[number], ha="center", va="center", fontsize=8, alpha=shade)
        if n:
            axes.text(column + 0.46, -row + 0.2, str(n), ha="center", va="center", fontsize=5.5, alpha=0.8)
    axes.set_xlim(0.9, 19)
    axes.set_ylim(-10.1, 0.1)
    axes.set_aspect("equal")
    axes.axis("off")
    return Drawing(
        f"elements-{slug(dataset)}", figure, data, f"Atoms of each element in the training systems of {dataset}"
    )
