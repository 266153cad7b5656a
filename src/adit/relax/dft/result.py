"""``result.json`` of a DFT relaxation: its key, its fields, its validity in later runs, and the stage's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adit import store
from adit.columns import Col
from adit.errors import DataError
from adit.isolate import Outcome
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem, Failure

RESULT = "result.json"
"""Name of the file in a structure's folder."""

COLUMNS = (
    Col.SYSTEM_ID,
    Col.STATUS,
    Col.REASON,
    Col.ENERGY,
    Col.ENERGY_PER_ATOM,
    Col.CORRECTION,
    Col.FMAX,
    Col.N_STEPS,
    Col.ATTEMPTS,
    Col.WALL_S,
    Col.N_ATOMS,
    Col.CODE,
    Col.CODE_VERSION,
    Col.FUNCTIONAL,
    Col.PRESET,
    Col.SETTINGS_HASH,
    Col.ENERGY_TAG,
)
"""Columns of the stage's table: energies in eV and eV/atom, ``fmax`` in eV/Å, ``wall_s`` in s."""

OXYGEN = 8
"""Atomic number of oxygen."""

_NUMBERS = (Col.ENERGY, Col.ENERGY_PER_ATOM, Col.CORRECTION, Col.FMAX, Col.WALL_S)
_BLANK: Mapping[str, Any] = {
    Col.ENERGY: None,
    Col.CORRECTION: None,
    Col.FMAX: None,
    "structure": None,
    "forces": None,
    "stress": None,
    Col.N_STEPS: 0,
}


def read_result(task: DftTask) -> dict[str, Any] | None:
    """Return the result of exactly this task; ``None`` if it is missing or unreadable."""
    path = task.folder / RESULT
    if not path.is_file():
        return None
    try:
        result = store.read_json(path)
    except DataError:
        return None
    return result if isinstance(result, dict) and result.get("key") == task.key else None


def finished(tasks: Sequence[DftTask], wall_limit_s: float, restarts: int) -> dict[str, dict[str, Any]]:
    """Return system id → result for the results on disk that are valid for these tasks.

    A crash is computed again, and so is a timeout if more restarts or a longer limit are allowed now.

    Args:
        tasks: the relaxations.
        wall_limit_s: wall time of one attempt, s.
        restarts: allowed number of restarts after the wall limit.
    """
    rows: dict[str, dict[str, Any]] = {}
    for task in tasks:
        result = read_result(task)
        if result is None:
            continue
        crashed = str(result.get(Col.REASON, "")).startswith("worker process died")
        more_time = result[Col.WALL_S] < wall_limit_s or result[Col.ATTEMPTS] <= restarts
        if not crashed and not (result[Col.STATUS] == "timeout" and more_time):
            rows[task.system.system_id] = result
    return rows


def complete(task: DftTask, outcome: Outcome) -> dict[str, Any]:
    """Return the content of the ``result.json`` of a task, for any outcome of its worker.

    Energies are in eV and eV/atom, forces in eV/Å, stress in eV/Å³, positions and cell in Å.
    """
    engine = task.engine
    if outcome.status == "ok":
        science = {**_BLANK, Col.WARNINGS: [], **outcome.value}
    else:
        status = "timeout" if outcome.status == "timeout" else "failed"
        science = {**_BLANK, Col.WARNINGS: [], Col.STATUS: status, Col.REASON: outcome.reason}
    energy = science[Col.ENERGY]
    return {
        Col.WALL_S: outcome.wall_s,
        Col.ATTEMPTS: task.attempt,
        Col.CODE_VERSION: engine.version,
        **science,
        Col.WARNINGS: [*(line for line in (engine.note, engine.reason) if line), *science[Col.WARNINGS]],
        "key": task.key,
        Col.SYSTEM_ID: task.system.system_id,
        Col.ENERGY_PER_ATOM: None if energy is None else energy / len(task.system),
        Col.N_ATOMS: len(task.system),
        Col.CODE: engine.code,
        Col.FUNCTIONAL: engine.functional,
        Col.PRESET: engine.preset_name,
        Col.SETTINGS_HASH: engine.settings_hash,
        Col.ENERGY_TAG: engine.energy_tag,
    }


def frame_of(results: Sequence[Mapping[str, Any]]) -> Any:
    """Return the table of results, with ``COLUMNS``."""
    import pandas as pd

    frame = pd.DataFrame([{name: result[name] for name in COLUMNS} for result in results], columns=list(COLUMNS))
    for name in _NUMBERS:
        frame[name] = frame[name].astype(float)
    return frame


def structure_of(start: AtomicSystem, result: Mapping[str, Any]) -> AtomicSystem | Failure:
    """Return the relaxed system with energy (eV/atom), energy tag and status in ``info``, or a failure."""
    final = result["structure"]
    if final is None:
        return Failure(start.system_id, "dft", f"{result[Col.STATUS]}: {result[Col.REASON]}", start.kind)
    extra = {
        "dft_energy_per_atom": result[Col.ENERGY_PER_ATOM],
        "dft_energy_tag": result[Col.ENERGY_TAG],
        Col.DFT_STATUS: result[Col.STATUS],
    }
    info = {**start.info, **extra}
    return AtomicSystem(start.system_id, start.kind, final["numbers"], final["positions"], final["cell"], info)


def check_corrections(results: Sequence[Mapping[str, Any]]) -> None:
    """Check that the energy of every oxide with an MP2020 tag contains a correction.

    Raises:
        DataError: one has no correction; the message names it.
    """
    for result in results:
        if not result[Col.ENERGY_TAG].endswith("/MP2020") or result[Col.ENERGY] is None:
            continue
        numbers = set(result["structure"]["numbers"])
        if OXYGEN in numbers and len(numbers) > 1 and not result[Col.CORRECTION]:
            raise DataError(
                f"{result[Col.SYSTEM_ID]}: is an oxide, is tagged {result[Col.ENERGY_TAG]} and has no correction; "
                f"delete its {RESULT} and run again"
            )


def write_results(
    out: Path, structures: Path, starts: Mapping[str, AtomicSystem], results: Sequence[Mapping[str, Any]]
) -> None:
    """Write the stage's table and structures, one row per result.

    Args:
        out: the table.
        structures: file of relaxed systems, failures for the others.
        starts: id → structure before relaxation.
        results: content of each ``result.json``.

    Raises:
        DataError: the energy of an oxide is tagged as corrected and has no correction.
    """
    check_corrections(results)
    rows = [structure_of(starts[result[Col.SYSTEM_ID]], result) for result in results]
    store.write_systems(structures, rows, metadata={"stage": "dft"})
    store.write_frame(out, frame_of(results))
