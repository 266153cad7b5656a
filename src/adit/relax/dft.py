"""``adit dft``: one shard of the selected structures, each relaxed with DFT in a process and a folder of its own.

Every structure ends with one ``result.json``. What science makes fail is a row; what the machine makes fail (an engine
that is not installed, a full disk) is an error of the command, so that a scheduler retries that alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adit import store
from adit.config import DftStage
from adit.errors import DataError, ExternalToolError
from adit.isolate import SINGLE_THREAD, Outcome, map_isolated
from adit.progress import log
from adit.relax.dft_job import Task, execute
from adit.relax.engines import resolve
from adit.relax.heartbeat import Heartbeat
from adit.relax.relaxed_files import read_structures
from adit.systems import AtomicSystem, Failure

COLUMNS = (
    "system_id",
    "status",
    "reason",
    "energy",
    "energy_per_atom",
    "fmax",
    "n_steps",
    "wall_s",
    "n_atoms",
    "code",
    "code_version",
    "functional",
    "preset",
    "settings_hash",
    "energy_tag",
)
_CODE = 1
"""Raised when ``dft_job.execute`` gives other results, so that finished ones are not taken."""
_STARTUP_S = 60.0


def run_dft(
    stage: DftStage,
    selected: Path,
    relaxed: list[Path],
    shard: int,
    folder: Path,
    out: Path,
    structures: Path,
    workers: int,
    settings_dir: Path | None = None,
) -> None:
    """Relax the selected structures whose rank modulo ``dft.shards`` is ``shard``.

    Args:
        stage: settings.
        selected: table of ``adit select``.
        relaxed: tables of the pre-relaxation, their structures beside them.
        shard: which shard.
        folder: each structure has its folder ``<folder>/<system_id>`` with ``result.json``.
        out: table, one row a structure: ``COLUMNS``; energies in eV and eV/atom, ``fmax`` in eV/Å.
        structures: relaxed systems, failures for the others.
        workers: structures at a time, one core each (VASP: as its command says).
        settings_dir: folder of the presets; by default ``config/dft`` under the working directory.

    Raises:
        ExternalToolError: the engine is not installed.
        ConfigError: there is no such preset.
        DataError: an input is missing or unreadable.
    """
    ids = shard_ids(selected, shard, stage.dft.shards)
    starts = read_structures(relaxed, ids)
    results: dict[str, dict[str, Any]] = {}
    if ids:
        engine = resolve(stage, settings_dir)
        log.info("%d structures, %s %s, preset %s", len(ids), engine.code, engine.version, engine.preset_name)
        tasks = [Task(starts[i], engine, (folder / folder_name(i)).absolute()) for i in ids]
        results = _finished(tasks, stage.dft.wall_limit_s)
        todo = [task for task in tasks if task.system.system_id not in results]
        if len(todo) < len(tasks):
            log.info("%d of them were finished before", len(tasks) - len(todo))
        results.update(_run(todo, stage.dft.wall_limit_s, workers))
    _write(out, structures, starts, [results[i] for i in ids])


def shard_ids(selected: Path, shard: int, n_shards: int) -> list[str]:
    """Return the selected ids of a shard, by rank."""
    table = store.read_frame(selected)
    mine = table[table["selected"].astype(bool)].sort_values("rank")
    return [str(row.system_id) for row in mine.itertuples() if int(row.rank) % n_shards == shard]


def folder_name(system_id: str) -> str:
    """Return the name of a structure's folder.

    Raises:
        DataError: the id cannot be one.
    """
    if not system_id or system_id.startswith(".") or any(c in system_id for c in "/\\\0"):
        raise DataError(f"{system_id!r}: cannot be the name of a folder; give the systems other ids")
    return system_id


def result_key(task: Task) -> str:
    """Return the hash of everything a result depends on: structure, engine, settings, version of this code."""
    digest = hashlib.sha256(json.dumps([_CODE, task.engine.settings_hash, task.engine.code]).encode())
    for array in (task.system.numbers, task.system.positions, task.system.cell):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


_MACHINE_FAULTS = ("ExternalToolError", "ModuleNotFoundError", "ImportError", "OSError")
"""Errors that say something of the machine and nothing of the structure."""


def _finished(tasks: list[Task], wall_limit_s: float) -> dict[str, dict[str, Any]]:
    """Return the results on disk that hold for these tasks; crashes, and timeouts under a shorter limit, do not."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        path = task.folder / "result.json"
        if not path.is_file():
            continue
        try:
            result = store.read_json(path)
        except DataError:
            continue
        if not isinstance(result, dict) or result.get("key") != result_key(task):
            continue
        crashed = str(result.get("reason", "")).startswith("worker process died")
        too_short = result["status"] == "timeout" and result["wall_s"] < wall_limit_s
        if not crashed and not too_short:
            found[task.system.system_id] = result
    return found


def _run(tasks: list[Task], wall_limit_s: float, workers: int) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    faults: list[str] = []

    def take(index: int, outcome: Outcome) -> None:
        task = tasks[index]
        if outcome.status == "error" and outcome.reason.startswith(_MACHINE_FAULTS):
            faults.append(outcome.reason)  # no result: the same command must compute this structure again
            return
        result = complete(task, outcome)
        store.write_json(task.folder / "result.json", result)
        results[task.system.system_id] = result
        log.info("%s: %s %s", task.system.system_id, result["status"], _what(result))

    if tasks:
        environment: Mapping[str, str] = {} if tasks[0].engine.name == "vasp" else SINGLE_THREAD
        with Heartbeat([task.folder for task in tasks], lambda f: f.name in results):
            map_isolated(
                execute,
                tasks,
                workers=min(workers, len(tasks)),
                wall_limit_s=wall_limit_s,
                startup_s=_STARTUP_S,
                on_result=take,
                environment=environment,
            )
    if faults:
        raise ExternalToolError(f"{faults[0]}; install what is missing and run the same command again")
    return results


def _what(result: Mapping[str, Any]) -> str:
    if result["energy_per_atom"] is None:
        return f"({result['reason']})"
    return f"{result['energy_per_atom']:.4f} eV/atom, {result['n_steps']} steps, {result['wall_s']:.0f} s"


def complete(task: Task, outcome: Outcome) -> dict[str, Any]:
    """Return the whole ``result.json`` of a task, whatever became of it."""
    engine = task.engine
    blank = {"energy": None, "fmax": None, "structure": None, "forces": None, "stress": None, "n_steps": 0}
    if outcome.status == "ok":
        science = {**blank, "warnings": [], **outcome.value}
    else:
        status = "timeout" if outcome.status == "timeout" else "failed"
        science = {**blank, "warnings": [], "status": status, "reason": outcome.reason, "wall_s": outcome.wall_s}
    energy = science["energy"]
    return {
        **science,
        "warnings": [*([engine.note] if engine.note else []), *science["warnings"]],
        "key": result_key(task),
        "system_id": task.system.system_id,
        "energy_per_atom": None if energy is None else energy / len(task.system),
        "n_atoms": len(task.system),
        "code": engine.code,
        "code_version": engine.version,
        "functional": engine.functional,
        "preset": engine.preset_name,
        "settings_hash": engine.settings_hash,
        "energy_tag": engine.energy_tag,
    }


def _write(out: Path, structures: Path, starts: Mapping[str, AtomicSystem], results: list[dict[str, Any]]) -> None:
    import pandas as pd

    rows = [_structure(starts[result["system_id"]], result) for result in results]
    store.write_systems(structures, rows, metadata={"stage": "dft"})
    frame = pd.DataFrame([{name: result[name] for name in COLUMNS} for result in results], columns=list(COLUMNS))
    for name in ("energy", "energy_per_atom", "fmax", "wall_s"):
        frame[name] = frame[name].astype(float)
    store.write_frame(out, frame)


def _structure(start: AtomicSystem, result: Mapping[str, Any]) -> AtomicSystem | Failure:
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
