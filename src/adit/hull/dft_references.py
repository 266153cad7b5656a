"""``adit stage dft-references``: DFT energies of elements and competing phases, for a hull of the structures' method.

CHGNet selects the crystals: the lowest of each composition, and of the compounds those near the hull of their chemical
system. Their energies come from the engine alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adit import store
from adit.columns import Col
from adit.config import DftStage
from adit.elements import composition, reduced_formula
from adit.hull.reference_rows import COLUMNS, reference_row
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.relax.dft.cost import core_seconds, effort_of
from adit.relax.dft.engines.registry import resolve
from adit.relax.dft.run import run_tasks
from adit.relax.dft.task import DftTask, structure_folder
from adit.relax.potentials import chgnet
from adit.relax.potentials.chgnet_calculator import network
from adit.systems import AtomicSystem, Kind

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "references"
"""Subfolder of the references in a DFT folder."""
MAX_ATOMS = 20
"""Largest number of atoms in the cell of a reference, as in MP20."""
ENERGY_LIMIT_S = 300.0
"""Wall limit of one energy by CHGNet, s."""


def dft_references(
    stage: DftStage,
    relaxed: list[Path],
    data: list[Path],
    elements: Iterable[AtomicSystem],
    folder: Path,
    out: Path,
    workers: int,
    settings_dir: Path | None = None,
) -> None:
    """Compute the references for the chemical systems of relaxed structures; write a table of reference entries.

    Args:
        stage: settings; ``dft.references`` selects only elements, or also competing phases.
        relaxed: tables of ``adit stage dft``, their structures beside them.
        data: prepared datasets that crystals are taken from.
        elements: crystals of the elements, for those that are in no dataset.
        folder: folder of the calculations: each reference has ``<folder>/references/<id>`` with ``result.json``;
            finished ones of the same settings are used again.
        out: the table of references; ``hull_tag`` is the engine's.
        workers: number of structures that are computed in parallel.
        settings_dir: folder of the presets; ``None``: ``config/dft``.

    Raises:
        ExternalToolError: the engine is not installed.
        DataError: an input is missing or unreadable.
    """
    systems = chemical_systems(relaxed)
    engine = resolve(stage, settings_dir)
    wanted = candidates(data, elements, systems)
    chosen = choose(wanted, systems, stage.dft.references, stage.dft.reference_window, workers)
    cost = sum(core_seconds(system, effort_of(engine.preset)) for system in chosen) / 3600
    log.info("%d references for %d chemical systems, predicted %.2g core hours", len(chosen), len(systems), cost)
    tasks = [
        DftTask(system, engine, (folder / FOLDER / structure_folder(system.system_id)).absolute())
        for system in sorted(chosen, key=lambda s: s.system_id)
    ]
    results = run_tasks(tasks, wall_limit_s=stage.dft.wall_limit_s, workers=workers, restarts=stage.dft.restarts)
    frame = reference_table([task.system for task in tasks], results, engine.energy_tag)
    store.write_frame(out, frame, {Col.HULL_TAG: engine.energy_tag, "references": stage.dft.references})


def chemical_systems(relaxed: Sequence[Path]) -> set[frozenset[str]]:
    """Return the sets of elements of all relaxed structures; failures are skipped.

    Args:
        relaxed: tables of `adit stage dft`; the structures are in the ``.arrow`` beside each.

    Raises:
        DataError: a file is missing or broken.
    """
    rows = [row for path in relaxed for row in store.read_systems(path.with_suffix(".arrow"))]
    return {frozenset(composition(row.numbers)) for row in rows if isinstance(row, AtomicSystem)}


def candidates(
    data: Sequence[Path], elements: Iterable[AtomicSystem], systems: set[frozenset[str]]
) -> list[AtomicSystem]:
    """Return the crystals inside the chemical systems of at most ``MAX_ATOMS`` atoms, each id once.

    Args:
        data: prepared datasets; failures are skipped.
        elements: crystals of the elements.
        systems: sets of elements; a crystal is inside if all its elements are in one of them.
    """
    elements_of_all = frozenset().union(*systems) if systems else frozenset()
    inside_one: dict[str, AtomicSystem] = {}
    pools: list[Iterable[Any]] = [*(store.read_systems(path) for path in data), elements]
    for pool in pools:
        for row in pool:
            if not isinstance(row, AtomicSystem):
                continue
            if row.kind is not Kind.CRYSTAL:
                break  # a file holds systems of one kind
            inside = frozenset(composition(row.numbers))
            if len(row) <= MAX_ATOMS and inside <= elements_of_all and any(inside <= system for system in systems):
                inside_one.setdefault(row.system_id, row)
    return list(inside_one.values())


def choose(
    wanted: Sequence[AtomicSystem], systems: set[frozenset[str]], which: str, window: float, workers: int
) -> list[AtomicSystem]:
    """Return the references: the crystal of lowest energy (CHGNet) of each composition, and compounds near the hull.

    Args:
        wanted: crystals inside the chemical systems.
        systems: sets of elements.
        which: ``elements``, or ``competing`` for compounds too.
        window: largest energy of a compound above CHGNet's hull, eV/atom; unrelaxed energies are compared.
        workers: number of processes.
    """
    pool = [system for system in wanted if which == "competing" or len(composition(system.numbers)) == 1]
    energies = _energies(pool, workers)
    lowest: dict[str, AtomicSystem] = {}
    for system in sorted(pool, key=lambda s: (energies[s.system_id], len(s), s.system_id)):
        if np.isfinite(energies[system.system_id]) or len(composition(system.numbers)) == 1:
            lowest.setdefault(reduced_formula(system.numbers), system)
    near = {i for chemical in systems for i in _near_hull(list(lowest.values()), energies, chemical, window)}
    return [s for s in lowest.values() if len(composition(s.numbers)) == 1 or s.system_id in near]


def _energies(systems: Sequence[AtomicSystem], workers: int) -> dict[str, float]:
    """Return id → CHGNet's energy of the unrelaxed crystal, eV/atom; NaN if there is none."""
    energies = {system.system_id: float("nan") for system in systems}
    progress = Progress("crystals compared", len(systems))

    def take(index: int, outcome: Outcome) -> None:
        if outcome.status == "ok":
            energies[systems[index].system_id] = outcome.value
        progress.update()

    map_isolated(
        chgnet.energy_per_atom,
        systems,
        workers=min(workers, max(1, len(systems))),
        wall_limit_s=ENERGY_LIMIT_S,
        on_result=take,
        warm_up=network,
    )
    return energies


def _near_hull(
    systems: Sequence[AtomicSystem], energies: dict[str, float], chemical: frozenset[str], window: float
) -> list[str]:
    """Return the ids of the compounds of one chemical system within ``window`` of CHGNet's hull."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    inside = [
        system
        for system in systems
        if frozenset(composition(system.numbers)) <= chemical and np.isfinite(energies[system.system_id])
    ]
    present = {frozenset(composition(system.numbers)) for system in inside}
    if any(frozenset({element}) not in present for element in chemical):
        return [system.system_id for system in inside]  # no hull without its elements: all compounds are taken
    entries = {
        system.system_id: PDEntry(Composition(composition(system.numbers)), energies[system.system_id] * len(system))
        for system in inside
    }
    diagram = PhaseDiagram(list(entries.values()))
    return [i for i, entry in entries.items() if (diagram.get_e_above_hull(entry) or 0.0) <= window]


def reference_table(systems: Sequence[AtomicSystem], results: dict[str, dict[str, Any]], tag: str) -> pd.DataFrame:
    """Return the table of references, one row per crystal, failures included.

    Args:
        systems: the crystals.
        results: id → result of the calculation; energies in eV/atom.
        tag: energy tag of the engine.
    """
    import pandas as pd

    rows = []
    for system in systems:
        result = results[system.system_id]
        energy = result[Col.ENERGY_PER_ATOM]
        rows.append(
            reference_row(
                system.system_id,
                reduced_formula(system.numbers),
                composition(system.numbers),
                float("nan") if energy is None else float(energy),
                tag,
                status=result[Col.STATUS],
                reason=result[Col.REASON],
            )
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
