"""The order of tests among processes: a file's tests share its fixtures, and what takes longest begins first."""

from __future__ import annotations

import pytest

FIRST = (
    "tests/workflow/test_workflow.py",
    "tests/workflow/",
    "tests/browser/",
    "tests/unit/relax/",
    "tests/unit/score/",
    "tests/unit/train/",
)
"""Beginnings of node ids, those that take longest first; the others follow as they were collected."""


class Order:
    """Plugin that groups tests by file (for ``--dist loadgroup --no-loadscope-reorder``) and sorts the files."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Give every test without a group the group of its file; sort, keeping the order of equals."""
        for item in items:
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group(file_of(item)))
        items.sort(key=lambda item: rank(item.nodeid))


def file_of(item: pytest.Item) -> str:
    """Return the file of a test, as its node id has it."""
    return item.nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return the place of a test's file among ``FIRST``; behind them all where it is not among them."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))
