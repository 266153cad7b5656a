"""Which test reaches which line of the package, and pytest in a forked process."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

PATIENCE = 10
"""Wall time of a mutant over its processor time: the machine may be busy."""
MARKERS = "not slow and not workflow and not slurm"


class FirstFailure:
    """Writes the name of the first test that fails into a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at the report of a test."""
        if report.failed and not self._path.is_file():
            self._path.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look at the report of a file that could not be imported."""
        if report.failed and not self._path.is_file():
            self._path.write_text(report.nodeid, encoding="utf-8")


class Lines:
    """Writes the lines of the package that each test executes in this process, and its time.

    Args:
        package: folder of the package.
        path: the file to write.
    """

    def __init__(self, package: Path, path: Path) -> None:
        self._package, self._path = package, path
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()

    def pytest_sessionstart(self) -> None:
        """Start the measurement."""
        import coverage

        self._coverage = coverage.Coverage(data_file=None, include=[f"{self._package}/*"], config_file=False)
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Count what follows for this test."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time of a test."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            f"{Path(file).relative_to(self._package)}:{line}": sorted(filter(None, names))
            for file in data.measured_files()
            for line, names in data.contexts_by_lineno(file).items()
        }
        record = {"seconds": self._seconds, "failed": sorted(self._failed), "lines": lines}
        self._path.write_text(json.dumps(record), encoding="utf-8")


class Reach:
    """Tests by the lines that they execute.

    Args:
        seconds: of each test.
        lines: names of tests by ``file:line``.
        failed: names of tests that fail without a mutant; they are left out.
    """

    def __init__(
        self, seconds: Mapping[str, float], lines: Mapping[str, Sequence[str]], failed: Sequence[str] = ()
    ) -> None:
        self._seconds, self._lines, self.failed = seconds, lines, frozenset(failed)

    def of(self, file: str, lines: range) -> list[str]:
        """Return the tests that execute one of some lines of a file (from ``src/adit``), shortest first."""
        names = {name for line in lines for name in self._lines.get(f"{file}:{line}", ())} - self.failed
        return sorted(names, key=lambda name: self._seconds.get(name, 0.0))

    def on_import(self, file: str, lines: range) -> bool:
        """Return whether a line of a file is executed, if by no test."""
        return any(f"{file}:{line}" in self._lines for line in lines)


def measured(files: Sequence[str], tree: Path, kept: Path | None) -> Reach:
    """Return what ``kept`` holds, or run the test files of a tree once to know."""
    path = kept or tree / "reached.json"
    if not path.is_file():
        print(f"running {len(files)} test files once", flush=True)
        forked(files, tree, Lines(tree / "src/adit", path.absolute()), None, stop=False)
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in record["failed"]:
        print(f"left out, since it fails without a mutant: {name}", flush=True)
    return Reach(record["seconds"], record["lines"], record["failed"])


def forked(
    tests: Sequence[str],
    tree: Path,
    plugin: object,
    limit_s: float | None,
    *,
    stop: bool = True,
    left_out: Iterable[str] = (),
) -> int | None:
    """Return pytest's exit code, or nothing where it did not end in time.

    Args:
        tests: files or names of tests, from the root of the tree.
        tree: a copy of the repository.
        plugin: of pytest.
        limit_s: processor time, and a tenth of the wall time; ``None``: no limit.
        stop: at the first test that fails.
        left_out: names of tests that are not run.
    """
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # not a session of its own, which Linux would schedule with a priority of its own
        if limit_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
        os._exit(_pytest(tests, tree, plugin, stop, left_out))
    started = time.monotonic()
    while limit_s is None or time.monotonic() < started + PATIENCE * limit_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if limit_s is not None and code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _pytest(tests: Sequence[str], tree: Path, plugin: object, stop: bool, left_out: Iterable[str]) -> int:
    os.chdir(tree)
    sys.path[:0] = [str(tree), str(tree / "src")]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    options = ["-q", "-p", "no:cacheprovider", "-m", MARKERS, *(["-x"] if stop else [])]
    options += [f"--deselect={name}" for name in left_out]
    try:
        return int(pytest.main([*options, *tests], plugins=[plugin]))
    except BaseException:  # noqa: BLE001 - whatever the mutant did, it is not a pass
        return 99
