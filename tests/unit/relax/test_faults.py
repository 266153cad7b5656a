"""DFT under faults: killed, out of time, on a full disk, in a folder that another process holds."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io.trajectory import Trajectory

from adit import store
from adit.errors import DataError, ExternalToolError, from_os_error
from adit.isolate import Outcome
from adit.relax.dft import faults
from adit.relax.dft import job as dft_job
from adit.relax.dft import run as dft_run
from adit.relax.dft.engines.presets import read_preset
from adit.relax.dft.engines.registry import Engine
from adit.relax.dft.job import execute
from adit.relax.dft.restart import start_of
from adit.relax.dft.result import complete, finished
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem, Kind

PRESETS = Path(__file__).parents[3] / "config" / "dft"
PRESET = read_preset("gfn1-xtb", "demo", PRESETS)


def silicon(a: float = 5.7, name: str = "si") -> AtomicSystem:
    """Return silicon in a stretched cell with one atom off its place: many steps."""
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0, 0, 0], [0.22, 0.27, 0.25]])
    return AtomicSystem(name, Kind.CRYSTAL, np.array([14, 14]), fractional @ cell, cell)


def task(folder: Path, system: AtomicSystem | None = None, **settings: Any) -> DftTask:
    preset = PRESET.model_copy(update=settings)
    return DftTask(system or silicon(), Engine("gfn1-xtb", "x", "demo", preset), folder)


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_a_run_that_was_cut_short_goes_on_from_its_last_geometry(tmp_path: Path) -> None:
    whole = execute(task(tmp_path / "whole", fmax=0.05))
    assert whole["status"] == "converged"
    cut = task(tmp_path / "cut", fmax=0.05)
    first = execute(dataclasses.replace(cut, engine=dataclasses.replace(cut.engine, preset=_steps(cut, 2))))
    assert first["n_steps"] == 2
    started = store.read_json(cut.folder / "run" / "started")
    store.write_json(cut.folder / "run" / "started", {**started, "key": cut.key})  # as if killed after two steps
    second = execute(cut)
    assert second["status"] == "converged"
    assert second["energy"] == pytest.approx(whole["energy"], abs=5e-3)
    assert second["n_steps"] > 2
    assert "continued from the last geometry of an earlier attempt (2 steps)" in second["warnings"]
    assert whole["warnings"] == []


@pytest.mark.parametrize("box", [0.0, 8.0])
def test_a_molecule_goes_on_from_its_last_geometry_and_has_no_cell(tmp_path: Path, box: float) -> None:
    """GPAW's frames have the box that the molecule is in."""
    positions = np.array([[0.0, 0.9, 0.6], [0, -0.7, 0.6], [0, 0, 0]])
    water = AtomicSystem("water", Kind.MOLECULE, np.array([1, 1, 8]), positions)
    cut = task(tmp_path, water)
    execute(dataclasses.replace(cut, engine=dataclasses.replace(cut.engine, preset=_steps(cut, 2))))
    started = store.read_json(tmp_path / "run" / "started")
    store.write_json(tmp_path / "run" / "started", {**started, "key": cut.key})  # as if killed after two steps
    with Trajectory(str(tmp_path / "run" / "relax.traj")) as read:
        frames = list(read)
    with Trajectory(str(tmp_path / "run" / "relax.traj"), "w") as written:
        for frame in frames:
            frame.set_cell([box] * 3)
            written.write(frame)
    reached, steps = start_of(cut)
    assert (steps, reached.kind, reached.cell) == (2, Kind.MOLECULE, None)
    np.testing.assert_allclose(reached.positions, frames[-1].positions)
    assert start_of(cut)[1] == 2, "the copy is taken once the run folder is gone"


def _steps(of: DftTask, steps: int) -> Any:
    return of.engine.preset.model_copy(update={"max_steps": steps})


def test_the_last_geometry_outlives_the_run_folder(tmp_path: Path) -> None:
    """Killed twice in a row, the second time before a step was made."""
    done = task(tmp_path, max_steps=3)
    execute(done)
    reached, steps = start_of(done)
    assert not (tmp_path / "run").exists()
    assert reached.volume != pytest.approx(done.system.volume, rel=1e-6)
    again, steps_again = start_of(done)
    np.testing.assert_allclose(again.positions, reached.positions)
    assert steps == steps_again == 3


def test_geometries_of_other_settings_or_structures_are_not_taken(tmp_path: Path) -> None:
    execute(task(tmp_path, max_steps=3))
    other = task(tmp_path, max_steps=4)
    start, steps = start_of(other)
    assert start is other.system
    assert steps == 0


@pytest.mark.parametrize("rubbish", [b"", b"- of Ulm"])
def test_a_trajectory_that_was_cut_short_is_no_obstacle(tmp_path: Path, rubbish: bytes) -> None:
    done = task(tmp_path, max_steps=2)
    execute(done)
    (tmp_path / "run" / "relax.traj").write_bytes(rubbish)
    assert start_of(done) == (done.system, 0)


def outcomes(*given: Outcome) -> Callable[..., None]:
    queue = list(given)

    def fake(function: object, items: list[DftTask], *, on_result: Callable[[int, Outcome], None], **_: object) -> None:
        for index in range(len(items)):
            on_result(index, queue.pop(0))

    return fake


TIMEOUT = Outcome("timeout", None, "killed at the wall limit of 10 s", 10.1)


def done_well(energy: float = -1.0) -> Outcome:
    return Outcome("ok", {"status": "converged", "reason": "", "energy": energy, "wall_s": 3.0}, "", 3.0)


@pytest.mark.parametrize(
    ("restarts", "attempts", "status"), [(0, 1, "timeout"), (1, 2, "timeout"), (2, 3, "converged")]
)
def test_as_many_restarts_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: int, attempts: int, status: str
) -> None:
    monkeypatch.setattr(dft_run, "map_isolated", outcomes(TIMEOUT, TIMEOUT, done_well()))
    results = dft_run.run_tasks([task(tmp_path)], wall_limit_s=10.0, workers=1, restarts=restarts)
    assert (results["si"]["status"], results["si"]["attempts"]) == (status, attempts)
    kept = finished([task(tmp_path)], 10.0, restarts)
    assert kept == results
    if status == "timeout":
        assert finished([task(tmp_path)], 10.0, restarts + 1) == {}
        assert finished([task(tmp_path)], 20.0, restarts) == {}


def test_a_later_command_with_more_time_counts_the_attempts_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dft_run, "map_isolated", outcomes(TIMEOUT, done_well()))
    dft_run.run_tasks([task(tmp_path)], wall_limit_s=10.0, workers=1)
    results = dft_run.run_tasks([task(tmp_path)], wall_limit_s=100.0, workers=1)
    assert results["si"]["attempts"] == 2


# --- the machine ------------------------------------------------------------------------------------------------------


def test_a_folder_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    """The other one is killed with SIGKILL; then the same command computes the structure."""
    code = (
        "import sys, time; from pathlib import Path; from adit.relax.dft.faults import claimed\n"
        "with claimed(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(faults.MachineFaultError, match="another process computes this structure"):
            execute(task(tmp_path))
        assert not (tmp_path / "run").exists()
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert execute(task(tmp_path))["status"] == "converged"


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "jobs.sqlite")


def raising(error: Exception) -> Callable[..., None]:
    def run(*_: object, **__: object) -> None:
        raise RuntimeError("the job failed") from error

    return run


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.db"), "No space left"),
        (from_os_error(OSError(errno.ENOSPC, ""), "writing started"), "no space left"),
        (sqlite3.OperationalError("database is locked"), "store of job documents: database is locked"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "run"), "Permission denied"),
        (ModuleNotFoundError("No module named 'tblite'"), "install what is missing"),
        (FileNotFoundError("You do not have the right POTCAR with label Na_pv"), "set PMG_VASP_PSP_DIR"),
    ],
)
def test_faults_of_the_machine_are_told_from_failures_of_the_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(dft_job, "_run", raising(error))
    with pytest.raises(faults.MachineFaultError, match=words):
        execute(task(tmp_path))


def test_a_failure_of_the_structure_is_none_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dft_job, "_run", raising(FileNotFoundError(errno.ENOENT, "no CONTCAR")))
    with pytest.raises(RuntimeError, match="the job failed"):
        execute(task(tmp_path))


def test_with_a_full_disk_no_failure_is_the_structures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dft_job, "_run", raising(RuntimeError("engine ended")))
    monkeypatch.setattr(faults, "MIN_FREE_BYTES", 2**80)
    with pytest.raises(faults.MachineFaultError, match="no space left on the device"):
        execute(task(tmp_path))


def test_a_fault_of_the_machine_leaves_no_result_and_the_others_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [task(tmp_path / name, silicon(name=name)) for name in ("a", "b")]
    fault = Outcome("error", None, "MachineFaultError: /x: No space left on device", 1.0)
    monkeypatch.setattr(dft_run, "map_isolated", outcomes(fault, done_well()))
    with pytest.raises(ExternalToolError, match="No space left on device; fix it and run the same"):
        dft_run.run_tasks(tasks, wall_limit_s=10.0, workers=1)
    assert not (tmp_path / "a" / "result.json").exists()
    assert (tmp_path / "b" / "result.json").exists()
    requested: list[DftTask] = []

    def note(function: object, items: list[DftTask], *, on_result: Any, **_: object) -> None:
        requested.extend(items)
        on_result(0, done_well())

    monkeypatch.setattr(dft_run, "map_isolated", note)
    assert set(dft_run.run_tasks(tasks, wall_limit_s=10.0, workers=1)) == {"a", "b"}
    assert [item.system.system_id for item in requested] == ["a"]


def test_a_worker_that_does_not_come_up_is_an_error_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unstarted = Outcome("unstarted", None, "worker process died (exit code 1)", 1.0)
    monkeypatch.setattr(dft_run, "map_isolated", outcomes(unstarted))
    with pytest.raises(ExternalToolError, match="gfn1-xtb does not load"):
        dft_run.run_tasks([task(tmp_path)], wall_limit_s=10.0, workers=1)


def test_a_result_on_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dft_run, "map_isolated", outcomes(done_well()))

    def full(path: Path, value: object) -> None:
        raise from_os_error(OSError(errno.ENOSPC, ""), f"writing {path}")

    monkeypatch.setattr(dft_run.store, "write_json", full)
    with pytest.raises(DataError, match="no space left on the device; free some space and run the same command again"):
        dft_run.run_tasks([task(tmp_path)], wall_limit_s=10.0, workers=1)


# --- the engine's process ---------------------------------------------------------------------------------------------


def test_an_engine_that_is_killed_is_a_row_and_computed_again(tmp_path: Path) -> None:
    """SIGKILL hits the worker in the middle of a relaxation that would take a thousand steps."""
    from threading import Thread

    slow = task(tmp_path / "slow", fmax=1e-9, max_steps=1000)
    quick = task(tmp_path / "quick", silicon(5.6, "quick"))

    def kill() -> None:
        mark = slow.folder / "run" / "relax.log"
        while not mark.exists() or mark.read_text().count("BFGS") < 3:
            time.sleep(0.01)
        os.kill(store.read_json(slow.folder / "run" / "started")["pid"], signal.SIGKILL)

    killer = Thread(target=kill, daemon=True)
    killer.start()
    results = dft_run.run_tasks([slow, quick], wall_limit_s=300.0, workers=1)
    killer.join()
    assert results["si"]["status"] == "failed"
    assert results["si"]["reason"] == "worker process died (exit code -9)"
    assert results["quick"]["status"] == "converged"
    assert set(finished([slow, quick], 300.0, 0)) == {"quick"}
    assert start_of(slow)[1] >= 1  # what was reached is not lost


def test_the_wall_limit_is_that_of_the_relaxation_alone(tmp_path: Path) -> None:
    slow = task(tmp_path, fmax=1e-12, max_steps=100_000)
    results = dft_run.run_tasks([slow], wall_limit_s=3.0, workers=1)
    assert (results["si"]["status"], results["si"]["energy"]) == ("timeout", None)
    assert results["si"]["reason"] == "killed at the wall limit of 3 s"
    assert start_of(slow)[1] > 0


def test_every_result_has_every_field(tmp_path: Path) -> None:
    from adit.relax.dft.result import COLUMNS, frame_of

    rows = [complete(task(tmp_path), outcome) for outcome in (TIMEOUT, done_well(), Outcome("error", None, "x", 1.0))]
    frame = frame_of(rows)
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["status"]) == ["timeout", "converged", "failed"]
    assert frame["energy"].isna().tolist() == [True, False, True]
