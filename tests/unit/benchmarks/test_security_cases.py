"""The page of the security cases names a test for every case, and these tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from benchmarks.security.tool import Ran, lost, snapshot
from benchmarks.security_cases import CASES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/measurements/security-cases.md"


def test_every_case_of_the_page_has_a_test_that_is_there() -> None:
    rows = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line)]
    assert [row[0].strip() for row in rows] == [case.number for case in sorted(CASES, key=lambda case: case.order)]
    for number, _, tests, *_ in rows:
        names = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert names, number
        for file, name in names:
            tree = ast.parse((ROOT / file).read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (number, file, name)


def test_what_is_lost_is_named(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    before = snapshot(tmp_path)
    assert lost(before, tmp_path) == ""
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("other")
    assert lost(before, tmp_path) == "1 files deleted (e.g. a), 1 files changed (e.g. b)"


def test_a_command_is_unsafe_by_its_end() -> None:
    assert Ran(0, "").unsafe(0) == ""
    assert Ran(2, "").unsafe(0) == "exit code 2"
    assert "traceback" in Ran(1, "Traceback (most recent call last)\nValueError: x").unsafe(1)
    assert Ran(-9, "", "3.0 GB of memory and growing").unsafe() == "3.0 GB of memory and growing"
