"""Page of the rounds: the comparison of their runs, and what each round kept, with pictures and the origin of each.

Reads:  everything of the runs; kept/<kind>-<n>.arrow and the decisions beside
Writes: index.html, metrics.csv, settings.csv, lineage.csv, figures/, assets/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import store
from adit.columns import Metric, Protocol, bare_name
from adit.report.candidates import gallery
from adit.report.compare.figures import PALETTE
from adit.report.compare.runs import Named, compare_runs
from adit.report.figures.drawing import Drawing, grid_lines, new_figure, styled
from adit.report.words import formats
from adit.rounds.filters import KEPT
from adit.rounds.history import KeptRound, lineage, read_kept, variety
from adit.rounds.keep import SAMPLE

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
"""The variables of a template."""

LINEAGE: Final = "lineage.csv"
"""Table of every kept structure with its origin."""

CARDS: Final = 6
"""Largest number of pictures of one kind and round."""

_NAME: Final = re.compile(r"(round|control)-(\d+)")

_SHOWN: Final = (
    *((Protocol.ADIT, Metric.OVERALL_VALIDITY), (Protocol.STRICT, Metric.DISTANCE_RATIO_VALIDITY)),
    *((Protocol.ADIT, Metric.MSUN), (Protocol.STRICT, Metric.KNOWN_HULL_SUN), (Protocol.STRICT, Metric.BOTH_SUN)),
    *((Protocol.STRICT, Metric.VALIDITY), (Protocol.STRICT, Metric.NEUTRAL_VALIDITY)),
    *((Protocol.ADIT, Metric.UNIQUENESS), (Protocol.ADIT, Metric.NOVELTY)),
    *((Protocol.STRICT, Metric.UNIQUENESS), (Protocol.STRICT, Metric.NOVELTY)),
)
"""Rates that are drawn against the number of the round, those that the runs have."""


def compare_rounds(folders: Sequence[Path], kept: Sequence[Path], out: Path) -> None:
    """Write the comparison of rounds and controls, with what each round kept.

    Args:
        folders: runs of all rounds and controls; the others are compared with the first.
        kept: ``kept/<kind>-<n>.arrow`` of all rounds and kinds.
        out: folder to write.

    Raises:
        DataError: a run or a file is missing or broken.
        ConfigError: a file to write belongs to a run, or was not written by this verb.
    """
    rounds = read_kept(kept)

    def section(runs: Sequence[Named], folder: Path, draw: Callable[[Drawing], Record]) -> Record:
        table = lineage(rounds)
        store.write_frame(folder / LINEAGE, table)
        drawings = [by_round(kind, rates) for kind in _kinds(rounds) if len(rates := rates_by_round(runs, kind))]
        return {
            "pictures": [(draw(drawing), f"{drawing.text}.") for drawing in drawings],
            "decisions": decisions(rounds),
            "gallery": [part for each in rounds if (part := _gallery(runs, each)) is not None],
            "lineage": LINEAGE,
            "n_kept": len(table),
        }

    compare_runs(folders, out, section, (LINEAGE,))


def _kinds(rounds: Sequence[KeptRound]) -> list[str]:
    return list(dict.fromkeys(str(each.kind) for each in rounds))


def decisions(rounds: Sequence[KeptRound]) -> list[Record]:
    """Return one record per kind and round: numbers of kept structures and of other decisions, and their variety."""
    return [
        {
            "kind": str(each.kind),
            "number": each.number,
            "total": each.total,
            "kept": each.decisions.get(KEPT, 0),
            "others": ", ".join(f"{number} {reason}" for reason, number in each.decisions.items() if reason != KEPT),
            "variety": ", ".join(f"{number} {name}" for name, number in variety(each.systems).items()),
        }
        for each in rounds
    ]


def _gallery(runs: Sequence[Named], each: KeptRound) -> Record | None:
    """Return pictures of what a round kept; ``None`` if the run has no scores, or nothing was kept."""
    run = next((one.run for one in runs if one.name == each.run), None)
    if run is None or not each.systems:
        return None
    samples = {str(system.info[SAMPLE]): system for system in each.systems}
    structures = {sample: replace(system, system_id=sample) for sample, system in samples.items()}
    cards = gallery.chosen(run, each.kind, structures, CARDS)
    return {"kind": str(each.kind), "number": each.number, "kept": len(each.systems), "cards": cards, "run": each.run}


def rates_by_round(runs: Sequence[Named], kind: str) -> pd.DataFrame:
    """Return rates (0..1) of rounds and controls of a kind: ``round, control, protocol, metric, value, low, high``.

    Round 0 is the start of the controls too.
    """
    import pandas as pd

    rows, columns = [], ["protocol", "metric", "value", "low", "high"]
    controls = any(one.name.startswith("control") for one in runs)
    for one in runs:
        name = _NAME.fullmatch(one.name)
        if name is None:
            continue
        number = int(name[2])
        for values in [{key: record.get(key) for key in columns} for record in _shown(one, kind)]:
            rows.append({"round": number, "control": name[1] == "control", **values})
            if not number and controls:
                rows.append({"round": 0, "control": True, **values})
    return pd.DataFrame(rows, columns=["round", "control", *columns])


def _shown(one: Named, kind: str) -> list[Mapping[str, Any]]:
    """Return the records of a run's samples that are drawn, in the order of ``_SHOWN``."""
    held = {
        (record.get("protocol"), bare_name(str(record.get("metric")))): record
        for record in one.run.summary
        if record.get("kind") == kind and record.get("population") == "samples" and record.get("value") is not None
    }
    return [held[key] for key in _SHOWN if key in held]


@styled
def by_round(kind: str, data: pd.DataFrame) -> Drawing:
    """Draw rates (%) with their intervals against the number of the round; controls are dashed.

    Args:
        kind: kind of the samples.
        data: table of ``rates_by_round``.
    """
    figure, grid = new_figure(6.8, 3.2)
    axes = grid[0, 0]
    lines = data.groupby(["protocol", "metric"], sort=False)
    for number, ((protocol, metric), part) in enumerate(lines):
        colour = PALETTE[number % len(PALETTE)]
        for control, line in part.sort_values("round").groupby("control"):
            errors = [
                100 * (line["value"] - line["low"]).clip(lower=0),
                100 * (line["high"] - line["value"]).clip(lower=0),
            ]
            label = None if control else formats.metric(str(metric), str(protocol))
            style = {
                "linestyle": "--" if control else "-",
                "marker": "osD"[number // len(PALETTE)],
                "markersize": 4,
                "capsize": 2,
            }
            shift = (number - 0.5 * len(lines)) * 0.02
            axes.errorbar(line["round"] + shift, 100 * line["value"], yerr=errors, color=colour, label=label, **style)
    axes.set_xticks(sorted(set(data["round"])))
    axes.set_ylim(-2, 102)
    axes.set_xlabel("round")
    axes.set_ylabel(f"{kind} samples, %")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    grid_lines(axes, "y")
    dashed = "; dashed: the same training on the data alone" if data["control"].any() else ""
    return Drawing(f"rounds-{kind}", figure, data, f"Rates of {kind} samples by round{dashed}")
