"""The order of test files among processes: what takes longest begins first (for ``--dist loadfile``)."""

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
    """Plugin that sorts tests by file; files keep together, for their tests share fixtures."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort tests by the rank of their file, keeping the order of equals."""
        items.sort(key=lambda item: rank(item.nodeid))


def rank(nodeid: str) -> int:
    """Return the place of a test's file among ``FIRST``; behind them all where it is not among them."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))
