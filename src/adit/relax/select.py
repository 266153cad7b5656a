"""``adit select``: which of the relaxed structures go to DFT, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit import convert, store
from adit.config import SelectConfig, SelectStage
from adit.elements import reduced_formula
from adit.progress import log
from adit.relax.cost import core_seconds
from adit.relax.relaxed_files import read_structures, read_tables
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("system_id", "selected", "rank", "reason", "predicted_cost", "n_atoms", "e_above_hull")


def select(stage: SelectStage, relaxed: list[Path], hull: Path, out: Path) -> None:
    """Choose structures for DFT: within the limits, one of each kind of crystal, the most promising first.

    Args:
        stage: settings.
        relaxed: tables of the pre-relaxation, their structures beside them.
        hull: energies above the hull.
        out: table, one row a relaxed sample: ``COLUMNS``; ``rank`` counts from 0 (-1: not selected), ``predicted_cost``
            in core-seconds, ``e_above_hull`` in eV/atom.

    Raises:
        DataError: an input is missing or unreadable.
    """
    table = read_tables(relaxed)
    above = store.read_frame(hull)[["system_id", "e_above_hull"]].drop_duplicates("system_id")
    table = table.drop(columns="e_above_hull", errors="ignore").merge(above, on="system_id", how="left")
    table["reason"] = [_refusal(stage.select, row) for row in table.itertuples()]
    systems = read_structures(relaxed, table.loc[table["reason"] == "", "system_id"])
    energies = dict(zip(table["system_id"], table["energy_per_atom"], strict=True))
    twins = duplicates(list(systems.values()), energies)
    table["reason"] = [
        f"duplicate of {twins[i]}" if i in twins else reason
        for i, reason in zip(table["system_id"], table["reason"], strict=True)
    ]
    table["predicted_cost"] = [
        core_seconds(systems[i]) if i in systems and i not in twins else float("nan") for i in table["system_id"]
    ]
    table = _rank(table, stage.select)
    store.write_frame(out, table[list(COLUMNS)], {"select": stage.select.model_dump()})
    reasons = Counter(reason.split(" of ")[0] for reason in table["reason"] if reason)
    log.info("%d of %d go to DFT", int(table["selected"].sum()), len(table))
    for reason, count in reasons.most_common(6):
        log.info("  not: %d %s", count, reason)


def _refusal(config: SelectConfig, row: Any) -> str:
    if row.status not in ("converged", "unconverged"):
        return f"relaxation {row.status}"
    if config.max_atoms is not None and row.n_atoms > config.max_atoms:
        return "too many atoms"
    if config.max_e_above_hull is not None:
        if not np.isfinite(row.e_above_hull):
            return "energy above the hull unknown"
        if row.e_above_hull > config.max_e_above_hull:
            return "too far above the hull"
    return ""


def duplicates(systems: list[AtomicSystem], energies: dict[str, float]) -> dict[str, str]:
    """Return, for each structure that matches a lower one of the same reduced formula, the id of that one.

    Matching is pymatgen's ``StructureMatcher`` with its defaults (ltol 0.2, stol 0.3, angle_tol 5).
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher()
    groups: dict[str, list[AtomicSystem]] = defaultdict(list)
    for system in systems:
        groups[reduced_formula(system.numbers)].append(system)
    twins: dict[str, str] = {}
    for group in groups.values():
        group.sort(key=lambda s: (energies[s.system_id], len(s), s.system_id))
        kept: list[tuple[str, Any]] = []
        for system in group if len(group) > 1 else []:
            structure = convert.to_structure(system)
            same = next((i for i, other in kept if matcher.fit(other, structure)), None)
            if same is None:
                kept.append((system.system_id, structure))
            else:
                twins[system.system_id] = same
    return twins


def _rank(table: pd.DataFrame, config: SelectConfig) -> pd.DataFrame:
    order = ["e_above_hull", "predicted_cost"] if config.rank_by == "stability" else ["predicted_cost", "e_above_hull"]
    candidates = table[table["reason"] == ""].sort_values([*order, "system_id"], na_position="last").index
    chosen = candidates if config.max_structures is None else candidates[: config.max_structures]
    table["selected"] = False
    table["rank"] = -1
    table.loc[chosen, "selected"] = True
    table.loc[chosen, "rank"] = range(len(chosen))
    table.loc[candidates[len(chosen) :], "reason"] = "beyond select.max_structures"
    return table
