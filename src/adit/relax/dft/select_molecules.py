"""``adit stage select-molecules``: selects relaxed molecules for DFT and orders them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit import store
from adit.columns import Col
from adit.config import MoleculeSelectConfig, MoleculeSelectStage
from adit.convert import perceive
from adit.elements import composition
from adit.expressions import plain
from adit.progress import log
from adit.relax.dft.cost import molecule_core_seconds
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.relaxed_files import read_relaxed_systems, read_tables
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    Col.SYSTEM_ID,
    Col.SELECTED,
    Col.RANK,
    Col.REASON,
    Col.PREDICTED_COST,
    Col.N_ATOMS,
    Col.RELAXED_SMILES,
    Col.CHARGE,
    Col.UNPAIRED,
    Col.RELAXATION_ENERGY,
    Col.STRAIN,
)
"""Columns of the table of selected molecules."""


def select_molecules(
    stage: MoleculeSelectStage,
    relaxed: Sequence[Path],
    data: Sequence[Path],
    out: Path,
    settings_dir: Path | None = None,
) -> None:
    """Select molecules for DFT: valid, unchanged by relaxation, novel, without duplicates, within limits and budget.

    Args:
        stage: settings.
        relaxed: tables of the relaxation of molecules; the structures are in the ``.arrow`` beside each.
        data: prepared datasets; a molecule of a training split is not novel.
        out: table, one row per sample: ``COLUMNS``; ``rank`` counts from 0 (-1: not selected), ``predicted_cost`` is in
            core-seconds, energies are in eV.
        settings_dir: folder of the DFT presets, for the predicted cost; ``None``: ``config/dft``.

    Raises:
        DataError: an input is missing or unreadable.
        ConfigError: there is no such preset.
    """
    preset = read_preset(stage.engine, stage.preset, settings_dir, molecules=True)
    table = read_tables(list(relaxed))
    table[Col.REASON] = [_refusal(stage.select, row) for row in table.to_dict("records")]
    systems = read_relaxed_systems(list(relaxed), table.loc[table[Col.REASON] == "", Col.SYSTEM_ID])
    costs = {key: molecule_core_seconds(system, preset) for key, system in systems.items()}
    table[Col.PREDICTED_COST] = [costs.get(str(key), float("nan")) for key in table[Col.SYSTEM_ID]]
    table[Col.SELECTED], table[Col.RANK] = False, -1
    training = _TrainingNames(data, systems.values()) if stage.select.novel else None
    _choose(table, stage.select, systems, training)
    store.write_frame(out, table[list(COLUMNS)], {"select": stage.select.model_dump()})
    chosen = table[table[Col.SELECTED]]
    hours = chosen[Col.PREDICTED_COST].sum() / 3600
    log.info("%d of %d molecules go to DFT, predicted %.2g core hours", len(chosen), len(table), hours)
    for reason, count in Counter(reason.split(" of ")[0] for reason in table[Col.REASON] if reason).most_common(6):
        log.info("  not: %d %s", count, reason)


def _refusal(config: MoleculeSelectConfig, row: Mapping[Any, Any]) -> str:
    if row[Col.STATUS] != "converged":
        return f"relaxation {row[Col.STATUS]}"
    if not row[Col.VALIDITY] or not row[Col.VALIDITY_AFTER]:
        return "not valid"
    if not row[Col.BONDING_KEPT] or not row[Col.STEREO_KEPT]:
        return "changed by relaxation"
    if config.max_atoms is not None and row[Col.N_ATOMS] > config.max_atoms:
        return "too many atoms"
    for name, (low, high) in config.window.items():
        value = plain(row[name])
        if value is None:
            return f"{name} unknown"
        if isinstance(value, str) or not low <= value <= high:
            return f"{name} outside the window"
    return ""


def _choose(
    table: pd.DataFrame,
    config: MoleculeSelectConfig,
    systems: Mapping[str, AtomicSystem],
    training: _TrainingNames | None,
) -> None:
    """Go through the candidates, the best one first, and write into the table whether each is selected, or why not."""
    order = [Col.PREDICTED_COST if config.rank_by == "cost" else Col(config.rank_by), Col.PREDICTED_COST, Col.SYSTEM_ID]
    candidates = table[table[Col.REASON] == ""].sort_values(list(dict.fromkeys(order)), na_position="last").index
    taken: dict[str, str] = {}
    spent = 0.0
    for index in candidates:
        key, name = str(table.loc[index, Col.SYSTEM_ID]), str(table.loc[index, Col.RELAXED_SMILES])
        cost = float(table.loc[index, Col.PREDICTED_COST])
        if config.max_structures is not None and len(taken) >= config.max_structures:
            table.loc[index, Col.REASON] = "beyond select.molecule.max_structures"
        elif name in taken:
            table.loc[index, Col.REASON] = f"same molecule as one of {taken[name]}"
        elif training is not None and training.holds(systems[key], name):
            table.loc[index, Col.REASON] = "in the training split"
        elif config.budget_core_hours is not None and spent + cost > 3600 * config.budget_core_hours:
            table.loc[index, Col.REASON] = "beyond select.molecule.budget_core_hours"
        else:
            table.loc[index, Col.SELECTED] = True
            table.loc[index, Col.RANK] = len(taken)
            taken[name], spent = key, spent + cost


class _TrainingNames:
    """SMILES of the training molecules; those of a formula are computed when they are first needed.

    Args:
        data: prepared datasets.
        candidates: molecules to look for; only training molecules of their formulas are held.
    """

    def __init__(self, data: Sequence[Path], candidates: Iterable[AtomicSystem]) -> None:
        wanted = {_formula(system): len(system) for system in candidates}
        self._of: dict[Any, list[AtomicSystem]] = defaultdict(list)
        for path in data:
            table = store.read_systems(path)
            splits = table.splits
            for place in np.flatnonzero(np.isin(table.n_atoms, list(wanted.values()))):
                system = table[int(place)]
                if splits[place] == "train" and system.kind is Kind.MOLECULE and _formula(system) in wanted:
                    self._of[_formula(system)].append(system)
        self._names: dict[Any, frozenset[str]] = {}

    def holds(self, system: AtomicSystem, smiles: str) -> bool:
        """Return whether a molecule of this name is in the training split."""
        formula = _formula(system)
        if formula not in self._names:
            self._names[formula] = frozenset(perceive(each, 0).smiles for each in self._of.get(formula, ()))
        return smiles in self._names[formula]


def _formula(system: AtomicSystem) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(composition(system.numbers).items()))
