"""Figures with a colour per run: rates, energies above the hull, losses, and rates against the denoiser's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from adit.columns import Col, Metric, Protocol, bare_name
from adit.report.figures.drawing import COLOURS, Drawing, grid_lines, new_figure, slug, styled
from adit.report.paper import headline
from adit.report.run.inputs import NETWORKS, Run
from adit.report.words import formats
from adit.report.words.outcome import hull_energies

if TYPE_CHECKING:
    import pandas as pd

PALETTE: Final = [colour for name, colour in COLOURS.items() if name != "grey"]
"""Colours of the runs, in their order."""

RunList = Sequence[tuple[str, Run]]
"""Runs with their names."""


def drawings(runs: RunList) -> list[tuple[Drawing, str]]:
    """Return the figures for which at least two runs have the numbers, with captions."""
    figures: list[tuple[Drawing, str]] = []
    for kind in dict.fromkeys(str(r.get("kind")) for _, run in runs for r in run.summary):
        table = main_rates(runs, kind)
        if table["run"].nunique() > 1:
            figures.append((rates(kind, table), f"Main numbers of {kind} samples; lines are confidence intervals."))
    held = [(name, values) for name, run in runs if (values := hull_energies(run))]
    if len(held) > 1:
        figures.append((hulls(held), "Energies above the hull; each run with its own energies and hull."))
    for network in NETWORKS:
        table = losses(runs, network)
        if table is not None:
            figures.append((loss(network, table), f"{NETWORKS[network]}: training loss against the time of training."))
    table = sizes(runs)
    if table["parameters"].nunique() > 1:
        figures.append((scaling(table), "Rates against the size of the denoiser (Fig. 3)."))
    return figures


def main_rates(runs: RunList, kind: str) -> pd.DataFrame:
    """Return the main metrics of the samples of a kind, one row per run and metric; rates in 0..1.

    The columns are ``run, protocol, metric, value, low, high``.
    """
    import pandas as pd

    rows = [
        {"run": name, "protocol": r["protocol"], "metric": r["metric"], **{k: r[k] for k in ("value", "low", "high")}}
        for name, run in runs
        for r in headline.split([r for r in run.summary if r.get("kind") == kind])[0]
        if r.get("population") == "samples" and r.get("value") is not None
    ]
    return pd.DataFrame(rows, columns=["run", "protocol", "metric", "value", "low", "high"])


@styled
def rates(kind: str, data: pd.DataFrame) -> Drawing:
    """Draw the main rates (%), with a colour per run.

    Args:
        kind: kind of the samples.
        data: table of ``main_rates``.
    """
    keys = list(dict.fromkeys(zip(data["protocol"], data["metric"], strict=True)))
    names = list(dict.fromkeys(data["run"]))
    figure, grid = new_figure(8.6, 0.4 * len(keys) + 1.0)
    axes = grid[0, 0]
    for number, name in enumerate(names):
        part = data[data["run"] == name]
        shift = 0.6 * ((number + 0.5) / len(names) - 0.5)
        places = [keys.index(key) + shift for key in zip(part["protocol"], part["metric"], strict=True)]
        colour = PALETTE[number % len(PALETTE)]
        axes.hlines(places, 100 * part["low"], 100 * part["high"], color=colour, linewidth=1.6, alpha=0.55)
        axes.scatter(100 * part["value"], places, color=colour, s=26, label=_plain(name), zorder=3)
    axes.set_yticks(range(len(keys)), [f"{formats.metric(metric)} · {protocol}" for protocol, metric in keys])
    axes.set_ylim(len(keys) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("%")
    grid_lines(axes, "x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    return Drawing(f"compare-rates-{slug(kind)}", figure, data, f"Main numbers of {kind} samples of {', '.join(names)}")


@styled
def hulls(values: Sequence[tuple[str, Sequence[float]]]) -> Drawing:
    """Draw the cumulative share of relaxed crystals against the energy above the hull.

    Args:
        values: name of each run, and its energies above the hull, eV/atom.
    """
    import pandas as pd

    rows = [(name, energy, (k + 1) / len(held)) for name, held in values for k, energy in enumerate(sorted(held))]
    data = pd.DataFrame(rows, columns=["run", Col.E_ABOVE_HULL, "share"])
    figure, grid = new_figure(6.4, 2.8)
    axes = grid[0, 0]
    for number, (name, part) in enumerate(data.groupby("run", sort=False)):
        colour, label = PALETTE[number % len(PALETTE)], f"{_plain(str(name))} ({len(part)})"
        axes.step(part[Col.E_ABOVE_HULL], 100 * part["share"], where="post", color=colour, label=label)
    axes.axvline(0.0, color=COLOURS["grey"], linewidth=1.0, linestyle="--")
    axes.set_xlim(max(-0.6, data[Col.E_ABOVE_HULL].min() - 0.05), 1.0)
    axes.set_xlabel("E above hull, eV/atom")
    axes.set_ylabel("relaxed crystals below, %")
    axes.legend(fontsize=8)
    grid_lines(axes, "y")
    return Drawing("compare-hull", figure, data, "Cumulative share of relaxed crystals by energy above the hull")


def losses(runs: RunList, network: str) -> pd.DataFrame | None:
    """Return the training loss of each run against its time (``run, minutes, step, loss``).

    ``None`` if fewer than two runs have losses.
    """
    import pandas as pd

    tables = []
    for name, run in runs:
        metrics = run.training[network].metrics
        if metrics is None or not {"step", "loss", "split", "seconds"} <= set(metrics.columns):
            continue
        part = metrics[metrics["split"] == "train"]
        tables.append(
            pd.DataFrame({"run": name, "minutes": part["seconds"] / 60, "step": part["step"], "loss": part["loss"]})
        )
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else None


@styled
def loss(network: str, data: pd.DataFrame) -> Drawing:
    """Draw the training loss against time (min), with a colour per run.

    Args:
        network: vae or dit.
        data: table of ``losses``.
    """
    figure, grid = new_figure(6.4, 2.8)
    axes = grid[0, 0]
    for number, (name, part) in enumerate(data.groupby("run", sort=False)):
        axes.plot(
            part["minutes"], part["loss"], color=PALETTE[number % len(PALETTE)], label=_plain(str(name)), linewidth=1.4
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("training loss")
    axes.legend(fontsize=8)
    grid_lines(axes, "y")
    return Drawing(f"compare-loss-{network}", figure, data, f"Training loss of {network} against time")


SIZED: Final = (
    *(Metric.OVERALL_VALIDITY, Metric.SUN, Metric.VALIDITY, Metric.PDB_VALIDITY),
    Metric.MOFCHECKER_ALL,
)
"""Metrics that are plotted against the size of the denoiser."""

SIZED_PROTOCOLS: Final = (Protocol.ADIT, Protocol.STRICT, Protocol.MOFCHECKER)
"""Protocols of these metrics."""


def sizes(runs: RunList) -> pd.DataFrame:
    """Return rates (0..1) and the denoiser's parameters (``run, parameters, kind, metric, value, low, high``)."""
    import pandas as pd

    rows = []
    for name, run in runs:
        size = run.training["dit"].config.get("parameters")
        for r in run.summary if size else []:
            wanted = bare_name(str(r.get("metric"))) in SIZED and r.get("protocol") in SIZED_PROTOCOLS
            if wanted and r.get("population") == "samples" and r.get("value") is not None:
                values = {key: r[key] for key in ("kind", "metric", "value", "low", "high")}
                rows.append({"run": name, "parameters": size, **values})
    return pd.DataFrame(rows, columns=["run", "parameters", "kind", "metric", "value", "low", "high"])


@styled
def scaling(data: pd.DataFrame) -> Drawing:
    """Draw rates (%) against the number of parameters of the denoiser. Source: Fig. 3.

    Args:
        data: table of ``sizes``.
    """
    figure, grid = new_figure(6.4, 2.8)
    axes = grid[0, 0]
    for number, ((kind, metric), part) in enumerate(data.groupby(["kind", "metric"], sort=False)):
        part = part.sort_values("parameters")
        errors = [100 * (part["value"] - part["low"]).clip(lower=0), 100 * (part["high"] - part["value"]).clip(lower=0)]
        style = {"marker": "o", "markersize": 4, "capsize": 2, "color": PALETTE[number % len(PALETTE)]}
        label = f"{kind}s: {formats.metric(str(metric), 'strict')}"
        axes.errorbar(part["parameters"] / 1e6, 100 * part["value"], yerr=errors, label=label, **style)
    axes.set_xscale("log")
    axes.set_xlabel("parameters of the denoiser, millions")
    axes.set_ylabel("%")
    axes.legend(fontsize=8)
    grid_lines(axes, "y")
    return Drawing("compare-scaling", figure, data, "Rates against the number of parameters of the denoiser")


def _plain(text: str) -> str:
    return text.replace("$", r"\$")
