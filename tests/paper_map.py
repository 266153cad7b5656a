"""The table of docs/paper.md, and a plugin: a test named there fails where it does not call its function."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([^|]+) \| [^|]+ \| `([\w/]+\.py):([\w.]+)` \| `([\w/]+\.py)::(\w+)(\[[^`]+\])?` \|$")


@dataclass(frozen=True)
class Entry:
    """One row: an item of the paper, its function and its test."""

    item: str
    file: str
    function: str
    test_file: str
    test: str
    parameter: str | None


def entries() -> list[Entry]:
    """Return the rows of docs/paper.md."""
    lines = (ROOT / "docs/paper.md").read_text(encoding="utf-8").splitlines()
    return [Entry(*match.groups()) for line in lines if (match := ROW.match(line))]


class Calls:
    """Watches the calls of named functions."""

    def __init__(self, names: set[tuple[str, str]]) -> None:
        self.missing = set(names)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Look at one event of the interpreter (``sys.setprofile``)."""
        if event == "call" and self.missing:
            code = frame.f_code
            for file, function in self.missing:
                if code.co_qualname == function and code.co_filename.endswith(f"/adit/{file}"):
                    self.missing.remove((file, function))
                    break


class PaperMap:
    """Fails a test of docs/paper.md that passes without calling its function."""

    def __init__(self) -> None:
        self._functions: dict[str, set[tuple[str, str]]] = {}
        for entry in entries():
            name = f"{entry.test_file}::{entry.test}{entry.parameter or ''}"
            self._functions.setdefault(name, set()).add((entry.file, entry.function))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Watch the call of a test, with all of its parameters or the one that is named."""
        functions = self._functions.get(item.nodeid.partition("[")[0], set())
        functions = functions | self._functions.get(item.nodeid, set())
        if not functions or sys.getprofile() is not None:
            return (yield)
        calls = Calls(functions)
        sys.setprofile(calls)
        try:
            result = yield
        finally:
            sys.setprofile(None)
        if calls.missing:
            file, function = min(calls.missing)
            pytest.fail(f"docs/paper.md: this test does not call {file}:{function}", pytrace=False)
        return result
