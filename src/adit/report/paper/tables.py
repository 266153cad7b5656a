"""The paper's tables with a row for this run: the same metrics, the same protocol, published rows beside it.

Writes: report/tables/table-<n>.csv
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from adit.hull import energy_tags
from adit.report.paper.headline import published
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
OWN: Final = "this run"
SURROGATE_ENERGIES: Final = "CHGNet surrogate"


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        name: file name.
        title: what it shows.
        kind: whose metrics.
        metrics: protocol and metric of each column.
        note: what a reader must know.
    """

    name: str
    title: str
    kind: str
    metrics: Sequence[tuple[str, str]]
    note: str = ""


_SEVEN: Final = (
    "all_atoms_connected",
    "bond_lengths",
    "bond_angles",
    "aromatic_ring_flatness",
    "double_bond_flatness",
    "internal_energy",
    "internal_steric_clash",
)

TABLES: Final = (
    PaperTable(
        "table-1",
        "Table 1: crystals",
        "crystal",
        [("adit", m) for m in ("structural_validity", "compositional_validity", "overall_validity")]
        + [("adit", m) for m in ("metastable", "stable", "msun", "sun")],
        "Published stabilities are DFT's.",
    ),
    PaperTable(
        "table-2a",
        "Table 2a: molecules",
        "molecule",
        [("adit", "adit_pdb_validity"), ("adit", "uniqueness_of_valid"), ("strict", "validity"), ("strict", "novelty")],
        "The paper's validity is the PDB round trip, its uniqueness is of the molecules that pass it; the strict "
        "validity is this project's headline, and novelty is of strictly valid molecules, of those asked for.",
    ),
    PaperTable(
        "table-2b",
        "Table 2b: PoseBusters, of the molecules that pass the paper's validity",
        "molecule",
        [("posebusters", f"posebusters_{name}_of_valid") for name in _SEVEN],
    ),
    PaperTable(
        "table-3",
        "Table 3: metal-organic frameworks",
        "mof",
        [("mofchecker", "mofchecker_all")],
    ),
    PaperTable(
        "table-4",
        "Table 4: stable, unique and novel crystals against the denoiser's size",
        "crystal",
        [("adit", m) for m in ("stable", "sun", "metastable", "msun")],
        "Published stabilities are DFT's.",
    ),
)

_SOURCES: Final = {
    "table-1": ("Table 1",),
    "table-2a": ("slides",),
    "table-2b": ("slides",),
    "table-4": ("Table 4", "Table 1"),
}
"""Where the published rows of a table come from; the others show all that have one of their metrics."""


def build(table: PaperTable, summary: Sequence[Record], parameters: float | None) -> pd.DataFrame | None:
    """Return a row a model (per cent), this run last with its controls; ``None`` where the run has none of it.

    Args:
        table: which.
        summary: records of ``scores/summary.json``.
        parameters: of the denoiser, for Table 4.
    """
    import pandas as pd

    own = {
        (str(r.get("protocol")), energy_tags.bare_metric(str(r.get("metric"))), str(r.get("population"))): r
        for r in summary
        if r.get("kind") == table.kind and r.get("value") is not None
    }
    populations = [name for name in ("samples", "test", "random") if any(key[2] == name for key in own)]
    wanted = {metric for _, metric in table.metrics}
    surrogate = any(
        metric.startswith(energy_tags.SURROGATE_PREFIX) and energy_tags.bare_metric(metric) in wanted
        for metric in (str(r.get("metric")) for r in summary if r.get("kind") == table.kind)
    )
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
        if surrogate and population == "samples":
            row["energies"] = SURROGATE_ENERGIES
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
    """Return the table for the page: titles, and rows of texts with the interval below this run's numbers."""
    heads = ["model", *(_title(metric, protocol) for protocol, metric in table.metrics)]
    rows = []
    for row in frame.to_dict("records"):
        texts = []
        for _, metric in table.metrics:
            value, low = row.get(metric), row.get(f"{metric}_low")
            note = "" if formats.is_missing(low) else f"{low:.1f} to {row[f'{metric}_high']:.1f}"
            texts.append((formats.MISSING if formats.is_missing(value) else f"{value:.1f}", note))
        rows.append({"model": row["model"], "own": row["source"] == OWN, "source": row["source"], "cells": texts})
    note = f"{table.note} Those of this run are CHGNet surrogates and no DFT." if "energies" in frame else table.note
    return {"name": table.name, "title": table.title, "note": note, "heads": heads, "rows": rows}


def _title(metric: str, protocol: str) -> str:
    return formats.metric(metric, protocol).removeprefix("PoseBusters: ").removesuffix(" among valid")
