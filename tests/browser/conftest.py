"""Runs to look at in a browser. Without Chromium these tests are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.runs import large_run, mixed_run, write_report


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with crystals, their relaxation paths, and molecules; its texts are full of HTML."""
    return write_report(mixed_run(tmp_path_factory.mktemp("mixed")))


@pytest.fixture(scope="session")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 10,000 crystals of up to 20 atoms and 10,000 molecules."""
    return write_report(large_run(tmp_path_factory.mktemp("large"), 10_000))
