"""The paper's tables with a row for this run: same metrics and protocol, with the published rows.

Writes: report/tables/table-<n>.csv
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from adit.columns import OF_VALID, Metric, Protocol, bare_name, potential_of, surrogate_title
from adit.posebusters import POSEBUSTERS_SEVEN, posebusters_name
from adit.report.paper.headline import published
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
OWN: Final = "this run"
"""Name and source of the rows of this run."""


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        name: file name.
        title: title of the table.
        kind: kind of the systems.
        metrics: protocol and metric of each column.
        note: note below the table.
    """

    name: str
    title: str
    kind: str
    metrics: Sequence[tuple[str, str]]
    note: str = ""


TABLES: Final = (
    PaperTable(
        "table-1",
        "Table 1: crystals",
        "crystal",
        [
            (Protocol.ADIT, m)
            for m in (Metric.STRUCTURAL_VALIDITY, Metric.COMPOSITIONAL_VALIDITY, Metric.OVERALL_VALIDITY)
        ]
        + [(Protocol.ADIT, m) for m in (Metric.METASTABLE, Metric.STABLE, Metric.MSUN, Metric.SUN)],
        "Published stabilities are DFT's.",
    ),
    PaperTable(
        "table-2a",
        "Table 2a: molecules",
        "molecule",
        [
            (Protocol.ADIT, Metric.PDB_VALIDITY),
            (Protocol.ADIT, Metric.UNIQUENESS + OF_VALID),
            (Protocol.STRICT, Metric.VALIDITY),
            (Protocol.STRICT, Metric.NOVELTY),
        ],
        "The validity of the paper is the PDB round trip, and its uniqueness counts molecules that pass it. The "
        "headline of this project is the strict validity; novelty counts strictly valid molecules, as a share of "
        "the requested ones.",
    ),
    PaperTable(
        "table-2b",
        "Table 2b: PoseBusters, of the molecules that pass the paper's validity",
        "molecule",
        [(Protocol.POSEBUSTERS, posebusters_name(name) + OF_VALID) for name in POSEBUSTERS_SEVEN],
    ),
    PaperTable(
        "table-3",
        "Table 3: metal-organic frameworks",
        "mof",
        [(Protocol.MOFCHECKER, Metric.MOFCHECKER_ALL)],
    ),
    PaperTable(
        "table-4",
        "Table 4: stable, unique and novel crystals against the denoiser's size",
        "crystal",
        [(Protocol.ADIT, m) for m in (Metric.STABLE, Metric.SUN, Metric.METASTABLE, Metric.MSUN)],
        "Published stabilities are DFT's.",
    ),
)

_SOURCES: Final = {
    "table-1": ("Table 1",),
    "table-2a": ("slides",),
    "table-2b": ("slides",),
    "table-3": ("ADiT v1, Table 3",),
    "table-4": ("Table 4", "Table 1"),
}
"""Sources of the published rows of a table; other tables show all rows with one of their metrics."""


def build(table: PaperTable, summary: Sequence[Record], parameters: float | None) -> pd.DataFrame | None:
    """Return a row per model (per cent), this run last with its controls; ``None`` if the run has no such number.

    Args:
        table: the table.
        summary: records of ``scores/summary.json``.
        parameters: number of parameters of the denoiser, for Table 4; ``None``: unknown.
    """
    import pandas as pd

    own = {
        (str(r.get("protocol")), bare_name(str(r.get("metric"))), str(r.get("population"))): r
        for r in summary
        if r.get("kind") == table.kind and r.get("value") is not None
    }
    populations = [name for name in ("samples", "test", "random") if any(key[2] == name for key in own)]
    wanted = {metric for _, metric in table.metrics}
    metrics = [str(r.get("metric")) for r in summary if r.get("kind") == table.kind]
    potential = next((p for metric in metrics if (p := potential_of(metric)) and bare_name(metric) in wanted), "")
    rows = [*_published(table)]
    for population in populations:
        values = {m: own.get((p, m, population)) for p, m in table.metrics}
        if not any(values.values()):
            continue
        name = OWN if population == "samples" else f"{OWN}: {population} (control)"
        if table.name == "table-4":
            if population != "samples":
                continue
            name += f" ({parameters / 1e6:.0f}M)" if parameters else ""
        row: dict[str, Any] = {"model": name, "source": OWN}
        if potential and population == "samples":
            row["energies"] = surrogate_title(potential)
        for metric, record in values.items():
            row[metric] = None if record is None else round(100 * record["value"], 2)
            row[f"{metric}_low"] = None if record is None else round(100 * record["low"], 2)
            row[f"{metric}_high"] = None if record is None else round(100 * record["high"], 2)
        rows.append(row)
    if not any(row["model"].startswith(OWN) and "control" not in row["model"] for row in rows):
        return None
    return pd.DataFrame(rows)


def _published(table: PaperTable) -> list[dict[str, Any]]:
    wanted = {m for _, m in table.metrics}
    sources = _SOURCES.get(table.name)
    models: dict[str, dict[str, Any]] = {}
    for fact in published():
        if fact["kind"] != table.kind or fact["metric"] not in wanted or fact["unit"] != "percent":
            continue
        if sources and not fact["source"].endswith(sources):
            continue
        if table.name == "table-4" and not fact["model"].startswith("ADiT"):
            continue
        row = models.setdefault(fact["model"], {"model": fact["model"], "source": fact["source"]})
        row[fact["metric"]] = float(fact["value"])
        if fact["protocol"] == "mattergen":
            row["source"] = f"{fact['source']}; protocol mattergen"
    return list(models.values())


def cells(table: PaperTable, frame: pd.DataFrame) -> dict[str, Any]:
    """Return the table for the page: titles, and rows of texts; this run's numbers have intervals."""
    heads = ["model", *(_title(metric, protocol) for protocol, metric in table.metrics)]
    rows = []
    for row in frame.to_dict("records"):
        texts = []
        for _, metric in table.metrics:
            value, low = row.get(metric), row.get(f"{metric}_low")
            note = "" if formats.is_missing(low) else f"{low:.1f} to {row[f'{metric}_high']:.1f}"
            texts.append((formats.MISSING if formats.is_missing(value) else f"{value:.1f}", note))
        rows.append({"model": row["model"], "own": row["source"] == OWN, "source": row["source"], "cells": texts})
    note = _note(table, frame)
    return {"name": table.name, "title": table.title, "note": note, "heads": heads, "rows": rows}


def _note(table: PaperTable, frame: pd.DataFrame) -> str:
    if "energies" not in frame:
        return table.note
    return f"{table.note} Those of this run are {frame['energies'].dropna().iloc[0]}s, not DFT."


def _title(metric: str, protocol: str) -> str:
    return formats.metric(metric, protocol).removeprefix("PoseBusters: ").removesuffix(" among valid")
