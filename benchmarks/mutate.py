"""Change one line of the package at a time, and see whether the tests of its room notice it.

    python benchmarks/mutate.py --kept mutations.json --reach reached.jsonl --out docs/measurements/mutations.md

A copy of the working tree is changed, never the tree itself. Lines are drawn from a seed, the same number from each
room, beside the named changes of ``mutants.py``. First the tests of the rooms run once, with a probe at each place
(``probes.py``): which tests reach it. Then a mutant runs the tests of its room that reach its place, shortest first,
until one fails; a place that is executed on import counts as reached where a function of its module is. One mutant at a
time. A survivor is a line that no test holds: write a test, or give the reason why it changes nothing
(``equivalent_mutants.yaml``). Exit code 1 while a survivor is left without either.

Both steps can be interrupted: ``--reach`` and ``--kept`` keep what is done, and the command goes on from there.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from mutants import Mutant, equivalent, mutants_of, named
from reached import FirstFailure, Reach, forked, measured

ROOT = Path(__file__).parents[1]
ROOMS = ("flow", "model", "score", "hull", "relax")
COPIED = ("src", "tests", "benchmarks", "pyproject.toml")
"""What a mutant may differ in, or what tests may write beside; everything else of the tree is linked."""
SLACK = 5
"""Processor time that a mutant's tests may take over the time that they take without it."""
NOT_RUN = "exit code 4"
"""Of pytest, where it runs no test: of a mutant that breaks an import, or of a test that is not there."""
VERDICTS = ("killed", "timeout", "equivalent", "survived")


@dataclass(frozen=True)
class Outcome:
    """Outcome of a mutant.

    Attributes:
        mutant: the change.
        verdict: ``killed``, ``timeout`` (killed too: a loop without an end), ``survived`` or ``equivalent``.
        by: the first test that failed, or why the change is none.
        seconds: wall time.
    """

    mutant: Mutant
    verdict: str
    by: str
    seconds: float


def copy_tree(folder: Path) -> Path:
    """Copy what is changed and link the rest of the repository into ``folder``."""
    for path in ROOT.iterdir():
        if path.name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            _ = (
                shutil.copytree(path, folder / path.name, ignore=ignored)
                if path.is_dir()
                else shutil.copy(path, folder)
            )
        elif not path.name.startswith((".hypothesis", ".pytest", "results")):
            (folder / path.name).symlink_to(path)
    return folder


def imported(path: Path) -> set[str]:
    """Return the dotted names that a Python file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


class Tests:
    """Which test files a module's mutants run: those of its room in ``unit``, and others by what they import.

    Args:
        folder: the folder of the tests.
        skipped: parts of names of files to leave out.
    """

    def __init__(self, folder: Path, skipped: Sequence[str]) -> None:
        files = sorted(path for name in ("unit", "property", "golden") for path in (folder / name).rglob("test_*.py"))
        self._names = {path: imported(path) for path in files if not any(part in str(path) for part in skipped)}

    def of(self, module: str) -> list[Path]:
        """Return the files of the room, those that import the module first."""
        room = module.split(".")[1]
        own = [path for path, names in self._names.items() if self._is_of(path, names, room)]
        return sorted(own, key=lambda path: module not in self._names[path])

    def names(self, module: str) -> list[str]:
        """Return the files of the room, from the root of the repository."""
        return [str(path.relative_to(ROOT)) for path in self.of(module)]

    def importing(self, module: str) -> list[Path]:
        """Return the files of the room that import the module."""
        return [path for path in self.of(module) if module in self._names[path]]

    def ordered(self, mutants: Sequence[Mutant]) -> list[str]:
        """Return the test files of mutants, those that import a mutated module first, the rooms in turn."""
        direct = [[path for m in turn for path in self.importing(m.module)] for turn in _by_room(mutants)]
        others = [[path for m in turn for path in self.of(m.module)] for turn in _by_room(mutants)]
        paths = [path for part in (direct, others) for turn in zip_longest(*part) for path in turn if path is not None]
        return list(dict.fromkeys(str(path.relative_to(ROOT)) for path in paths))

    @staticmethod
    def _is_of(path: Path, names: set[str], room: str) -> bool:
        folders = path.parent.parts
        if "unit" in folders:
            return folders[-1] == room
        return any(f"{name}.".startswith(f"adit.{room}.") for name in names)


def draw(rooms: Sequence[str], lines: int, seed: int) -> list[Mutant]:
    """Return ``lines`` mutants, no two of one line, the same number from each room.

    A line is drawn by a hash of its file and text, so that a change of other lines keeps the draw.
    """
    chosen: list[Mutant] = []
    for room in rooms:
        by_line: dict[str, list[Mutant]] = {}
        for path in sorted((ROOT / "src/adit" / room).rglob("*.py")):
            for mutant in mutants_of(path, ROOT):
                by_line.setdefault(f"{mutant.file} {mutant.context.strip()}", []).append(mutant)
        drawn = sorted(by_line, key=lambda line: _rank(seed, line))[: lines // len(rooms)]
        mutants = [min(by_line[line], key=lambda mutant: _rank(seed, mutant.key)) for line in drawn]
        chosen += sorted(mutants, key=lambda mutant: (mutant.file, mutant.line))
    return chosen


def in_turn(mutants: Sequence[Mutant]) -> list[Mutant]:
    """Return mutants so that the rooms take turns: a run that is cut short has looked at all of them."""
    return [mutant for turn in zip_longest(*_by_room(mutants)) for mutant in turn if mutant is not None]


def _by_room(mutants: Sequence[Mutant]) -> list[list[Mutant]]:
    rooms: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        rooms.setdefault(mutant.module.split(".")[1], []).append(mutant)
    return list(rooms.values())


def _rank(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()


def run(mutant: Mutant, tree: Path, selection: Sequence[str], reach: Reach, limit_s: float) -> Outcome:
    """Write the mutant into the copy, run tests in a forked process, and put the file back with its times."""
    path = tree / mutant.file
    before, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(mutant.applied(before), encoding="utf-8")
    started = time.monotonic()
    verdict, by = "survived", "no test reaches the line"
    try:
        if selection:
            limit = limit_s + SLACK * sum(reach.seconds[name] for name in selection)
            verdict, by = _verdict(selection, tree, limit, reach)
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if by == NOT_RUN and _verdict(selection, tree, limit_s, reach)[1] == NOT_RUN:
        verdict, by = "survived", "its tests cannot be collected, without the change neither"
    return Outcome(mutant, verdict, by, time.monotonic() - started)


def _verdict(selection: Sequence[str], tree: Path, limit_s: float, reach: Reach) -> tuple[str, str]:
    report = tree / "failed.txt"
    report.unlink(missing_ok=True)
    code = forked(selection, tree, FirstFailure(report, reach.seconds), limit_s)
    if code is None:
        return "timeout", f"no end within {limit_s:.0f} s of processor time"
    failed = report.read_text(encoding="utf-8").strip() if report.is_file() else ""
    return ("survived", f"{len(selection)} tests pass") if code == 0 else ("killed", failed or f"exit code {code}")


def selected(mutant: Mutant, reach: Reach, tests: Tests, budget_s: float) -> list[str]:
    """Return the tests of the mutant's room that reach it; where none does, those that import its module."""
    files = tests.names(mutant.module)
    importing = [str(path.relative_to(ROOT)) for path in tests.importing(mutant.module)]
    return reach.of(mutant, files, budget_s) or reach.in_files(importing, budget_s)


def outcomes(mutants: Sequence[Mutant], tests: Tests, args: argparse.Namespace) -> Iterator[Outcome]:
    """Yield what becomes of each mutant."""
    if not mutants:
        return
    reasons = equivalent()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_tree(Path(folder))
        os.environ |= {"PYTHONPATH": f"{tree / 'src'}:{tree}", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        files = tests.ordered(mutants)
        sys.dont_write_bytecode = False
        compileall.compile_dir(tree / "src", quiet=2)
        kept = args.reach or tree / "reached.jsonl"
        reach = measured(mutants, files, tree, kept, 60 * (args.reach_minutes or math.inf))
        sys.dont_write_bytecode = True
        reach.import_modules()
        for mutant in mutants:
            selection = selected(mutant, reach, tests, args.budget)
            outcome = run(mutant, tree, selection, reach, args.limit)
            if outcome.verdict == "survived" and not {*tests.names(mutant.module)} <= reach.measured:
                print(f"undecided: {mutant.key}", flush=True)
                continue  # a later call measures the other test files of its room
            reason = reasons.get(mutant.key)
            if reason and outcome.verdict == "survived":
                outcome = replace(outcome, verdict="equivalent", by=reason)
            yield outcome


def page(parts: Mapping[str, tuple[int, Sequence[Outcome]]], command: str) -> str:
    """Return the Markdown page: for each title how many changes there are, and a table of those that were run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = ["# Mutations", "", f"    {command}", ""]
    lines += [
        f"Lines of the package changed one at a time, at commit {commit.stdout.strip()}. A mutant is killed by the"
    ]
    lines += ["first test that fails, or by the limit of processor time."]
    for title, (total, outcomes) in parts.items():
        lines += ["", f"## {title}", "", _sentence(total, outcomes), "", *_table(outcomes)]
    return "\n".join([*lines, ""])


def _sentence(total: int, outcomes: Sequence[Outcome]) -> str:
    counts = {name: sum(o.verdict == name for o in outcomes) for name in VERDICTS}
    rooms = Counter(o.mutant.module.split(".")[1] for o in outcomes)
    return (
        f"{len(outcomes)} of {total} changes were run ({', '.join(f'{room} {n}' for room, n in rooms.items())}): "
        f"{counts['killed']} killed by a test, {counts['timeout']} by the time limit, "
        f"{counts['equivalent']} equivalent, {counts['survived']} survived."
    )


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    head = ["| line | change | verdict | first failing test, or why the change changes nothing |"]
    return [*head, "|---|---|---|---|"] + [
        f"| `{o.mutant.file.removeprefix('src/adit/')}:{o.mutant.line}` | `{_cell(o.mutant.shown[0])}` → "
        f"`{_cell(o.mutant.shown[1])}` | {o.verdict} | {_cell(o.by)} |"
        for o in outcomes
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", nargs="+", default=list(ROOMS), help="rooms to draw lines from")
    parser.add_argument("--lines", type=int, default=100, help="lines to draw, beside the named changes of mutants.py")
    parser.add_argument("--seed", type=int, default=20, help="of the draw")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the keys of the mutants to run; default: all")
    parser.add_argument(
        "--limit", type=float, default=60.0, help="processor time of a mutant beside that of its tests, s"
    )
    parser.add_argument(
        "--budget", type=float, default=120.0, help="time of the tests of one mutant, s; others are not run"
    )
    parser.add_argument("--skip", nargs="*", default=[], help="parts of names of test files to leave out")
    parser.add_argument(
        "--reach", type=Path, help="file that keeps which test reaches which place; made or completed where it is not"
    )
    text = "interrupt the measurement of --reach after this time; what no test so far kills is undecided"
    parser.add_argument("--reach-minutes", type=float, help=text)
    parser.add_argument("--list", action="store_true", help="print the mutants and end")
    parser.add_argument("--kept", type=Path, help="file that keeps outcomes; a mutant that was killed is not run again")
    parser.add_argument("--minutes", type=float, help="start no mutant after this time; 0: write the page of --kept")
    parser.add_argument("--out", type=Path, help="where to write the page")
    args = parser.parse_args()
    parts = {"Drawn lines": draw(args.rooms, args.lines, args.seed), "Changes that once no test noticed": named(ROOT)}
    parts = {
        title: [m for m in mutants if not args.only or any(part in m.key for part in args.only)]
        for title, mutants in parts.items()
    }
    mutants = [mutant for part in parts.values() for mutant in part]
    tests = Tests(ROOT / "tests", args.skip)
    if args.list:
        print("\n".join(m.key for m in mutants))
        return 0
    kept = json.loads(args.kept.read_text(encoding="utf-8")) if args.kept and args.kept.is_file() else {}
    done = {m.key: Outcome(m, *kept[m.key]) for m in mutants if m.key in kept}
    ordered = [mutant for part in reversed(parts.values()) for mutant in in_turn(part)]
    todo = [m for m in ordered if m.key not in done or done[m.key].verdict == "survived"]
    end = math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes
    for outcome in outcomes(todo if args.minutes != 0 else [], tests, args):
        done[outcome.mutant.key] = outcome
        if args.kept:
            kept[outcome.mutant.key] = [outcome.verdict, outcome.by, outcome.seconds]
            args.kept.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
        print(f"{outcome.verdict:10} {outcome.seconds:5.0f} s  {outcome.mutant.key}  [{outcome.by}]", flush=True)
        if time.monotonic() > end:
            break
    if args.out:
        rows = {
            title: (len(part), [done[m.key] for m in part if m.key in done]) for title, part in parts.items() if part
        }
        args.out.write_text(page(rows, f"python {' '.join(sys.argv)}"), encoding="utf-8")
    return int(any(outcome.verdict == "survived" for outcome in done.values()))


if __name__ == "__main__":
    sys.exit(main())
