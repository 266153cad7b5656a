"""Distributions of crystals and of the training data: energies, numbers of elements, spacegroups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from adit.columns import Col
from adit.report.figures.drawing import COLOURS, POPULATIONS, Drawing, grid_lines, new_figure, slug, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MAX_GROUPS: Final = 16
"""Largest number of named spacegroups."""

LIMITS: Final[Mapping[str, tuple[float, float]]] = {Col.E_ABOVE_HULL: (-0.5, 1.5), Col.FORMATION_ENERGY: (-4.5, 2.0)}
"""Range of an energy axis, eV/atom; larger values are in the outer bars."""

_TITLES: Final[Mapping[str, str]] = {Col.E_ABOVE_HULL: "E above hull", Col.FORMATION_ENERGY: "formation energy"}


@styled
def energies(name: str, values: Mapping[str, Sequence[float]], hull_name: str) -> Drawing:
    """Draw the distribution of an energy (eV/atom) in each population. Source: Fig. 4.

    Args:
        name: ``e_above_hull`` or ``formation_energy_per_atom``.
        values: energies by population, eV/atom.
        hull_name: methods of energies and hull, for display.
    """
    import pandas as pd

    data = pd.DataFrame(
        [(p, float(v)) for p, held in values.items() for v in sorted(held)], columns=["population", name]
    )
    low, high = LIMITS[name]
    low, high = max(low, min(data[name].min(), 0.0) - 0.1), min(high, max(data[name].max(), 0.2) + 0.1)
    width = 0.05 if name == Col.E_ABOVE_HULL else 0.2
    edges = [width * k for k in range(int(low // width), int(high // width) + 2)]
    figure, grid = new_figure(7.2, 2.7)
    axes = grid[0, 0]
    shares = len(values) > 1
    for population, held in data.groupby("population", sort=False)[name]:
        drawn = held.clip(edges[0] + 1e-9, edges[-1] - 1e-9)
        weights = [100 / len(drawn)] * len(drawn) if shares else None
        colour = COLOURS[POPULATIONS[str(population)]]
        style = {"histtype": "stepfilled", "alpha": 0.55} if population == "samples" else {"histtype": "step"}
        label = f"{population} ({len(held)})"
        axes.hist(drawn, bins=edges, weights=weights, color=colour, linewidth=1.5, label=label, **style)
    if name == Col.E_ABOVE_HULL:
        axes.axvline(0.0, color=COLOURS["green"], linewidth=1.2, linestyle="--", label="stable < 0")
        axes.axvline(0.1, color=COLOURS["orange"], linewidth=1.2, linestyle="--", label="metastable < 0.1")
    beyond = int(((data[name] < edges[0]) | (data[name] > edges[-1])).sum())
    axes.set_xlabel(f"{_TITLES[name]}, eV/atom{f' ({beyond} beyond the axis in the outer bars)' if beyond else ''}")
    axes.set_ylabel("crystals, %" if shares else "crystals")
    axes.legend(fontsize=9)
    grid_lines(axes, "y")
    counts = ", ".join(f"{len(held)} {population}" for population, held in values.items())
    return Drawing(slug(name.replace("_per_atom", "")), figure, data, f"{_TITLES[name]} of {counts}; {hull_name}")


@styled
def shares(name: str, label: str, counts: Mapping[str, Mapping[str, int]], order: Sequence[str]) -> Drawing:
    """Draw the share of each class in each population as bars.

    Args:
        name: file name of the figure.
        label: name of the classes.
        counts: number of systems by population and class.
        order: the classes, in the order of the axis.
    """
    import pandas as pd

    rows = [
        (population, key, held.get(key, 0), 100 * held.get(key, 0) / max(sum(held.values()), 1))
        for population, held in counts.items()
        for key in order
    ]
    data = pd.DataFrame(rows, columns=["population", "class", "systems", "percent"])
    figure, grid = new_figure(7.2 if len(order) > 9 else 5.2, 2.9)
    axes = grid[0, 0]
    _bars(axes, data, list(counts), order)
    axes.set_xlabel(label)
    axes.set_ylabel("crystals, %")
    axes.legend(fontsize=9)
    grid_lines(axes, "y")
    return Drawing(name, figure, data, f"Share of crystals by {label}: {', '.join(counts)}")


def _bars(axes: Axes, data: pd.DataFrame, populations: Sequence[str], order: Sequence[str]) -> None:
    width = 0.8 / len(populations)
    for number, population in enumerate(populations):
        part = data[data["population"] == population]
        places = [k + width * (number - (len(populations) - 1) / 2) for k in range(len(order))]
        total = int(part["systems"].sum())
        colour = COLOURS[POPULATIONS.get(population, "grey")]
        axes.bar(places, part["percent"], width=width * 0.95, color=colour, label=f"{population} ({total})")
    crowded = len(order) > 9
    axes.set_xticks(range(len(order)), order, rotation=55 if crowded else 0, ha="right" if crowded else "center")
    axes.tick_params(axis="x", labelsize=8 if crowded else 10)
    axes.tick_params(axis="x", length=0)


def n_ary(values: Mapping[str, Sequence[int]]) -> Drawing:
    """Draw the number of different elements in the crystals of each population. Source: Fig. 4."""
    counts = {name: Counter(str(min(int(n), 8)) for n in held) for name, held in values.items()}
    order = [str(n) for n in range(1, max(int(key) for held in counts.values() for key in held) + 1)]
    return shares("n-ary", "number of elements (8: eight or more)", counts, order)


def spacegroups(values: Mapping[str, Mapping[int, int]]) -> Drawing:
    """Draw the most frequent spacegroups of all populations. Source: Fig. 5.

    Args:
        values: number of crystals by population and international number; 0: none found.
    """
    most: Counter[int] = Counter()
    for held in values.values():
        total = max(sum(held.values()), 1)
        for number, count in held.items():
            most[number] = max(most[number], int(1e6 * count / total))
    chosen = sorted(number for number, _ in most.most_common(MAX_GROUPS))
    named = {population: _named(held, chosen) for population, held in values.items()}
    order = [symbol(number) for number in chosen]
    return shares("spacegroups", "spacegroup", named, [*order, *(["others"] if len(most) > len(chosen) else [])])


def _named(held: Mapping[int, int], chosen: Sequence[int]) -> dict[str, int]:
    counts = {symbol(number): held.get(number, 0) for number in chosen}
    return {**counts, "others": sum(held.values()) - sum(counts.values())}


def symbol(number: int) -> str:
    """Return the Hermann-Mauguin symbol and the number, e.g. ``Fm-3m 225``."""
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    return "none" if not 1 <= number <= 230 else f"{sg_symbol_from_int_number(number)} {number}"
