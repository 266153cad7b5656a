"""Sampling settings: validity over steps and guidance, and time and validity against steps.

Source: Figs. 2 and 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adit.columns import Metric
from adit.report.figures.drawing import COLOURS, INK, Drawing, grid_lines, new_figure, slug, styled

if TYPE_CHECKING:
    import pandas as pd


@styled
def solver_grid(kind: str, points: pd.DataFrame) -> Drawing:
    """Draw the validity for each number of steps and guidance, with a panel per solver and time grid. Source: Fig. 7.

    Args:
        kind: kind of the samples.
        points: rows of ``tune/points.csv`` of this kind.
    """
    panels = list(points.groupby(["solver", "grid"], sort=False))
    figure, grid = new_figure(3.4 * len(panels) + 0.6, 2.9, columns=len(panels))
    for number, (names, part) in enumerate(panels):
        axes = grid[0, number]
        table = part.pivot_table(index="guidance", columns="steps", values=Metric.VALIDITY, aggfunc="mean") * 100
        axes.imshow(table.to_numpy(), cmap="cividis", vmin=0, vmax=100, aspect="auto", origin="lower")
        for row, values in enumerate(table.to_numpy()):
            for place, value in enumerate(values):
                if value == value:
                    ink = "white" if value < 60 else INK
                    axes.text(place, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(table.shape[1]), [f"{steps:g}" for steps in table.columns])
        axes.set_yticks(range(table.shape[0]), [f"{guidance:g}" for guidance in table.index])
        axes.set_xlabel("steps T")
        axes.set_ylabel("guidance γ")
        axes.set_title(", ".join(map(str, names)), fontsize=9)
    return Drawing(f"solver-grid-{slug(kind)}", figure, points, f"Valid {kind}s (%) over steps and guidance")


@styled
def speed(kind: str, points: pd.DataFrame) -> Drawing:
    """Draw validity and time of 10,000 samples (min) against the steps, each with its best guidance. Source: Fig. 2.

    Args:
        kind: kind of the samples.
        points: rows of ``tune/points.csv`` of this kind.
    """
    best = points.sort_values(Metric.VALIDITY, ascending=False).drop_duplicates(["solver", "grid", "steps"])
    best = best.sort_values(["solver", "grid", "steps"])
    best = best.assign(minutes_10k_samples=best["seconds_per_sample"] * 10_000 / 60)
    figure, grid = new_figure(8.2, 2.9, columns=2)
    palette = [colour for name, colour in COLOURS.items() if name != "grey"] * 4
    for (names, part), colour in zip(best.groupby(["solver", "grid"], sort=False), palette, strict=False):
        style = {"color": colour, "marker": "o", "markersize": 4, "linewidth": 1.3, "label": ", ".join(map(str, names))}
        grid[0, 0].plot(part["steps"], 100 * part[Metric.VALIDITY], **style)
        grid[0, 1].plot(part["steps"], part["minutes_10k_samples"], **style)
    for axes, label in zip(grid[0], (f"valid {kind}s, %", "minutes for 10,000 samples"), strict=True):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("steps T")
        axes.set_ylabel(label)
        grid_lines(axes, "y")
    grid[0, 1].set_yscale("log")
    grid[0, 0].legend(fontsize=7)
    return Drawing(f"speed-{slug(kind)}", figure, best, f"Valid {kind}s and sampling time against the number of steps")
