"""Figures: each a function from data to a ``Drawing``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from adit.columns import Col, step_title
from adit.report.figures.drawing import COLOURS, INK, POPULATIONS, Drawing, grid_lines, new_figure, slug, styled
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@styled
def funnel_bars(kind: str, steps: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw the number of systems that pass each step and all before it.

    Args:
        kind: kind of the systems.
        steps: records of ``funnel.json`` of this kind, at least one.
    """
    import pandas as pd

    data = pd.DataFrame([{"step": step_title(str(s.get("step"))), "count": int(s.get("count") or 0)} for s in steps])
    figure, grid = new_figure(7.2, 0.42 * len(data) + 0.4)
    axes = grid[0, 0]
    total = max(int(data["count"].iloc[0]), 1)
    places = range(len(data))
    axes.barh(places, [total] * len(data), color=INK, alpha=0.06, height=0.72)
    axes.barh(places, data["count"], color=COLOURS["blue"], height=0.72)
    for place, passed in zip(places, data["count"], strict=True):
        axes.text(
            passed + total * 0.012, place, f"{formats.count(passed)}  ({100 * passed / total:.0f} %)", va="center"
        )
    axes.set_yticks(places, [_plain(step) for step in data["step"]])
    axes.invert_yaxis()
    axes.set_xlim(0, total * 1.18)
    axes.xaxis.set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    text = f"Funnel of {kind}s: " + ", ".join(f"{r.step} {r.count}" for r in data.itertuples(index=False))
    return Drawing(f"funnel-{slug(kind)}", figure, data, text)


def _plain(text: Any) -> str:
    """Return text without matplotlib's mathematics, short enough for an axis."""
    text = str(text).replace("$", r"\$")
    return text if len(text) <= 48 else text[:47] + "…"


@styled
def rates(kind: str, records: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw rates (%) with their intervals: a row per metric, a colour per population.

    Args:
        kind: kind of the systems.
        records: records of ``summary.json`` of this kind, rates in 0..1.
    """
    import pandas as pd

    columns = ["protocol", "metric", "population", "value", "low", "high", "numerator", "denominator"]
    data = pd.DataFrame(
        [{c: r.get(c) for c in columns} for r in records if r.get("value") is not None], columns=columns
    )
    rows = list(dict.fromkeys(zip(data["protocol"], data["metric"], strict=True)))
    figure, grid = new_figure(9.2, 0.36 * max(len(rows), 1) + 1.0)
    axes = grid[0, 0]
    names = [name for name in POPULATIONS if name in set(data["population"])]
    crowd = Counter(zip(data["protocol"], data["metric"], strict=True))
    for number, name in enumerate(names):
        part = data[data["population"] == name]
        keys = list(zip(part["protocol"], part["metric"], strict=True))
        shift = 0.15 * (number - (len(names) - 1) / 2)
        places = [rows.index(key) + (shift if crowd[key] > 1 else 0.0) for key in keys]
        low, high, value = (100 * part[column].astype(float) for column in ("low", "high", "value"))
        colour = COLOURS[POPULATIONS[name]]
        axes.hlines(places, low, high, color=colour, linewidth=1.6, alpha=0.55)
        axes.scatter(value, places, color=colour, s=46 if name == "samples" else 22, label=name, zorder=3)
    axes.set_yticks(range(len(rows)), [_plain(f"{formats.metric(m)} · {p}") for p, m in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("% (line: confidence interval)")
    grid_lines(axes, "x")
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=5, borderaxespad=0.2, handletextpad=0.2)
    return Drawing(f"rates-{slug(kind)}", figure, data, f"Rates of {kind} samples beside the control populations")


@styled
def loss_curves(name: str, metrics: pd.DataFrame) -> Drawing:
    """Draw the loss and its parts in training and validation against the step, on a logarithmic scale.

    Args:
        name: vae or dit.
        metrics: table ``metrics.csv`` of the training.
    """
    shared = ("step", "epoch", "split", "loss", "seconds", "atoms_per_s", "lr")
    parts = [c for c in metrics.columns if c not in shared and metrics[c].dtype.kind == "f"]
    figure, grid = new_figure(9.6, 3.2, columns=2 if parts else 1)
    _curves(grid[0, 0], metrics, ["loss"], "loss")
    if parts:
        _curves(
            grid[0, 1],
            metrics,
            parts,
            formats.heading(parts[0]) if len(parts) == 1 else "parts, unweighted (dashed: validation)",
        )
    return Drawing(f"loss-{name}", figure, metrics, f"Training and validation loss of {name} against the step")


def _curves(axes: Axes, metrics: pd.DataFrame, columns: Sequence[str], title: str) -> None:
    palette = [COLOURS[name] for name in ("blue", "orange", "green", "purple", "vermilion", "grey", "sky")]
    labels = metrics["split"].unique() if "split" in metrics else ["train"]
    for number, column in enumerate(columns):
        for split in labels:
            part = metrics[metrics["split"] == split] if "split" in metrics else metrics
            part = part[part[column] > 0]
            if part.empty:
                continue
            single = len(columns) == 1
            colour = palette[(0 if split == "train" else 1) if single else number % len(palette)]
            label = split if single else (column if split == labels[0] else None)
            style = {"linestyle": "-"} if split == "train" else {"linestyle": "--", "marker": "o", "markersize": 4}
            axes.plot(part["step"], part[column], color=colour, label=label, linewidth=1.5, **style)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    axes.set_xlabel("step")
    axes.set_title(title)
    grid_lines(axes, "y")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.02), borderaxespad=0.2)


PROPERTIES: Final = (Col.GAP, Col.DIPOLE, Col.LOGP)
"""Properties of molecules whose distributions are drawn."""

BINS: Final = 24
"""Number of bins of a histogram."""


@styled
def property_histograms(kind: str, values: pd.DataFrame) -> Drawing:
    """Draw the distributions of properties of the samples beside those of the training control row.

    Args:
        kind: kind of the systems.
        values: one row per value: population, property, value in the unit of the property's column.
    """
    import numpy as np

    shown = ("train", "samples")
    data = values[values["population"].isin(shown) & values["property"].isin([str(name) for name in PROPERTIES])]
    figure, grid = new_figure(10.2, 2.7, columns=len(PROPERTIES))
    for axes, name in zip(grid[0], PROPERTIES, strict=True):
        own = data[data["property"] == str(name)]
        if own.empty:
            axes.set_visible(False)
            continue
        edges = np.linspace(own["value"].min() - 1e-9, own["value"].max() + 1e-9, BINS + 1)
        for population in shown:
            part = own[own["population"] == population]["value"]
            if part.empty:
                continue
            weights = np.full(len(part), 100 / len(part))
            colour = COLOURS[POPULATIONS[population]]
            label = f"{population} ({formats.count(len(part))})"
            axes.hist(part, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.45, label=label)
        axes.set_xlabel(f"{name.label}, {name.unit}" if name.unit else name.label)
        axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        grid_lines(axes, "y")
    grid[0, 0].set_ylabel("% of the molecules")
    text = f"Distributions of HOMO-LUMO gap, dipole and logP of {kind} samples and of the training control row"
    return Drawing(f"properties-{slug(kind)}", figure, data, text)


@styled
def size_histogram(dataset: str, histogram: Mapping[str, int]) -> Drawing:
    """Draw the number of training systems by number of atoms.

    Args:
        dataset: name of the dataset.
        histogram: number of systems by number of atoms.
    """
    import pandas as pd

    items = sorted((int(size), int(n)) for size, n in histogram.items())
    data = pd.DataFrame(items, columns=[Col.N_ATOMS, "systems"])
    figure, grid = new_figure(4.6, 2.3)
    axes = grid[0, 0]
    axes.bar(data[Col.N_ATOMS], data["systems"], color=COLOURS["blue"], width=0.85)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("atoms in a system")
    axes.set_ylabel("training systems")
    grid_lines(axes, "y")
    return Drawing(f"sizes-{slug(dataset)}", figure, data, f"Sizes of the training systems of {dataset}")
