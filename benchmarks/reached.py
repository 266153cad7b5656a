"""Which test reaches which changed place of the package, and pytest in a forked process."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mutants import Mutant
from probes import ENVIRONMENT, HITS, instrument

PATIENCE = 4
"""Wall time of a mutant over its processor time: the machine may be busy."""
MARKERS = "not slow and not workflow and not slurm"


class FirstFailure:
    """Runs the shortest tests first, and writes the name of the first test that fails into a file.

    Args:
        path: the file.
        seconds: time of each test; tests that are not in it come last.
    """

    def __init__(self, path: Path, seconds: Mapping[str, float]) -> None:
        self._path, self._seconds = path, seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort tests by time."""
        items.sort(key=lambda item: self._seconds.get(item.nodeid, 1e9))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at the report of a test."""
        if report.failed and not self._path.is_file():
            self._path.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look at the report of a file that could not be imported."""
        if report.failed and not self._path.is_file():
            self._path.write_text(report.nodeid, encoding="utf-8")


class Record:
    """Writes a line for each test when it ends: its time, and the places that it or a process of its own reached.

    Args:
        files: the test files, in the order in which they are run.
        path: the file that gets the lines.
        hits: the file that the changed package writes places into.
        progress: descriptor that gets a line per file of tests.
    """

    def __init__(self, files: Sequence[str], path: Path, hits: Path, progress: int) -> None:
        self._order = {file: place for place, file in enumerate(files)}
        self._path, self._hits, self._progress = path, hits, progress
        self._seconds, self._failed, self._file = 0.0, False, ""
        self._read = 0

    def _places(self) -> set[int]:
        """Return the places that were reached since the last call."""
        if not self._hits.is_file():
            return set()
        with self._hits.open(encoding="utf-8") as lines:
            lines.seek(self._read)
            text = lines.read()
        self._read += len(text)
        return {int(line) for line in text.split()}

    def _write(self, row: Mapping[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")

    def _done(self) -> None:
        if self._file:
            self._write({"done": self._file, "hash": hashed(self._file), "modules": third_party()})
            os.write(self._progress, f"  {self._file}\n".encode())

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort tests by the order of their files."""
        items.sort(key=lambda item: self._order[item.nodeid.partition("::")[0]])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Forget what was reached between tests."""
        file = nodeid.partition("::")[0]
        if file != self._file:
            self._done()
            self._file = file
        self._seconds, self._failed = 0.0, False
        self._places()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time of a test."""
        self._seconds += report.duration
        self._failed |= report.failed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write the line of a test."""
        row = {"test": nodeid, "seconds": round(self._seconds, 3), "failed": self._failed}
        self._write({**row, "places": sorted(self._places())})

    def pytest_sessionfinish(self) -> None:
        """Close the last file."""
        self._done()


def hashed(file: str | Path) -> str:
    """Return the hash of a test file: tests that were changed are measured again."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def third_party() -> list[str]:
    """Return the modules of other packages that this process imported."""
    names = [
        name
        for name, module in sys.modules.items()
        if "site-packages" in str(getattr(module, "__file__", "")) and not name.startswith(("_", "adit", "tests"))
    ]
    return sorted(names, key=lambda name: (name.count("."), name))


@dataclass
class Reach:
    """Tests by the places that they reach.

    Attributes:
        seconds: of each test.
        places: names of tests by the key of a mutant.
        failed: names of tests that fail without a mutant; they are left out.
        modules: what the tests import of other packages.
        measured: the test files whose tests are all in it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    modules: list[str] = field(default_factory=list)
    measured: set[str] = field(default_factory=set)

    def of(self, mutant: Mutant, files: Iterable[str], budget_s: float) -> list[str]:
        """Return the tests in some files that reach a place, shortest first, of a total time up to a budget, s."""
        allowed = set(files)
        tests = [name for name in self.places.get(mutant.key, ()) if name.partition("::")[0] in allowed]
        return self.within(sorted(set(tests) - self.failed, key=self.seconds.__getitem__), budget_s)

    def in_files(self, files: Iterable[str], budget_s: float) -> list[str]:
        """Return the tests in some files, file by file, of a total time up to a budget, s."""
        tests = [name for file in files for name in self.seconds if name.partition("::")[0] == file]
        return self.within([name for name in tests if name not in self.failed], budget_s)

    def within(self, tests: Sequence[str], budget_s: float) -> list[str]:
        """Return the first tests, up to a total time; one at least."""
        chosen, total = [], 0.0
        for name in tests:
            total += self.seconds[name]
            if chosen and total > budget_s:
                break
            chosen.append(name)
        return chosen

    def import_modules(self) -> None:
        """Import what the tests import of other packages, once, before processes are forked."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in self.modules:
                try:
                    importlib.import_module(name)
                except Exception:  # noqa: BLE001 - a test may have made the module
                    continue


def measured(mutants: Sequence[Mutant], files: Sequence[str], tree: Path, kept: Path, wall_s: float) -> Reach:
    """Return which tests reach the mutants' places; what ``kept`` does not hold is measured, file by file.

    Args:
        mutants: the mutants.
        files: the test files.
        tree: a copy of the repository, changed for the time of the measurement.
        kept: file of lines; a measurement that was interrupted is continued.
        wall_s: the measurement is interrupted after this time, s.
    """
    rows = _rows(kept)
    keys = [mutant.key for mutant in mutants]
    if not rows or set(keys) - set(rows[0]["keys"]):
        kept.write_text(json.dumps({"keys": keys}) + "\n", encoding="utf-8")
        rows = _rows(kept)
    done = {(row["done"], row["hash"]) for row in rows if "done" in row}
    left = [file for file in files if (file, hashed(tree / file)) not in done]
    if left:
        print(f"running {len(left)} test files once", flush=True)
        order = {key: place for place, key in enumerate(rows[0]["keys"])}
        hits = tree / HITS
        with instrument({order[mutant.key]: mutant for mutant in mutants}, tree):
            os.environ[ENVIRONMENT] = str(hits)
            forked(left, tree, Record(left, kept.absolute(), hits, os.dup(1)), None, stop=False, wall_s=wall_s)
            del os.environ[ENVIRONMENT]
    reach = _reach(_rows(kept))
    for name in sorted(reach.failed):
        print(f"left out, since it fails without a mutant: {name}", flush=True)
    return reach


def _reach(rows: Sequence[Mapping[str, Any]]) -> Reach:
    """Return the contents of a record; of a test that was measured twice, the later line counts."""
    reach = Reach()
    last = {row["test"]: row for row in rows if "test" in row}
    for name, row in last.items():
        reach.seconds[name] = row["seconds"]
        if row["failed"]:
            reach.failed.add(name)
        for place in row["places"]:
            reach.places.setdefault(rows[0]["keys"][place], []).append(name)
    for row in rows:
        if "done" in row:
            reach.modules = row["modules"]
            reach.measured.add(row["done"])
    return reach


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def forked(
    tests: Sequence[str],
    tree: Path,
    plugin: object,
    limit_s: float | None,
    *,
    stop: bool = True,
    wall_s: float = math.inf,
) -> int | None:
    """Return pytest's exit code, or nothing where it did not end in time.

    Args:
        tests: files or names of tests, from the root of the tree.
        tree: a copy of the repository.
        plugin: of pytest.
        limit_s: processor time, and a quarter of the wall time; ``None``: no limit.
        stop: at the first test that fails.
        wall_s: wall time, s.
    """
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # not a session of its own, which Linux would schedule with a priority of its own
        if limit_s is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
        os._exit(_pytest(tests, tree, plugin, stop))
    end = time.monotonic() + (wall_s if limit_s is None else PATIENCE * limit_s)
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if limit_s is not None and code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _pytest(tests: Sequence[str], tree: Path, plugin: object, stop: bool) -> int:
    os.chdir(tree)
    sys.path[:0] = [str(tree), str(tree / "src")]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    options = ["-q", "-p", "no:cacheprovider", "-m", MARKERS, *(["-x"] if stop else [])]
    try:
        return int(pytest.main([*options, *tests], plugins=[plugin]))
    except BaseException:  # noqa: BLE001 - whatever the mutant did, it is not a pass
        return 99
