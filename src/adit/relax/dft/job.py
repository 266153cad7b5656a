"""One DFT relaxation: an atomate2 flow run by jobflow in its own folder (inside a worker process)."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from adit import convert, store
from adit.columns import Col
from adit.config.base import load_place
from adit.config.engines import ENGINES
from adit.outputs.scratch import Scratch
from adit.relax.dft.engines import vasp
from adit.relax.dft.engines.presets import VaspPreset
from adit.relax.dft.faults import claimed, machine_fault
from adit.relax.dft.restart import OWNER, RUN, STARTED, start_of
from adit.relax.dft.task import DftTask
from adit.relax.potentials.divergence import DivergedError
from adit.systems import AtomicSystem
from adit.units import EV_PER_ANGSTROM3_IN_GPA

VOLUME_RATIO = 2.0
"""Largest ratio of the final volume to the initial one, or its inverse; a relaxation with a larger one has failed."""


def warm_up(engine: str) -> None:
    """Import the modules of a relaxation with ``engine``, before the wall time of a structure starts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in ("jobflow", "maggma.stores.mongolike", *ENGINES[engine].warm_up):
            importlib.import_module(module)


def execute(task: DftTask) -> dict[str, Any]:
    """Run one relaxation and return the scientific part of its ``result.json``, see ``result.complete``.

    It starts from the last geometry of an earlier attempt if there is one. Job documents are kept in ``run/jobs``
    (SQLite), with the engine's output beside them.

    Raises:
        MachineFaultError: the machine or an installation is at fault, or another process computes this structure.
        Exception: any exception of the engine; the caller turns it into the structure's row.
    """
    started = time.perf_counter()
    with claimed(task.folder):
        try:
            result = _execute(task)
        except Exception as error:
            fault = machine_fault(error, task.folder, task.engine.command)
            if fault is not None and fault is not error:
                raise fault from error
            raise
    result[Col.WALL_S] = time.perf_counter() - started
    return result


def _execute(task: DftTask) -> dict[str, Any]:
    run = task.folder / RUN
    start, steps = start_of(task)
    scratch = Scratch(task.folder, OWNER)
    scratch.promise([RUN])
    run.mkdir(parents=True)
    try:
        return _in_run(task, start, steps, run)
    finally:
        scratch.list_tree(RUN)


def _in_run(task: DftTask, start: AtomicSystem, steps: int, run: Path) -> dict[str, Any]:
    store.write_json(run / STARTED, {"pid": os.getpid(), "key": task.key, "steps": steps})
    with (
        (run / "stdout.txt").open("w", encoding="utf-8") as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        try:
            result = _run(task, start, run)
        except DivergedError as error:
            result = {Col.STATUS: "failed", Col.REASON: str(error)}
    if start is not task.system:
        result[Col.N_STEPS] = result.get(Col.N_STEPS, 0) + steps
    result[Col.WARNINGS] = [*_restarted(task, start, steps), *result.get(Col.WARNINGS, []), *_warnings(caught)]
    return result


def _restarted(task: DftTask, start: AtomicSystem, steps: int) -> list[str]:
    return [] if start is task.system else [f"continued from the last geometry of an earlier attempt ({steps} steps)"]


def _warnings(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return the warnings of engine and libraries, once each, without deprecation warnings."""
    ours = [w for w in caught if not issubclass(w.category, (DeprecationWarning, FutureWarning, ResourceWarning))]
    return sorted({" ".join(str(w.message).split())[:200] for w in ours})


def _run(task: DftTask, start: AtomicSystem, run: Path) -> dict[str, Any]:
    preset = task.engine.preset
    structure: Any
    if start.cell is None:
        structure = convert.to_molecule(start, task.charge, task.unpaired)
        flow = _molecule_flow(task, structure)
    elif isinstance(preset, VaspPreset):
        structure = convert.to_structure(start)
        flow = vasp.flow_maker(preset, task.engine.command).make(structure)
    else:
        structure = convert.to_structure(start)
        flow = load_place(ENGINES[task.engine.name].maker)(preset).make(structure)
    documents = _documents(flow, run, own_folders=isinstance(preset, VaspPreset))
    if isinstance(preset, VaspPreset):
        return vasp.result_of(documents, preset)
    document = documents[-1]
    result = _ase_result(document, store.read_json(run / "relaxed.json"), preset.fmax)
    if start.cell is None:
        return result
    ratio = document.structure.volume / task.system.volume
    if not 1 / VOLUME_RATIO < ratio < VOLUME_RATIO:
        return {Col.STATUS: "failed", Col.REASON: f"relaxed into no crystal: volume {ratio:.2f} times the start's"}
    return result


def _molecule_flow(task: DftTask, molecule: Any) -> Any:
    preset = task.engine.preset
    if isinstance(preset, VaspPreset):
        maker = vasp.flow_maker(preset, task.engine.command, task.unpaired)
        return maker.make(vasp.boxed(molecule))
    return load_place(ENGINES[task.engine.name].molecule_maker)(preset, task.charge, task.unpaired).make(molecule)


class VaspError(Exception):
    """VASP, or the parser of its output, failed."""


def _documents(flow: Any, run: Path, *, own_folders: bool) -> list[Any]:
    """Run a flow, or a single job, and return the output of its jobs in order."""
    from jobflow import run_locally

    try:
        responses = run_locally(
            flow,
            store=job_store(run / "jobs"),
            root_dir=run,
            create_folders=own_folders,
            ensure_success=True,
            raise_immediately=True,
            log=False,
        )
    except Exception as error:
        last_line = vasp.last_words(run) if own_folders else ""
        if not last_line:
            raise
        raise VaspError(f"{type(error).__name__}: {error} (VASP's last line: {last_line})") from error
    return [answers[max(answers)].output for answers in responses.values()]


def job_store(folder: Path) -> Any:
    """Return a jobflow store on SQLite files in ``folder`` (absolute), with an additional store named ``data``."""
    from jobflow import JobStore
    from maggma.stores.mongolike import MontyStore

    def collection(name: str) -> Any:
        return MontyStore(name, database_path=str(folder), database_name="jobs", storage="sqlite")

    folder.mkdir(parents=True, exist_ok=True)
    return JobStore(collection("outputs"), additional_stores={"data": collection("data")})


def _ase_result(document: Any, summary: dict[str, Any], fmax: float) -> dict[str, Any]:
    output = document.output
    energy = float(output.energy)
    if not np.isfinite(energy):
        return {Col.STATUS: "failed", Col.REASON: "energy is not finite"}
    converged = bool(summary["converged"])
    reached = summary[Col.FMAX]
    residual = "unknown" if reached is None else f"{reached:.3f} eV/Å"
    molecule = getattr(document, "molecule", None)
    stress = (
        None
        if molecule is not None or output.stress is None
        else (-np.array(output.stress) * vasp.KBAR_IN_GPA / EV_PER_ANGSTROM3_IN_GPA)
    )
    return {
        Col.STATUS: "converged" if converged else "unconverged",
        Col.REASON: "" if converged else f"fmax {residual} after {summary[Col.N_STEPS]} steps, requested {fmax:g}",
        Col.ENERGY: energy,
        Col.FMAX: reached,
        Col.N_STEPS: int(summary[Col.N_STEPS]),
        "structure": structure_record(document.structure if molecule is None else molecule),
        "forces": [list(map(float, force)) for force in output.forces],
        "stress": None if stress is None else stress.tolist(),
    }


def structure_record(structure: Any) -> dict[str, Any]:
    """Return numbers, positions (Å) and cell (Å, rows are vectors; ``None`` of a molecule) of a pymatgen structure."""
    if not hasattr(structure, "lattice"):
        molecule = convert.from_molecule(structure, "structure")
        return {"numbers": molecule.numbers.tolist(), "positions": molecule.positions.tolist(), "cell": None}
    system = convert.from_structure(structure, "structure")
    cell = system.cell if system.cell is not None else np.zeros((3, 3))
    return {"numbers": system.numbers.tolist(), "positions": system.positions.tolist(), "cell": cell.tolist()}
