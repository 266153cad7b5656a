"""Restart of an interrupted relaxation from the last geometry that its engine wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adit import convert, store
from adit.config.base import load_place
from adit.config.engines import ENGINES
from adit.errors import DataError
from adit.outputs.scratch import Scratch
from adit.progress import log
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem

OWNER = "dft"
"""Verb that owns the files of a structure's folder."""

RUN = "run"
"""Folder of the engine's files in a structure's folder."""

STARTED = "started"
"""File in ``RUN`` with the task's key and the steps done before."""

RESTART = "restart.json"
"""File with the last geometry of an earlier attempt (Å) and the steps done before it."""

TRAJECTORY = "relax.traj"
"""Trajectory of engines that run through ASE; it contains complete frames only."""


def start_of(task: DftTask) -> tuple[AtomicSystem, int]:
    """Return the geometry to start from, and the number of steps done before it (0: the task's own structure).

    The last geometry of an earlier attempt at exactly this task is copied to ``restart.json``, so that the run folder
    can be removed.
    """
    run = task.folder / RUN
    steps, geometry = _left(task, run)
    if geometry is None:
        steps, geometry = _kept(task)
    else:
        cell = geometry.cell.tolist() if geometry.cell is not None else None
        record = {"key": task.key, "steps": steps, "numbers": geometry.numbers.tolist()}
        store.write_json(task.folder / RESTART, {**record, "positions": geometry.positions.tolist(), "cell": cell})
    Scratch(task.folder, OWNER).remove_tree(RUN)
    if geometry is None:
        (task.folder / RESTART).unlink(missing_ok=True)
        return task.system, 0
    log.debug("%s continues after %d steps", task.system.system_id, steps)
    return geometry, steps


def _left(task: DftTask, run: Path) -> tuple[int, AtomicSystem | None]:
    """Return the steps and the last geometry of the run folder if it belongs to this task."""
    started = _read(run / STARTED)
    if started is None or started.get("key") != task.key:
        return 0, None
    steps, geometry = load_place(ENGINES[task.engine.name].last_geometry)(task, run)
    return int(started.get("steps", 0)) + steps, geometry


def _kept(task: DftTask) -> tuple[int, AtomicSystem | None]:
    record = _read(task.folder / RESTART)
    if record is None or record.get("key") != task.key:
        return 0, None
    try:
        system = _like(task, record["numbers"], record["positions"], record["cell"])
        return int(record["steps"]), system
    except (KeyError, TypeError, ValueError, DataError):
        return 0, None


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        record = store.read_json(path)
    except DataError:
        return None
    return record if isinstance(record, dict) else None


def _like(task: DftTask, numbers: Any, positions: Any, cell: Any) -> AtomicSystem:
    """Return a system as the task's, with another geometry; the box of a molecule is no cell."""
    cell = None if task.system.cell is None else cell
    return AtomicSystem(task.system.system_id, task.system.kind, numbers, positions, cell, task.system.info)


def last_frame(task: DftTask, run: Path) -> tuple[int, AtomicSystem | None]:
    """Return the steps done and the last geometry of an engine that runs through ASE; ``None`` if there is none.

    Args:
        task: the relaxation.
        run: folder of the engine's files.
    """
    from ase.io.trajectory import Trajectory

    path = run / TRAJECTORY
    if not path.is_file():
        return 0, None
    try:
        with Trajectory(str(path)) as frames:
            atoms, steps = frames[-1], len(frames) - 1
        return steps, _like(task, atoms.numbers, atoms.positions, atoms.cell[:])
    except Exception as error:  # noqa: BLE001 - a file that a kill cut short raises many kinds; there is then no restart
        log.debug("%s: %s", path, error)
        return 0, None


def last_contcar(task: DftTask, run: Path) -> tuple[int, AtomicSystem | None]:
    """Return 0 (steps are not known) and VASP's last geometry: the newest CONTCAR that can be read.

    Args:
        task: the relaxation.
        run: folder of the engine's files.
    """
    from pymatgen.io.vasp.inputs import Poscar

    paths = sorted(run.glob("*/CONTCAR*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        try:
            system = convert.from_structure(Poscar.from_file(path, check_for_potcar=False).structure, "last")
        except Exception as error:  # noqa: BLE001 - an empty or half-written CONTCAR raises many kinds; the one before counts
            log.debug("%s: %s", path, error)
            continue
        return 0, _like(task, system.numbers, system.positions, system.cell)
    return 0, None
