"""docs/paper.md: nothing of the paper is missing, and what it names exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.paper_map import ROOT, Calls, Entry, entries

ITEMS = {
    *(f"Eq. {n}" for n in range(1, 13)),
    *(f"Algorithm {n}" for n in range(1, 4)),
    *(f"Table {n}" for n in range(1, 7)),
    *(f"Figure {n}" for n in range(1, 13)),
}


def defined(path: Path) -> set[str]:
    """Return the qualified names of functions and methods of a file."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return names


def test_every_item_of_the_paper_has_a_row() -> None:
    table = [
        line for line in (ROOT / "docs/paper.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    assert len(entries()) == len(table) - 1, "a row is not of the form of the others"
    assert {entry.item for entry in entries()} >= ITEMS


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: f"{entry.item}-{entry.function}")
def test_function_and_test_exist(entry: Entry) -> None:
    assert entry.function in defined(ROOT / "src/adit" / entry.file)
    assert entry.test in defined(ROOT / entry.test_file)


def test_a_call_is_noticed_and_a_missing_one_too() -> None:
    """What makes a named test fail that does not call its function (``tests/paper_map.py``)."""
    import sys

    from adit.flow.grid import time_grid

    calls = Calls({("flow/grid.py", "time_grid"), ("flow/grid.py", "_quadratic")})
    before = sys.getprofile()
    sys.setprofile(calls)
    try:
        time_grid("uniform", 2)
    finally:
        sys.setprofile(before)
    assert calls.missing == {("flow/grid.py", "_quadratic")}
