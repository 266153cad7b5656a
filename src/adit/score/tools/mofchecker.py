"""MOFChecker's 15 checks of metal-organic frameworks, each structure in its own process with a limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from adit.errors import ExternalToolError
from adit.isolate import Outcome, die_with_parent, map_isolated
from adit.progress import Progress
from adit.score.tools.mofchecker_child import CHECKS
from adit.systems import AtomicSystem

MUST_HOLD: Final = ("has_carbon", "has_hydrogen", "has_metal")
"""Checks that must be true; all others must be false. Source: the paper, Table 3."""

PREFIX: Final = "mofchecker_"
"""Beginning of the names of MOFChecker's metrics and columns."""

CHILD: Final = Path(__file__).with_name("mofchecker_child.py")
"""Program that runs in the Python that has MOFChecker."""

WAY_OUT: Final = (
    "pip install mofchecker==0.9.6 'setuptools<81' there, or set score.mofchecker_python to a Python that has it"
)

STARTUP_S: Final = 300.0
"""Longest time for loading MOFChecker, s."""


@dataclass(frozen=True)
class MofChecks:
    """Results of MOFChecker for one structure.

    Attributes:
        passed: whether each check passed, by the name of its metric.
        reasons: reasons of the checks without an answer, which count as failed.
    """

    passed: dict[str, bool]
    reasons: dict[str, str]

    @property
    def all_passed(self) -> bool:
        """Return whether all 15 checks passed."""
        return all(self.passed.values())


def metric_name(check: str) -> str:
    """Return the name of a check's metric and column, named by the passing state: ``mofchecker_no_atomic_overlaps``."""
    return PREFIX + (check if check in MUST_HOLD else check.replace("has_", "no_", 1))


METRICS: Final = tuple(metric_name(check) for check in CHECKS)


def probe(python: str | None) -> dict[str, str]:
    """Return the versions of MOFChecker and its dependencies.

    Args:
        python: the interpreter, or ``None`` for this one.

    Raises:
        ExternalToolError: the interpreter does not run, or MOFChecker does not load in it within ``STARTUP_S``.
    """
    process = _start(python or sys.executable, "--probe", start_new_session=True)
    try:
        out, _ = process.communicate(timeout=STARTUP_S)
    except subprocess.TimeoutExpired:
        raise ExternalToolError(
            f"{python or sys.executable}: MOFChecker has not loaded after {STARTUP_S:g} s; {WAY_OUT}"
        ) from None
    finally:
        _end(process, os.killpg)
    return _versions(out, python)


def _versions(line: str, python: str | None) -> dict[str, str]:
    where = python or "this Python"
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ExternalToolError(f"{where}: MOFChecker's process ended without output; {WAY_OUT}") from error
    if "error" in record:
        raise ExternalToolError(f"{where}: MOFChecker does not load ({record['error']}); {WAY_OUT}")
    return dict(record["versions"])


def _start(python: str, *arguments: str, start_new_session: bool = False) -> subprocess.Popen[str]:
    command = [python, "-I", str(CHILD), *arguments]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=start_new_session,
            preexec_fn=die_with_parent,
        )
    except OSError as error:
        raise ExternalToolError(f"{python}: does not run ({error.strerror}); {WAY_OUT}") from error


def _end(process: subprocess.Popen[str], kill: Callable[[int, int], None] = os.kill) -> None:
    """Kill a process that may have ended, with ``os.killpg`` and everything that it started, and close its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        kill(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


@cache
def _server(python: str) -> subprocess.Popen[str]:
    """Return this worker's server, with its libraries loaded."""
    server = _start(python)
    _versions(_read(server), python)
    return server


def _read(server: subprocess.Popen[str]) -> str:
    return server.stdout.readline() if server.stdout else ""


def check_mof(system: AtomicSystem, python: str) -> MofChecks:
    """Return MOFChecker's results for one structure, from a server process of this worker.

    Args:
        system: a structure with a cell, Å.
        python: the interpreter that has MOFChecker.

    Raises:
        ExternalToolError: MOFChecker does not load, or fails at the structure.
    """
    cell = [] if system.cell is None else system.cell.tolist()
    request = {"numbers": system.numbers.tolist(), "positions": system.positions.tolist(), "cell": cell}
    server = _server(python)
    try:
        if server.stdin:
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
        answer: dict[str, Any] = json.loads(_read(server))
    except (OSError, ValueError) as error:
        _server.cache_clear()
        _end(server)
        raise ExternalToolError("MOFChecker's server ended") from error
    if "error" in answer:
        raise ExternalToolError(str(answer["error"]))
    held = answer["checks"]
    passed = {metric_name(check): held[check] is (check in MUST_HOLD) for check in CHECKS}
    return MofChecks(passed, {metric_name(check): reason for check, reason in answer["reasons"].items()})


def check_all(
    systems: Sequence[AtomicSystem], *, python: str | None, workers: int, wall_limit_s: float
) -> list[Outcome]:
    """Check structures; return the outcomes in order, with a reason for crashes and timeouts.

    Args:
        systems: structures with a cell.
        python: the interpreter that has MOFChecker, or ``None`` for this one.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one structure, s.
    """
    progress = Progress("MOFs checked", len(systems))
    interpreter = python or sys.executable
    return map_isolated(
        partial(check_mof, python=interpreter),
        systems,
        workers=workers,
        wall_limit_s=wall_limit_s,
        startup_s=STARTUP_S,
        warm_up=partial(_server, interpreter),
        on_result=lambda _, __: progress.update(),
    )
