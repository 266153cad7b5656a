"""``adit stage reference``: the energies that the convex hull is built from."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from adit import store
from adit.columns import Col
from adit.config import HullConfig, ReferenceStage, RelaxConfig
from adit.elements import composition
from adit.errors import DataError
from adit.hull import materials_project
from adit.hull.reference_rows import COLUMNS, reference_row
from adit.hull.shipped import read_shipped, write_shipped
from adit.progress import log
from adit.relax.potentials import batch
from adit.relax.potentials.chosen import CHGNET, Chosen
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.together import resolve_device
from adit.relax.prerelax import chosen_of, limits_of
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

BUILTIN = "builtin-crystals"
"""Name of the dataset of built-in crystals."""

FMAX, MAX_STEPS = 0.05, 200
"""Largest force (eV/Å) and number of steps of a reference crystal's relaxation. They do not depend on a run's settings,
so that its energy can be shipped with the package; a run with a smaller largest force uses that for its references."""

SHIP_LIMIT_S = 3600.0
"""Wall limit of one crystal of the shipped table, s: long enough even on a busy machine."""

Find = Callable[[str], Path]
"""Returns the local path of a public file by its name in a mirror; the file is downloaded and checked if needed."""


def reference(
    stage: ReferenceStage,
    data: list[Path],
    out: Path,
    cache: Path | None,
    workers: int,
    find: Find | None = None,
    chemical: Set[frozenset[str]] | None = None,
    budget_s: float = math.inf,
) -> None:
    """Write the reference entries of the hull: one row each, with absolute energies in eV/atom on one scale.

    ``builtin``: every crystal of the built-in set, relaxed with the run's potential to ``FMAX``, or to the samples'
    limit if that is lower. A crystal that is not converged within ``MAX_STEPS`` keeps its energy, an upper bound, with
    the status ``unconverged``. ``hull_tag`` is the potential's. Energies that ship with the package (``shipped``) are
    used; the others are computed.
    ``mp20-formation-energies``: the Materials Project's formation energies of MP20, put on the absolute scale with its
    elemental references.
    ``mp-2023-02-07``: the whole Materials Project, from the published phase diagram. ``entries``: a user's file of
    computed entries (``hull.entries``), corrected here with MP2020.
    ``mp-api``, ``optimade``: entries that servers give for the samples' chemical systems (``live``).

    Args:
        stage: settings.
        data: prepared datasets; only the file ``builtin-crystals.arrow`` is used, all splits, and only for ``builtin``.
        out: the table, ``COLUMNS``.
        cache: folder for finished entries, from which an interrupted run resumes.
        workers: largest number of processes.
        find: returns the local path of a public file; without it only ``builtin`` and ``entries`` are possible.
        chemical: for ``builtin``: sets of elements; crystals inside none of them are left out; ``None``: all are used.
            For ``mp-api`` and ``optimade``: the sets of elements that are asked for.
        budget_s: for ``builtin``: wall time of the relaxations, s; crystals that are not finished then have no energy.

    Raises:
        DataError: the built-in set or a file is missing or damaged, ``find`` is missing, no entry has an energy,
            or a server gives no answer.
    """
    if stage.hull.is_live:
        _write_live(stage, out, cache, find, chemical)
        return
    frame = _frame(stage, data, cache, workers, find, chemical, budget_s)
    good = frame[frame[Col.STATUS].isin(["converged", "unconverged"])]
    if good.empty:
        raise DataError(f"{out}: no reference entry has an energy; look at the reasons in the stage's log")
    store.write_frame(out, frame, {"reference": stage.hull.reference, Col.HULL_TAG: str(frame[Col.HULL_TAG].iloc[0])})
    log.info("%d entries, %d of them elements", len(good), int(good[Col.IS_ELEMENT].sum()))


def _write_live(
    stage: ReferenceStage, out: Path, cache: Path | None, find: Find | None, chemical: Set[frozenset[str]] | None
) -> None:
    """Write the entries that servers give; an empty table where there is no chemical system."""
    import pandas as pd

    from adit.hull.live import live_entries

    if chemical is None or cache is None:
        raise DataError(f"hull.reference {stage.hull.reference} needs the structures and a folder: --relaxed, --cache")
    entries, metadata = live_entries(stage.hull, chemical, cache, find)
    frame = pd.DataFrame(entries.rows, columns=list(COLUMNS))
    good = int(frame[Col.STATUS].isin(["converged"]).sum())
    if chemical and not good:
        raise DataError(f"{out}: no entry of {stage.hull.reference} has an energy; set {_WAY_OUT}")
    store.write_frame(out, frame, {"reference": stage.hull.reference, Col.HULL_TAG: entries.tag, **metadata})
    log.info("%d entries of %d chemical systems", good, len(chemical))


def _frame(
    stage: ReferenceStage,
    data: list[Path],
    cache: Path | None,
    workers: int,
    find: Find | None,
    chemical: Set[frozenset[str]] | None,
    budget_s: float,
) -> pd.DataFrame:
    import pandas as pd

    kind = stage.hull.reference
    if kind == "builtin":
        return _builtin(stage, data, workers, cache, chemical, budget_s)
    if kind == "entries":
        rows = materials_project.own_entries(Path(stage.hull.entries or ""))
    elif find is None:
        raise DataError(f"hull.reference {kind} needs public files; run `adit stage reference`, or set {_WAY_OUT}")
    else:
        try:
            rows = materials_project.READERS[kind](find)
        except DataError as error:
            raise DataError(f"{error}; or set {_WAY_OUT}") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


_WAY_OUT = "hull.reference: builtin"


def _builtin(
    stage: ReferenceStage,
    data: list[Path],
    workers: int,
    cache: Path | None,
    chemical: Set[frozenset[str]] | None,
    budget_s: float,
) -> pd.DataFrame:
    import pandas as pd

    paths = [path for path in data if path.stem == BUILTIN]
    if not paths:
        raise DataError(
            f"hull.reference builtin needs the dataset {BUILTIN}: add it to data.datasets, "
            "or set hull.reference: mp20-formation-energies"
        )
    systems = [system for path in paths for system in store.read_systems(path).systems()]
    if chemical is not None:
        systems = [system for system in systems if inside(system, chemical)]
    fmax = min(stage.relax.fmax, FMAX)
    shipped = read_shipped(chosen_of(stage.relax).identity())
    rows = {system.system_id: shipped.row(system, fmax) for system in systems}
    missing = elements_first([system for system in systems if rows[system.system_id] is None])
    log.info("%d of %d energies are shipped with the package", len(systems) - len(missing), len(systems))
    rows |= {str(row[Col.ENTRY_ID]): row for row in relaxed_rows(missing, stage, workers, cache, budget_s)}
    return pd.DataFrame([rows[system.system_id] for system in systems], columns=list(COLUMNS))


def elements_first(systems: Sequence[AtomicSystem]) -> list[AtomicSystem]:
    """Return the crystals of single elements first: without them a chemical system has no hull at all."""
    return sorted(systems, key=lambda system: len(composition(system.numbers)) > 1)


def inside(system: AtomicSystem, chemical: Set[frozenset[str]]) -> bool:
    """Return whether all elements of a crystal are in one of the sets ``chemical``."""
    elements = frozenset(composition(system.numbers))
    return any(elements <= each for each in chemical)


def limits_for(fmax: float) -> Limits:
    """Return the limits of relaxation of a reference crystal; ``fmax`` (eV/Å) replaces ``FMAX`` if it is lower."""
    return dataclasses.replace(limits_of(RelaxConfig()), fmax=min(fmax, FMAX), max_steps=MAX_STEPS)


def relaxed_rows(
    systems: Sequence[AtomicSystem],
    stage: ReferenceStage,
    workers: int,
    cache: Path | None,
    budget_s: float = math.inf,
) -> list[dict[str, object]]:
    """Relax crystals and return their reference rows, in order, failures included.

    Args:
        systems: the crystals before relaxation.
        stage: settings.
        workers: largest number of processes.
        cache: folder for finished entries; ``None`` for none.
        budget_s: wall time, s; crystals that are not finished then have the status ``timeout``.
    """
    if not systems:
        return []
    chosen = chosen_of(stage.relax)
    tag = chosen.energy_tag
    results = batch.relax_all(
        systems,
        limits_for(stage.relax.fmax),
        wall_limit_s=stage.relax.wall_limit_s,
        workers=workers,
        cache=cache,
        what="reference crystals",
        device=resolve_device(stage.relax.device),
        batch_atoms=stage.relax.batch_atoms,
        chosen=chosen,
        budget_s=budget_s,
    )
    for system, result in zip(systems, results, strict=True):
        if result.system is None and (result.status != "timeout" or math.isinf(budget_s)):
            log.warning("%s: %s: %s", system.system_id, result.status, result.reason)
    return [_builtin_row(system, result, tag) for system, result in zip(systems, results, strict=True)]


def _builtin_row(system: AtomicSystem, result: Relaxed, tag: str) -> dict[str, object]:
    return reference_row(
        system.system_id,
        _formula(system),
        composition(system.numbers),
        result.energy_per_atom,
        tag,
        status=result.status,
        reason=result.reason,
    )


def ship(out: Path, data: Path, cache: Path, workers: int, chosen: Chosen = CHGNET, budget_s: float = math.inf) -> None:
    """Relax the built-in set, elements first, and put its energies into the table that ships with the package.

    Args:
        out: the table.
        data: file of the prepared built-in set.
        cache: folder for finished entries, from which an interrupted run resumes.
        workers: largest number of processes.
        chosen: the potential.
        budget_s: wall time, s; crystals that are not finished then are not in the table; the same command continues.

    Raises:
        DataError: the built-in set is missing, or the existing file is not a table of reference energies.
    """
    import pandas as pd

    systems = elements_first(store.read_systems(data).systems())
    stage = ReferenceStage(relax=_relax_config(chosen), hull=HullConfig())
    rows = pd.DataFrame(relaxed_rows(systems, stage, workers, cache, budget_s), columns=list(COLUMNS))
    there = (rows[Col.STATUS] != "timeout").to_numpy()
    systems, rows = [system for system, kept in zip(systems, there, strict=True) if kept], rows[there]
    write_shipped(chosen.identity(), "builtin", systems, rows, FMAX, out)
    log.info("%s: %d entries of %s, %s", out, len(rows), chosen.energy_tag, dict(rows[Col.STATUS].value_counts()))


def _relax_config(chosen: Chosen) -> RelaxConfig:
    place = {"engine": chosen.name, "weights": chosen.weights, "python": chosen.python}
    return RelaxConfig.model_validate({**place, "device": "cpu", "wall_limit_s": SHIP_LIMIT_S})


def _formula(system: AtomicSystem) -> str:
    from pymatgen.core import Composition

    return str(Composition(composition(system.numbers)).reduced_formula)
