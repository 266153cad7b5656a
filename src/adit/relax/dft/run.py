"""Runs DFT relaxations, each in its own process and folder, with a wall limit and restarts.

Every structure ends with one ``result.json``. A failure of the structure is a row; a fault of the machine (an engine
that is not installed, a full disk) is an error of the command, so that a scheduler can retry it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from adit import store
from adit.columns import Col
from adit.config.engines import ENGINES
from adit.errors import ExternalToolError
from adit.isolate import SINGLE_THREAD, Outcome, map_isolated
from adit.outputs.scratch import Scratch
from adit.progress import log
from adit.relax.dft.cost import core_seconds
from adit.relax.dft.faults import MACHINE_FAULT
from adit.relax.dft.heartbeat import Heartbeat
from adit.relax.dft.job import execute, warm_up
from adit.relax.dft.restart import OWNER, RESTART, RUN
from adit.relax.dft.result import RESULT, complete, finished, read_result
from adit.relax.dft.task import DftTask

_STARTUP_S = 300.0
"""Longest time for importing the engine in a worker, s; it does not count for a structure."""


def run_tasks(
    tasks: Sequence[DftTask], *, wall_limit_s: float, workers: int, restarts: int = 0
) -> dict[str, dict[str, Any]]:
    """Return system id → result for every task; results on disk that are still valid are used.

    Args:
        tasks: the relaxations; the ids of their systems are unique.
        wall_limit_s: wall time of one attempt, s; after it the process and all its children are killed.
        workers: number of structures that are computed in parallel.
        restarts: number of restarts from the last geometry after the wall limit.

    Raises:
        ExternalToolError: the machine or the engine's installation is at fault.
        ConfigError: a structure's folder contains files that this package did not write.
    """
    results = finished(tasks, wall_limit_s, restarts)
    todo = [task for task in tasks if task.system.system_id not in results]
    if len(todo) < len(tasks):
        log.info("%d of them were finished before", len(tasks) - len(todo))
    for task in todo:
        Scratch(task.folder, OWNER).promise([RUN, RESTART, RESULT])
    todo = [replace(task, attempt=_attempts(task) + 1) for task in sorted(todo, key=_predicted, reverse=True)]
    while todo:
        fresh = _round(todo, wall_limit_s, workers)
        results.update(fresh)
        timeouts = [task for task in todo if fresh[task.system.system_id][Col.STATUS] == "timeout"]
        todo = [replace(task, attempt=task.attempt + 1) for task in timeouts if task.attempt <= restarts]
    return results


def _predicted(task: DftTask) -> float:
    """Return a cost to order tasks by: the longest begin first, so that the workers end at about the same time."""
    return core_seconds(task.system) if task.system.cell is not None else float(len(task.system))


def _attempts(task: DftTask) -> int:
    """Return the number of attempts at exactly this task that reached the wall limit."""
    result = read_result(task)
    return int(result[Col.ATTEMPTS]) if result is not None and result[Col.STATUS] == "timeout" else 0


def _round(tasks: Sequence[DftTask], wall_limit_s: float, workers: int) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    done: set[Any] = set()
    faults: list[str] = []

    def take(index: int, outcome: Outcome) -> None:
        task = tasks[index]
        if outcome.status == "unstarted":
            raise ExternalToolError(f"{task.engine.name} does not load in a worker process: {outcome.reason}")
        if outcome.status == "error" and outcome.reason.startswith(MACHINE_FAULT):
            faults.append(outcome.reason.removeprefix(f"{MACHINE_FAULT}: "))
            return  # no result: the same command must compute this structure again
        result = complete(task, outcome)
        store.write_json(task.folder / RESULT, result)
        results[task.system.system_id] = result
        done.add(task.folder)
        log.info("%s: %s %s", task.system.system_id, result[Col.STATUS], _what(result))

    engine = tasks[0].engine.name
    environment: Mapping[str, str] = {} if ENGINES[engine].commanded else SINGLE_THREAD
    with Heartbeat([task.folder for task in tasks], done.__contains__):
        map_isolated(
            execute,
            tasks,
            workers=min(workers, len(tasks)),
            wall_limit_s=wall_limit_s,
            startup_s=_STARTUP_S,
            on_result=take,
            environment=environment,
            warm_up=partial(warm_up, engine),
        )
    if faults:
        raise ExternalToolError(f"{faults[0]}; fix it and run the same command again")
    return results


def _what(result: Mapping[str, Any]) -> str:
    if result[Col.ENERGY_PER_ATOM] is None:
        return f"({result[Col.REASON]})"
    return f"{result[Col.ENERGY_PER_ATOM]:.4f} eV/atom, {result[Col.N_STEPS]} steps, {result[Col.WALL_S]:.0f} s"
