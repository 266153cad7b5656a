"""The one ``result.json`` of a DFT relaxation: its key, its fields, when it holds later on, the stage's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adit import store
from adit.errors import DataError
from adit.isolate import Outcome
from adit.relax.dft.task import Task
from adit.systems import AtomicSystem, Failure

RESULT = "result.json"
COLUMNS = (
    "system_id",
    "status",
    "reason",
    "energy",
    "energy_per_atom",
    "correction",
    "fmax",
    "n_steps",
    "attempts",
    "wall_s",
    "n_atoms",
    "code",
    "code_version",
    "functional",
    "preset",
    "settings_hash",
    "energy_tag",
)
OXYGEN = 8
_NUMBERS = ("energy", "energy_per_atom", "correction", "fmax", "wall_s")
_BLANK: Mapping[str, Any] = {
    "energy": None,
    "correction": None,
    "fmax": None,
    "structure": None,
    "forces": None,
    "stress": None,
    "n_steps": 0,
}


def read_result(task: Task) -> dict[str, Any] | None:
    """Return the result of exactly this task; ``None`` where there is none, or none that can be read."""
    path = task.folder / RESULT
    if not path.is_file():
        return None
    try:
        result = store.read_json(path)
    except DataError:
        return None
    return result if isinstance(result, dict) and result.get("key") == task.key else None


def finished(tasks: Sequence[Task], wall_limit_s: float, restarts: int) -> dict[str, dict[str, Any]]:
    """Return the results on disk that hold for these tasks, by system id.

    A crash does not hold, nor does a timeout where more restarts or a longer limit are allowed now.
    """
    rows: dict[str, dict[str, Any]] = {}
    for task in tasks:
        result = read_result(task)
        if result is None:
            continue
        crashed = str(result.get("reason", "")).startswith("worker process died")
        more_time = result["wall_s"] < wall_limit_s or result["attempts"] <= restarts
        if not crashed and not (result["status"] == "timeout" and more_time):
            rows[task.system.system_id] = result
    return rows


def complete(task: Task, outcome: Outcome) -> dict[str, Any]:
    """Return the whole ``result.json`` of a task, whatever became of it."""
    engine = task.engine
    if outcome.status == "ok":
        science = {**_BLANK, "warnings": [], **outcome.value}
    else:
        status = "timeout" if outcome.status == "timeout" else "failed"
        science = {**_BLANK, "warnings": [], "status": status, "reason": outcome.reason}
    energy = science["energy"]
    return {
        "wall_s": outcome.wall_s,
        "attempts": task.attempt,
        "code_version": engine.version,
        **science,
        "warnings": [*(line for line in (engine.note, engine.reason) if line), *science["warnings"]],
        "key": task.key,
        "system_id": task.system.system_id,
        "energy_per_atom": None if energy is None else energy / len(task.system),
        "n_atoms": len(task.system),
        "code": engine.code,
        "functional": engine.functional,
        "preset": engine.preset_name,
        "settings_hash": engine.settings_hash,
        "energy_tag": engine.energy_tag,
    }


def frame_of(results: Sequence[Mapping[str, Any]]) -> Any:
    """Return the table of results, ``COLUMNS``."""
    import pandas as pd

    frame = pd.DataFrame([{name: result[name] for name in COLUMNS} for result in results], columns=list(COLUMNS))
    for name in _NUMBERS:
        frame[name] = frame[name].astype(float)
    return frame


def structure_of(start: AtomicSystem, result: Mapping[str, Any]) -> AtomicSystem | Failure:
    """Return the relaxed system with its energy (eV/atom), the energy's tag and the status in ``info``, or why none."""
    final = result["structure"]
    if final is None:
        return Failure(start.system_id, "dft", f"{result['status']}: {result['reason']}", start.kind)
    extra = {
        "dft_energy_per_atom": result["energy_per_atom"],
        "dft_energy_tag": result["energy_tag"],
        "dft_status": result["status"],
    }
    info = {**start.info, **extra}
    return AtomicSystem(start.system_id, start.kind, final["numbers"], final["positions"], final["cell"], info)


def check_corrections(results: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that of energies tagged MP2020 every oxide's holds a correction.

    Raises:
        DataError: one does not; names it.
    """
    for result in results:
        if not result["energy_tag"].endswith("/MP2020") or result["energy"] is None:
            continue
        numbers = set(result["structure"]["numbers"])
        if OXYGEN in numbers and len(numbers) > 1 and not result["correction"]:
            raise DataError(
                f"{result['system_id']}: is an oxide, is tagged {result['energy_tag']} and has no correction; "
                f"delete its {RESULT} and run again"
            )


def write_results(
    out: Path, structures: Path, starts: Mapping[str, AtomicSystem], results: Sequence[Mapping[str, Any]]
) -> None:
    """Write the stage's table and structures, one row a result.

    Raises:
        DataError: energies tagged as corrected are not.
    """
    check_corrections(results)
    rows = [structure_of(starts[result["system_id"]], result) for result in results]
    store.write_systems(structures, rows, metadata={"stage": "dft"})
    store.write_frame(out, frame_of(results))
