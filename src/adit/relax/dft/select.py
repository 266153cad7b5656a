"""``adit stage select``: selects relaxed structures for DFT and orders them."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit import convert, store
from adit.columns import Col
from adit.config import SelectConfig, SelectStage
from adit.elements import reduced_formula
from adit.errors import DataError
from adit.progress import log
from adit.relax.dft.cost import core_seconds, effort_of
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.relaxed_files import read_relaxed_systems, read_tables
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

HULL_COLUMN = Col.E_ABOVE_HULL
"""Column of the energy above the hull, eV/atom."""

COLUMNS = (
    Col.SYSTEM_ID,
    Col.SELECTED,
    Col.RANK,
    Col.REASON,
    Col.PREDICTED_COST,
    Col.N_ATOMS,
    Col.E_ABOVE_HULL,
    Col.MISSING_PAIRS,
)

"""Columns of the table of selected crystals."""

_UNKNOWN = "unknown_hull"
"""Column of the ranking: crystals with an unknown hull come after those with a known one."""


_ORDER = "order"
"""Column of the ranking: the value of ``select.rank_by``, the smallest first."""


def select(
    stage: SelectStage,
    relaxed: list[Path],
    hull: Path,
    out: Path,
    settings_dir: Path | None = None,
    judge: Path | None = None,
) -> None:
    """Select structures for DFT, within the limits and the budget, without duplicates, the most promising ones first.

    Args:
        stage: settings.
        relaxed: tables of the pre-relaxation; the structures are in the ``.arrow`` beside each.
        hull: table of energies above the hull.
        out: table, one row per sample: ``COLUMNS``; ``rank`` counts from 0 (-1: not selected), ``predicted_cost``
            in core-seconds, ``e_above_hull`` in eV/atom (by its surrogate's name where it is one).
        settings_dir: folder of the DFT presets, for the predicted cost; ``None``: ``config/dft``.
        judge: table of ``adit stage judge-hull``, for ``rank_by`` agreement and disagreement; ``None`` for none.

    Raises:
        DataError: an input is missing or unreadable.
        ConfigError: there is no such preset.
    """
    effort = effort_of(read_preset(stage.engine, stage.preset, settings_dir))
    table = read_tables(relaxed)
    above, name = _above_hull(hull)
    table = table.drop(columns=HULL_COLUMN, errors="ignore").merge(above, on=Col.SYSTEM_ID, how="left")
    table[Col.REASON] = [_refusal(stage.select, row) for row in table.itertuples()]
    systems = read_relaxed_systems(relaxed, table.loc[table[Col.REASON] == "", Col.SYSTEM_ID])
    energies = dict(zip(table[Col.SYSTEM_ID], table[Col.ENERGY_PER_ATOM], strict=True))
    twins = duplicates(list(systems.values()), energies)
    table[Col.REASON] = [
        f"duplicate of {twins[i]}" if i in twins else reason
        for i, reason in zip(table[Col.SYSTEM_ID], table[Col.REASON], strict=True)
    ]
    table[Col.PREDICTED_COST] = [
        core_seconds(systems[i], effort) if i in systems and i not in twins else float("nan")
        for i in table[Col.SYSTEM_ID]
    ]
    table = _ordered(table, stage.select, judge)
    table[Col.IS_ELEMENT] = [i in systems and len(set(systems[i].numbers)) == 1 for i in table[Col.SYSTEM_ID]]
    table = _rank(table, stage.select)
    store.write_frame(
        out, table[list(COLUMNS)].rename(columns={HULL_COLUMN: name}), {"select": stage.select.model_dump()}
    )
    reasons = Counter(reason.split(" of ")[0] for reason in table[Col.REASON] if reason)
    chosen = table[table[Col.SELECTED]]
    log.info(
        "%d of %d go to DFT, predicted %.2g core hours",
        len(chosen),
        len(table),
        chosen[Col.PREDICTED_COST].sum() / 3600,
    )
    for reason, count in reasons.most_common(6):
        log.info("  not: %d %s", count, reason)


def _above_hull(hull: Path) -> tuple[pd.DataFrame, str]:
    """Return ids with energies above the hull in a column ``e_above_hull``, and the column's name in the file."""
    table = store.read_frame(hull)
    names = [name for name in table.columns if name.endswith(HULL_COLUMN)]
    if not names:
        raise DataError(f"{hull}: has no column {HULL_COLUMN}; make it with `adit hull`")
    table[Col.MISSING_PAIRS] = table.get(Col.MISSING_PAIRS, "")
    table = table[[Col.SYSTEM_ID, names[0], Col.MISSING_PAIRS]].rename(columns={names[0]: HULL_COLUMN})
    return table.drop_duplicates(Col.SYSTEM_ID), names[0]


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
    """Return id of a duplicate → id of its original, a matching structure of lower energy and the same reduced formula.

    Matching is pymatgen's ``StructureMatcher`` with its defaults (ltol 0.2, stol 0.3, angle_tol 5).

    Args:
        systems: relaxed structures.
        energies: id → energy, eV/atom.
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


def _ordered(table: pd.DataFrame, config: SelectConfig, judge: Path | None) -> pd.DataFrame:
    """Return the table with the value of ``rank_by``, and with the pairs that the hull of either potential lacks.

    Agreement: the higher of both energies above the hull. Disagreement: their difference, the largest first. A
    crystal without the judge's energy comes after all that have one.
    """
    table[_ORDER] = table[HULL_COLUMN]
    if config.rank_by not in ("agreement", "disagreement"):
        return table
    verdicts = None if judge is None else store.read_frame(judge)
    if verdicts is None or not (verdicts.get(Col.JUDGE_STATUS, "") == "judged").any():
        log.warning("select.rank_by %s: nothing was judged; ranked by stability", config.rank_by)
        return table
    rows = verdicts.drop_duplicates(Col.SYSTEM_ID).set_index(Col.SYSTEM_ID)
    difference = table[Col.SYSTEM_ID].map(rows[Col.E_ABOVE_HULL_DIFFERENCE])
    both = table[HULL_COLUMN] + difference.clip(lower=0)
    table[_ORDER] = both if config.rank_by == "agreement" else -difference.abs()
    missing = table[Col.SYSTEM_ID].map(rows[Col.MISSING_PAIRS])
    table[Col.MISSING_PAIRS] = missing.fillna(table[Col.MISSING_PAIRS])
    return table


def _rank(table: pd.DataFrame, config: SelectConfig) -> pd.DataFrame:
    by_stability = config.rank_by != "cost"
    table[_UNKNOWN] = table[Col.MISSING_PAIRS].fillna("") != ""
    order = [_UNKNOWN, _ORDER, Col.PREDICTED_COST] if by_stability else [Col.PREDICTED_COST, HULL_COLUMN]
    if config.compounds_first:
        order.insert(1 if by_stability else 0, Col.IS_ELEMENT)
    candidates = table[table[Col.REASON] == ""].sort_values([*order, Col.SYSTEM_ID], na_position="last").index
    table[Col.SELECTED] = False
    table[Col.RANK] = -1
    spent, taken = 0.0, 0
    for index in candidates:
        cost = float(table.loc[index, Col.PREDICTED_COST])
        if config.max_structures is not None and taken >= config.max_structures:
            table.loc[index, Col.REASON] = "beyond select.max_structures"
        elif config.budget_core_hours is not None and spent + cost > 3600 * config.budget_core_hours:
            table.loc[index, Col.REASON] = "beyond select.budget_core_hours"
        else:
            table.loc[index, Col.SELECTED] = True
            table.loc[index, Col.RANK] = taken
            spent, taken = spent + cost, taken + 1
    return table
