"""A failed test is named when it fails, so that a run that is stopped has said what was wrong so far."""

from __future__ import annotations

import sys

import pytest


class Failures:
    """Plugin that prints one line per failure at once, beside pytest's own report at the end."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the name of a test and the line of its error."""
        if report.failed:
            lines = report.longreprtext.splitlines()
            error = next((line for line in lines if line.startswith("E ")), lines[-1] if lines else "")
            print(f"\nFAILED {report.nodeid} ({report.when}): {error[:300]}", file=sys.stderr, flush=True)
